"""Methods behind one call: known shifts, missing pixels, benchmark pairs, and what they refuse."""

import importlib.util
import sys

import numpy as np
import pytest
from flow_cases import bench_samples, end_point_error, inner, moved, shifted, texture

from dislok.kernels.images import blocks, phase
from dislok.nn.predict.methods import METHODS, measure, method

CLASSICAL = ("cosicorr", "micmac", "deepflow", "dis")
# Mean error (px) of a constant shift of a texture with 2 % of noise: measured, and half as much again.
SHIFT = {"cosicorr": 0.03, "micmac": 0.05, "deepflow": 0.03, "dis": 0.12}
# Mean error of the first three single-image samples of a range of the shared benchmark, likewise.
BENCH = {"cosicorr": (0.06, 0.20), "micmac": (0.05, 0.15), "deepflow": (0.05, 0.12), "dis": (0.14, 0.17)}


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("right, down", [(0.0, 0.0), (0.37, -0.21), (-3.6, 2.3)])
def test_constant_shift(name, right, down, rng):
    pre = texture(rng, (256, 256))
    post = shifted(pre, right, down) + rng.normal(0, 4, pre.shape).astype(np.float32)
    found = measure(pre, post, by=name)
    error = inner(end_point_error(found, right, down))
    assert inner(found.valid).all()
    assert error.mean() < SHIFT[name]
    # No bias towards whole pixels, beyond half of micmac's finest step.
    bias = 1 / 32 if name == "micmac" else 0.02
    assert abs(inner(found.right).mean() - right) < bias
    assert abs(inner(found.down).mean() - down) < bias


@pytest.mark.parametrize("name", CLASSICAL)
def test_north_is_up_and_rows_go_down(name, rng):
    pre = texture(rng, (192, 192))
    found = measure(pre, shifted(pre, 0.0, 2.0), by=name)
    assert found.frame == "pre"
    assert np.median(found.values[..., 1]) == pytest.approx(-2, abs=0.05)


@pytest.mark.parametrize("name", CLASSICAL)
def test_gain_and_offset_do_not_matter(name, rng):
    pre = texture(rng, (192, 192))
    post = shifted(pre, 1.3, 0.4)
    plain, dim = measure(pre, post, by=name), measure(pre, 0.3 * post + 50, by=name)
    core = (slice(48, -48),) * 2
    assert np.abs(plain.values - dim.values)[core].mean() < 0.01


@pytest.mark.parametrize("name", CLASSICAL)
def test_missing_pixels_are_not_valid_and_harm_nobody(name, rng):
    pre = texture(rng, (256, 256))
    post = shifted(pre, 0.6, 0.3)
    holed = pre.copy()
    holed[100:130, 90:150] = np.nan
    valid = np.ones(pre.shape, bool)
    valid[200:, :40] = False
    found = measure(holed, post, valid=valid, by=name)
    assert np.isfinite(found.values).all()
    assert not found.valid[100:130, 90:150].any() and not found.valid[200:, :40].any()
    error = end_point_error(found, 0.6, 0.3)[found.valid]
    assert error.mean() < SHIFT[name] + 0.03
    assert inner(found.valid).mean() > 0.3


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize("amplitude", [0, 1])
def test_benchmark_pairs(name, amplitude, shared):
    samples = bench_samples(shared, amplitude)
    errors = []
    for pre, post, right, down, usable, _ in samples:
        found = measure(pre, post, by=name)
        errors.append(inner(end_point_error(found, right, down))[inner(usable)].mean())
    assert np.mean(errors) < BENCH[name][amplitude]


@pytest.mark.parametrize("noise", [10, 40])
def test_errors_of_phases_cover(noise, rng):
    pre = texture(rng, (320, 320))
    own = rng.normal(0, noise, (2, *pre.shape)).astype(np.float32)
    found = measure(pre + own[0], shifted(pre, 0.3, -0.4) + own[1], by="cosicorr")
    core = (slice(64, -64, 4),) * 2
    z = ((found.values - (0.3, 0.4)) / found.error)[core]
    assert 0.60 < (np.abs(z) < 1).mean() < 0.76
    assert 0.90 < (np.abs(z) < 2).mean() < 0.98


def test_unrelated_images_have_no_valid_phase(rng):
    found = measure(texture(rng, (256, 256)), texture(rng, (256, 256)), by="cosicorr")
    assert found.valid.mean() < 0.05


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_slope_is_followed(name, rng):
    pre = texture(rng, (256, 256))
    rows, columns = np.indices(pre.shape)
    right = (2 + 0.005 * (rows - 128)).astype(np.float32)
    down = (-1 + 0.005 * (columns - 128)).astype(np.float32)
    found = measure(pre, moved(pre, right, down), by=name)
    assert inner(end_point_error(found, right, down)).mean() < 0.12


def test_cost_of_equation_one():
    least, gamma = np.float32(0.5), np.float32(2)
    for correlation, cost in ((-1, 0.5), (0.5, 0.5), (1, 0), (0.75, 0.375)):
        assert blocks.cost_of(np.float32(correlation), least, gamma) == pytest.approx(cost)


def test_window_costs_are_correlations(rng):
    # Against NumPy: windows of whole-pixel candidates.
    h, w, m = 12, 15, blocks.MARGIN
    pre, post = (rng.random((h + 2 * m, w + 2 * m)).astype(np.float32) for _ in range(2))
    right, down = (np.rint(rng.normal(0, 1, (h, w))).astype(np.float32) for _ in range(2))
    costs = np.empty((h, w, 9), np.float32)
    one, two = np.float32(1), np.float32(2)
    blocks.window_costs(pre, post, right, down, one, 3, np.float32(0.0), two, 0, h, costs)
    for r, c in ((0, 0), (5, 9), (11, 14)):
        for i in range(3):
            for j in range(3):
                y, x = r + m + int(down[r, c]) + i - 1, c + m + int(right[r, c]) + j - 1
                a = pre[r + m - 4 : r + m + 5, c + m - 4 : c + m + 5]
                b = post[y - 4 : y + 5, x - 4 : x + 5]
                cor = np.corrcoef(a.ravel(), b.ravel())[0, 1]
                assert costs[r, c, 3 * i + j] == pytest.approx(1 - max(cor, 0) ** 2, abs=2e-5)


def test_paths_cost_least(rng):
    # Against all paths along a line of four pixels.
    w, n, alpha, step = 4, 3, 0.4, 0.5
    costs = rng.random((1, w, n * n)).astype(np.float32)
    right, down = (rng.normal(0, 0.5, (1, w)).astype(np.float32) for _ in range(2))
    total = np.zeros_like(costs)
    f = np.float32
    blocks.scan(costs, right, down, f(step), n, f(alpha), 0, 1, 0, 1, total)
    label = np.arange(n * n)
    u, v = right[0][:, None] + step * (label % n - 1), down[0][:, None] + step * (label // n - 1)
    best = costs[0, 0].astype(float)
    for c in range(1, w):
        change = abs(u[c][:, None] - u[c - 1]) + abs(v[c][:, None] - v[c - 1])
        best = costs[0, c] + (best + alpha * change).min(axis=1)
    got = total[0, -1] - total[0, -1].min()
    np.testing.assert_allclose(got, best - best.min(), atol=1e-5)


def test_interpolation_is_exact_on_samples_and_on_constants():
    taps = np.empty(blocks.TAPS, np.float32)
    blocks.sinc_taps(np.float32(0), taps)
    np.testing.assert_allclose(taps, [0, 0, 1, 0, 0, 0], atol=1e-6)
    blocks.sinc_taps(np.float32(0.3), taps)
    assert taps.sum() == pytest.approx(1, abs=1e-6)


def test_phase_of_a_whole_spectrum(rng):
    n = 32
    window = rng.standard_normal((n, n)).astype(np.float32)
    one = np.fft.rfft2(window).astype(np.complex64)[None]
    down, right = ((2 * np.pi * f(n)).astype(np.float32) for f in (np.fft.fftfreq, np.fft.rfftfreq))
    wave = np.exp(-1j * (0.3 * right + (-0.2 * down)[:, None]))
    out = np.empty((1, 5), np.float32)
    phase.fit(one, (one * wave).astype(np.complex64), 1.0, 1, down, right, out)
    np.testing.assert_allclose(out[0, :2], (0.3, -0.2), atol=1e-4)
    assert out[0, 4] == pytest.approx(1, abs=1e-4)


def test_refusals(rng):
    image = texture(rng, (64, 64))
    with pytest.raises(ValueError, match="method: expected one of .*cosicorr.*got 'siftflow'"):
        method("siftflow")
    with pytest.raises(ValueError, match="cosicorr: no option 'window'; there are: windows"):
        measure(image, image, by="cosicorr", window=3)
    with pytest.raises(ValueError, match="one shape"):
        measure(image, image[1:], by="micmac")
    with pytest.raises(ValueError, match="valid: expected shape"):
        measure(image, image, valid=np.ones((3, 3), bool), by="micmac")
    with pytest.raises(ValueError, match="no pixel"):
        measure(image * np.nan, image, by="micmac")
    with pytest.raises(ValueError, match="windows: expected even"):
        measure(image, image, by="cosicorr", windows=(64, 32))
    with pytest.raises(ValueError, match="search"):
        measure(image, image, by="micmac", search=-1)


def test_without_opencv(monkeypatch, rng):
    monkeypatch.setitem(sys.modules, "cv2", None)
    image = texture(rng, (64, 64))
    with pytest.raises(ImportError, match=r'pip install "dislok\[opencv\]"'):
        measure(image, image, by="dis")


def test_every_method_says_what_it_is():
    for name, each in METHODS.items():
        assert each.name == name and each.summary and each.function().__doc__
        assert "threads" in each.options() or name in ("dislok", "scarp", "geoflownet", "deepflow", "dis")


@pytest.mark.parametrize(
    "missing, best", [((), "scarp"), (("torch",), "dislok"), (("safetensors",), "dislok")]
)
def test_the_network_is_used_where_torch_is_installed(monkeypatch, missing, best):
    from dislok.nn.predict import command

    found = importlib.util.find_spec
    monkeypatch.setattr(command, "find_spec", lambda name: None if name in missing else found(name))
    assert command.default_method() == best
