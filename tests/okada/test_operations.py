"""Every operation of the CPU backend against the others: sums, matrices, products, threads."""

import numpy as np
import pytest

from dislok.kernels.okada import numba_cpu as kernels
from dislok.kernels.okada.sources import SLIP_COMPONENTS

NU, ORIGIN = 0.27, (0.3, 0.6)
# Relative to the largest entry; measured 3e-15 and 2e-6.
RTOL = {np.float64: 1e-13, np.float32: 2e-5}
COUNT = {"displacement": 3, "gradient": 9}


def observers(rng, n, dtype=np.float64):
    return np.stack([rng.uniform(-60, 60, n), rng.uniform(-60, 60, n), -rng.uniform(0, 15, n)], 1).astype(
        dtype
    )


def sources(rng, kind, m, dtype=np.float64):
    """Deep enough for every dip; half of them dip the other way."""
    x, y = rng.uniform(-30, 30, (2, m))
    depth, strike, rake = rng.uniform(12, 20, m), rng.uniform(0, 360, m), rng.uniform(-180, 180, m)
    dip = rng.uniform(-90, 170, m)
    slip, opening, inflation = rng.normal(size=(3, m))
    if kind == "point":
        out = [x, y, depth, strike, dip, rake, slip, opening, inflation]
    else:
        length, width = rng.uniform(1, 30, m), rng.uniform(1, 10, m)
        out = [x, y, depth, length, width, strike, dip, rake, slip, opening]
    return np.stack(out, 1).astype(dtype)


def close(a, b, dtype=np.float64, factor=1.0):
    scale = np.abs(b).max() + np.finfo(dtype).tiny
    assert np.abs(np.asarray(a, float) - b).max() <= factor * RTOL[dtype] * scale


@pytest.fixture(params=["rectangle", "point"])
def kind(request):
    return request.param


@pytest.fixture(params=["displacement", "gradient"])
def of(request):
    return request.param


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def dtype(request):
    return request.param


def test_fields_are_sums_of_pairs(rng, kind, of, dtype):
    obs, src = observers(rng, 150, dtype), sources(rng, kind, 7, dtype)
    got = kernels.field(kind, obs, src, NU, ORIGIN, of, False)
    assert got.shape == (150, COUNT[of]) and got.dtype == dtype
    parts = [
        kernels.field(kind, obs, np.repeat(src[j : j + 1], 150, 0), NU, ORIGIN, of, True).astype(float)
        for j in range(7)
    ]
    close(got, np.sum(parts, 0), dtype)


def test_both_in_one_pass(rng, kind, dtype):
    obs, src = observers(rng, 70, dtype), sources(rng, kind, 3, dtype)
    both = kernels.field_both(kind, obs, src, NU, ORIGIN, False)
    close(both[:, :3], kernels.field(kind, obs, src, NU, ORIGIN, "displacement", False), dtype)
    close(both[:, 3:], kernels.field(kind, obs, src, NU, ORIGIN, "gradient", False), dtype)


def slip_components(kind, src):
    """Strike slip, dip slip, opening (and inflation) of each source."""
    rake, slip, opening = (src[:, k].astype(float) for k in ((7, 8, 9) if kind == "rectangle" else (5, 6, 7)))
    parts = [slip * np.cos(np.radians(rake)), slip * np.sin(np.radians(rake)), opening]
    return np.stack(parts if kind == "rectangle" else [*parts, src[:, 8].astype(float)], 1)


def test_greens_functions(rng, kind, of, dtype):
    obs, src = observers(rng, 65, dtype), sources(rng, kind, 5, dtype)
    matrix = kernels.greens(kind, obs, src, NU, ORIGIN, of, False)
    slips = slip_components(kind, src)
    assert matrix.shape == (65, COUNT[of], 5, slips.shape[1]) and matrix.dtype == dtype
    field = np.einsum("icjb,jb->ic", matrix.astype(float), slips)
    close(kernels.field(kind, obs, src, NU, ORIGIN, of, False), field, dtype, 4)
    close(kernels.apply(kind, obs, src, NU, ORIGIN, of, slips.astype(dtype)), field, dtype, 4)
    pairs = kernels.greens(kind, obs[:5], src, NU, ORIGIN, of, True)
    close(pairs, np.stack([matrix[j, :, j] for j in range(5)]).astype(float), dtype)


def test_adjoint(rng, kind, of):
    """<r, G s> = <G^T r, s> to 1e-13 of the product of the norms."""
    obs, src = observers(rng, 300), sources(rng, kind, 40)
    s = rng.normal(size=(40, SLIP_COMPONENTS[kind]))
    r = rng.normal(size=(300, COUNT[of]))
    forward = kernels.apply(kind, obs, src, NU, ORIGIN, of, s)
    adjoint = kernels.apply_adjoint(kind, obs, src, NU, ORIGIN, of, r)
    assert abs((r * forward).sum() - (adjoint * s).sum()) < 1e-13 * np.linalg.norm(r) * np.linalg.norm(
        forward
    )


def gradient_of_observers(jacobian):
    """d/d(east, north) of a field from its derivatives with the source's place."""
    return -jacobian[..., 0].sum(-1), -jacobian[..., 1].sum(-1)


def test_products_with_the_jacobian(rng, kind, of):
    obs, src = observers(rng, 90), sources(rng, kind, 6)
    call = (kind, obs, src, NU, ORIGIN, of)
    jacobian = kernels.jacobian(*call, False)
    cot = rng.normal(size=(90, COUNT[of]))
    of_obs, of_src, of_nu = kernels.vjp(*call, False, cot)
    close(of_src, np.einsum("ic,icjp->jp", cot, jacobian))
    for k, derivative in enumerate(gradient_of_observers(jacobian)):
        close(of_obs[:, k], (cot * derivative).sum(1))
    t_obs, t_src, t_nu = rng.normal(size=obs.shape), rng.normal(size=src.shape), 0.3
    tangent = kernels.jvp(*call, False, t_obs, t_src, t_nu)
    left = (of_obs * t_obs).sum() + (of_src * t_src).sum() + of_nu * t_nu
    assert abs((cot * tangent).sum() - left) < 1e-12 * np.linalg.norm(cot) * np.linalg.norm(tangent)


@pytest.mark.parametrize("wanted", [("src",), ("obs",), ("obs", "src")], ids="-".join)
def test_gradient_of_what_is_wanted(rng, kind, of, wanted):
    obs, src = observers(rng, 70), sources(rng, kind, 4)
    cot = rng.normal(size=(70, COUNT[of]))
    call = (kind, obs, src, NU, ORIGIN, of, False, cot)
    for name, whole, part in zip(kernels.WANTED, kernels.vjp(*call), kernels.vjp(*call, wanted), strict=True):
        if name in wanted:
            close(part, whole)
        else:
            assert part is None


def test_jvp_is_the_derivative(rng, kind, of):
    obs, src = observers(rng, 40), sources(rng, kind, 3)
    t_obs, t_src, t_nu = rng.normal(size=obs.shape), rng.normal(size=src.shape), 0.2
    h = 1e-5
    sides = [
        kernels.field(kind, obs + s * h * t_obs, src + s * h * t_src, NU + s * h * t_nu, ORIGIN, of, False)
        for s in (1, -1)
    ]
    numeric = (sides[0] - sides[1]) / (2 * h)
    got = kernels.jvp(kind, obs, src, NU, ORIGIN, of, False, t_obs, t_src, t_nu)
    assert np.abs(got - numeric).max() < 1e-6 * np.abs(numeric).max()


def test_products_with_the_hessian(rng, kind):
    obs, src = observers(rng, 50), sources(rng, kind, 4)
    call = (kind, obs, src, NU, ORIGIN, "displacement", False)
    hessian = kernels.hessian(*call)
    assert np.array_equal(hessian, hessian.swapaxes(-1, -2))
    cot = rng.normal(size=(50, 3))
    t_src, s_src = rng.normal(size=(2, *src.shape))
    still = np.zeros_like(obs)
    close(
        kernels.vjp2(*call, cot, still, t_src)[1],
        np.einsum("ic,icjpq,jq->jp", cot, hessian, t_src),
        factor=10,
    )
    close(
        kernels.jvp2(*call, still, t_src, still, s_src),
        np.einsum("icjpq,jp,jq->ic", hessian, t_src, s_src),
        factor=10,
    )
    t_obs, s_obs = rng.normal(size=(2, *obs.shape))
    h_obs, h_src = kernels.vjp2(*call, cot, t_obs, t_src)
    left = (h_obs * s_obs).sum() + (h_src * s_src).sum()
    right = (cot * kernels.jvp2(*call, t_obs, t_src, s_obs, s_src)).sum()
    assert abs(left - right) < 1e-12 * (abs(left) + np.linalg.norm(h_src) * np.linalg.norm(s_src))


def test_second_derivatives_of_observers(rng, kind):
    obs, src = observers(rng, 30), sources(rng, kind, 2)
    cot, t_obs, t_src = rng.normal(size=(30, 3)), rng.normal(size=obs.shape), rng.normal(size=src.shape)
    call = (NU, ORIGIN, "displacement", False)
    h = 1e-5
    sides = [kernels.vjp(kind, obs + s * h * t_obs, src + s * h * t_src, *call, cot) for s in (1, -1)]
    h_obs, h_src = kernels.vjp2(kind, obs, src, *call, cot, t_obs, t_src)
    for got, plus, minus in zip((h_obs, h_src), *(side[:2] for side in sides), strict=True):
        numeric = (plus - minus) / (2 * h)
        assert np.abs(got - numeric).max() < 1e-6 * np.abs(numeric).max()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_change_results(rng, kind, threads):
    obs, src = observers(rng, 700), sources(rng, kind, 30)
    cot = rng.normal(size=(700, 3))
    call = (kind, obs, src, NU, ORIGIN, "displacement", False)
    close(kernels.field(*call, threads=threads), kernels.field(*call, threads=1))
    close(kernels.jacobian(*call, threads=threads), kernels.jacobian(*call, threads=1))
    *several, nu_several = kernels.vjp(*call, cot, threads=threads)
    *one, nu_one = kernels.vjp(*call, cot, threads=1)
    for a, b in zip(several, one, strict=True):
        close(a, b)
    # a sum over all pairs that nearly cancels
    assert abs(nu_several - nu_one) < 1e-13 * np.linalg.norm(cot) * np.abs(kernels.field(*call)).max()
    again = kernels.field(*call, threads=threads)
    assert np.array_equal(again, kernels.field(*call, threads=threads))


@pytest.mark.parametrize("paired", [False, True])
def test_large_results_go_past_the_caches(rng, kind, dtype, paired, monkeypatch):
    n = 331
    obs, src = observers(rng, n, dtype), sources(rng, kind, n if paired else 1, dtype)
    call = (kind, obs, src, NU, ORIGIN, "displacement", paired)
    kept = kernels.jacobian(*call)
    monkeypatch.setattr("dislok.kernels.pairs.launch.CACHED", 0)
    for offset in range(1, 9):  # where a cache line begins is the allocator's choice
        space = np.full(kept.size + offset + 1, np.nan, dtype)
        out = space[offset:-1].reshape(kept.shape)
        kernels.jacobian(*call, out=out, threads=2)
        assert np.array_equal(out, kept)
        assert np.isnan(space[:offset]).all() and np.isnan(space[-1])


def test_few_observers_and_many_sources(rng):
    obs, src = observers(rng, 3), sources(rng, "rectangle", 2000)
    got = kernels.field("rectangle", obs, src, NU, ORIGIN, "displacement", False)
    parts = kernels.greens("rectangle", obs, src, NU, ORIGIN, "displacement", False)
    close(got, np.einsum("icjb,jb->ic", parts, slip_components("rectangle", src)))


def test_out_is_written_in_place(rng):
    obs, src = observers(rng, 10), sources(rng, "rectangle", 2)
    call = ("rectangle", obs, src, NU, ORIGIN, "displacement", False)
    for operation, shape in ((kernels.field, (10, 3)), (kernels.jacobian, (10, 3, 2, 10))):
        out = np.full(shape, np.nan)
        assert operation(*call, out=out) is out
        assert np.array_equal(out, operation(*call))


@pytest.mark.parametrize(("n", "m"), [(0, 3), (4, 0), (0, 0)])
def test_nothing_in_nothing_out(rng, n, m):
    obs, src = observers(rng, n), sources(rng, "rectangle", m)
    call = ("rectangle", obs, src, NU, ORIGIN, "displacement", False)
    assert np.array_equal(kernels.field(*call), np.zeros((n, 3)))
    assert kernels.jacobian(*call).shape == (n, 3, m, 10)
    assert [np.shape(a) for a in kernels.vjp(*call, np.zeros((n, 3)))] == [(n, 3), (m, 10), ()]


def test_work_memory_does_not_grow(rng):
    """Rows of a piece of work are bounded, whatever the number of pairs."""
    import tracemalloc

    src = sources(rng, "rectangle", 3)
    peaks = []
    for n in (20_000, 80_000):
        obs = observers(rng, n)
        kernels.field("rectangle", obs, src, NU, ORIGIN, "displacement", False, threads=1)
        tracemalloc.start()
        kernels.field("rectangle", obs, src, NU, ORIGIN, "displacement", False, threads=1)
        peaks.append(tracemalloc.get_traced_memory()[1] - 24 * n)
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2**20
