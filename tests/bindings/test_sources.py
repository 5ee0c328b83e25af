"""Sources: how fields broadcast, where reference points sit, and which sources cannot be."""

import numpy as np
import pytest

from dislok import okada
from dislok.arrays import guard
from dislok.sources import (
    ORIGINS,
    check_values,
    fractions,
    kind_of,
    named_fields,
    points_on,
    sincos_degrees,
    stack,
)

FAULT = okada.Rectangle(
    x=1, y=2, depth=3, length=20, width=10, strike=30, dip=60, rake=90, slip=2, opening=0.5
)
POINT = okada.Point(x=1, y=2, depth=3, strike=30, dip=60, rake=90, potency=2, opening=0.5, inflation=0.1)


def table_of(source, rows=None):
    space, arrays = guard(named_fields(source))
    return stack(arrays, space, rows)


def check(source, origin="topleft"):
    check_values(kind_of(source), table_of(source), fractions(origin))


# stacking


def test_numbers_make_one_row():
    np.testing.assert_array_equal(table_of(FAULT), [list(FAULT)])
    np.testing.assert_array_equal(table_of(POINT), [list(POINT)])


def test_fields_broadcast():
    table = table_of(FAULT._replace(x=np.arange(4.0), y=[7.0], dip=np.full(4, 45.0)))
    assert table.shape == (4, 10)
    np.testing.assert_array_equal(table[:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(table[:, 1], [7, 7, 7, 7])
    np.testing.assert_array_equal(table[:, 3], [20, 20, 20, 20])


def test_no_source_at_all():
    assert table_of(FAULT._replace(x=np.zeros(0))).shape == (0, 10)


def test_pairs_broadcast_to_the_observers():
    assert table_of(FAULT, rows=5).shape == (5, 10)
    assert table_of(FAULT, rows=0).shape == (0, 10)


def test_lengths_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="^source.strike has length 2 but source.x has length 3$"):
        table_of(FAULT._replace(x=np.zeros(3), strike=np.zeros(2)))
    with pytest.raises(ValueError, match="^source.strike has length 2 but source.x has length 0$"):
        table_of(FAULT._replace(x=np.zeros(0), strike=np.zeros(2)))


def test_pairs_that_do_not_fit_are_named():
    message = "^with pairs=True source.x must have length 4, one for each observer; got 3$"
    with pytest.raises(ValueError, match=message):
        table_of(FAULT._replace(x=np.zeros(3)), rows=4)


def test_fields_with_two_dimensions_are_refused():
    message = r"^source.slip must be a number or one-dimensional, got shape \(2, 2\)$"
    with pytest.raises(ValueError, match=message):
        table_of(FAULT._replace(slip=np.zeros((2, 2))))


def test_what_is_no_source_is_refused():
    with pytest.raises(TypeError, match="^source must be a Rectangle or a Point, got tuple$"):
        kind_of(tuple(FAULT))


# reference points


def test_all_nine_reference_points():
    assert sorted(ORIGINS.values()) == [(a, b) for a in (0.0, 0.5, 1.0) for b in (0.0, 0.5, 1.0)]


@pytest.mark.parametrize("origin", ["TopLeft", "middle", "", None, (0.5, 0.5)])
def test_unknown_origins_are_refused(origin):
    with pytest.raises(
        ValueError, match="^unknown origin .*; choose from 'topleft', 'topcenter', 'topright'"
    ):
        fractions(origin)


def test_strike_points_from_left_to_right_and_dip_down_to_the_right_of_it():
    fault = okada.Rectangle(x=0, y=0, depth=1, length=4, width=2, strike=0, dip=30)
    top_left, top_right, bottom_left = points_on(table_of(fault), (0, 0), [(0, 0), (1, 0), (0, 1)])[0]
    np.testing.assert_allclose(top_left, [0, 0, -1])
    np.testing.assert_allclose(top_right, [0, 4, -1])
    np.testing.assert_allclose(bottom_left, [np.sqrt(3), 0, -2])


def test_sine_and_cosine_are_exact_at_right_angles():
    sine, cosine = sincos_degrees(np.array([0.0, 90.0, 180.0, 270.0, 360.0, -90.0, -180.0, 450.0]))
    np.testing.assert_array_equal(sine, [0, 1, 0, -1, 0, -1, 0, 1])
    np.testing.assert_array_equal(cosine, [1, 0, -1, 0, 1, 0, -1, 0])


def test_sine_and_cosine_of_any_angle():
    angle = np.linspace(-1000.0, 1000.0, 4001)
    sine, cosine = sincos_degrees(angle)
    np.testing.assert_allclose(sine, np.sin(np.deg2rad(angle)), atol=4e-15)
    np.testing.assert_allclose(cosine, np.cos(np.deg2rad(angle)), atol=4e-15)


# sources that cannot be


@pytest.mark.parametrize("name", okada.Rectangle._fields)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_every_field_of_a_rectangle_must_be_finite(name, bad):
    with pytest.raises(ValueError, match=rf"^source.{name}\[1\] is {bad}; it must be finite$"):
        check(FAULT._replace(**{name: np.array([getattr(FAULT, name), bad, bad])}))


@pytest.mark.parametrize("name", okada.Point._fields)
def test_every_field_of_a_point_must_be_finite(name):
    with pytest.raises(ValueError, match=rf"^source.{name}\[0\] is nan; it must be finite$"):
        check(POINT._replace(**{name: np.nan}))


@pytest.mark.parametrize("name", ["length", "width"])
@pytest.mark.parametrize("bad", [0.0, -1.5])
def test_sizes_must_be_positive(name, bad):
    with pytest.raises(ValueError, match=rf"^source.{name}\[2\] is {bad}; it must be positive$"):
        check(FAULT._replace(**{name: np.array([1.0, 2.0, bad])}))


@pytest.mark.parametrize("source", [FAULT, POINT])
def test_depth_must_not_be_negative(source):
    message = r"^source.depth\[1\] is -0.5; depth is positive downwards and must not be negative$"
    with pytest.raises(ValueError, match=message):
        check(source._replace(depth=np.array([3.0, -0.5])))


def test_a_point_at_the_surface_is_allowed():
    check(POINT._replace(depth=0.0))


@pytest.mark.parametrize(
    ("origin", "dip", "above"),
    [
        ("center", 90.0, 5.0),
        ("center", -90.0, 5.0),
        ("centerright", 30.0, 2.5),
        ("bottomleft", 90.0, 10.0),
        ("bottomright", 150.0, 5.0),
        ("topleft", -30.0, 5.0),
        ("topcenter", 270.0, 10.0),
    ],
)
def test_a_fault_must_not_stick_out_of_the_ground(origin, dip, above):
    fault = FAULT._replace(dip=dip, depth=np.array([100.0, above - 0.25]))
    message = rf"^source.depth\[1\] is {above - 0.25}; the fault would stick out of the ground by 0.25$"
    with pytest.raises(ValueError, match=message):
        check(fault, origin)
    check(fault._replace(depth=above), origin)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_surface_breaking_faults_may_be_off_by_rounding(dtype, scale, rng):
    dip = rng.uniform(0.1, 179.9, 1000).astype(dtype)
    width = (scale * rng.uniform(0.1, 10.0, 1000)).astype(dtype)
    depth = width * np.sin(np.deg2rad(dip))
    fault = FAULT._replace(x=dip, y=dip, length=width, width=width, strike=dip, dip=dip)
    check(fault._replace(depth=depth), "bottomleft")
    check(fault._replace(depth=depth / 2), "center")
    check(fault._replace(depth=-1e-16 * width), "topleft")
    with pytest.raises(ValueError, match="stick out of the ground"):
        check(fault._replace(depth=depth - np.asarray(1e-5, dtype) * width), "bottomleft")
