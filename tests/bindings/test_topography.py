"""Stations on mountains: exact where the ground is level, and measured on planes that slope."""

import numpy as np
import pytest

from dislok import convert, okada, tde, topography
from dislok.okada import Point, Rectangle

FAULT = Rectangle(1.0, -2.0, 4.0, 5.0, 3.0, 40.0, 50.0, 70.0, 1.5)
CENTRE = Point([0.0, 1.0], [2.0, 0.0], [5.0, 3.0], 20.0, 60.0, 90.0, 1.0, 0.5, 0.3)
XY = np.random.default_rng(1).uniform(-9, 9, (40, 2))
HEIGHT = np.random.default_rng(2).uniform(-0.5, 2.5, 40)
TRIANGLES = convert.triangles(FAULT)
SLIP = np.array([0.3, 1.0, 0.2])

SOURCES = {
    "rectangle": (FAULT, None, lambda h: okada.displacement(XY, FAULT._replace(depth=4.0 + h))),
    "centre": (
        FAULT.with_origin("topcenter"), None,
        lambda h: okada.displacement(XY, FAULT._replace(depth=4.0 + h), origin="topcenter"),
    ),
    "points": (
        CENTRE, None,
        lambda h: okada.displacement(XY, CENTRE._replace(depth=np.array([5.0, 3.0]) + h)),
    ),
    "triangles": (
        TRIANGLES, SLIP, lambda h: tde.displacement(XY, TRIANGLES - [0, 0, h], np.tile(SLIP, (2, 1))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("method", topography.METHODS)
@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("elevation", [0.0, 1.7, -0.4])
def test_a_plateau_is_exact(name, method, elevation):
    source, slip, truth = SOURCES[name]
    for given in (elevation, np.full(40, elevation)):
        found = topography.displacement(XY, given, source, slip, method=method)
        np.testing.assert_allclose(found, truth(elevation), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", SOURCES)
def test_every_station_has_its_own_depth(name):
    source, slip, truth = SOURCES[name]
    found = topography.displacement(XY, HEIGHT, source, slip)
    expected = np.array([truth(h)[i] for i, h in enumerate(HEIGHT)])
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)
    level = topography.displacement(XY, HEIGHT, source, slip, method="reference", reference=0.6)
    np.testing.assert_allclose(level, truth(0.6), rtol=1e-12, atol=1e-14)
    mean = topography.displacement(XY, HEIGHT, source, slip, method="reference")
    np.testing.assert_allclose(mean, truth(HEIGHT.mean()), rtol=1e-11, atol=1e-13)


def on_a_slope(xy, triangles, slip, angle):
    """The exact field on a plane that rises to the east: a half-space, turned about the north axis."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    vectors = np.einsum("a,mac->mc", slip, np.asarray(tde.frame(triangles))) @ turn.T
    turned = triangles @ turn.T
    own = np.einsum("mc,mac->ma", vectors, np.asarray(tde.frame(turned)))
    places = np.column_stack([xy, xy[:, 0] * np.tan(angle)]) @ turn.T
    np.testing.assert_allclose(places[:, 2], 0, atol=1e-12)
    return np.asarray(tde.displacement(places[:, :2], turned, own)) @ turn


# What the documentation says, in parts of the largest motion: root mean square of both corrections.
SLOPES = [(5, 0.0085, 0.0315), (10, 0.019, 0.070), (20, 0.035, 0.121), (30, 0.057, 0.20)]


@pytest.mark.parametrize(("degrees", "varying", "reference"), SLOPES)
def test_errors_on_slopes_are_those_documented(degrees, varying, reference):
    rng, angle = np.random.default_rng(0), np.deg2rad(degrees)
    errors = {"varying": [], "reference": []}
    for _ in range(8):
        orientation = rng.uniform(0, 360), rng.uniform(20, 90), rng.uniform(-180, 180)
        fault = convert.move_origin(Rectangle(0.0, 0.0, 8.0, 4.0, 2.0, *orientation), "center", "topleft")
        rake = np.deg2rad(orientation[2])
        xy = rng.uniform(-6, 6, (200, 2))
        truth = on_a_slope(xy, convert.triangles(fault), [np.cos(rake), np.sin(rake), 0], angle)
        largest = np.linalg.norm(truth, axis=1).max()
        for method, found in errors.items():
            u = topography.displacement(xy, xy[:, 0] * np.tan(angle), fault, method=method)
            found.append(np.linalg.norm(u - truth, axis=1) / largest)
    rms = {method: np.sqrt(np.mean(np.square(found))) for method, found in errors.items()}
    assert rms["varying"] == pytest.approx(varying, rel=0.25)
    assert rms["reference"] == pytest.approx(reference, rel=0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"elevation": HEIGHT[:5]}, r"elevation must have shape \(40,\), one for each station, got \(5,\)"),
        ({"elevation": -5.0}, r"elevation\[0\] is -5; seen from there source.depth\[0\] is -1.0"),
        ({"source": TRIANGLES, "slip": SLIP, "elevation": -5.0}, r"elevation\[0\] is -5, below the source"),
        ({"source": TRIANGLES}, "source must be a Rectangle or Point where no slip is given"),
        ({"source": TRIANGLES, "slip": SLIP, "origin": "center"}, "origin must be left out for triangles"),
        ({"slip": SLIP}, "slip must be left out for rectangles"),
        ({"reference": 1.0}, "reference must be left out for the method 'varying', got 1.0"),
        ({"method": "first-order"}, "method must be one of varying, reference"),
        ({"origin": "middle"}, "unknown origin 'middle'"),
        ({"source": FAULT.with_origin("center"), "origin": "topleft"}, "origin must be 'center'"),
        ({"xy": np.full((40, 2), np.nan)}, "xy"),
    ],
)
def test_mistakes_are_named(change, message):
    call = {"xy": XY, "elevation": HEIGHT, "source": FAULT} | change
    with pytest.raises((ValueError, TypeError), match=message):
        topography.displacement(**call)


def test_no_stations():
    assert topography.displacement(np.zeros((0, 2)), np.zeros(0), FAULT).shape == (0, 3)
