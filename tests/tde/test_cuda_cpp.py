"""The CUDA C++ of the triangles, run on the host, and compiled for GPUs without one."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dislok.kernels import raw
from dislok.kernels.tde import cupy_raw, numba_cpu

ENGINE = Path(__file__).resolve().parent.parent / "okada" / "shim_engine.py"
spec = importlib.util.spec_from_file_location("shim_engine", ENGINE)
shim = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shim)

F32, F64 = np.float32, np.float64
#: Normwise relative errors against high-precision truth, of displacement and gradient: (median, worst).
BOUND = (1e-13, 1e-11)
#: Where the distance from a side is itself a rounded difference of coordinates.
NEAR_EDGE = (1e-12, 1e-6)
#: Of first derivatives; of the same number computed in two ways; against differences.
DERIVATIVE, SAME, DIFFERENCES = 1e-11, 1e-10, 1e-8


@pytest.fixture(scope="session")
def libraries(compiler, tmp_path_factory):
    return shim.build(tmp_path_factory.mktemp("shim"), "-O1", source=cupy_raw.SOURCES[0])


@pytest.fixture(scope="session")
def tde(libraries):
    return cupy_raw.Operations(shim.ShimEngine(libraries))


@pytest.fixture(scope="session")
def truth(shared):
    with np.load(shared / "refs" / "okada_tde.npz") as file:
        return {name: file[name] for name in file.files if name.startswith("tde")}


def pairs_at(tde, function, rows, space, *of):
    """A function on rows (observer, vertices, slip, nu), each a pair, grouped by nu."""
    found = {}
    for nu in np.unique(rows[:, 15]):
        same = np.flatnonzero(rows[:, 15] == nu)
        part = np.ascontiguousarray(rows[same])
        obs, tri, slip = (part[:, a:b].copy() for a, b in ((0, 3), (3, 12), (12, 15)))
        got = getattr(tde, function)(obs, tri.reshape(-1, 3, 3), slip, float(nu), space, *of, True)
        found.update(zip(same, got, strict=True))
    return np.array([found[k] for k in range(len(rows))])


def turned(gradient):
    """The reference's order of the gradient (derivatives in rows) in ours."""
    return gradient.reshape(-1, 3, 3).transpose(0, 2, 1).reshape(-1, 9)


@pytest.mark.parametrize(("space", "key"), [("full", "tde_fs_truth"), ("half", "tde_hs_truth")])
def test_fields_agree_with_high_precision(tde, truth, space, key):
    good = truth["tde_flag"] == 0
    got = pairs_at(tde, "field_both", truth["tde_in"][good], space)
    want = truth[key][good]
    for number, name in enumerate(truth["tde_catnames"]):
        inside = truth["tde_cat"][good] == number
        if not inside.any():
            continue
        median, worst = NEAR_EDGE if name == "near_edge_vertex" else BOUND
        for a, b in ((got[:, :3], want[:, :3]), (got[:, 3:], turned(want[:, 3:]))):
            error = shim.normwise(a[inside], b[inside])
            assert np.median(error) <= median, name
            assert error.max() <= worst, name


def test_sides_and_vertices_are_not_numbers(tde, truth):
    singular = truth["tde_flag"] == 1
    got = pairs_at(tde, "field_both", truth["tde_in"][singular], "half")
    assert np.isnan(got).any(axis=1).all()


def test_derivatives_agree_with_high_precision(tde, truth):
    rows, want = truth["tdejac_in"], truth["tdejac_jac"]
    by_vertex = pairs_at(tde, "jacobian", rows, "half", "displacement")
    by_vertex_of_gradient = pairs_at(tde, "jacobian", rows, "half", "gradient")
    order = turned(np.arange(9)[None])[0]
    for got, truly in ((by_vertex, want[:, :3, 3:12]), (by_vertex_of_gradient, want[:, 3:, 3:12][:, order])):
        scale = np.linalg.norm(truly, axis=(1, 2))
        assert (np.linalg.norm(got - truly, axis=(1, 2)) / scale).max() <= DERIVATIVE


def case(rng, dtype=F64, n=6, m=4):
    """Observers, some on the ground, and triangles: near, far, narrow, one of them level."""
    obs = np.c_[rng.uniform(-20, 20, (n, 2)), rng.choice([0, 1], n) * rng.uniform(-10, 0, n)]
    centre = np.c_[rng.uniform(-10, 10, (m, 2)), rng.uniform(-15, -10, m)]
    tri = centre[:, None] + rng.uniform(-4, 4, (m, 3, 3))
    tri[0] += [800, -900, 0]
    tri[1, :, 2] = -12
    tri[2, 2] = 0.4 * tri[2, 0] + 0.6 * tri[2, 1] + 0.02 * rng.normal(size=3)
    return obs.astype(dtype), tri.astype(dtype), rng.normal(size=(m, 3)).astype(dtype)


def tangent(rng, *arrays):
    return [0.1 * rng.normal(size=a.shape).astype(a.dtype) for a in arrays]


@pytest.mark.parametrize("space", ["half", "full"])
@pytest.mark.parametrize("of", ["displacement", "gradient"])
def test_agrees_with_the_numba_kernels(tde, rng, of, space):
    obs, tri, slip = case(rng)
    for function, arguments in (("field", (slip, 0.3)), ("greens", (0.3,))):
        got, want = (
            getattr(code, function)(obs, tri, *arguments, space, of, False) for code in (tde, numba_cpu)
        )
        assert np.linalg.norm(got - want) <= SAME * np.linalg.norm(want)


@pytest.mark.parametrize("of", ["displacement", "gradient"])
def test_products_are_those_of_the_matrix(tde, rng, of):
    obs, tri, slip = case(rng)
    matrix = tde.greens(obs, tri, 0.2, "half", of, False)
    r = rng.normal(size=matrix.shape[:2])
    field = tde.field(obs, tri, slip, 0.2, "half", of, False)
    np.testing.assert_allclose(np.einsum("ncmk,mk->nc", matrix, slip), field, rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(tde.apply(obs, tri, 0.2, "half", of, slip), field)
    adjoint = tde.apply_adjoint(obs, tri, 0.2, "half", of, r)
    np.testing.assert_allclose(adjoint, np.einsum("ncmk,nc->mk", matrix, r), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("of", ["displacement", "gradient"])
def test_first_derivatives_agree_with_one_another(tde, rng, of):
    obs, tri, slip = case(rng)
    t_obs, t_tri, t_slip = tangent(rng, obs, tri, slip)
    shared = (obs, tri, slip, 0.3, "half", of, False)
    along = tde.jvp(*shared, t_obs, t_tri, t_slip, 0.7)
    cot = rng.normal(size=along.shape)
    g_obs, g_tri, g_slip, g_nu = tde.vjp(*shared, cot)
    product = (g_obs * t_obs).sum() + (g_tri * t_tri).sum() + (g_slip * t_slip).sum() + 0.7 * g_nu
    np.testing.assert_allclose(product, (cot * along).sum(), rtol=1e-11)
    zeros = np.zeros_like(t_obs), np.zeros_like(t_slip)
    by_vertex = np.einsum("ncmq,mq->nc", tde.jacobian(*shared), t_tri.reshape(-1, 9))
    want = tde.jvp(*shared, zeros[0], t_tri, zeros[1], 0.0)
    np.testing.assert_allclose(by_vertex, want, rtol=1e-10, atol=1e-13 * np.abs(want).max())


def test_derivatives_with_the_observer_are_the_gradient(tde, rng):
    obs, tri, slip = case(rng)
    gradient = tde.field(obs, tri, slip, 0.3, "half", "gradient", False).reshape(-1, 3, 3)
    t_obs, t_tri, t_slip = tangent(rng, obs, tri, slip)
    shared = (obs, tri, slip, 0.3, "half")
    turned_gradient = tde.jvp(*shared, "gradient", False, t_obs, t_tri, t_slip, 0.0).reshape(-1, 3, 3)
    for axis in range(3):
        unit = np.zeros_like(obs)
        unit[:, axis] = 1.0
        rest = np.zeros_like(tri), np.zeros_like(slip)
        got = tde.jvp(*shared, "displacement", False, unit, *rest, 0.0)
        np.testing.assert_allclose(got, gradient[:, :, axis], rtol=1e-11, atol=1e-14)
        got = tde.jvp2(*shared, "displacement", False, unit, *rest, t_obs, t_tri, t_slip)
        scale = np.abs(turned_gradient).max()
        np.testing.assert_allclose(got, turned_gradient[:, :, axis], rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize("of", ["displacement", "gradient"])
def test_second_derivatives_agree_with_differences_and_one_another(tde, rng, of):
    obs, tri, slip = case(rng)
    t, s = tangent(rng, obs, tri, slip), tangent(rng, obs, tri, slip)
    t[0][:, 2] = s[0][:, 2] = 0.0  # nobody leaves the ground
    s[1][1, :, 2] = 0.0  # and the level triangle, whose strike would jump, stays level
    given = (0.3, "half", of, False)

    def first(step):
        moved = [a + step * b for a, b in zip((obs, tri, slip), s, strict=True)]
        return tde.jvp(*moved, *given, *t, 0.0)

    got = tde.jvp2(obs, tri, slip, *given, *t, *s)
    h = 1e-4
    differences = (8 * (first(h) - first(-h)) - (first(2 * h) - first(-2 * h))) / (12 * h)
    assert np.linalg.norm(got - differences) <= DIFFERENCES * np.linalg.norm(got)
    cot = rng.normal(size=got.shape)
    parts = tde.vjp2(obs, tri, slip, *given, cot, *t)
    product = sum((a * b).sum() for a, b in zip(parts, s, strict=True))
    np.testing.assert_allclose(product, (cot * got).sum(), rtol=1e-10)


def test_pairs_are_the_diagonal(tde, rng):
    obs, tri, slip = case(rng, n=4, m=4)
    shared = (0.3, "half", "gradient")
    matrix = tde.jacobian(obs, tri, slip, *shared, False)
    got = tde.jacobian(obs, tri, slip, *shared, True)
    np.testing.assert_array_equal(got, matrix[np.arange(4), :, np.arange(4)])
    alone = [tde.field(obs[k : k + 1], tri[k : k + 1], slip[k : k + 1], *shared, False)[0] for k in range(4)]
    np.testing.assert_array_equal(tde.field(obs, tri, slip, *shared, True), alone)


def test_chunks_change_nothing_but_rounding(tde, rng, monkeypatch):
    obs, tri, slip = case(rng)
    shared = (obs, tri, slip, 0.3, "half", "displacement", False)
    cot = rng.normal(size=(6, 3))
    cut = tde.field(*shared), *tde.vjp(*shared, cot)
    monkeypatch.setattr(raw, "PARALLEL", 1)
    whole = tde.field(*shared), *tde.vjp(*shared, cot)
    for a, b in zip(cut, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * np.abs(b).max())


@pytest.mark.parametrize("of", ["displacement", "gradient"])
def test_single_precision_is_double_precision_rounded(tde, rng, of):
    obs, tri, slip = case(rng, F32)
    shared = (0.25, "half", of, False)
    got = tde.field(obs, tri, slip, *shared)
    want = tde.field(*(a.astype(F64) for a in (obs, tri, slip)), *shared)
    assert got.dtype == F32
    assert np.linalg.norm(got - want) <= 1e-5 * np.linalg.norm(want)


@pytest.mark.parametrize(("dtype", "power"), [(F64, 300), (F64, -300), (F32, 40), (F32, -40)])
def test_the_unit_of_length_changes_nothing(tde, rng, dtype, power):
    obs, tri, slip = case(rng, dtype)
    shared = (slip, 0.25, "half", "displacement", False)
    scale = dtype(2.0**power)
    np.testing.assert_array_equal(tde.field(scale * obs, scale * tri, *shared), tde.field(obs, tri, *shared))
    got = scale * tde.jacobian(scale * obs, scale * tri, *shared)
    want = tde.jacobian(obs, tri, *shared)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max())


# --------------------------------------------------------------------------------- code for devices

FAST = [("field", "displacement"), ("field", "both"), ("vjp", "displacement")]


def compile_entry(entry, target, arch):
    """Binary ("CUBIN") or text ("PTX") of one entry, and the compiler's words."""
    from cuda.bindings import nvrtc

    words = [*cupy_raw.options(entry), f"--gpu-architecture={arch}"]
    _, program = nvrtc.nvrtcCreateProgram(cupy_raw.SOURCES[0].read_bytes(), b"kernels.cu", 0, [], [])
    (status,) = nvrtc.nvrtcCompileProgram(program, len(words), [word.encode() for word in words])

    def fetch(what):
        buffer = b" " * getattr(nvrtc, f"nvrtcGet{what}Size")(program)[1]
        getattr(nvrtc, f"nvrtcGet{what}")(program, buffer)
        return buffer

    said = fetch("ProgramLog").decode()
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, said
    return fetch(target), said


@pytest.mark.needs("nvrtc")
@pytest.mark.parametrize("arch", ["sm_75", "sm_90", "sm_120"])
@pytest.mark.parametrize("real", ["f32", "f64"])
def test_compiles_for_every_gpu(real, arch):
    code, said = compile_entry(cupy_raw.Entry("field", "displacement", real), "CUBIN", arch)
    assert len(code) > 1000
    assert "warning" not in said


@pytest.mark.needs("nvrtc")
@pytest.mark.parametrize(("operation", "of"), FAST)
def test_float32_kernels_hold_no_float64(operation, of):
    code, said = compile_entry(cupy_raw.Entry(operation, of, "f32"), "PTX", "compute_90")
    assert "warning" not in said
    assert b".f32" in code
    assert not re.findall(rb".*\.f64\b.*", code)


@pytest.mark.needs("nvrtc")
@pytest.mark.slow
@pytest.mark.parametrize("operation", sorted({name for name, _ in cupy_raw.OPERATIONS} - {"bend"}))
@pytest.mark.parametrize("of", ["displacement", "gradient"])
@pytest.mark.parametrize("real", ["f32", "f64"])
def test_every_entry_compiles_without_warnings(operation, of, real):
    code, said = compile_entry(cupy_raw.Entry(operation, of, real), "PTX", "compute_90")
    assert "warning" not in said
    assert real == "f64" or b".f64" not in code


def test_cupy_is_imported_at_the_first_launch_only():
    code = "import sys, dislok.kernels.tde.cupy_raw; assert 'cupy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
