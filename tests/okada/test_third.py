"""Third derivatives: the Hessian of the gradient and its products, against high precision and each other."""

import mpmath
import numpy as np
import pytest

from dislok.kernels.okada import numba_cpu as kernels
from dislok.kernels.okada.pair import PAIR, VARIABLES, near_corner
from dislok.kernels.okada.third_derivatives import near_corner_third

CENTRE = (0.5, 0.5)
ORIGIN = {"topleft": (0.0, 0.0), "center": CENTRE}
NU = 0.27


def rectangles(rng, m, dtype=np.float64):
    """Sources of random place, shape, attitude and slip."""
    low = (-3.0, -3.0, 6.0, 3.0, 2.0, 0.0, 5.0, -180.0, 0.5, -1.0)
    high = (3.0, 3.0, 9.0, 9.0, 5.0, 360.0, 85.0, 180.0, 2.0, 1.0)
    return rng.uniform(low, high, (m, 10)).astype(dtype)


def points(rng, m, dtype=np.float64):
    low = (-3.0, -3.0, 3.0, 0.0, 5.0, -180.0, 0.5, -1.0, -1.0)
    high = (3.0, 3.0, 9.0, 360.0, 85.0, 180.0, 2.0, 1.0, 1.0)
    return rng.uniform(low, high, (m, 9)).astype(dtype)


SOURCES = {"rectangle": rectangles, "point": points}


def observers(rng, n, dtype=np.float64):
    return rng.uniform((-25.0, -25.0, -2.0), (25.0, 25.0, 0.0), (n, 3)).astype(dtype)


@pytest.fixture(params=sorted(SOURCES))
def kind(request):
    return request.param


def error(got, truth):
    """Largest difference, relative to the largest number."""
    return np.abs(got - truth).max() / np.abs(truth).max()


# ------------------------------------------------------------------------- against high precision


def reference_hessian(data, k, dtype):
    """Ours for case `k` of the reference, (9, 9, 9), and the reference's with the gradient row by row."""
    row = data["hess_index"][k]
    x, y, depth, length, width, strike, dip, rake, slip, nu, *place = data["param_in"][row]
    obs = np.array([place], dtype)
    origin = ORIGIN[str(data["param_origin"][row])]
    truth = data["hess_params"][k, 3:].reshape(3, 3, 9, 9).swapaxes(0, 1).reshape(9, 9, 9)
    if not data["param_is_point"][row]:
        src = np.array([[x, y, depth, length, width, strike, dip, rake, slip, 0.0]], dtype)
        return kernels.hessian("rectangle", obs, src, nu, origin, "gradient", True)[0, :, :9, :9], truth
    src = np.array([[x, y, depth, strike, dip, rake, slip, 0.0, 0.0]], dtype)
    got = kernels.hessian("point", obs, src, nu, origin, "gradient", True)[0, :, :7, :7]
    columns = np.array([0, 1, 2, 5, 6, 7, 8])
    return got, truth[:, columns[:, None], columns]


def largest_reference_error(shared, dtype):
    """Largest normwise error over the cases and the pairs of parameters."""
    data = np.load(shared / "refs" / "okada_tde.npz")
    worst = 0.0
    for k in range(len(data["hess_index"])):
        got, truth = reference_hessian(data, k, dtype)
        size = np.linalg.norm(truth, axis=0)
        # the reference has 1e-60 where the field is linear
        wrong = np.linalg.norm(got - truth, axis=0) / np.where(size < 1e-30, np.inf, size)
        worst = max(worst, wrong.max())
    return worst


def test_reference_hessians(shared):
    assert largest_reference_error(shared, np.float64) < 1e-11


@pytest.mark.slow
def test_reference_hessians_float32(shared):
    assert largest_reference_error(shared, np.float32) < 5e-3


def exact_pair(values, fa, fb, upright):
    """The numbers of a pair, in mpmath, from the values of `VARIABLES`."""
    v = dict(zip(VARIABLES, values, strict=True))
    angles = {name: v[name] * mpmath.pi / 180 for name in ("strike", "dip", "rake")}
    out = {
        f"{trig}_{name}": getattr(mpmath, trig[:3])(a)
        for name, a in angles.items()
        for trig in ("sin", "cos")
    }
    out |= {"east": upright[0] - v["x"], "north": upright[1] - v["y"], "z": v["z"], "depth": v["depth"]}
    out |= {"al1": -fa * v["length"], "al2": (1 - fa) * v["length"], "l1": fa, "l2": fa - 1}
    out |= {"aw1": -(1 - fb) * v["width"], "aw2": fb * v["width"], "w1": 1 - fb, "w2": -fb}
    out |= {"u1": v["slip"] * out["cos_rake"], "u2": v["slip"] * out["sin_rake"], "u3": v["opening"]}
    out |= {"u4": v["inflation"], "slip": v["slip"], "turn": mpmath.mpf(1), "unit": mpmath.mpf(1)}
    return [out[name] for name in PAIR]


def summed_corners(formula, pair, *rest):
    """Rows of a rectangle: primitives may differ by what the sum over the corners removes."""
    total = None
    for i, j in ((1, 1), (1, 2), (2, 1), (2, 2)):
        edge = [pair[PAIR.index(f"{name}{k}")] for name, k in (("al", i), ("aw", j), ("l", i), ("w", j))]
        terms = formula(pair, *rest, *edge)
        sign = 1 if i == j else -1
        total = [(0 if total is None else total[k]) + sign * x for k, x in enumerate(terms)]
    return total


def test_rows_along_a_direction():
    """The rows' tangents are the derivative of the rows, in 50 digits."""
    numbers = ("0.4", "-0.7", "6", "5", "3", "37", "52", "24", "1.3", "0.6", "0", "-1.1", "0")
    direction = ("0.3", "0.9", "-0.4", "0.7", "0.2", "11", "-8", "13", "0.5", "-0.9", "0", "0.6", "0")
    with mpmath.workdps(50):
        values, t = [mpmath.mpf(x) for x in numbers], [mpmath.mpf(x) for x in direction]
        fa, fb, nu, eps = (mpmath.mpf(x) for x in ("0.3", "0.2", "0.27", "1e-40"))

        def rows(s, formula, *along):
            moved = [v + s * d for v, d in zip(values, t, strict=True)]
            pair = exact_pair(moved, fa, fb, (mpmath.mpf(4), mpmath.mpf(-3)))
            return summed_corners(formula, pair, *along, nu, eps)

        h = mpmath.mpf(10) ** -13
        ahead, behind = rows(h, near_corner), rows(-h, near_corner)
        got = rows(mpmath.mpf(0), near_corner_third, t)
        slopes = [(a - b) / (2 * h) for a, b in zip(ahead, behind, strict=True)]
        count = len(got) // 2
        # the formulas' own constants have 16 digits
        worst = max(abs(g - s) / (1 + abs(s)) for g, s in zip(got[count:], slopes[:count], strict=True))
    assert worst < 1e-15


# ---------------------------------------------------------------------------- against each other


def product_inputs(kind, rng, n, m):
    src = SOURCES[kind](rng, m)
    vary = np.zeros_like(src)
    obs = observers(rng, n)
    directions = [(rng.normal(size=(n, 3)), vary + rng.normal(size=src.shape)) for _ in range(2)]
    return obs, src, rng.normal(size=(n, 9)), *directions


def test_products_with_the_hessian(kind, rng):
    obs, src, cot, (_, t), (_, s) = product_inputs(kind, rng, 70, 3)
    still = np.zeros_like(obs)
    hessian = kernels.hessian(kind, obs, src, NU, CENTRE, "gradient", False)
    both = kernels.jvp2(kind, obs, src, NU, CENTRE, "gradient", False, still, t, still, s)
    assert error(both, np.einsum("ncmpq,mp,mq->nc", hessian, t, s)) < 1e-12
    _, of_src = kernels.vjp2(kind, obs, src, NU, CENTRE, "gradient", False, cot, still, t)
    assert error(of_src, np.einsum("ncmpq,mp,nc->mq", hessian, t, cot)) < 1e-12


def test_transposes(kind, rng):
    """cot . H[t, s] by three ways, with observers that move too."""
    obs, src, cot, (t_obs, t), (s_obs, s) = product_inputs(kind, rng, 40, 3)
    options = (kind, obs, src, NU, CENTRE, "gradient", False)
    forward = (cot * kernels.jvp2(*options, t_obs, t, s_obs, s)).sum()
    of_obs, of_src = kernels.vjp2(*options, cot, t_obs, t)
    assert (of_obs * s_obs).sum() + (of_src * s).sum() == pytest.approx(forward, rel=1e-11)
    of_obs, of_src = kernels.vjp2(*options, cot, s_obs, s)
    assert (of_obs * t_obs).sum() + (of_src * t).sum() == pytest.approx(forward, rel=1e-11)


def test_derivative_of_the_first_product(kind, rng):
    """Central differences of the gradient's derivative, with all of the inputs moved."""
    obs, src, _, (t_obs, t), (s_obs, s) = product_inputs(kind, rng, 20, 2)
    obs[:, 2] -= 1.0
    h = 1e-5
    ends = [
        kernels.jvp(kind, obs + e * h * s_obs, src + e * h * s, NU, CENTRE, "gradient", False, t_obs, t, 0.0)
        for e in (1, -1)
    ]
    got = kernels.jvp2(kind, obs, src, NU, CENTRE, "gradient", False, t_obs, t, s_obs, s)
    assert error(got, (ends[0] - ends[1]) / (2 * h)) < 1e-7


def test_order_of_differentiation(kind, rng):
    """du_i/dx_j differentiated with the source's place k is du_i/dx_k differentiated with j."""
    obs, src = observers(rng, 30), SOURCES[kind](rng, 2)
    hessian = kernels.hessian(kind, obs, src, NU, CENTRE, "gradient", False)
    by_axes = hessian.reshape(30, 3, 3, 2, *hessian.shape[-2:])[:, :, :2, :, :2]
    assert error(by_axes, by_axes.swapaxes(2, 4)) < 1e-12


def test_pairs_are_the_diagonal(kind, rng):
    obs, src = observers(rng, 5), SOURCES[kind](rng, 5)
    every = kernels.hessian(kind, obs, src, NU, CENTRE, "gradient", False)
    paired = kernels.hessian(kind, obs, src, NU, CENTRE, "gradient", True)
    np.testing.assert_array_equal(paired, every[np.arange(5), :, np.arange(5)])


def test_displacement_is_what_it_was(rng):
    """`of` decides: the products of the displacement are not those of the gradient."""
    obs, src, cot, (t_obs, t), (s_obs, s) = product_inputs("rectangle", rng, 6, 2)
    assert kernels.hessian("rectangle", obs, src, NU, CENTRE, "displacement", False).shape[1] == 3
    both = kernels.jvp2("rectangle", obs, src, NU, CENTRE, "displacement", False, t_obs, t, s_obs, s)
    of_obs, of_src = kernels.vjp2(
        "rectangle", obs, src, NU, CENTRE, "displacement", False, cot[:, :3].copy(), t_obs, t
    )
    product = (of_obs * s_obs).sum() + (of_src * s).sum()
    assert (cot[:, :3] * both).sum() == pytest.approx(product, rel=1e-11)


def test_output_is_filled_in_place(rng):
    obs, src = observers(rng, 3), rectangles(rng, 2)
    out = np.full((3, 9, 2, 10, 10), np.nan)
    assert kernels.hessian("rectangle", obs, src, NU, CENTRE, "gradient", False, out=out) is out
    np.testing.assert_array_equal(out, kernels.hessian("rectangle", obs, src, NU, CENTRE, "gradient", False))


# ------------------------------------------------------------------------------- special places


def test_smooth_through_the_plane():
    """Inside the fault the displacement jumps, its derivatives do not; dip 90 degrees and xi = 0 at once."""
    src = np.array([[0.0, 0.0, 5.0, 4.0, 3.0, 0.0, 90.0, 30.0, 1.0, 0.5]])
    offsets = np.array([0.0, -1e-4, 1e-4])
    obs = np.stack([offsets, 0.0 * offsets, -5.0 + 0.0 * offsets], axis=1)
    at, left, right = kernels.hessian("rectangle", obs, src, NU, CENTRE, "gradient", False)
    assert error(at, 0.5 * (left + right)) < 1e-6


def test_singular_places_are_nan():
    rectangle = np.array([[0.0, 0.0, 5.0, 4.0, 3.0, 0.0, 90.0, 30.0, 1.0, 0.5]])
    point = np.array([[0.0, 0.0, 5.0, 30.0, 40.0, 30.0, 1.0, 0.5, 0.1]])
    corner, centre = np.array([[0.0, 2.0, -3.5]]), np.array([[0.0, 0.0, -5.0]])
    assert np.isnan(kernels.hessian("rectangle", corner, rectangle, NU, CENTRE, "gradient", True)).any()
    assert np.isnan(kernels.hessian("point", centre, point, NU, CENTRE, "gradient", True)).any()


def test_method_does_not_show(rng):
    """Closed form and quadrature agree where one takes over from the other."""
    src = np.array([[0.0, 0.0, 4.0, 2.0, 2.0, 20.0, 50.0, 40.0, 1.0, 0.3]])
    distances = np.linspace(1.5, 25.0, 40)
    obs = np.stack([distances, 0.3 * distances, -0.5 + 0.0 * distances], axis=1)
    whole = kernels.hessian("rectangle", obs, src, NU, CENTRE, "gradient", False)[:, :, 0, :3, :3]
    # two halves along strike, whose limits lie elsewhere
    turn = np.deg2rad(20.0)
    halves = np.repeat(src, 2, axis=0)
    halves[:, 3] = 1.0
    halves[:, 0] += np.array([-0.5, 0.5]) * np.sin(turn)
    halves[:, 1] += np.array([-0.5, 0.5]) * np.cos(turn)
    sum_of_halves = kernels.hessian("rectangle", obs, halves, NU, CENTRE, "gradient", False)
    sum_of_halves = sum_of_halves[:, :, :, :3, :3].sum(axis=2)
    size = np.linalg.norm(whole.reshape(40, -1), axis=1)
    wrong = np.linalg.norm((whole - sum_of_halves).reshape(40, -1), axis=1)
    assert (wrong / size).max() < 1e-9


@pytest.mark.slow
def test_float32(kind, rng):
    obs, src, cot, (t_obs, t), (s_obs, s) = product_inputs(kind, rng, 50, 3)
    small = [a.astype(np.float32) for a in (obs, src, cot, t_obs, t, s_obs, s)]
    obs, src, cot, t_obs, t, s_obs, s = [a.astype(np.float64) for a in small]
    results = [
        (
            kernels.hessian(kind, o, m, NU, CENTRE, "gradient", False),
            kernels.jvp2(kind, o, m, NU, CENTRE, "gradient", False, a, b, c, d),
            *kernels.vjp2(kind, o, m, NU, CENTRE, "gradient", False, w, a, b),
        )
        for o, m, w, a, b, c, d in ((obs, src, cot, t_obs, t, s_obs, s), small)
    ]
    for exact, got in zip(*results, strict=True):
        assert got.dtype == np.float32
        assert error(got, exact) < 2e-4
