"""The kernels' operations against the formula in plain Python, each other, and finite differences."""

import numpy as np
import pytest

from dislok.kernels.tde import numba_cpu as kernels

from . import plain

NU = 0.27
SPACES = pytest.mark.parametrize("space", ["half", "full"])
OF = pytest.mark.parametrize("of", ["displacement", "gradient"])
# lanes along the observers, along the triangles, over several chunks, and where every pair is kept
SIZES = pytest.mark.parametrize(("n", "m"), [(70, 3), (3, 70), (1100, 2), (2, 700), (1, 1)])


def problem(n, m, spread=1.0):
    """Observers, triangles of order 1 and slips; the observers up to some hundred sizes away if `spread`."""
    rng = np.random.default_rng(n + 1000 * m)
    tri = rng.normal(size=(m, 3, 3)) - (0.0, 0.0, 4.0)
    tri[:, :, 2] = -np.abs(tri[:, :, 2]) - 0.1
    obs = rng.normal(size=(n, 3)) * 10.0 ** rng.uniform(0.0, 2.5 * spread, (n, 1))
    obs[:, 2] = -np.abs(obs[:, 2]) - 0.01
    return obs, tri, rng.normal(size=(m, 3))


def each_pair(level, obs, tri, slip, space, dtype="float64"):
    """Rows of a level for every observer with every triangle, in plain Python: (n, m, rows)."""
    n, m = len(obs), len(tri)
    pairs = np.repeat(obs, m, axis=0), np.tile(tri, (n, 1, 1)), np.tile(slip, (n, 1))
    return plain.field(level, int(space == "half"), *pairs, NU, dtype).reshape(n, m, -1)


def close(got, want, rtol):
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= rtol * np.abs(want).max()


def slope(function, step=1e-4):
    """Derivative of a function of one number at 0, from four values."""
    near, wide = (function(h) - function(-h) for h in (step, 2 * step))
    return (8.0 * near - wide) / (12.0 * step)


@SPACES
@SIZES
def test_fields_are_sums_of_the_formula(n, m, space):
    obs, tri, slip = problem(n, m)
    want = each_pair("gradient", obs, tri, slip, space).sum(axis=1)
    close(kernels.field(obs, tri, slip, NU, space, "displacement", False), want[:, :3], 1e-13)
    close(kernels.field(obs, tri, slip, NU, space, "gradient", False), want[:, 3:], 1e-13)
    close(kernels.field_both(obs, tri, slip, NU, space, False), want, 1e-13)


@SPACES
@SIZES
def test_greens_and_products(n, m, space):
    obs, tri, slip = problem(n, m)
    rng = np.random.default_rng(0)
    want = each_pair("greens_gradient", obs, tri, slip, space).reshape(n, m, 3, 12).transpose(0, 3, 1, 2)
    for of, rows in (("displacement", slice(0, 3)), ("gradient", slice(3, 12))):
        matrix = kernels.greens(obs, tri, NU, space, of, False)
        close(matrix, want[:, rows], 1e-13)
        r = rng.normal(size=(n, matrix.shape[1]))
        forward = kernels.apply(obs, tri, NU, space, of, slip)
        close(forward, np.einsum("ncmk,mk->nc", matrix, slip), 1e-13)
        back = kernels.apply_adjoint(obs, tri, NU, space, of, r)
        close(back, np.einsum("ncmk,nc->mk", matrix, r), 1e-13)
        scale = np.linalg.norm(forward) * np.linalg.norm(r)
        assert abs((forward * r).sum() - (slip * back).sum()) < 1e-13 * scale


@SPACES
@OF
def test_pairs_are_the_diagonal(space, of):
    obs, tri, slip = problem(70, 70)
    matrix = kernels.greens(obs, tri, NU, space, of, False)
    own = np.einsum("ncnk->nck", matrix)
    close(kernels.greens(obs, tri, NU, space, of, True), own, 1e-14)
    close(kernels.field(obs, tri, slip, NU, space, of, True), np.einsum("nck,nk->nc", own, slip), 1e-13)


@SPACES
@pytest.mark.parametrize("size", [(70, 3), (3, 70)])
def test_jacobian_is_the_slope(space, size):
    obs, tri, slip = problem(*size, spread=0.0)
    got = kernels.jacobian(obs, tri, slip, NU, space, "displacement", False)
    for q in range(9):
        way = np.eye(9)[q].reshape(3, 3)
        want = slope(lambda h, way=way: each_pair("value", obs, tri + h * way, slip, space))
        close(got[..., q], want.transpose(0, 2, 1), 1e-8)


@SPACES
def test_jacobian_of_pairs(space):
    obs, tri, slip = problem(70, 70, spread=0.5)
    whole = kernels.jacobian(obs, tri, slip, NU, space, "displacement", False)
    own = kernels.jacobian(obs, tri, slip, NU, space, "displacement", True)
    close(own, np.einsum("ncnq->ncq", whole), 1e-14)


def directions(n, m, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)), rng.normal(size=(m, 3, 3)), rng.normal(size=(m, 3))


def inner(g, t):
    return sum(float((a * b).sum()) for a, b in zip(g, t, strict=True))


@SPACES
@pytest.mark.parametrize("pairs", [False, True])
def test_first_order_products(space, pairs):
    """jvp is the slope along a direction, and vjp its transpose."""
    n, m = (40, 40) if pairs else (70, 5)
    obs, tri, slip = problem(n, m, spread=0.0)
    t, cot = directions(n, m, 1), np.random.default_rng(2).normal(size=(n, 3))
    how = space, "displacement", pairs

    def moved(h):
        return kernels.field(obs + h * t[0], tri + h * t[1], slip + h * t[2], NU + 0.3 * h, *how)

    along = kernels.jvp(obs, tri, slip, NU, *how, *t, 0.3)
    close(along, slope(moved), 1e-8)
    *g, of_nu = kernels.vjp(obs, tri, slip, NU, *how, cot)
    got = inner(g, t) + 0.3 * of_nu
    assert abs(got - (cot * along).sum()) < 1e-12 * np.linalg.norm(cot) * np.linalg.norm(along)
    close(g[2], kernels.vjp(obs, tri, 0.0 * slip, NU, *how, cot)[2], 1e-12)


@pytest.mark.slow
@SPACES
@pytest.mark.parametrize("pairs", [False, True])
def test_second_order_products(space, pairs):
    n, m = (20, 20) if pairs else (30, 3)
    obs, tri, slip = problem(n, m, spread=0.0)
    t, s = directions(n, m, 1), directions(n, m, 2)
    cot = np.random.default_rng(3).normal(size=(n, 3))
    how = space, "displacement", pairs

    def first(h):
        return kernels.jvp(obs + h * s[0], tri + h * s[1], slip + h * s[2], NU, *how, *t, 0.0)

    both = kernels.jvp2(obs, tri, slip, NU, *how, *t, *s)
    close(both, slope(first), 1e-8)
    close(kernels.jvp2(obs, tri, slip, NU, *how, *s, *t), both, 1e-12)
    g = kernels.vjp2(obs, tri, slip, NU, *how, cot, *t)
    assert abs(inner(g, s) - (cot * both).sum()) < 1e-12 * np.linalg.norm(cot) * np.linalg.norm(both)


@pytest.mark.slow
@SPACES
def test_derivatives_of_the_gradient(space):
    n, m = 30, 3
    obs, tri, slip = problem(n, m, spread=0.0)
    t, s = directions(n, m, 1), directions(n, m, 2)
    cot = np.random.default_rng(3).normal(size=(n, 9))
    how = space, "gradient", False

    def moved(h):
        return kernels.field(obs + h * t[0], tri + h * t[1], slip + h * t[2], NU + 0.3 * h, *how)

    along = kernels.jvp(obs, tri, slip, NU, *how, *t, 0.3)
    close(along, slope(moved), 1e-8)
    *g, of_nu = kernels.vjp(obs, tri, slip, NU, *how, cot)
    got = inner(g, t) + 0.3 * of_nu
    assert abs(got - (cot * along).sum()) < 1e-12 * np.linalg.norm(cot) * np.linalg.norm(along)
    matrix = kernels.jacobian(obs, tri, slip, NU, *how)
    close(np.einsum("ncmq,nc->mq", matrix, cot).reshape(m, 3, 3), g[1], 1e-12)

    def first(h):
        return kernels.jvp(obs + h * s[0], tri + h * s[1], slip + h * s[2], NU, *how, *t, 0.0)

    both = kernels.jvp2(obs, tri, slip, NU, *how, *t, *s)
    close(both, slope(first), 1e-8)
    g = kernels.vjp2(obs, tri, slip, NU, *how, cot, *t)
    assert abs(inner(g, s) - (cot * both).sum()) < 1e-12 * np.linalg.norm(cot) * np.linalg.norm(both)


@SIZES
def test_observers_at_the_surface(n, m):
    """A shorter form serves where all observers are there; with one below, the general form."""
    obs, tri, slip = problem(n + 1, m)
    obs[:, 2] = 0.0
    got = kernels.field_both(obs[:n], tri, slip, NU, "half", False)
    obs[n, 2] = -1.0
    close(got, kernels.field_both(obs, tri, slip, NU, "half", False)[:n], 1e-12)
    obs[n, 2] = 0.0
    matrix = kernels.jacobian(obs[:n], tri, slip, NU, "half", "displacement", False)
    obs[n, 2] = -1.0
    close(matrix, kernels.jacobian(obs, tri, slip, NU, "half", "displacement", False)[:n], 1e-12)


def test_level_triangle_has_finite_derivatives():
    """Its strike keeps its azimuth; opening, which needs no strike, has its true slope."""
    obs, _, _ = problem(20, 1, spread=0.0)
    tri = np.array([[[0.0, 0.0, -2.0], [1.0, 0.2, -2.0], [0.1, 0.9, -2.0]]])
    for slip in ([[0.0, 0.0, 1.0]], [[1.0, -0.5, 0.2]]):
        slip = np.array(slip)
        got = kernels.jacobian(obs, tri, slip, NU, "half", "displacement", False)
        assert np.isfinite(got).all()
        if slip[0, 0] == 0.0:
            for q in range(9):
                way = np.eye(9)[q].reshape(3, 3)
                want = slope(lambda h, way=way: each_pair("value", obs, tri + h * way, slip, "half"))  # noqa: B023
                close(got[..., q], want.transpose(0, 2, 1), 1e-8)


@pytest.mark.parametrize("name", ["field", "greens", "jacobian", "apply_adjoint", "vjp"])
@pytest.mark.parametrize(("n", "m"), [(3000, 4), (4, 3000)])
def test_threads_change_nothing_but_the_order_of_sums(name, n, m):
    obs, tri, slip = problem(n, m)
    cot = np.random.default_rng(0).normal(size=(n, 3))
    arguments = {
        "field": (obs, tri, slip, NU, "full", "displacement", False),
        "greens": (obs, tri, NU, "full", "displacement", False),
        "jacobian": (obs, tri, slip, NU, "full", "displacement", False),
        "apply_adjoint": (obs, tri, NU, "full", "displacement", cot),
        "vjp": (obs, tri, slip, NU, "full", "displacement", False, cot),
    }[name]
    one, two = (getattr(kernels, name)(*arguments, threads=k) for k in (1, 2))
    for a, b in zip(one, two, strict=True) if name == "vjp" else [(one, two)]:
        close(np.asarray(b), np.asarray(a), 1e-12)
        again = getattr(kernels, name)(*arguments, threads=2)
    np.testing.assert_array_equal(np.asarray(again[0]), np.asarray(two[0]))


@SPACES
def test_float32(space):
    obs, tri, slip = (a.astype(np.float32) for a in problem(70, 20))
    got = kernels.field_both(obs, tri, slip, NU, space, False)
    assert got.dtype == np.float32
    exact = kernels.field_both(*(a.astype(float) for a in (obs, tri, slip)), NU, space, False)
    for rows in (slice(0, 3), slice(3, 12)):
        error = np.linalg.norm((got - exact)[:, rows], axis=1) / np.linalg.norm(exact[:, rows], axis=1)
        assert np.median(error) < 2e-6 and error.max() < 1e-3


def test_singular_places_are_nan_and_the_plane_is_its_positive_side():
    tri = np.array([[[0.0, 0.0, -2.0], [2.0, 0.0, -2.0], [0.0, 2.0, -4.0]]])
    slip = np.array([[1.0, 2.0, 3.0]])
    inside = tri[0].mean(axis=0)
    obs = np.array([tri[0, 0], 0.5 * (tri[0, 0] + tri[0, 1]), inside])
    got = kernels.field(obs, tri, slip, NU, "half", "displacement", False)
    assert np.isnan(got[:2]).all() and np.isfinite(got[2]).all()
    normal = np.cross(tri[0, 1] - tri[0, 0], tri[0, 2] - tri[0, 0])
    sides = inside + 1e-9 * np.outer([1.0, -1.0], normal)
    above, below = kernels.field(sides, tri, slip, NU, "half", "displacement", False)
    np.testing.assert_allclose(got[2], above, atol=1e-7)
    assert np.linalg.norm(above - below) == pytest.approx(np.linalg.norm(slip), rel=1e-6)
