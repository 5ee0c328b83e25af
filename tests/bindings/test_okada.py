"""The public functions of the Okada family: values, shapes, consistency, and every error before any work."""

import doctest
import subprocess
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from dislok import backends, convert, okada, sources

OBS = np.array([[5.0, 2.0, 0.0], [-3.0, 4.0, -2.5], [12.0, -9.0, -0.5], [0.5, 30.0, -7.0]])
FAULT = okada.Rectangle(
    x=1.0, y=2.0, depth=3.0, length=20.0, width=10.0, strike=30.0, dip=60.0, rake=70.0, slip=2.0
)
FAULTS = FAULT._replace(x=np.array([1.0, -4.0, 9.0]), dip=np.array([60.0, 20.0, 85.0]), opening=0.3)
POINTS = okada.Point(
    x=np.array([1.0, -4.0]),
    y=2.0,
    depth=6.0,
    strike=30.0,
    dip=[50.0, 80.0],
    rake=20.0,
    potency=90.0,
    inflation=7.0,
)
SOURCES = pytest.mark.parametrize("source", [FAULTS, POINTS], ids=["rectangles", "points"])
OF = pytest.mark.parametrize("of", ["displacement", "gradient"])
FIELDS = ["displacement", "gradient", "strain", "stress"]
MATRICES = ["greens", "jacobian", "hessian"]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def no_work(monkeypatch):
    """Fail where a kernel is asked for."""

    def load(name, family):
        assert family == "okada"
        pytest.fail(f"{name} was asked to work on bad input")

    monkeypatch.setattr(backends, "load", load)


def counts(source):
    """Number of sources, of unit sources and of parameters."""
    return len(source.x), 3 if isinstance(source, okada.Rectangle) else 4, len(source)


def one(source, i):
    """Source i alone."""
    return type(source)(*(np.broadcast_to(value, len(source.x))[i] for value in source))


# values


@pytest.fixture(scope="module")
def truth(shared):
    """Cases of the reference data as (observer, source, options), and their high-precision results."""
    data = np.load(shared / "refs" / "okada_tde.npz")
    cases = []
    for row, origin, point in zip(
        data["param_in"], data["param_origin"], data["param_is_point"], strict=True
    ):
        x, y, depth, length, width, strike, dip, rake, slip, nu = row[:10]
        source = okada.Rectangle(x, y, depth, length, width, strike, dip, rake, slip)
        if point:
            source = okada.Point(x, y, depth, strike, dip, rake, slip)
        cases.append((row[None, 10:], source, {"nu": nu, "origin": str(origin)}))
    return SimpleNamespace(cases=cases, data=data)


def columns_of(source):
    """Where the parameters of the reference data stand among the fields, and among its own columns."""
    if isinstance(source, okada.Rectangle):
        return slice(0, 9), slice(0, 9)
    return slice(0, 7), [0, 1, 2, 5, 6, 7, 8]


def error(found, expected):
    return np.linalg.norm(found - expected) / max(np.linalg.norm(expected), np.finfo(float).tiny)


def test_fields_agree_with_high_precision(truth):
    for (obs, source, options), expected in zip(truth.cases, truth.data["param_u"], strict=True):
        displacement, gradient = okada.fields(obs, source, **options)
        if not expected.any():
            assert not displacement.any() and not gradient.any()
            continue
        assert error(displacement[0], expected[:3]) < 1e-10
        # The reference lists the gradient column by column.
        assert error(gradient[0].T.ravel(), expected[3:]) < 1e-9


@OF
def test_jacobian_agrees_with_high_precision(truth, of):
    rows = slice(0, 3) if of == "displacement" else slice(3, 12)
    for (obs, source, options), expected in zip(truth.cases, truth.data["param_jac"], strict=True):
        found = okada.jacobian(obs, source, of=of, **options)[0, ..., 0, :]
        mine, theirs = columns_of(source)
        found = (
            found[..., mine] if of == "displacement" else np.moveaxis(found[..., mine], 0, 1).reshape(9, -1)
        )
        assert error(found, expected[rows][:, theirs]) < 1e-9


@OF
def test_hessian_agrees_with_high_precision(truth, of):
    rows = slice(0, 3) if of == "displacement" else slice(3, 12)
    for index, expected in zip(truth.data["hess_index"], truth.data["hess_params"], strict=True):
        obs, source, options = truth.cases[index]
        found = okada.hessian(obs, source, of=of, **options)[0, ..., 0, :, :]
        mine, theirs = columns_of(source)
        found = found[..., mine, mine]
        found = found if of == "displacement" else np.moveaxis(found, 0, 1).reshape(9, *found.shape[2:])
        assert error(found, expected[rows][:, theirs][:, :, theirs]) < 1e-8


# shapes


@SOURCES
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_shapes_and_dtypes(source, dtype):
    m, b, p = counts(source)
    obs = OBS.astype(dtype)
    source = type(source)(*(np.asarray(value, dtype) for value in source))
    tails = {"greens": (m, b), "jacobian": (m, p), "hessian": (m, p, p)}
    shapes = {"displacement": (4, 3), "gradient": (4, 3, 3), "strain": (4, 6), "stress": (4, 6)}
    for name, shape in shapes.items():
        found = getattr(okada, name)(obs, source)
        assert (found.shape, found.dtype, found.flags.c_contiguous) == (shape, dtype, True)
    for name, tail in tails.items():
        for of, head in (("displacement", (4, 3)), ("gradient", (4, 3, 3))):
            found = getattr(okada, name)(obs, source, of=of)
            assert (found.shape, found.dtype, found.flags.c_contiguous) == (head + tail, dtype, True)


@pytest.mark.parametrize("name", MATRICES)
@OF
def test_pairs_drop_the_axis_of_sources(name, of):
    found = getattr(okada, name)(OBS[:3], FAULTS, of=of, pairs=True)
    every = getattr(okada, name)(OBS[:3], FAULTS, of=of)
    axis = 2 if of == "displacement" else 3
    assert found.shape == every.shape[:axis] + every.shape[axis + 1 :]
    for i in range(3):
        np.testing.assert_allclose(found[i], np.take(every[i], i, axis=axis - 1), rtol=1e-12)


@pytest.mark.parametrize("name", FIELDS)
def test_pairs_do_not_sum(name):
    found = getattr(okada, name)(OBS[:3], FAULTS, pairs=True)
    for i in range(3):
        alone = getattr(okada, name)(OBS[i : i + 1], one(FAULTS, i))
        np.testing.assert_allclose(found[i], alone[0], rtol=1e-12, atol=1e-12 * np.abs(alone).max())


def test_pairs_of_one_source_are_no_sum_either():
    np.testing.assert_array_equal(okada.displacement(OBS, FAULT, pairs=True), okada.displacement(OBS, FAULT))


@SOURCES
@pytest.mark.parametrize("name", [*FIELDS, *MATRICES])
@pytest.mark.parametrize(("n", "m"), [(0, 3), (4, 0), (0, 0)])
def test_nothing_in_nothing_out(source, name, n, m):
    none = source._replace(x=np.zeros(m), **{k: 1.0 for k in ("dip", "opening")})
    found = getattr(okada, name)(np.zeros((n, 3)), none)
    full = getattr(okada, name)(OBS, source)
    expected = [n, *full.shape[1:]]
    if name in MATRICES:
        expected[2] = m
    assert found.shape == tuple(expected)
    assert not found.any()


def test_products_with_nothing():
    none = FAULTS._replace(x=np.zeros(0), dip=60.0)
    np.testing.assert_array_equal(okada.apply(OBS, none, np.zeros((0, 3))), np.zeros((4, 3)))
    np.testing.assert_array_equal(
        okada.apply_adjoint(np.zeros((0, 2)), FAULTS, np.zeros((0, 3))), np.zeros((3, 3))
    )
    assert okada.fields(np.zeros((0, 3)), FAULT)[1].shape == (0, 3, 3)


# consistency


def test_observers_without_height_are_at_the_surface():
    flat = np.column_stack([OBS[:, :2], np.zeros(4)])
    for name in [*FIELDS, *MATRICES]:
        function = getattr(okada, name)
        np.testing.assert_array_equal(function(OBS[:, :2], FAULTS), function(flat, FAULTS))


@SOURCES
def test_sources_add_up(source):
    alone = [okada.displacement(OBS, one(source, i)) for i in range(len(source.x))]
    np.testing.assert_allclose(okada.displacement(OBS, source), sum(alone), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("origin", okada.ORIGINS)
def test_every_reference_point_gives_the_same_field(origin):
    moved = convert.move_origin(FAULTS, "topleft", origin)
    expected = okada.gradient(OBS, FAULTS)
    np.testing.assert_allclose(okada.gradient(OBS, moved, origin=origin), expected, rtol=1e-9, atol=1e-12)


@SOURCES
def test_both_fields_are_the_fields(source):
    displacement, gradient = okada.fields(OBS, source, nu=0.3)
    np.testing.assert_allclose(displacement, okada.displacement(OBS, source, nu=0.3), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(gradient, okada.gradient(OBS, source, nu=0.3), rtol=1e-10, atol=1e-15)


@SOURCES
def test_strain_and_stress_follow_from_the_gradient(source):
    g = okada.gradient(OBS, source, nu=0.3)
    strain = (g + g.transpose(0, 2, 1)) / 2
    # Hooke's law with Young's modulus, another way to write the same.
    young = 2 * 25e9 * 1.3
    stress = (
        young / 1.3 * (strain + 0.3 / 0.4 * np.trace(strain, axis1=1, axis2=2)[:, None, None] * np.eye(3))
    )
    rows, columns = [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]
    np.testing.assert_allclose(okada.strain(OBS, source, nu=0.3), strain[:, rows, columns], rtol=1e-12)
    found = okada.stress(OBS, source, nu=0.3, mu=25e9)
    np.testing.assert_allclose(found, stress[:, rows, columns], rtol=1e-9, atol=1e-9 * np.abs(stress).max())


def test_the_surface_is_free_of_traction():
    found = okada.stress(OBS[:, :2], FAULTS, nu=0.3, mu=1.0)
    np.testing.assert_allclose(found[:, [2, 4, 5]], 0.0, atol=1e-13 * np.abs(found).max())


@SOURCES
@OF
def test_greens_times_slip_is_the_field(source, of):
    m, b, _ = counts(source)
    rake = np.deg2rad(np.broadcast_to(source.rake, m))
    size = source.slip if b == 3 else source.potency
    rest = [source.opening] if b == 3 else [source.opening, source.inflation]
    s = np.stack(np.broadcast_arrays(size * np.cos(rake), size * np.sin(rake), *rest), axis=-1)
    matrix = okada.greens(OBS, source, of=of)
    expected = getattr(okada, of)(OBS, source)
    np.testing.assert_allclose(np.tensordot(matrix, s, 2), expected, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(okada.apply(OBS, source, s, of=of), expected, rtol=1e-10, atol=1e-14)


@SOURCES
@OF
def test_the_adjoint_is_the_transpose(source, of, rng):
    matrix = okada.greens(OBS, source, of=of)
    r = rng.normal(size=matrix.shape[:-2])
    found = okada.apply_adjoint(OBS, source, r, of=of)
    np.testing.assert_allclose(found, np.tensordot(r, matrix, r.ndim), rtol=1e-10, atol=1e-14)


def test_hessian_is_symmetric():
    h = okada.hessian(OBS, FAULTS)
    np.testing.assert_allclose(h, np.swapaxes(h, -1, -2), rtol=1e-9, atol=1e-12)


def test_poissons_ratio_matters():
    assert not np.allclose(okada.displacement(OBS, FAULT), okada.displacement(OBS, FAULT, nu=0.0))
    for nu in (np.float32(0.25), np.array(0.25)):
        np.testing.assert_array_equal(okada.displacement(OBS, FAULT, nu=nu), okada.displacement(OBS, FAULT))


def test_threads_do_not_change_the_result():
    np.testing.assert_array_equal(okada.displacement(OBS, FAULT, threads=1), okada.displacement(OBS, FAULT))


def test_lists_and_integers_are_read():
    obs = [[5, 2, 0], [-3, 4, -2]]
    expected = okada.displacement(np.array(obs, float), FAULT)
    np.testing.assert_array_equal(okada.displacement(obs, FAULT), expected)
    np.testing.assert_array_equal(
        okada.displacement(np.array(obs), FAULT._replace(x=np.array([1]))), expected
    )


@pytest.mark.parametrize(
    "view", [lambda a: a[::-1], lambda a: np.asfortranarray(a), lambda a: np.broadcast_to(a[:1], a.shape)]
)
def test_inputs_of_any_layout_are_read_and_not_written(view):
    obs = view(OBS.copy())
    expected = okada.displacement(np.array(obs), FAULT)
    before = obs.copy()
    obs.flags.writeable = False
    np.testing.assert_array_equal(okada.displacement(obs, FAULT), expected)
    np.testing.assert_array_equal(obs, before)


@pytest.mark.parametrize("pairs", [False, True])
def test_blocks_of_observers_leave_no_seam(monkeypatch, pairs, rng):
    obs = -rng.uniform(0, 30, (11, 3))
    fault = FAULT._replace(strike=rng.uniform(0, 360, 11))
    names = ["strain", "stress", "fields"]
    whole = [getattr(okada, name)(obs, fault, pairs=pairs) for name in names]
    monkeypatch.setattr("dislok.launches.BLOCK", 4)
    for name, expected in zip(names, whole, strict=True):
        for a, b in zip(getattr(okada, name)(obs, fault, pairs=pairs), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", [*FIELDS, "fields", "greens"])
def test_memory_beyond_the_result_is_bounded(name, rng):
    function, obs = getattr(okada, name), -rng.uniform(0, 30, (300_000, 3))
    function(obs[:10], FAULT)
    tracemalloc.start()
    try:
        result = function(obs, FAULT)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    size = sum(part.nbytes for part in (result if isinstance(result, tuple) else [result]))
    assert peak - size < 32e6


@pytest.mark.parametrize("above", [1e-16, 9e-10])
def test_rounding_above_the_surface_does_not_show(above):
    flat = okada.gradient(OBS[:, :2], FAULT._replace(depth=0.0))
    found = okada.gradient(OBS[:, :2], FAULT._replace(depth=-above * FAULT.width))
    np.testing.assert_allclose(found, flat, atol=1e-7 * np.abs(flat).max())


# out=


@pytest.mark.parametrize("name", [*FIELDS, *MATRICES])
def test_out_receives_the_result(name):
    function = getattr(okada, name)
    expected = function(OBS, FAULTS)
    out = np.full_like(expected, 99.0)
    assert function(OBS, FAULTS, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_out_of_products_and_pairs_of_fields(rng):
    s, r = rng.normal(size=(3, 3)), rng.normal(size=(4, 3, 3))
    out = np.full((4, 3, 3), 99.0)
    assert okada.apply(OBS, FAULTS, s, of="gradient", out=out) is out
    np.testing.assert_array_equal(out, okada.apply(OBS, FAULTS, s, of="gradient"))
    back = np.full((3, 3), 99.0)
    assert okada.apply_adjoint(OBS, FAULTS, r, of="gradient", out=back) is back
    np.testing.assert_array_equal(back, okada.apply_adjoint(OBS, FAULTS, r, of="gradient"))
    both = np.full((4, 3), 99.0), np.full((4, 3, 3), 99.0)
    found = okada.fields(OBS, FAULTS, out=both)
    assert found[0] is both[0] and found[1] is both[1]
    np.testing.assert_array_equal(both[1], okada.fields(OBS, FAULTS)[1])


def test_out_must_not_be_an_input():
    obs = OBS.copy()
    with pytest.raises(ValueError, match="^out shares memory with an input$"):
        okada.displacement(obs, FAULT, out=obs)
    s = np.ones((4, 3))
    with pytest.raises(ValueError, match="^out shares memory with an input$"):
        okada.apply(OBS, FAULTS, s[:3], out=s)


def test_out_of_the_wrong_shape_is_refused(no_work):
    with pytest.raises(ValueError, match=r"^out must have shape \(4, 3, 3, 10\), got \(4, 3\)$"):
        okada.jacobian(OBS, FAULTS, out=np.empty((4, 3)))


# errors, before any work


def with_value(row, column, value):
    obs = OBS.copy()
    obs[row, column] = value
    return obs


@pytest.mark.parametrize(
    ("obs", "message"),
    [
        (OBS[0], r"^obs must have shape \(n, 3\), or \(n, 2\) at the surface, got \(3,\)$"),
        (OBS[:, :1], r"^obs must have shape \(n, 3\), or \(n, 2\) at the surface, got \(4, 1\)$"),
        (OBS[None], r"^obs must have shape \(n, 3\), or \(n, 2\) at the surface, got \(1, 4, 3\)$"),
        (with_value(2, 1, np.nan), r"^obs\[2, 1\] is nan; it must be finite$"),
        (with_value(3, 0, -np.inf), r"^obs\[3, 0\] is -inf; it must be finite$"),
        (
            with_value(1, 2, 1e-9),
            r"^obs\[1, 2\] is 1e-09; observers must not be above the surface \(z <= 0\)$",
        ),
    ],
)
@pytest.mark.parametrize("name", [*FIELDS, *MATRICES, "fields"])
def test_bad_observers(no_work, name, obs, message):
    with pytest.raises(ValueError, match=message):
        getattr(okada, name)(obs, FAULT)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (FAULT._replace(depth=-1.0), {}, r"^source.depth\[0\] is -1.0; depth is positive downwards"),
        (FAULTS._replace(length=[1.0, 0.0, 1.0]), {}, r"^source.length\[1\] is 0.0; it must be positive$"),
        (FAULT._replace(width=-2.0), {}, r"^source.width\[0\] is -2.0; it must be positive$"),
        (FAULT._replace(slip=np.nan), {}, r"^source.slip\[0\] is nan; it must be finite$"),
        (FAULT, {"origin": "center"}, r"^source.depth\[0\] is 3.0; the fault would stick out .* by 1.33013$"),
        (FAULT, {"origin": "top"}, "^unknown origin 'top'; choose from 'topleft', 'topcenter'"),
        (
            FAULTS,
            {"pairs": True},
            "^with pairs=True source.x must have length 4, one for each observer; got 3$",
        ),
        (FAULTS._replace(y=np.zeros(2)), {}, "^source.y has length 2 but source.x has length 3$"),
        (FAULT, {"nu": 0.5}, r"^nu is 0.5; Poisson's ratio must be in \[0, 0.5\)$"),
        (FAULT, {"nu": -0.1}, r"^nu is -0.1; Poisson's ratio must be in \[0, 0.5\)$"),
        (FAULT, {"nu": np.nan}, "^nu is nan; it must be finite$"),
        (FAULT, {"nu": np.full(2, 0.25)}, r"^nu must be a number, got shape \(2,\)$"),
        (FAULT, {"backend": "fortran"}, "^unknown backend 'fortran'"),
        (FAULT, {"backend": "cupy"}, "^backend 'cupy' needs CUDA arrays, but the inputs are on the CPU$"),
        (FAULT, {"threads": 0}, "^threads must be between 1 and "),
    ],
)
@pytest.mark.parametrize("name", ["displacement", "stress", "jacobian"])
def test_bad_sources_and_options(no_work, name, source, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(okada, name)(OBS, source, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: okada.greens(OBS, FAULT, of="tilt"),
            "^unknown of='tilt'; choose from 'displacement', 'gradient', 'strain', 'stress'$",
        ),
        (lambda: okada.stress(OBS, FAULT, mu=0.0), "^mu is 0.0; the shear modulus must be positive$"),
        (lambda: okada.stress(OBS, FAULT, mu=np.inf), "^mu is inf; it must be finite$"),
        (lambda: okada.apply(OBS, FAULTS, np.ones(3)), r"^s must have shape \(3, 3\), got \(3,\)$"),
        (lambda: okada.apply(OBS, POINTS, np.ones((2, 3))), r"^s must have shape \(2, 4\), got \(2, 3\)$"),
        (lambda: okada.apply(OBS, FAULT, [[0, np.nan, 0]]), r"^s\[0, 1\] is nan; it must be finite$"),
        (
            lambda: okada.apply_adjoint(OBS, FAULT, np.ones((3, 3))),
            r"^r must have shape \(4, 3\), got \(3, 3\)$",
        ),
        (
            lambda: okada.apply_adjoint(OBS, FAULT, np.ones((4, 3)), of="gradient"),
            r"^r must have shape \(4, 3, 3\), got \(4, 3\)$",
        ),
    ],
)
def test_bad_arguments_of_single_functions(no_work, call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: okada.displacement(OBS, list(FAULT)), "^source must be a Rectangle or a Point, got list$"),
        (lambda: okada.displacement("here", FAULT), "^obs has dtype str"),
        (lambda: okada.displacement(OBS, FAULT._replace(dip="steep")), "^source.dip has dtype str"),
        (
            lambda: okada.displacement(OBS, FAULT._replace(dip=None)),
            "^source.dip must be an array or a number, got ",
        ),
        (lambda: okada.displacement(OBS.astype("f4"), FAULTS), "^obs is float32 but source.x is float64"),
        (lambda: okada.displacement(OBS, FAULT, nu=None), "^nu must be an array or a number, got NoneType$"),
        (lambda: okada.displacement(OBS, FAULT, threads=1.5), "^threads must be an integer, got float$"),
        (lambda: okada.stress(OBS, FAULT, mu="stiff"), "^mu must be a number, got str$"),
        (
            lambda: okada.fields(OBS, FAULT, out=np.empty((4, 3))),
            "^out must be two arrays, of displacement and ",
        ),
    ],
)
def test_wrong_types(no_work, call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_check_looks_and_computes_nothing(no_work):
    assert okada.check(OBS, FAULTS) is None
    with pytest.raises(ValueError, match=r"^obs\[1, 2\] is 4.0"):
        okada.check(with_value(1, 2, 4.0), FAULT)
    with pytest.raises(ValueError, match="^nu is 0.7"):
        okada.check(OBS, FAULT, nu=0.7)


# torch


def tensors(torch, source, **options):
    return type(source)(*(torch.as_tensor(value, dtype=torch.float64, **options) for value in source))


@SOURCES
@pytest.mark.parametrize("name", [*FIELDS, *MATRICES])
def test_tensors_give_tensors_of_the_same_values(torch, source, name):
    function = getattr(okada, name)
    found = function(torch.tensor(OBS), tensors(torch, source))
    assert isinstance(found, torch.Tensor) and found.dtype is torch.float64
    np.testing.assert_allclose(found.numpy(), function(OBS, source), rtol=1e-10, atol=1e-14)


@OF
def test_tensor_products(torch, of, rng):
    obs, faults = torch.tensor(OBS), tensors(torch, FAULTS)
    s, r = rng.normal(size=(3, 3)), rng.normal(size=(4, 3) if of == "displacement" else (4, 3, 3))
    found = okada.apply(obs, faults, torch.tensor(s), of=of)
    np.testing.assert_allclose(found.numpy(), okada.apply(OBS, FAULTS, s, of=of), rtol=1e-10, atol=1e-14)
    found = okada.apply_adjoint(obs, faults, torch.tensor(r), of=of)
    np.testing.assert_allclose(
        found.numpy(), okada.apply_adjoint(OBS, FAULTS, r, of=of), rtol=1e-10, atol=1e-14
    )


def test_tensor_fields_in_one_pass(torch):
    found = okada.fields(torch.tensor(OBS), FAULT)
    for tensor, array in zip(found, okada.fields(OBS, FAULT), strict=True):
        np.testing.assert_allclose(tensor.numpy(), array, rtol=1e-10, atol=1e-14)


def test_float32_tensors_stay_float32(torch):
    assert okada.strain(torch.tensor(OBS, dtype=torch.float32), FAULT).dtype is torch.float32


def test_one_parameter_of_many_may_be_a_tensor(torch):
    obs = torch.tensor(OBS)
    depth = torch.tensor(3.0, requires_grad=True)
    okada.displacement(obs, FAULTS._replace(x=1.0, dip=60.0, depth=depth)).sum().backward()
    expected = okada.jacobian(OBS, FAULT._replace(opening=0.3))[..., 2].sum()
    np.testing.assert_allclose(float(depth.grad), expected, rtol=1e-6)


def test_shared_and_single_parameters_get_their_own_gradients(torch):
    strike = torch.tensor(30.0, dtype=torch.float64, requires_grad=True)
    x = torch.tensor([1.0, -4.0, 9.0], dtype=torch.float64, requires_grad=True)
    source = FAULTS._replace(x=x, strike=strike, dip=60.0)
    okada.strain(torch.tensor(OBS), source).sum().backward()
    jacobian = okada.jacobian(OBS, FAULTS._replace(dip=60.0), of="gradient")
    weights = np.array([[1, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 1]])
    total = np.einsum("nijmp,ij->mp", jacobian, weights)
    np.testing.assert_allclose(float(strike.grad), total[:, 5].sum(), rtol=1e-9)
    np.testing.assert_allclose(x.grad.numpy(), total[:, 0], rtol=1e-9, atol=1e-12)


def test_observers_without_height_get_gradients(torch):
    obs = torch.tensor(OBS[:, :2], requires_grad=True)
    okada.displacement(obs, FAULT).sum().backward()
    expected = okada.gradient(OBS[:, :2], FAULT).sum(axis=1)[:, :2]
    np.testing.assert_allclose(obs.grad.numpy(), expected, rtol=1e-9)


def test_poissons_ratio_gets_a_gradient(torch):
    nu = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    okada.stress(torch.tensor(OBS), FAULT, nu=nu, mu=1.0).sum().backward()
    step = 1e-5
    ends = [okada.stress(OBS, FAULT, nu=0.3 + sign * step, mu=1.0).sum() for sign in (1, -1)]
    np.testing.assert_allclose(float(nu.grad), (ends[0] - ends[1]) / (2 * step), rtol=1e-6)


def test_the_shear_modulus_may_be_a_tensor(torch):
    mu = torch.tensor(2.0, requires_grad=True)
    found = okada.stress(torch.tensor(OBS), FAULT, mu=mu).sum()
    found.backward()
    assert float(mu.grad) == pytest.approx(float(found.detach()) / 2, rel=1e-6)
    with pytest.raises(ValueError, match="^mu is -1.0; the shear modulus must be positive$"):
        okada.stress(torch.tensor(OBS), FAULT, mu=torch.tensor(-1.0))
    with pytest.raises(ValueError, match=r"^mu must be a number, got shape \(2,\)$"):
        okada.stress(torch.tensor(OBS), FAULT, mu=torch.ones(2))
    with pytest.raises(TypeError, match=r"^mu must be a number, got Tensor of shape \(\)$"):
        okada.stress(OBS, FAULT, mu=torch.tensor(1.0))


def test_derivatives_with_torch_func(torch):
    obs = torch.tensor(OBS)

    def field(depth):
        return okada.displacement(obs, FAULT._replace(depth=depth))

    depth = torch.tensor(3.0, dtype=torch.float64)
    expected = okada.jacobian(OBS, FAULT)[:, :, 0, 2]
    np.testing.assert_allclose(torch.func.jacrev(field)(depth).numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(torch.func.jacfwd(field)(depth).numpy(), expected, rtol=1e-9)


def test_values_are_checked_below_vmap(torch):
    def field(depth):
        return okada.displacement(torch.tensor(OBS), FAULT._replace(depth=depth))

    depths = torch.tensor([3.0, -4.0], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"^source.depth\[1\] is -4.0; depth is positive downwards"):
        torch.func.vmap(field)(depths)
    assert torch.func.vmap(field)(depths.abs()).shape == (2, 4, 3)


def test_every_input_may_be_under_a_transform(torch, rng):
    obs, s = torch.tensor(OBS), torch.tensor(rng.normal(size=(3, 3)))
    faults = tensors(torch, FAULTS)
    batch = torch.stack([obs, obs - 1.0])
    found = torch.func.vmap(lambda o: okada.strain(o, faults))(batch)
    np.testing.assert_allclose(found[1].numpy(), okada.strain(OBS - 1.0, FAULTS), rtol=1e-9, atol=1e-14)
    slope = torch.func.grad(lambda t: okada.apply(obs, faults, t).sum())(s)
    expected = okada.apply_adjoint(OBS, FAULTS, np.ones((4, 3)))
    np.testing.assert_allclose(slope.numpy(), expected, rtol=1e-9, atol=1e-14)
    nu = torch.tensor([0.1, 0.3], dtype=torch.float64)
    found = torch.func.vmap(lambda ratio: okada.displacement(obs, faults, nu=ratio))(nu)
    np.testing.assert_allclose(
        found[1].numpy(), okada.displacement(OBS, FAULTS, nu=0.3), rtol=1e-9, atol=1e-14
    )
    okada.check(obs, faults)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": -1.0}, r"^source.depth\[0\] is -1.0"),
        ({"slip": float("nan")}, r"^source.slip\[0\] is nan"),
        ({"length": 0.0}, r"^source.length\[0\] is 0.0"),
    ],
)
def test_values_of_tensors_are_checked(torch, no_work, changes, message):
    changed = {name: torch.tensor(value, requires_grad=True) for name, value in changes.items()}
    with pytest.raises(ValueError, match=message):
        okada.displacement(torch.tensor(OBS), FAULT._replace(**changed))
    with pytest.raises(ValueError, match=r"^nu is 0.5"):
        okada.displacement(torch.tensor(OBS), FAULT, nu=torch.tensor(0.5))


def test_frameworks_do_not_mix(torch, no_work):
    with pytest.raises(
        TypeError, match="^obs is a NumPy array but source.x is a torch array; use one framework"
    ):
        okada.displacement(OBS, FAULT._replace(x=torch.ones(3, dtype=torch.float64)))
    with pytest.raises(TypeError, match="^obs is a torch array but source.x is a NumPy array"):
        okada.displacement(torch.tensor(OBS), FAULTS)
    with pytest.raises(TypeError, match="^obs is a NumPy array but nu is a torch array"):
        okada.displacement(OBS, FAULT, nu=torch.tensor(0.25))
    with pytest.raises(TypeError, match="^obs is a torch array but s is a NumPy array"):
        okada.apply(torch.tensor(OBS), FAULT, np.ones((1, 3)))


def test_tensor_out_is_filled_without_gradients(torch):
    out = torch.empty(4, 3, dtype=torch.float64)
    assert okada.displacement(torch.tensor(OBS), FAULT, out=out) is out
    np.testing.assert_allclose(out.numpy(), okada.displacement(OBS, FAULT), rtol=1e-12)
    with pytest.raises(ValueError, match="^out= cannot carry gradients; leave it out, or compute under"):
        okada.displacement(torch.tensor(OBS, requires_grad=True), FAULT, out=out)


@pytest.mark.parametrize("name", FIELDS)
def test_empty_tensors_stay_in_the_graph(torch, name):
    depth = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    empty = torch.zeros(0, 3, dtype=torch.float64)
    found = getattr(okada, name)(empty, FAULT._replace(depth=depth))
    found.sum().backward()
    assert len(found) == 0 and float(depth.grad) == 0.0


def test_a_compiled_loss_has_the_same_gradient(torch):
    obs = torch.tensor(OBS)

    def loss(depth):
        return (okada.displacement(obs, FAULT._replace(depth=2.0 * depth)) ** 2).sum()

    grads = []
    for function in (loss, torch.compile(loss, backend="eager")):
        depth = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
        function(depth).backward()
        grads.append(float(depth.grad))
    assert grads[0] == pytest.approx(grads[1], rel=1e-12)


# CuPy, without a device


@pytest.fixture
def recorder(cupy, monkeypatch):
    """Kernels that note what they are called with, and return ones for four observers and two sources."""
    shapes = {"greens": (4, 3, 2, 3), "jacobian": (4, 3, 2, 10), "hessian": (4, 3, 2, 10, 10)}
    calls = []

    def kernel(name):
        def run(*args, out=None, threads=None):
            calls.append((name, args, threads))
            width = 9 if args[5] == "gradient" else 3
            return np.ones(shapes.get(name, (4, width))).view(cupy.ndarray)

        return run

    def load(name, family):
        assert family == "okada"
        calls.append(name)
        return SimpleNamespace(**{k: kernel(k) for k in ("field", *MATRICES)})

    monkeypatch.setattr(backends, "load", load)
    return calls


def test_cupy_arrays_go_to_the_kernels_of_cupy(cupy, recorder):
    obs = cupy.asarray(OBS)
    for name in [*FIELDS, *MATRICES]:
        found = getattr(okada, name)(obs, FAULT._replace(x=cupy.asarray([1.0, 2.0])))
        assert isinstance(found, cupy.ndarray)
        backend, (_, args, _) = recorder[-2:]
        assert backend == "cupy"
        np.testing.assert_array_equal(args[1], OBS)
        assert isinstance(args[1], cupy.ndarray)
        assert isinstance(args[2], cupy.ndarray) and args[2].shape == (2, 10)
    okada.displacement(obs, FAULT, backend="numba-cuda")
    assert recorder[-2] == "numba-cuda"


def test_values_of_cupy_arrays_are_looked_at_only_when_asked(cupy, recorder):
    obs = cupy.asarray(with_value(1, 2, 4.0))
    okada.displacement(obs, FAULT)
    with pytest.raises(ValueError, match=r"^obs\[1, 2\] is 4.0; observers must not be above the surface"):
        okada.check(obs, FAULT)


def test_cupy_arrays_do_not_go_to_the_cpu(cupy, no_work):
    with pytest.raises(ValueError, match="^backend 'numba' runs on the CPU, but the inputs are CUDA arrays"):
        okada.displacement(cupy.asarray(OBS), FAULT, backend="numba")
    with pytest.raises(TypeError, match="^obs is a CuPy array but source.x is a NumPy array"):
        okada.displacement(cupy.asarray(OBS), FAULTS)
    with pytest.raises(ValueError, match="^threads= is for arrays on the CPU"):
        okada.displacement(cupy.asarray(OBS), FAULT, threads=1)


@pytest.mark.parametrize("module", [okada, convert, sources], ids=lambda module: module.__name__)
def test_examples_in_docstrings(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def test_importing_the_functions_imports_no_framework():
    code = "import sys; from dislok import okada; sys.exit('torch' in sys.modules or 'cupy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
