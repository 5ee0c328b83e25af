"""Conversions against published cases, independent formulas and their own inverses."""

import mpmath
import numpy as np
import pytest

from dislok import convert, okada

FAULT = okada.Rectangle(x=1.0, y=2.0, depth=30.0, length=20.0, width=10.0, strike=30.0, dip=60.0, rake=90.0)


@pytest.fixture
def mechanisms(rng):
    """Random double couples: strike, dip, rake."""
    return rng.uniform(0, 360, 500), rng.uniform(0.01, 90, 500), rng.uniform(-180, 180, 500)


# magnitude, moment, slip


def test_magnitude_of_a_known_moment():
    # IASPEI (2013): Mw = (log10 M0 - 9.1) / 1.5 with M0 in N m.
    np.testing.assert_allclose(convert.magnitude_from_moment([10**9.1, 10**19.6]), [0.0, 7.0])


def test_magnitude_and_moment_are_inverse():
    magnitude = np.linspace(-2.0, 9.5, 24).reshape(4, 6)
    back = convert.magnitude_from_moment(convert.moment_from_magnitude(magnitude))
    np.testing.assert_allclose(back, magnitude, atol=1e-13)


def test_slip_and_moment_are_inverse():
    slip = np.array([0.0, 0.5, 3.0])
    moment = convert.moment_from_slip(slip, 2e8, mu=[[30e9], [40e9]])
    np.testing.assert_allclose(moment[0], 30e9 * 2e8 * slip)
    np.testing.assert_allclose(convert.slip_from_moment(moment, 2e8, [[30e9], [40e9]]), np.tile(slip, (2, 1)))


def test_a_number_gives_a_number():
    assert np.ndim(convert.magnitude_from_moment(1e19)) == 0
    assert float(convert.auxiliary_plane(0, 90, 0)[0]) == 270.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: convert.magnitude_from_moment([1e18, 0.0]), r"^moment\[1\] is 0.0; it must be positive$"),
        (lambda: convert.moment_from_slip(-1.0, 1.0), "^slip is -1.0; it must not be negative$"),
        (lambda: convert.moment_from_slip(1.0, [1.0, -2.0]), r"^area\[1\] is -2.0; it must be positive$"),
        (lambda: convert.slip_from_moment(1.0, 1.0, mu=0.0), "^mu is 0.0; it must be positive$"),
        (lambda: convert.slip_from_moment(-1.0, 1.0), "^moment is -1.0; it must not be negative$"),
        (lambda: convert.moment_from_magnitude([7.0, np.nan]), r"^magnitude\[1\] is nan; it must be finite$"),
    ],
)
def test_impossible_sizes_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# mechanisms


@pytest.mark.parametrize(
    ("plane", "other"),
    [
        ((0, 90, 0), (270, 90, 180)),
        ((30, 45, 90), (210, 45, 90)),
        ((30, 45, -90), (210, 45, -90)),
        ((10, 0, 90), (190, 90, 90)),
        # Global CMT catalogue, 201103110546A (Tohoku-oki), printed to whole degrees.
        ((203, 10, 88), (25, 80, 90)),
    ],
)
def test_known_auxiliary_planes(plane, other):
    np.testing.assert_allclose(convert.auxiliary_plane(*plane), other, atol=0.6)


def test_the_auxiliary_plane_of_the_auxiliary_plane_is_the_plane(mechanisms):
    back = convert.auxiliary_plane(*convert.auxiliary_plane(*mechanisms))
    np.testing.assert_allclose(back, mechanisms, atol=1e-9)


def test_both_planes_have_the_same_tensor(mechanisms):
    first = convert.moment_tensor(*mechanisms, frame="NED")
    second = convert.moment_tensor(*convert.auxiliary_plane(*mechanisms), frame="NED")
    np.testing.assert_allclose(second, first, atol=1e-13)


def test_tensor_follows_aki_and_richards(mechanisms):
    strike, dip, rake = np.deg2rad(mechanisms)
    m = convert.moment_tensor(*mechanisms, 2.0, frame="NED") / 2.0
    # Box 4.4, equation 1: x north, y east, z down.
    xx = -(
        np.sin(dip) * np.cos(rake) * np.sin(2 * strike) + np.sin(2 * dip) * np.sin(rake) * np.sin(strike) ** 2
    )
    xy = (
        np.sin(dip) * np.cos(rake) * np.cos(2 * strike)
        + np.sin(2 * dip) * np.sin(rake) * np.sin(2 * strike) / 2
    )
    xz = -(np.cos(dip) * np.cos(rake) * np.cos(strike) + np.cos(2 * dip) * np.sin(rake) * np.sin(strike))
    zz = np.sin(2 * dip) * np.sin(rake)
    for (i, j), expected in {(0, 0): xx, (0, 1): xy, (0, 2): xz, (2, 2): zz}.items():
        np.testing.assert_allclose(m[:, i, j], expected, atol=1e-14)
    np.testing.assert_allclose(np.trace(m, axis1=1, axis2=2), 0.0, atol=1e-14)


def test_frames_name_the_axes_they_say():
    thrust = convert.moment_tensor(0, 45, 90, frame="ENU")
    # A thrust with a north-south strike: pressure from east and west, tension upwards.
    np.testing.assert_allclose(thrust, np.diag([-1.0, 0.0, 1.0]), atol=1e-15)
    np.testing.assert_allclose(convert.change_frame(thrust, "ENU", "USE"), np.diag([1.0, 0, -1]), atol=1e-15)
    np.testing.assert_allclose(convert.change_frame(thrust, "ENU", "NED"), np.diag([0.0, -1, 1]), atol=1e-15)


@pytest.mark.parametrize("frame", ["ENU", "NED", "USE"])
def test_frames_turn_a_vector_product_as_they_turn_vectors(frame):
    up = {"ENU": [0, 0, 1], "NED": [0, 0, -1], "USE": [1, 0, 0]}[frame]
    south = {"ENU": [0, -1, 0], "NED": [-1, 0, 0], "USE": [0, 1, 0]}[frame]
    inner = np.outer([0.0, 0, 1], [0.0, -1, 0])
    np.testing.assert_array_equal(convert.change_frame(inner, "ENU", frame), np.outer(up, south))


@pytest.mark.parametrize("frame", ["ENU", "NED", "USE"])
def test_a_double_couple_is_found_again(mechanisms, frame):
    found = convert.double_couple(convert.moment_tensor(*mechanisms, 3e18, frame=frame), frame=frame)
    np.testing.assert_allclose(found.moment, 3e18)
    np.testing.assert_allclose(found.clvd, 0.0, atol=1e-12)
    np.testing.assert_allclose(found.isotropic / 3e18, 0.0, atol=1e-14)
    planes = np.stack(found[:3])
    assert (planes[0, :, 0] <= planes[0, :, 1]).all()
    given = np.stack(mechanisms)[..., None]
    off = np.abs((planes - given + 180) % 360 - 180).max(axis=0)
    assert off.min(axis=1).max() < 1e-6


def test_the_remainder_of_a_tensor_is_measured():
    clvd = np.diag([-1.0, -1.0, 2.0])
    found = convert.double_couple(clvd + np.diag([5.0, 5.0, 5.0]))
    np.testing.assert_allclose([found.clvd, found.isotropic, found.moment], [0.5, 5.0, 1.5])


def test_tensors_without_a_mechanism_are_refused():
    with pytest.raises(ValueError, match="^tensor has no deviatoric part, so no double couple$"):
        convert.double_couple(np.eye(3))
    with pytest.raises(ValueError, match="^tensor is not symmetric$"):
        convert.double_couple([[0, 1, 0], [0, 0, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match=r"^tensor must have shape \(..., 3, 3\), got \(6,\)$"):
        convert.double_couple(np.zeros(6))
    with pytest.raises(ValueError, match="^frame must be one of NED, ENU, USE; got 'XYZ'$"):
        convert.moment_tensor(0, 90, 0, frame="XYZ")


# rectangles


def test_corners_of_a_vertical_fault():
    fault = okada.Rectangle(x=0, y=0, depth=1, length=4, width=2, strike=90, dip=90)
    expected = [[0, 0, -1], [4, 0, -1], [4, 0, -3], [0, 0, -3]]
    np.testing.assert_array_equal(convert.corners(fault), [expected])


def test_corners_do_not_depend_on_the_reference_point(rng):
    fault = FAULT._replace(dip=rng.uniform(-90, 180, 20), strike=rng.uniform(0, 360, 20))
    expected = convert.corners(fault)
    for origin in okada.ORIGINS:
        moved = convert.move_origin(fault, "topleft", origin)
        np.testing.assert_allclose(convert.corners(moved, origin=origin), expected, atol=1e-12)


def test_rectangle_from_its_corners(rng):
    fault = FAULT._replace(
        x=rng.normal(size=50),
        length=rng.uniform(1, 9, 50),
        width=rng.uniform(1, 9, 50),
        strike=rng.uniform(0, 360, 50),
        dip=rng.uniform(1, 179, 50),
    )
    found = convert.rectangle_from_corners(convert.corners(fault), rake=90.0)
    for name, value, expected in zip(fault._fields, found, fault, strict=True):
        np.testing.assert_allclose(value, np.broadcast_to(expected, np.shape(value)), atol=1e-9, err_msg=name)


def test_corners_that_make_no_rectangle_are_refused():
    good = convert.corners(FAULT)
    with pytest.raises(ValueError, match=r"^corners must have shape \(m, 4, 3\), got \(4, 3\)$"):
        convert.rectangle_from_corners(good[0])
    bad = np.concatenate([good, good])
    bad[1, 2, 0] += 1.0
    with pytest.raises(ValueError, match=r"^corners\[1\] do not make a rectangle$"):
        convert.rectangle_from_corners(bad)
    with pytest.raises(ValueError, match=r"^corners\[0\] do not make a rectangle$"):
        convert.rectangle_from_corners(np.zeros((1, 4, 3)))
    with pytest.raises(ValueError, match=r"^corners\[0\] have an upper edge that is not horizontal$"):
        convert.rectangle_from_corners(np.roll(good, 1, axis=1))


def test_triangles_cover_the_rectangle_and_look_up():
    fault = FAULT._replace(strike=[0.0, 100.0, 200.0], dip=[10.0, 45.0, 80.0])
    found = convert.triangles(fault)
    normal = np.cross(found[:, 1] - found[:, 0], found[:, 2] - found[:, 0])
    assert found.shape == (6, 3, 3)
    assert (normal[:, 2] > 0).all()
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1) / 2, 100.0)
    vertices = convert.corners(fault)[:, [3, 2, 1, 3, 1, 0]].reshape(6, 3, 3)
    np.testing.assert_array_equal(found, vertices)


def test_sources_are_checked():
    with pytest.raises(TypeError, match="^source must be a Rectangle, got Point$"):
        convert.corners(okada.Point(0, 0, 1, 0, 90))
    with pytest.raises(ValueError, match=r"^source.width\[0\] is 0.0; it must be positive$"):
        convert.corners(FAULT._replace(width=0.0))
    with pytest.raises(ValueError, match="^to must be one of topleft, .*; got 'middle'"):
        convert.move_origin(FAULT, "topleft", "middle")


def test_tensors_are_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="^slip is a Tensor; conversions take numbers and NumPy arrays$"):
        convert.moment_from_slip(torch.ones(2), 1.0)
    with pytest.raises(TypeError, match="^source has tensors; conversions take numbers and NumPy arrays$"):
        convert.corners(FAULT._replace(x=torch.ones(2)))


# map coordinates


def test_a_known_point_of_utm():
    # The CN Tower in Toronto, 43:38:33.24 N 79:23:13.7 W, is at 630084 m E, 4833438 m N in zone
    # 17T (worked example of the article "Universal Transverse Mercator coordinate system" of Wikipedia).
    x, y = convert.to_local(-(79 + 23 / 60 + 13.7 / 3600), 43 + 38 / 60 + 33.24 / 3600, -81.0, 0.0)
    np.testing.assert_allclose([500000.0 + 0.9996 * x, 0.9996 * y], [630084.0, 4833438.0], atol=1.0)


@pytest.mark.parametrize("lat", [-75.0, 10.0, 32.75, 60.0])
def test_north_is_the_length_of_the_meridian(lat):
    a, f = mpmath.mpf(6378137), 1 / mpmath.mpf("298.257223563")
    e2 = f * (2 - f)

    def radius(phi):
        return a * (1 - e2) / (1 - e2 * mpmath.sin(phi) ** 2) ** mpmath.mpf(1.5)

    expected = mpmath.quad(radius, [mpmath.radians(5), mpmath.radians(lat)])
    x, y = convert.to_local(130.0, lat, 130.0, 5.0)
    np.testing.assert_allclose([x, y], [0.0, float(expected)], atol=1e-8)


@pytest.mark.parametrize("lon", [-8.0, -2.0, 0.5, 20.0])
def test_angles_are_kept(lon):
    # The meridian's length and angles kept everywhere leave no other projection than transverse Mercator.
    lat, step = 35.0, 1e-4
    e2 = 1 - (1 - 1 / 298.257223563) ** 2
    w2 = 1 - e2 * np.sin(np.deg2rad(lat)) ** 2
    east = np.deg2rad(step) * 6378137.0 / np.sqrt(w2) * np.cos(np.deg2rad(lat))
    north = np.deg2rad(step) * 6378137.0 * (1 - e2) / w2**1.5
    at = np.array(
        convert.to_local([lon - step, lon + step, lon, lon], [lat, lat, lat - step, lat + step], 0, 30)
    )
    along_east = (at[:, 1] - at[:, 0]) / (2 * east)
    along_north = (at[:, 3] - at[:, 2]) / (2 * north)
    np.testing.assert_allclose(along_east, [along_north[1], -along_north[0]], atol=1e-8)
    x = convert.to_local(lon, lat, 0.0, 30.0)[0]
    if abs(lon) < 9:
        np.testing.assert_allclose(np.hypot(*along_east), 1 + x**2 / (2 * 6371e3**2), atol=1e-4)


def test_the_inverse_is_one(rng):
    lon, lat = rng.uniform(150, 209, 300), rng.uniform(-89, 89, 300)
    found = convert.to_geographic(*convert.to_local(lon, lat, 179.5, -40.0), 179.5, -40.0)
    np.testing.assert_allclose(found[0], (lon + 180) % 360 - 180, atol=1e-11)
    np.testing.assert_allclose(found[1], lat, atol=1e-12)


def test_the_reference_point_is_the_origin():
    np.testing.assert_allclose(convert.to_local(130.7, 32.8, 130.7, 32.8), [0.0, 0.0], atol=1e-9)


def test_the_dateline_is_no_seam():
    x, _ = convert.to_local([179.9, -179.9], 10.0, 180.0, 10.0)
    np.testing.assert_allclose(x[0], -x[1])


def test_coordinates_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"^lat\[1\] is 91.0; latitude must be in \[-90, 90\]$"):
        convert.to_local(0.0, [0.0, 91.0], 0.0, 0.0)
    with pytest.raises(
        ValueError, match=r"^lon - lon0\[0\] is 40.0; longitude must be within 30 degrees of lon0$"
    ):
        convert.to_local([40.0], 0.0, 0.0, 0.0)


# lines of sight


def test_line_of_sight_points_from_the_ground_to_the_satellite():
    # Right-looking and northbound: the satellite stands in the west.
    np.testing.assert_allclose(convert.line_of_sight(30.0, 0.0), [-0.5, 0.0, np.sqrt(3) / 2], atol=1e-15)
    np.testing.assert_allclose(convert.line_of_sight(30.0, 180.0), [0.5, 0.0, np.sqrt(3) / 2], atol=1e-15)
    np.testing.assert_allclose(
        convert.line_of_sight(30.0, 0.0, look="left"), [0.5, 0.0, np.sqrt(3) / 2], atol=1e-15
    )


def test_line_of_sight_is_square_to_the_track(rng):
    incidence, heading = rng.uniform(0, 80, (7, 1)), rng.uniform(-180, 180, 5)
    look = convert.line_of_sight(incidence, heading)
    track = np.stack([np.sin(np.deg2rad(heading)), np.cos(np.deg2rad(heading)), 0 * heading], axis=-1)
    assert look.shape == (7, 5, 3)
    np.testing.assert_allclose(np.linalg.norm(look, axis=-1), 1.0)
    np.testing.assert_allclose((look * track).sum(axis=-1), 0.0, atol=1e-15)


def test_lines_of_sight_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"^incidence\[1\] is 90.0; it must be in \[0, 90\)$"):
        convert.line_of_sight([30.0, 90.0], 0.0)
    with pytest.raises(ValueError, match="^look must be one of right, left; got 'up'$"):
        convert.line_of_sight(30.0, 0.0, look="up")
