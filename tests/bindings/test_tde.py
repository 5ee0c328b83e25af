"""The public functions of triangles: values, shapes, meshes, frames, and every error before any work."""

import doctest

import numpy as np
import pytest

from dislok import backends, okada, tde, triangles

OBS = np.array([[5.0, 2.0, 0.0], [-3.0, 4.0, -2.5], [12.0, -9.0, -0.5], [0.5, 30.0, -7.0]])
POINTS = np.array([[0.0, 0.0, -1.0], [10.0, 0.0, -1.5], [0.0, 8.0, -6.0], [11.0, 9.0, -7.0]])
CELLS = np.array([[0, 1, 2], [1, 3, 2]])
TRI = POINTS[CELLS]
SLIP = np.array([[1.0, 0.5, 0.0], [-0.3, 2.0, 0.1]])
SPACES = pytest.mark.parametrize("space", ["half", "full"])
FIELDS = ["displacement", "gradient", "strain", "stress"]


@pytest.fixture
def no_work(monkeypatch):
    """Fail where a kernel is asked for."""

    def load(name, family="okada"):
        pytest.fail(f"{name} was asked to work on bad input")

    monkeypatch.setattr(backends, "load", load)


# values


@pytest.fixture(scope="module")
def truth(shared):
    return np.load(shared / "refs" / "okada_tde.npz")


@SPACES
def test_reference_results(truth, space):
    """Two of each category; all of them are compared below this floor."""
    rows, regular = truth["tde_in"], truth["tde_flag"] == 0
    wanted = truth["tde_hs_truth" if space == "half" else "tde_fs_truth"]
    for category in np.unique(truth["tde_cat"][regular]):
        for i in np.flatnonzero(regular & (truth["tde_cat"] == category))[:2]:
            call = rows[i : i + 1, :3], rows[i, 3:12].reshape(1, 3, 3), rows[i : i + 1, 12:15]
            u, g = tde.fields(*call, nu=rows[i, 15], space=space)
            got = np.concatenate([u[0], g[0].T.ravel()])
            for part in (slice(0, 3), slice(3, 12)):
                error = np.linalg.norm(got[part] - wanted[i, part]) / np.linalg.norm(wanted[i, part])
                bound = 1e-6 if "near_edge" in str(truth["tde_catnames"][category]) else 1e-9
                assert error < bound, (truth["tde_catnames"][category], error)


def test_jacobians_of_the_reference(truth):
    for row, wanted in zip(truth["tdejac_in"], truth["tdejac_jac"], strict=True):
        call = row[None, :3], row[3:12].reshape(1, 3, 3), row[None, 12:15]
        got = tde.jacobian(*call, nu=row[15])[0, :, 0]
        assert np.linalg.norm(got - wanted[:3, 3:12]) < 1e-10 * np.linalg.norm(wanted[:3, 3:12])
        unit = tde.greens(*call[:2], nu=row[15])[0, :, 0]
        assert np.linalg.norm(unit - wanted[:3, 12:15]) < 1e-10 * np.linalg.norm(wanted[:3, 12:15])
        gradient = tde.gradient(*call, nu=row[15])[0]
        assert np.linalg.norm(gradient - wanted[:3, :3]) < 1e-10 * np.linalg.norm(wanted[:3, :3])


@pytest.mark.parametrize(
    "case", ["simple", "complex", "halfspace", "halfspace_horizontal", "fullspace_horizontal"]
)
def test_results_of_the_authors_program(truth, case):
    """Also the order of the components of strain, and the slip of a level triangle."""
    obs, tri, slip = (truth[f"matlab_{case}_{name}"] for name in ("obs", "tri", "slip"))
    how = {"nu": float(truth[f"matlab_{case}_nu"])}
    how["space"] = "half" if str(truth[f"matlab_{case}_kind"]).lower() == "hs" else "full"
    for name, function in (("disp", tde.displacement), ("strain", tde.strain)):
        wanted = truth[f"matlab_{case}_{name}"]
        got = function(obs, tri[None], slip, **how)
        known = np.isfinite(wanted).all(axis=1) & np.isfinite(got).all(axis=1)
        assert known.sum() > 1000
        error = np.linalg.norm((got - wanted)[known], axis=1)
        # the program itself loses digits, and takes the other side of the triangle's own plane
        assert np.median(error) < 1e-11 * np.abs(wanted[known]).max()
        assert np.quantile(error, 0.99) < 1e-8 * np.abs(wanted[known]).max()


def rectangle(strike=30.0, dip=50.0):
    """A rectangle, and the same as two triangles."""
    fault = okada.Rectangle(1.0, 2.0, 3.0, 12.0, 7.0, strike, dip, rake=25.0, slip=2.0, opening=0.4)
    s, d = np.deg2rad([strike, dip])
    along = 12.0 * np.array([np.sin(s), np.cos(s), 0.0])
    down = 7.0 * np.array([np.cos(s) * np.cos(d), -np.sin(s) * np.cos(d), -np.sin(d)])
    corner = np.array([1.0, 2.0, -3.0])
    points = np.stack([corner, corner + along, corner + down, corner + along + down])
    cells = np.array([[0, 2, 1], [1, 2, 3]])
    rake = np.deg2rad(25.0)
    return fault, (points, cells), [2.0 * np.cos(rake), 2.0 * np.sin(rake), 0.4]


@pytest.mark.parametrize("dip", [10.0, 50.0, 89.999, 90.0])
def test_two_triangles_are_a_rectangle(dip):
    fault, mesh, slip = rectangle(dip=dip)
    for function, other in ((tde.displacement, okada.displacement), (tde.gradient, okada.gradient)):
        want = other(OBS, fault, nu=0.3)
        np.testing.assert_allclose(function(OBS, mesh, slip, nu=0.3), want, atol=1e-13 * np.abs(want).max())


def test_surface_is_free_of_traction_and_the_earth_in_equilibrium():
    obs = OBS * [1.0, 1.0, 0.0]
    sigma = tde.stress(obs, TRI, SLIP, mu=1.0, nu=0.3)
    assert np.abs(sigma[:, [2, 4, 5]]).max() < 1e-13 * np.abs(sigma).max()
    deep, step = OBS - [0.0, 0.0, 1.0], 1e-3

    def tensor(obs):
        return tde.stress(obs, TRI, SLIP, mu=1.0)[:, [[0, 3, 4], [3, 1, 5], [4, 5, 2]]]

    force = sum((tensor(deep + h) - tensor(deep - h))[:, :, j] for j, h in enumerate(step * np.eye(3)))
    assert np.abs(force / (2 * step)).max() < 1e-5 * np.abs(tensor(deep)).max()


def test_deep_down_the_half_space_is_a_full_space():
    down = np.array([0.0, 0.0, 1e6])
    full = tde.gradient(OBS, TRI, SLIP, space="full")
    half = tde.gradient(OBS - down, TRI - down, SLIP)
    np.testing.assert_allclose(half, full, atol=1e-9 * np.abs(full).max())


@SPACES
def test_field_turns_with_the_axes(space):
    turn = okada_rotation(0.7)
    want = tde.displacement(OBS, TRI, SLIP, space=space) @ turn.T
    got = tde.displacement(OBS @ turn.T, TRI @ turn.T, SLIP, space=space)
    np.testing.assert_allclose(got, want, atol=1e-14)


def okada_rotation(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


@SPACES
def test_strain_and_stress_follow_from_the_gradient(space):
    g = tde.gradient(OBS, TRI, SLIP, space=space, nu=0.3)
    e = 0.5 * (g + g.transpose(0, 2, 1))
    voigt = e.reshape(-1, 9)[:, [0, 4, 8, 1, 2, 5]]
    np.testing.assert_allclose(tde.strain(OBS, TRI, SLIP, space=space, nu=0.3), voigt, atol=1e-16)
    lame = 2.0 * 7.0 * 0.3 / (1.0 - 0.6)
    want = 14.0 * voigt + lame * np.trace(e, axis1=1, axis2=2)[:, None] * [1, 1, 1, 0, 0, 0]
    np.testing.assert_allclose(tde.stress(OBS, TRI, SLIP, mu=7.0, nu=0.3, space=space), want, atol=1e-14)


# shapes


@pytest.mark.parametrize("name", FIELDS)
def test_ways_to_say_the_same(name):
    function = getattr(tde, name)
    want = function(OBS, TRI, SLIP)
    np.testing.assert_array_equal(function(OBS.tolist(), TRI.tolist(), SLIP.tolist()), want)
    np.testing.assert_array_equal(function(OBS, (POINTS, CELLS.tolist()), SLIP), want)
    np.testing.assert_array_equal(function(OBS, TRI, SLIP[0]), function(OBS, TRI, SLIP[[0, 0]]))
    surface = OBS * [1.0, 1.0, 0.0]
    np.testing.assert_array_equal(function(OBS[:, :2], TRI, SLIP), function(surface, TRI, SLIP))
    out = np.empty_like(want)
    assert function(OBS, TRI, SLIP, out=out) is out
    np.testing.assert_array_equal(out, want)
    each = np.stack([function(OBS[i : i + 1], TRI[:1], SLIP[0])[0] for i in range(4)])
    paired = function(OBS, TRI[:1], SLIP[0], pairs=True)
    np.testing.assert_allclose(paired, each, atol=1e-14 * np.abs(each).max())


def test_both_fields_together():
    u, g = tde.fields(OBS, TRI, SLIP)
    np.testing.assert_allclose(u, tde.displacement(OBS, TRI, SLIP), atol=1e-15)
    np.testing.assert_allclose(g, tde.gradient(OBS, TRI, SLIP), atol=1e-15)
    out = np.empty_like(u), np.empty_like(g)
    assert tde.fields(OBS, TRI, SLIP, out=out)[1] is out[1]


@pytest.mark.parametrize(("of", "shape"), [("displacement", (3,)), ("gradient", (3, 3))])
def test_matrices_and_products(of, shape):
    matrix = tde.greens(OBS, TRI, of=of)
    assert matrix.shape == (4, *shape, 2, 3)
    forward = tde.apply(OBS, TRI, SLIP, of=of)
    np.testing.assert_allclose(forward, np.einsum("n...mk,mk->n...", matrix, SLIP), atol=1e-15)
    np.testing.assert_allclose(forward, getattr(tde, of)(OBS, TRI, SLIP), atol=1e-15)
    r = np.cos(np.arange(4 * np.prod(shape))).reshape(4, *shape)
    back = tde.apply_adjoint(OBS, TRI, r, of=of)
    assert abs((forward * r).sum() - (back * SLIP).sum()) < 1e-13 * np.abs(forward * r).sum()
    assert tde.greens(OBS[:2], TRI, of=of, pairs=True).shape == (2, *shape, 3)
    out = np.empty_like(back)
    assert tde.apply_adjoint(OBS, TRI, r, of=of, out=out) is out


@pytest.mark.parametrize("of", ["displacement", pytest.param("gradient", marks=pytest.mark.slow)])
def test_jacobian_of_a_mesh_adds_up_its_vertices(of):
    shape = (3,) if of == "displacement" else (3, 3)
    loose = tde.jacobian(OBS, TRI, SLIP, of=of)
    assert loose.shape == (4, *shape, 2, 9)
    want = np.zeros((4, *shape, 4, 3))
    for j, cell in enumerate(CELLS):
        for k, point in enumerate(cell):
            want[..., point, :] += loose[..., j, 3 * k : 3 * k + 3]
    got = tde.jacobian(OBS, (POINTS, CELLS), SLIP, of=of)
    np.testing.assert_allclose(got, want, atol=1e-15)
    assert tde.jacobian(OBS[:2], (POINTS, CELLS), SLIP, of=of, pairs=True).shape == (2, *shape, 9)


def test_nothing_makes_nothing():
    assert tde.displacement(np.empty((0, 3)), TRI, SLIP).shape == (0, 3)
    assert not tde.gradient(OBS, np.empty((0, 3, 3)), np.empty((0, 3))).any()
    assert tde.greens(OBS, np.empty((0, 3, 3))).shape == (4, 3, 0, 3)
    assert tde.apply_adjoint(np.empty((0, 3)), TRI, np.empty((0, 3))).tolist() == [[0.0] * 3] * 2


# frames and orientation


def test_frame_is_the_published_one():
    strike, dip, normal = tde.frame(TRI).transpose(1, 0, 2)
    assert (normal[:, 2] > 0).all() and (dip[:, 2] > 0).all() and not strike[:, 2].any()
    np.testing.assert_allclose(np.cross(normal, strike), dip, atol=1e-15)
    # the triangle dips to the right of its strike
    np.testing.assert_allclose(np.cross(strike, [0.0, 0.0, -1.0]) @ [0, 0, 1], 0.0)
    assert (np.einsum("mi,mi->m", normal[:, :2], np.stack([strike[:, 1], -strike[:, 0]], 1)) > 0).all()
    level = np.array([[[0, 0, -1], [1, 0, -1], [0, 1, -1]], [[0, 0, -1], [0, 1, -1], [1, 0, -1]]])
    np.testing.assert_array_equal(tde.frame(level)[:, 0], [[0, 1, 0], [0, -1, 0]])
    np.testing.assert_array_equal(tde.frame((POINTS, CELLS)), tde.frame(TRI))


def test_slip_moves_the_side_of_the_normal():
    inside = TRI[0].mean(axis=0)
    normal = tde.frame(TRI[:1])[0, 2]
    ahead, behind = tde.displacement(inside + 1e-10 * np.outer([1, -1], normal), TRI[:1], SLIP[:1])
    np.testing.assert_allclose(ahead - behind, SLIP[0] @ tde.frame(TRI[:1])[0], atol=1e-9)


def grid(n=5):
    """A wavy mesh of 2 n² triangles, consistently oriented upwards."""
    x, y = (a.ravel() for a in np.meshgrid(np.arange(n + 1.0), np.arange(n + 1.0)))
    points = np.stack([x, y, -3.0 + np.sin(x) * np.cos(y)], axis=1)
    i = np.add.outer(np.arange(n) * (n + 1), np.arange(n)).ravel()
    return points, np.concatenate(
        [np.stack([i, i + 1, i + n + 2], 1), np.stack([i, i + n + 2, i + n + 1], 1)]
    )


def test_orient_undoes_any_flip(rng):
    points, cells = grid()
    flipped = cells.copy()
    some = rng.random(len(cells)) < 0.5
    flipped[some] = flipped[some][:, [0, 2, 1]]
    same, got = tde.orient((points, flipped))
    assert same is points
    assert (tde.frame((points, got))[:, 2, 2] > 0).all()
    down = tde.orient((points, flipped), towards=(0.0, 0.0, -1.0))[1]
    assert (tde.frame((points, down))[:, 2, 2] < 0).all()
    loose = tde.orient(points[flipped])
    np.testing.assert_array_equal(loose, points[got])


def test_orient_takes_pieces_apart_and_vertical_ones_to_the_east():
    points, cells = grid()
    wall = points[:, [2, 0, 1]] * [0.0, 1.0, 1.0] + [50.0, 0.0, -20.0]
    both = np.concatenate([points, wall]), np.concatenate([cells[:, ::-1], cells + len(points)])
    normals = tde.frame(tde.orient(both))[:, 2]
    assert (normals[: len(cells), 2] > 0).all() and (normals[len(cells) :, 0] > 0).all()


def test_a_moebius_strip_has_no_orientation():
    turn = np.linspace(0.0, 2 * np.pi, 9)[:-1]
    rim = np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1)
    lift = 0.3 * np.stack(
        [np.cos(turn / 2) * np.cos(turn), np.cos(turn / 2) * np.sin(turn), np.sin(turn / 2)], 1
    )
    points = np.concatenate([rim - lift, rim + lift]) - [0.0, 0.0, 5.0]
    i = np.arange(8)
    j = (i + 1) % 8
    low, high = np.where(j == 0, 8, j), np.where(j == 0, 0, j + 8)
    cells = np.concatenate([np.stack([i, low, i + 8], 1), np.stack([low, high, i + 8], 1)])
    with pytest.raises(ValueError, match="cannot be oriented: triangles"):
        tde.orient((points, cells))


# errors


def bad(array, index, value):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"obs": OBS[:, :1]}, r"obs must have shape \(n, 3\), or \(n, 2\)"),
        ({"obs": bad(OBS, (1, 2), 0.5)}, r"obs\[1, 2\] is 0.5; observers must not be above"),
        ({"obs": bad(OBS, (1, 0), np.nan)}, r"obs\[1, 0\] is nan; it must be finite"),
        ({"obs": OBS[:, :2], "space": "full"}, "full space"),
        ({"triangles": TRI[0]}, r"triangles must have shape \(m, 3, 3\)"),
        ({"triangles": bad(TRI, (1, 2, 2), 0.1)}, r"triangles\[1, 2, 2\] is 0.1; triangles must not reach"),
        ({"triangles": bad(TRI, (0, 1, 1), np.inf)}, r"triangles\[0, 1, 1\] is inf"),
        ({"triangles": bad(TRI, (1, 2), TRI[1, 1])}, r"triangles\[1\] is degenerate"),
        ({"triangles": (POINTS, bad(CELLS, (1, 1), 4))}, r"cells\[1, 1\] is 4; there are 4 points"),
        ({"triangles": (POINTS, CELLS[:, :2])}, r"cells must have shape \(m, 3\)"),
        ({"triangles": (POINTS[:, :2], CELLS)}, r"points must have shape \(p, 3\)"),
        ({"slip": SLIP[:, :2]}, r"slip must have shape \(2, 3\) or \(3,\)"),
        ({"slip": np.ones((3, 3))}, "slip must have length 2, one row for each triangle; got 3"),
        ({"slip": bad(SLIP, (0, 0), np.nan)}, r"slip\[0, 0\] is nan"),
        ({"nu": 0.5}, r"nu is 0.5; Poisson's ratio must be in \[0, 0.5\)"),
        ({"space": "quarter"}, "unknown space 'quarter'; choose from 'half', 'full'"),
        ({"pairs": True}, "triangles must have length 4, with pairs=True one for each observer; got 2"),
        ({"backend": "cupy"}, "needs CUDA arrays"),
        ({"threads": 0}, "threads must be between"),
        ({"out": np.empty((4, 2))}, r"out must have shape \(4, 3\)"),
    ],
)
def test_bad_input_is_named_before_any_work(no_work, change, message):
    call = {"obs": OBS, "triangles": TRI, "slip": SLIP} | change
    with pytest.raises(ValueError, match=message):
        tde.displacement(**call)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"triangles": (POINTS, CELLS.astype(float))}, "cells must be integers, got dtype float64"),
        ({"slip": SLIP.astype(np.float32)}, "obs is float64 but slip is float32"),
        ({"nu": "soft"}, "nu"),
    ],
)
def test_wrong_kinds_are_named(no_work, change, message):
    with pytest.raises(TypeError, match=message):
        tde.displacement(**({"obs": OBS, "triangles": TRI, "slip": SLIP} | change))


def test_other_errors(no_work):
    with pytest.raises(ValueError, match="unknown of='tilt'"):
        tde.greens(OBS, TRI, of="tilt")
    with pytest.raises(ValueError, match=r"s must have shape \(2, 3\)"):
        tde.apply(OBS, TRI, SLIP[:1])
    with pytest.raises(ValueError, match=r"r must have shape \(4, 3\)"):
        tde.apply_adjoint(OBS, TRI, OBS[:2])
    with pytest.raises(ValueError, match="mu is -1.0"):
        tde.stress(OBS, TRI, SLIP, mu=-1.0)


def test_check_says_what_a_call_would_say():
    tde.check(OBS, TRI, SLIP)
    with pytest.raises(ValueError, match="degenerate"):
        tde.check(OBS, bad(TRI, (1, 2), TRI[1, 1]))


@pytest.mark.parametrize(("asked", "name"), [(None, "cupy"), ("cupy", "cupy"), ("numba-cuda", "numba-cuda")])
def test_arrays_on_a_device_go_to_the_backend_that_was_asked_for(cupy, monkeypatch, asked, name):
    want, kernels, loaded = tde.displacement(OBS, TRI, SLIP), backends.load("numba", "tde"), []

    def load(*which):
        loaded.append(which)
        return kernels  # host memory stands for the device's

    monkeypatch.setattr(backends, "load", load)
    found = tde.displacement(*(cupy.asarray(a) for a in (OBS, TRI, SLIP)), backend=asked)
    np.testing.assert_array_equal(np.asarray(found), want)
    assert loaded == [(name, "tde")]


@pytest.mark.parametrize("module", [tde, triangles])
def test_examples(module):
    assert doctest.testmod(module).failed == 0
