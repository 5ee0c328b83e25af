"""Errors against high precision, by category: the figures of the documentation, with a margin."""

import numpy as np
import pytest

from dislok.kernels.okada import numba_cpu as kernels

from .published import rectangle, slope

# Normwise relative errors that are allowed: (median, largest) of displacement and of its gradient.
# Measured worst cases lie a factor of 3 to 10 below; the categories after `near_edge` are singular by nature:
# there the rounding of the input alone moves the result that much.
F64 = {
    "generic": (2e-14, 2e-12, 2e-14, 1e-12),
    "surface": (2e-14, 2e-12, 2e-14, 2e-12),
    "dip0": (3e-14, 1e-10, 2e-14, 2e-11),
    "dip90": (1e-14, 2e-12, 1e-14, 2e-12),
    "dip_gt90": (2e-14, 2e-12, 1e-14, 2e-12),
    "dip_neg": (2e-14, 2e-12, 1e-14, 1e-12),
    "dip_near90": (1e-14, 4e-12, 1e-14, 4e-12),
    "dip_near0": (3e-14, 2e-11, 2e-14, 1e-11),
    "ext_strike_exact": (2e-14, 2e-11, 1e-14, 1e-11),
    "ext_dip_exact": (2e-14, 8e-11, 1e-14, 2e-11),
    "near_neg_extension": (6e-14, 2e-11, 2e-14, 4e-12),
    "plane_outside_exact": (1e-14, 2e-11, 1e-14, 4e-12),
    "on_fault_average": (4e-15, 1e-13, 4e-15, 5e-13),
    "xi0": (1e-14, 2e-12, 1e-14, 2e-13),
    "far_surface": (1e-14, 4e-12, 1e-14, 1e-11),
    "far_all": (1e-14, 6e-12, 1e-14, 3e-11),
    "tiny_fault": (4e-15, 4e-12, 4e-15, 4e-12),
    "unit_scale": (2e-14, 2e-12, 1e-14, 1e-12),
    "near_edge": (1e-12, 1e-6, 2e-12, 1e-6),
    "surface_breaking": (4e-15, 1e-11, 1e-13, 1e-6),
}
F32 = {name: (1e-5, 1e-3, 1e-5, 1e-3) for name in F64} | {
    # the observer's coordinates, rounded to float32, are that far from the edge, the trace or the nodal plane
    "near_edge": (np.inf, np.inf, np.inf, np.inf),
    "surface_breaking": (1e-6, 1e-4, np.inf, np.inf),
    "dip_near0": (1e-5, 5e-3, 1e-5, 5e-3),
}


def relative(got, truth):
    """Normwise relative error of each row."""
    got, truth = got.reshape(len(got), -1), truth.reshape(len(truth), -1)
    return np.linalg.norm(got - truth, axis=1) / np.linalg.norm(truth, axis=1)


@pytest.fixture(scope="module", params=["shipped", "shared"])
def reference(request, dislocations):
    """Truth that `tests/reference/make.py` made, and the larger set where it is there."""
    if request.param == "shipped":
        return dislocations
    return np.load(request.getfixturevalue("shared") / "refs" / "okada_tde.npz")


def evaluate(inputs, dtype):
    """Displacement and gradient [j, i order of the reference] of the reference's rectangles."""
    out = np.full((len(inputs), 12), np.nan)
    alpha, x, y, z, depth, dip, al1, al2, aw1, aw2 = inputs[:, :10].T
    for value in np.unique(alpha):
        rows = alpha == value
        place = [a[rows].astype(dtype) for a in (x, y, z)]
        rest = [a[rows] for a in (depth, dip, al1, al2, aw1, aw2)]
        got = kernels.dc3d(*place, *rest, inputs[rows, 10:], 1.0 - 0.5 / value)
        out[rows, :3] = got[:, :3]
        out[rows, 3:] = got[:, 3:].reshape(-1, 3, 3).transpose(0, 2, 1).reshape(-1, 9)
    return out


@pytest.mark.parametrize(
    ("dtype", "bounds"), [(np.float64, F64), (np.float32, F32)], ids=["float64", "float32"]
)
def test_rectangle_by_category(reference, dtype, bounds):
    truth, regular = reference["rect_truth"], reference["rect_iret"] == 0
    names = reference["rect_catnames"][reference["rect_cat"]]
    got = evaluate(reference["rect_in"], dtype)
    for name, (median_u, worst_u, median_g, worst_g) in bounds.items():
        rows = regular & (names == name)
        assert rows.any(), name
        # the median of a dozen points, whose errors spread over decades, is not that of a hundred
        scatter = 3.0 if rows.sum() < 20 else 1.0
        for part, median, worst in ((slice(0, 3), median_u, worst_u), (slice(3, 12), median_g, worst_g)):
            error = relative(got[rows, part], truth[rows, part])
            assert np.isinf(worst) or error.max() < worst, (name, part, error.max())
            assert np.isinf(median) or np.median(error) < scatter * median, (name, part, np.median(error))


def test_edges_are_nan_and_nothing_else_is(reference):
    flag = reference["rect_iret"]
    got = evaluate(reference["rect_in"], np.float64)
    assert np.isnan(got[flag == 1]).all(axis=1).all()
    assert np.isfinite(got[flag == 0]).all()


def parameters(reference, i):
    """Kind, observer, source, nu and origin of a row of the reference's Jacobians, and its columns."""
    x, y, depth, length, width, strike, dip, rake, slip, nu, *obs = reference["param_in"][i]
    if reference["param_is_point"][i]:
        src, columns = [x, y, depth, strike, dip, rake, slip, 0.0, 0.0], [0, 1, 2, 5, 6, 7, 8]
        kind, origin = "point", (0.0, 0.0)
    else:
        src, columns = [x, y, depth, length, width, strike, dip, rake, slip, 0.0], list(range(9))
        kind = "rectangle"
        origin = (0.0, 0.0) if reference["param_origin"][i] == "topleft" else (0.5, 0.5)
    return (kind, np.array([obs]), np.array([src]), nu, origin), columns


def of_gradient(rows, columns):
    """Reference rows 3 to 11, u_i,j with i fastest, as (9, columns) with j fastest."""
    return rows[3:][:, columns].reshape(3, 3, len(columns)).transpose(1, 0, 2).reshape(9, -1)


def test_jacobians_and_poissons_ratio(reference):
    for i in range(len(reference["param_in"])):
        call, columns = parameters(reference, i)
        truth = reference["param_jac"][i]
        used = range(len(columns))
        got = kernels.jacobian(*call, "displacement", False)[0, :, 0][:, used]
        assert np.linalg.norm(got - truth[:3][:, columns]) < 5e-13 * np.linalg.norm(truth[:3][:, columns])
        got = kernels.jacobian(*call, "gradient", False)[0, :, 0][:, used]
        expected = of_gradient(truth, columns)
        assert np.linalg.norm(got - expected) < 5e-13 * np.linalg.norm(expected)
        for c in range(3):
            of_obs, of_src, of_nu = kernels.vjp(*call, "displacement", False, np.eye(3)[c : c + 1])
            scale = np.linalg.norm(truth[:3], axis=0)
            assert np.abs(of_src[0, used] - truth[c, columns]).max() <= 5e-13 * scale[columns].max()
            assert np.abs(of_obs[0] - truth[c, 10:13]).max() <= 5e-13 * scale[10:13].max()
            assert abs(of_nu - truth[c, 9]) <= 5e-12 * scale[9]


def test_hessians(reference):
    for k, i in enumerate(reference["hess_index"]):
        call, columns = parameters(reference, i)
        truth = reference["hess_params"][k][:3][:, columns][:, :, columns]
        used = range(len(columns))
        got = kernels.hessian(*call, "displacement", False)[0, :, 0][:, used][:, :, used]
        assert np.linalg.norm(got - truth) < 2e-13 * np.linalg.norm(truth)


def random_case(rng):
    """Observer, fault and slip for `published.rectangle`, as in DC3D."""
    depth, dip = rng.uniform(5.0, 20.0), rng.uniform(5.0, 85.0)
    width = rng.uniform(1.0, 4.0)
    place = [rng.uniform(-40, 40), rng.uniform(-40, 40), -rng.uniform(0, 30)]
    return [*place, depth, dip, -rng.uniform(1, 10), rng.uniform(1, 10), -width, width], rng.normal(size=3)


def test_published_formulas_in_high_precision(rng):
    """Displacement and gradient without a data file."""
    for _ in range(12):
        arguments, slip = random_case(rng)
        truth = np.array([float(u) for u in rectangle(*arguments, slip=slip, nu=0.3)])
        gradient = np.array([[float(u) for u in slope(arguments, k, slip=slip, nu=0.3)] for k in range(3)]).T
        got = kernels.dc3d(*([np.array([a]) for a in arguments]), slip[None], 0.3)[0]
        assert np.linalg.norm(got[:3] - truth) < 1e-12 * np.linalg.norm(truth)
        assert np.linalg.norm(got[3:] - gradient.ravel()) < 1e-12 * np.linalg.norm(gradient)
