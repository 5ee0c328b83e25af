"""The CUDA C++ kernels, run on the host (see `shim_engine.py`), and compiled for GPUs without one."""

import importlib.util
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from dislok.kernels import raw
from dislok.kernels.okada import cupy_raw
from dislok.kernels.okada.sources import COMPONENTS, SLIP_COMPONENTS

spec = importlib.util.spec_from_file_location("shim_engine", Path(__file__).with_name("shim_engine.py"))
shim = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shim)

F32, F64 = np.float32, np.float64

#: Normwise relative errors against high-precision truth: (median, worst) of displacement, of the gradient.
BOUND = {F64: ((1e-13, 1e-11), (1e-13, 1e-11)), F32: ((2e-6, 1e-3), (2e-6, 1e-3))}
#: Categories in which the distance from a singular line is itself a rounded difference, or (float32) where
#: shallow sources and their images cancel. In float32 no coordinate is that close to an edge: None.
SINGULAR = {
    (F64, "near_edge"): ((1e-12, 1e-6), (1e-11, 1e-6)),
    (F64, "surface_breaking"): ((1e-13, 1e-11), (1e-13, 1e-6)),
    (F32, "near_edge"): None,
    (F32, "near_source"): None,
    (F32, "surface_breaking"): ((2e-6, 1e-3), (1e-4, np.inf)),
    (F32, "dip_near0"): ((2e-6, 5e-3), (2e-6, 5e-3)),
}
#: Worst errors of derivatives of first and second order, by parameters, Poisson's ratio and coordinates.
DERIVATIVE = {F64: 1e-11, F32: 5e-4}
#: The two sources of the formulas against each other, on random input.
AGREEMENT = {F64: 1e-10, F32: 2e-3}


@pytest.fixture(scope="session")
def libraries(compiler, tmp_path_factory):
    return shim.build(tmp_path_factory.mktemp("shim"), "-O2")


@pytest.fixture(scope="session")
def okada(libraries):
    return cupy_raw.Operations(shim.ShimEngine(libraries))


@pytest.fixture(scope="session")
def single(libraries):
    """The same with one thread: faster for single pairs."""
    return cupy_raw.Operations(shim.ShimEngine(libraries, 1, 1))


@pytest.fixture(scope="session")
def truth(shared):
    return np.load(shared / "refs" / "okada_tde.npz")


def columns_first(gradient):
    """Gradient rows [i, j] to the order of the reference, which counts i fastest."""
    return gradient.reshape(3, 3, *gradient.shape[1:]).swapaxes(0, 1).reshape(gradient.shape)


def evaluate(okada, kind, obs, src, nu, origin, slip, dtype):
    """Twelve components for one pair, in the order of the reference."""
    arrays = [np.array([a], dtype) for a in (obs, src)]
    slip = np.array([slip], dtype)
    u, g = (okada.apply(kind, *arrays, nu, origin, of, slip)[0] for of in ("displacement", "gradient"))
    return np.r_[u, columns_first(g)]


def rectangles(okada, data, dtype):
    got = []
    for row, nu in zip(data["rect_in"], data["rect_nu"], strict=True):
        _, x, y, z, depth, dip, a1, a2, w1, w2, *slip = row
        source = (0, 0, depth, a2 - a1, w2 - w1, 90, dip, 0, 1, 0)
        origin = (-a1 / (a2 - a1), w2 / (w2 - w1))
        got.append(evaluate(okada, "rectangle", (x, y, z), source, nu, origin, slip, dtype))
    return np.array(got)


def points(okada, data, dtype):
    got = []
    for alpha, x, y, z, depth, dip, *potency in data["point_in"]:
        source = (0, 0, depth, 90, dip, 0, 1, 0, 0)
        got.append(evaluate(okada, "point", (x, y, z), source, 1 - 0.5 / alpha, (0, 0), potency, dtype))
    return np.array(got)


@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize("kind", ["rectangle", "point"])
def test_values_match_high_precision_in_every_category(single, truth, kind, dtype):
    short, evaluate_all = {"rectangle": ("rect", rectangles), "point": ("point", points)}[kind]
    got = evaluate_all(single, truth, dtype)
    want, flag = truth[f"{short}_truth"], truth[f"{short}_iret"]
    assert np.isnan(got[flag == 1]).all()
    failed = []
    for c, name in enumerate(map(str, truth[f"{short}_catnames"])):
        # A vertical dipole below its observer moves nothing: the truth there is the noise of its differences.
        chosen = (truth[f"{short}_cat"] == c) & (flag == 0) & (np.linalg.norm(want[:, :3], axis=1) > 1e-30)
        bounds = SINGULAR.get((dtype, name), BOUND[dtype])
        if not chosen.any() or bounds is None:
            continue
        for part, (median, worst) in zip((slice(3), slice(3, 12)), bounds, strict=True):
            error = shim.normwise(got[chosen, part], want[chosen, part])
            error = np.where(np.isnan(error) & np.isfinite(worst), np.inf, error)
            if not (np.nanmedian(error) <= median and (np.nanmax(error) <= worst)):
                failed.append(f"{name} {part}: median {np.median(error):.1e} max {error.max():.1e}")
    assert not failed


def parameter_case(data, i, dtype):
    """Arguments of a row of `param_in`, and where its parameters sit among the nine of the reference."""
    x, y, depth, length, width, strike, dip, rake, slip, nu, *at = data["param_in"][i]
    obs = np.array([at], dtype)
    if data["param_is_point"][i]:
        src = np.array([[x, y, depth, strike, dip, rake, slip, 0, 0]], dtype)
        return ("point", obs, src, nu, (0.0, 0.0)), [0, 1, 2, 5, 6, 7, 8]
    src = np.array([[x, y, depth, length, width, strike, dip, rake, slip, 0]], dtype)
    origin = {"topleft": (0.0, 0.0), "center": (0.5, 0.5)}[str(data["param_origin"][i])]
    return ("rectangle", obs, src, nu, origin), list(range(9))


def every_derivative(okada, data, i, dtype):
    """d(12 components) / d(9 parameters, nu, observer) from jacobian and vjp."""
    case, columns = parameter_case(data, i, dtype)
    out = np.zeros((12, 13))
    for of, part in (("displacement", slice(3)), ("gradient", slice(3, 12))):
        c = shim.WIDTH[of]
        jacobian = okada.jacobian(*case, of, True)[0]
        rest = np.empty((c, 4))
        for k, cot in enumerate(np.eye(c, dtype=dtype)):
            by_obs, _, by_nu = okada.vjp(*case, of, True, cot[None])
            rest[k] = by_nu, *by_obs[0]
        full = np.zeros((c, 13))
        full[:, columns] = jacobian[:, : len(columns)]
        full[:, 9:] = rest
        out[part] = columns_first(full) if c == 9 else full
    return out


@pytest.mark.parametrize("dtype", [F64, F32])
def test_first_derivatives_match_high_precision(single, truth, dtype):
    got = np.array([every_derivative(single, truth, i, dtype) for i in range(len(truth["param_in"]))])
    want = truth["param_jac"]
    for rows in (slice(3), slice(3, 12)):
        for columns in (slice(9), slice(9, 10), slice(10, 13)):
            a, b = (x[:, rows, columns].reshape(len(x), -1) for x in (got, want))
            error = shim.normwise(a, b)
            assert error.max() < DERIVATIVE[dtype]


@pytest.mark.parametrize("dtype", [F64, F32])
def test_second_derivatives_match_high_precision(single, truth, dtype):
    for k, i in enumerate(truth["hess_index"]):
        case, columns = parameter_case(truth, i, dtype)
        p = len(columns)
        for of, part in (("displacement", slice(3)), ("gradient", slice(3, 12))):
            hessian = single.hessian(*case, of, True)[0, :, :p, :p]
            got = columns_first(hessian) if of == "gradient" else hessian
            want = truth["hess_params"][k, part][:, columns][:, :, columns]
            assert shim.normwise(got.ravel(), want.ravel()) < DERIVATIVE[dtype]


@pytest.mark.parametrize("dtype", [F64, F32])
def test_second_derivatives_by_coordinates_match_high_precision(single, truth, dtype):
    for k, i in enumerate(truth["hess_index"]):
        case, _ = parameter_case(truth, i, dtype)
        still = np.zeros_like(case[2])
        axes = np.eye(3, dtype=dtype)[:, None]
        for of, part in (("displacement", slice(3)), ("gradient", slice(3, 12))):
            got = np.array(
                [[single.jvp2(*case, of, True, s, still, t, still)[0] for t in axes] for s in axes]
            )
            got = got.transpose(2, 0, 1)
            got = columns_first(got) if of == "gradient" else got
            assert shim.normwise(got.ravel(), truth["hess_coords"][k, part].ravel()) < DERIVATIVE[dtype]


# ------------------------------------------------------------------------ the operations among themselves


@pytest.mark.parametrize("of", ["displacement", "gradient"])
@pytest.mark.parametrize("kind", ["rectangle", "point"])
def test_contractions_are_those_of_the_full_derivatives(okada, rng, kind, of):
    obs, src = shim.random_case(rng, kind, F64)
    case = (kind, obs, src, 0.23, (0.3, 0.6), of, False)
    shapes = ((7, COMPONENTS[of]), obs.shape, src.shape, src.shape)
    cot, t_obs, t_src, s_src = map(rng.standard_normal, shapes)
    still, fixed = np.zeros_like(obs), np.zeros_like(src)
    jacobian, hessian = okada.jacobian(*case), okada.hessian(*case)
    by_obs, by_src, _ = okada.vjp(*case, cot)
    np.testing.assert_allclose(by_src, np.einsum("nc,ncmp->mp", cot, jacobian), rtol=1e-11)
    along = okada.jvp(*case, still, t_src, 0.0)
    np.testing.assert_allclose(along, np.einsum("ncmp,mp->nc", jacobian, t_src), rtol=1e-10)
    moved = okada.jvp(*case, t_obs, fixed, 0.0)
    np.testing.assert_allclose(np.sum(cot * moved), np.sum(by_obs * t_obs), rtol=1e-10)
    twice = okada.jvp2(*case, still, t_src, still, s_src)
    np.testing.assert_allclose(twice, np.einsum("ncmpq,mp,mq->nc", hessian, t_src, s_src), rtol=1e-9)
    h_obs, h_src = okada.vjp2(*case, cot, t_obs, t_src)
    twice = okada.jvp2(*case, t_obs, t_src, t_obs, s_src)
    np.testing.assert_allclose(np.sum(cot * twice), np.sum(h_obs * t_obs) + np.sum(h_src * s_src), rtol=1e-9)


@pytest.mark.parametrize("of", ["displacement", "gradient"])
@pytest.mark.parametrize("kind", ["rectangle", "point"])
def test_matrix_and_matrix_free_agree(okada, rng, kind, of):
    obs, src = shim.random_case(rng, kind, F64)
    case = (kind, obs, src, 0.23, (0.3, 0.6), of)
    slips = SLIP_COMPONENTS[kind]
    s, r = rng.standard_normal((5, slips)), rng.standard_normal((7, COMPONENTS[of]))
    matrix = okada.greens(*case, False)
    np.testing.assert_allclose(okada.apply(*case, s), np.einsum("ncmb,mb->nc", matrix, s), rtol=1e-10)
    np.testing.assert_allclose(okada.apply_adjoint(*case, r), np.einsum("ncmb,nc->mb", matrix, r), rtol=1e-10)
    rake, amount = np.deg2rad(src[:, -slips]), src[:, 1 - slips :]
    own = np.c_[amount[:, 0] * np.cos(rake), amount[:, 0] * np.sin(rake), amount[:, 1:]]
    np.testing.assert_allclose(okada.field(*case, False), np.einsum("ncmb,mb->nc", matrix, own), rtol=1e-10)
    both = okada.field_both(*case[:-1], False)
    part = both[:, :3] if of == "displacement" else both[:, 3:]
    np.testing.assert_allclose(okada.field(*case, False), part, rtol=1e-10)


@pytest.mark.parametrize(("function", "of", "pairs"), shim.EVERY)
def test_chunks_change_nothing_but_rounding(okada, rng, monkeypatch, function, of, pairs):
    arguments = shim.random_arguments(rng, function, "rectangle", of, pairs, F64)
    cut = shim.outputs(getattr(okada, function)(*arguments))
    monkeypatch.setattr(raw, "PARALLEL", 1)
    whole = shim.outputs(getattr(okada, function)(*arguments))
    for a, b in zip(cut, whole, strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * np.abs(b).max())


#: The third derivatives of the Numba kernels compile for minutes.
AGAINST_NUMBA = [
    pytest.param(*case, marks=pytest.mark.slow)
    if case[0] in ("hessian", "vjp2", "jvp2") and case[1] == "gradient"
    else case
    for case in shim.EVERY
]


@pytest.mark.parametrize("kind", ["rectangle", "point"])
@pytest.mark.parametrize(("function", "of", "pairs"), AGAINST_NUMBA)
@pytest.mark.parametrize("dtype", [F64, F32])
def test_agrees_with_the_numba_kernels(okada, rng, kind, function, of, pairs, dtype):
    other = pytest.importorskip("dislok.kernels.okada.numba_cpu")
    if not hasattr(other, function):
        pytest.skip(f"numba_cpu has no {function}")
    arguments = shim.random_arguments(rng, function, kind, of, pairs, dtype)
    got, want = (shim.outputs(getattr(module, function)(*arguments)) for module in (okada, other))
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= AGREEMENT[dtype] * np.linalg.norm(b)


@pytest.mark.parametrize("distance", [12.0, 40.0, 3e3, 3e5])
@pytest.mark.parametrize(
    ("function", "of"), [("field", "gradient"), ("jacobian", "displacement"), ("jacobian", "gradient")]
)
@pytest.mark.parametrize("dtype", [F64, F32])
def test_agrees_with_the_numba_kernels_far_away(okada, rng, function, of, dtype, distance):
    other = pytest.importorskip("dislok.kernels.okada.numba_cpu")
    obs, src = shim.random_case(rng, "rectangle", dtype, 9, 9)
    obs[:, :2] = src[:, :2] + distance * src[:, 3:4] * np.c_[np.cos(obs[:, 0]), np.sin(obs[:, 0])]
    case = ("rectangle", obs, src, 0.23, (0.3, 0.6), of, True)
    got, want = (getattr(module, function)(*case) for module in (okada, other))
    # One column's unit against another's: scale lengths and angles alike.
    weight = np.r_[src[0, 3] * distance * np.ones(5), np.full(3, 57), 1, 1] if function == "jacobian" else 1
    for a, b in zip(got * weight, want * weight, strict=True):
        assert np.linalg.norm(a - b) <= {F64: 1e-9, F32: 2e-3}[dtype] * np.linalg.norm(b)


@pytest.mark.parametrize("kind", ["rectangle", "point"])
def test_the_length_unit_changes_nothing(single, rng, kind):
    obs, src = shim.random_case(rng, kind, F32)
    lengths = 5 if kind == "rectangle" else 3
    want = single.field(kind, obs, src, 0.25, (0.0, 0.0), "displacement", False)
    for unit in (2.0**-40, 2.0**40):
        other = src.copy()
        other[:, :lengths] *= F32(unit)
        got = single.field(kind, obs * F32(unit), other, 0.25, (0.0, 0.0), "displacement", False)
        power = 0 if kind == "rectangle" else 2
        np.testing.assert_array_equal(got, want * F32(unit**-power))


def test_the_two_names_of_a_plane(single, rng):
    obs, src = shim.random_case(rng, "rectangle", F64)
    turned = src.copy()
    turned[:, 5] += 180  # strike
    turned[:, 6] = 180 - turned[:, 6]
    turned[:, 7] = -turned[:, 7]
    a, b = (single.field("rectangle", obs, s, 0.25, (0.5, 0.5), "gradient", False) for s in (src, turned))
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * np.abs(a).max())


def test_nothing_in_nothing_out(okada):
    none, some = np.empty((0, 3)), np.zeros((2, 3))
    src = np.array([[0, 0, 5, 3, 2, 10, 40, 0, 1, 0.0]])
    head = (0.25, (0.0, 0.0), "displacement", False)
    assert okada.field("rectangle", none, src, *head).shape == (0, 3)
    assert not okada.field("rectangle", some, src[:0], *head).any()
    assert okada.greens("rectangle", some, src[:0], *head).shape == (2, 3, 0, 3)


def test_out_is_written(okada, rng):
    obs, src = shim.random_case(rng, "rectangle", F64)
    out = np.empty((7, 3))
    got = okada.field("rectangle", obs, src, 0.25, (0.0, 0.0), "displacement", False, out)
    assert got is out and np.isfinite(out).all()


# ------------------------------------------------------------------------------------------ sanitizers

SANITIZED = """
import importlib.util, sys, pathlib
import numpy as np
spec = importlib.util.spec_from_file_location("shim_engine", sys.argv[1])
shim = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shim)
from dislok.kernels import raw
from dislok.kernels.okada import cupy_raw
okada = cupy_raw.Operations(shim.ShimEngine([pathlib.Path(p) for p in sys.argv[2:]]))
rng = np.random.default_rng(1)
for dtype in (np.float32, np.float64):
    for kind in ("rectangle", "point"):
        for function, of, pairs in shim.EVERY:
            getattr(okada, function)(*shim.random_arguments(rng, function, kind, of, pairs, dtype, 3, 2))
"""


def printed(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.needs("g++")
@pytest.mark.slow
def test_address_and_undefined_behaviour_sanitizers(tmp_path):
    runtime = [printed("g++", f"-print-file-name=lib{name}.so") for name in ("asan", "ubsan")]
    if not all(os.path.isabs(path) for path in runtime):
        pytest.skip("the compiler has no sanitizers")
    libraries = shim.build(tmp_path, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    environment = {**os.environ, "LD_PRELOAD": ":".join(runtime), "ASAN_OPTIONS": "detect_leaks=0"}
    command = [sys.executable, "-c", SANITIZED, shim.__file__, *map(str, libraries)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


# ------------------------------------------------------------------------------------- compilers for GPUs

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")

#: (registers, bytes of spill stores) at most, sm_90. Beyond order 1 jets live in local memory, see STACK.
RESOURCES = {
    ("field", "rectangle", "displacement", "f64"): (232, 0),
    ("field", "rectangle", "displacement", "f32"): (128, 0),
    ("field", "point", "displacement", "f64"): (128, 0),
    ("field", "point", "displacement", "f32"): (80, 64),
    ("greens", "rectangle", "displacement", "f32"): (128, 0),
    ("field", "rectangle", "both", "f32"): (255, 256),
    ("field", "rectangle", "both", "f64"): (255, 3000),
    ("jacobian", "rectangle", "displacement", "f32"): (255, 256),
    ("jacobian", "rectangle", "displacement", "f64"): (255, 5000),
}
#: Bytes of local memory a thread at most, by the highest order of derivative, float64.
STACK = {1: 8 << 10, 2: 48 << 10, 3: 128 << 10}


#: Highest order of derivative by operation, of the displacement.
ORDER = {"jacobian": 1, "vjp": 1, "vjp_observer": 1, "jvp": 1}
ORDER |= {"hessian": 2, "vjp2": 2, "vjp2_observer": 2, "jvp2": 2}


def compile_entry(entry, target, arch):
    """Binary ("CUBIN") or text ("PTX") of one entry, and the compiler's words."""
    from cuda.bindings import nvrtc

    options = [
        o.encode() for o in (*cupy_raw.options(entry), f"--gpu-architecture={arch}", "--ptxas-options=-v")
    ]
    _, program = nvrtc.nvrtcCreateProgram(cupy_raw.SOURCES[0].read_bytes(), b"kernels.cu", 0, [], [])
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)

    def fetch(what):
        buffer = b" " * getattr(nvrtc, f"nvrtcGet{what}Size")(program)[1]
        getattr(nvrtc, f"nvrtcGet{what}")(program, buffer)
        return buffer

    words = fetch("ProgramLog").decode()
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, words
    return fetch(target), words


def resources(words, name):
    """Registers, bytes of stack and of spill stores of an entry and what it calls, from ptxas -v."""
    block = words.split(f"Compiling entry function '{name}'")[1].split("Compiling entry function")[0]
    return (
        int(re.search(r"Used (\d+) registers", block)[1]),
        int(re.search(r"(\d+) bytes cumulative stack|(\d+) bytes stack", block)[0].split()[0]),
        sum(map(int, re.findall(r"(\d+) bytes spill stores", block))),
    )


@pytest.mark.needs("nvrtc")
@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("real", ["f32", "f64"])
def test_compiles_for_every_gpu(real, arch):
    code, words = compile_entry(cupy_raw.Entry("field", "rectangle", "displacement", real), "CUBIN", arch)
    assert len(code) > 1000
    assert "warning" not in words


@pytest.mark.needs("nvrtc")
@pytest.mark.parametrize("entry", RESOURCES, ids="-".join)
def test_resources(entry):
    entry = cupy_raw.Entry(*entry)
    _, words = compile_entry(entry, "CUBIN", "sm_90")
    assert "warning" not in words
    if "Used" not in words:
        pytest.skip("this compiler does not report resources")
    registers, stack, spilled = resources(words, entry.name)
    assert registers <= RESOURCES[entry][0]
    assert spilled <= RESOURCES[entry][1]
    assert stack <= STACK[1]


@pytest.mark.needs("nvrtc")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rectangle", "point"])
@pytest.mark.parametrize("operation", sorted({name for name, *_ in cupy_raw.OPERATIONS}))
@pytest.mark.parametrize("of", ["displacement", "gradient"])
def test_every_entry_compiles_without_warnings(operation, kind, of):
    order = ORDER.get(operation, 0) + (of == "gradient")
    entry = cupy_raw.Entry(operation, kind, of, "f64")
    _, words = compile_entry(entry, "CUBIN", "sm_90")
    assert "warning" not in words
    if "Used" in words:
        assert resources(words, entry.name)[1] <= STACK[max(order, 1)]


FLOAT32 = [
    ("field", "rectangle", "both"),
    ("jacobian", "rectangle", "displacement"),
    ("vjp", "point", "displacement"),
    pytest.param("hessian", "rectangle", "displacement", marks=pytest.mark.slow),
    pytest.param("hessian", "point", "gradient", marks=pytest.mark.slow),
]


@pytest.mark.needs("nvrtc")
@pytest.mark.parametrize(("operation", "kind", "of"), FLOAT32)
def test_float32_kernels_hold_no_float64(operation, kind, of):
    code, _ = compile_entry(cupy_raw.Entry(operation, kind, of, "f32"), "PTX", "compute_90")
    assert b".f32" in code
    assert b".f64" not in code


# ------------------------------------------------------------------------------------------- CuPy's side


def test_cupy_is_imported_at_the_first_launch_only():
    code = "import sys, dislok.kernels.okada.cupy_raw; assert 'cupy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_launches_an_entry_once_compiled(monkeypatch):
    seen = []

    class Module:
        def __init__(self, code, options):
            seen.append(options)
            assert "extern" in code

        def get_function(self, name):
            return lambda *call: seen.append((name, *call))

    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(RawModule=Module, empty=np.empty))
    cupy_raw.module.cache_clear()
    obs, src = np.zeros((300, 3), F32), np.zeros((1, 10), F32)
    for _ in range(2):
        got = cupy_raw.field("rectangle", obs, src, 0.25, (0, 0), "displacement", False)
    cupy_raw.module.cache_clear()
    assert got.shape == (300, 3)
    options, (name, grid, block, arguments), again = seen
    assert name == again[0] == "okada_field_rectangle_displacement_f32"
    assert (grid, block) == ((3,), (128,))
    assert not any("fast" in option for option in options)
    assert arguments[0] == 300 and arguments[8] is obs
    assert (arguments[4].dtype, arguments[10].dtype) == (F32, np.uint64)


def test_sources_may_have_reference_points_of_their_own(okada, rng):
    obs, src = shim.random_case(rng, "rectangle", F64)
    fa, fb = rng.uniform(0, 1, (2, len(src)))
    got = okada.jacobian("rectangle", obs, src, 0.3, (fa, fb), "displacement", False)
    for j, origin in enumerate(zip(fa, fb, strict=True)):
        want = okada.jacobian("rectangle", obs, src[j : j + 1], 0.3, origin, "displacement", False)
        np.testing.assert_array_equal(got[:, :, j], want[:, :, 0])
