"""Quadtree: cells against their pixels, covariances against all pairs of pixels, noise that is known."""

import numpy as np
import pytest
from inversion_cases import LOOK

from dislok.inversion.mesh import Grid
from dislok.inversion.quadtree import Noise, noise_model, quadtree
from dislok.inversion.slip import Los, PixelOffsets, SlipModel, SlipProblem
from dislok.okada import Rectangle

NOTHING = np.zeros(0)
NOISE = Noise(0.004, 0.010, 3.0, NOTHING, NOTHING)
SPACING = (0.5, -0.4)


def random_field(n, spacing, noise, rng):
    """Map (n, n) of noise with exactly the model's covariance, by embedding it in a circle."""
    steps = np.minimum(np.arange(2 * n), 2 * n - np.arange(2 * n))
    distance = np.hypot(steps[:, None] * spacing[1], steps * spacing[0])
    power = np.fft.fft2(noise._replace(white=0.0).covariance(distance)).real
    assert power.min() > -1e-3 * power.max()
    wave = rng.standard_normal((2 * n, 2 * n)) + 1j * rng.standard_normal((2 * n, 2 * n))
    field = np.fft.fft2(np.sqrt(np.maximum(power, 0)) * wave)[:n, :n].real / (2 * n)
    return field + noise.white * rng.standard_normal((n, n))


def holed(rng, shape=(70, 90)):
    """A map with a signal, holes and missing pixels."""
    rows, columns = np.indices(shape)
    values = np.exp(-((rows - 30) ** 2 + (columns - 50) ** 2) / 200.0) + 0.01 * rng.standard_normal(shape)
    values[40:55, 10:40] = np.nan
    values[rng.random(shape) < 0.1] = np.nan
    return values


def pixels_of(cells, i):
    a, b = cells.windows()[i]
    rows, columns = np.nonzero(cells.present[a, b])
    return np.stack([(columns + b.start) * SPACING[0], (rows + a.start) * SPACING[1]], axis=-1)


def test_cells_hold_the_means_of_their_pixels(rng):
    values = holed(rng)
    cells = quadtree(values, 0.05, origin=(100.0, 50.0), spacing=SPACING, smallest=2, largest=32)
    for i, (a, b) in enumerate(cells.windows()):
        present = np.isfinite(values[a, b])
        assert cells.values[i, 0] == pytest.approx(values[a, b][present].mean())
        assert cells.pixels[i] == present.sum()
        np.testing.assert_allclose(cells.xy[i], pixels_of(cells, i).mean(axis=0) + [100.0, 50.0])


def test_cells_vary_less_than_the_threshold_and_do_not_overlap(rng):
    values = holed(rng)
    cells = quadtree(values, 0.05, smallest=2, largest=32)
    covered = np.zeros(values.shape, int)
    for (a, b), size in zip(cells.windows(), cells.size, strict=True):
        covered[a, b] += 1
        spread = np.nanstd(values[a, b])
        assert spread <= 0.05 + 1e-12 or size == 2
    assert covered.max() == 1
    assert set(cells.size) == {2, 4, 8, 16, 32} - ({32} if 32 not in cells.size else set())
    # Only squares with too few pixels are left out.
    assert covered[np.isfinite(values)].mean() > 0.97


def test_no_cell_could_be_one_with_its_neighbours(rng):
    """Where four cells make a square, that square varies too much or has too few pixels."""
    values = holed(rng)
    cells = quadtree(values, 0.05, smallest=2, largest=32)
    keys = {(r, c, s) for r, c, s in zip(cells.row, cells.column, cells.size, strict=True)}
    for row, column, size in keys:
        four = {(row + i * size, column + j * size, size) for i in (0, 1) for j in (0, 1)}
        if size < 32 and row % (2 * size) == 0 and column % (2 * size) == 0 and four <= keys:
            square = values[row : row + 2 * size, column : column + 2 * size]
            assert np.nanstd(square) > 0.05 or np.isfinite(square).sum() < 2 * size**2


def test_several_maps_share_their_cells(rng):
    east, north = holed(rng), 3 * holed(rng)
    cells = quadtree(np.stack([east, north]), 0.1, smallest=2, largest=16)
    assert cells.values.shape == (len(cells.xy), 2)
    a, b = cells.windows()[0]
    both = np.isfinite(east[a, b]) & np.isfinite(north[a, b])
    np.testing.assert_allclose(cells.values[0], [east[a, b][both].mean(), north[a, b][both].mean()])
    np.testing.assert_allclose(cells.average(np.nan_to_num(east)), cells.values[:, 0])
    looks = np.broadcast_to(LOOK[:, None, None], (3, *east.shape))
    np.testing.assert_allclose(cells.average(looks), np.tile(LOOK, (len(cells.xy), 1)))


@pytest.mark.parametrize(("distance", "bound"), [(8.0, 5e-3), (2.0, 1e-2), (0.3, 3e-2)])
def test_covariance_is_the_mean_over_all_pairs_of_pixels(rng, distance, bound):
    noise = NOISE._replace(distance=distance)
    cells = quadtree(holed(rng), 0.1, spacing=SPACING, smallest=4, largest=16)
    chosen = rng.choice(len(cells.xy), 25, replace=False)
    matrix = cells.covariance(noise)
    truth = np.empty((25, 25))
    for i, p in enumerate(chosen):
        for j, q in enumerate(chosen):
            apart = np.linalg.norm(pixels_of(cells, p)[:, None] - pixels_of(cells, q), axis=-1)
            truth[i, j] = noise.covariance(apart).mean()
    scale = np.sqrt(np.outer(np.diag(truth), np.diag(truth)))
    np.testing.assert_allclose(np.diag(matrix)[chosen], np.diag(truth), rtol=1e-12)
    np.testing.assert_allclose(matrix[np.ix_(chosen, chosen)] / scale, truth / scale, atol=bound)
    assert np.linalg.eigvalsh(matrix).min() > 0


def test_noise_is_measured(rng):
    fits = [
        noise_model(random_field(256, (0.25, 0.25), NOISE, rng), (0.25, -0.25), pairs=300_000)
        for _ in range(8)
    ]
    white, correlated, distance = np.median([fit[:3] for fit in fits], axis=0)
    assert white == pytest.approx(NOISE.white, rel=0.1)
    assert correlated == pytest.approx(NOISE.correlated, rel=0.1)
    assert distance == pytest.approx(NOISE.distance, rel=0.25)
    fit = fits[0]
    np.testing.assert_allclose(fit.variogram(fit.lag), fit.semivariance, rtol=0.25)


def test_signal_and_ramp_do_not_count_as_noise(rng):
    field = random_field(200, (0.25, 0.25), NOISE, rng)
    rows, columns = np.indices(field.shape)
    rest = np.ones(field.shape, bool)
    rest[60:140, 60:140] = False
    moved = field + np.where(rest, 0.0, 1.0) + 0.002 * rows - 0.001 * columns
    moved[rng.random(field.shape) < 0.2] = np.nan
    plain = noise_model(np.where(np.isnan(moved), np.nan, field), (0.25, 0.25), rest=rest, seed=1)
    found = noise_model(moved, (0.25, 0.25), rest=rest, seed=1)
    np.testing.assert_allclose(found[:3], plain[:3], rtol=1e-6)
    assert noise_model(moved, (0.25, 0.25), seed=1).correlated > 0.1


def test_white_noise_has_no_correlation(rng):
    found = noise_model(0.1 * rng.standard_normal((150, 150)), (1.0, 1.0), pairs=400_000)
    assert np.hypot(found.white, found.correlated) == pytest.approx(0.1, rel=0.02)
    assert found.correlated < 0.02


def test_means_of_cells_have_the_covariance_that_is_stated(rng):
    """Over many maps of noise, whitened cells are independent with unit variance."""
    first = quadtree(
        random_field(64, (0.5, 0.5), NOISE, rng), 0.008, spacing=(0.5, 0.5), smallest=4, largest=16
    )
    factor = np.linalg.cholesky(first.covariance(NOISE))
    white = []
    for _ in range(150):
        means = first.average(random_field(64, (0.5, 0.5), NOISE, rng))
        white.append(np.linalg.solve(factor, means))
    assert np.mean(np.square(white)) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("nuisance", [None, "ramp"])
def test_downsampled_map_gives_the_slip_that_made_it(rng, nuisance):
    grid = Grid(Rectangle(0.0, 0.0, 3.0, 14.0, 8.0, 20.0, 55.0), 7, 4)
    slip = np.tile([0.0, 0.6, 0.0], (grid.size, 1))
    axis = np.linspace(-20, 20, 120)
    xy = np.stack(np.meshgrid(axis, axis), axis=-1)
    step = float(axis[1] - axis[0])
    field = (grid.apply(xy.reshape(-1, 2), slip) @ LOOK).reshape(120, 120)
    noise = NOISE._replace(distance=4.0)
    field += random_field(120, (step, step), noise, rng) + (0.0 if nuisance is None else 0.1)
    cells = quadtree(field, 0.018, origin=(-20.0, -20.0), spacing=(step, step), smallest=2, largest=16)
    assert len(cells.xy) < 0.15 * field.size
    data = Los(cells.xy, cells.values[:, 0], LOOK, covariance=cells.covariance(noise), nuisance=nuisance)
    result = SlipProblem(data, SlipModel(grid, rake=90.0, edges="free", order=1)).solve("evidence")
    assert np.linalg.norm(result.slip[0] - slip) < 0.2 * np.linalg.norm(slip)
    assert result.chi2_reduced == pytest.approx(1.0, abs=0.25)


def test_cells_of_offsets_become_data(rng):
    maps = np.stack([holed(rng), holed(rng)])
    cells = quadtree(maps, 0.1, spacing=SPACING, smallest=4, largest=16)
    data = PixelOffsets(cells.xy, cells.values, sigma=0.01)
    assert data.size == 2 * len(cells.xy)


def test_mistakes_are_named(rng):
    with pytest.raises(
        ValueError, match="largest must be smallest times a power of two, got 24 and smallest 4"
    ):
        quadtree(np.zeros((8, 8)), 1.0, smallest=4, largest=24)
    with pytest.raises(ValueError, match="threshold must be positive"):
        quadtree(np.zeros((8, 8)), 0.0)
    with pytest.raises(ValueError, match=r"maps: expected shape \(rows, columns\)"):
        quadtree(np.zeros(8), 1.0)
    with pytest.raises(ValueError, match="no cell of any size has enough pixels"):
        quadtree(np.full((64, 64), np.nan), 1.0)
    with pytest.raises(ValueError, match="at least 100 pixels at rest are needed, got 64"):
        noise_model(np.zeros((8, 8)), (1.0, 1.0))
    with pytest.raises(ValueError, match=r"rest: expected shape \(20, 20\)"):
        noise_model(np.zeros((20, 20)), (1.0, 1.0), rest=np.ones((3, 3)))
    cells = quadtree(rng.standard_normal((64, 64)), 9.0)
    with pytest.raises(ValueError, match=r"maps: expected shape \(c, 64, 64\)"):
        cells.average(np.zeros((3, 3)))


@pytest.mark.parametrize("kind", ["exponential", "spherical", "gaussian", "karman"])
def test_every_kind_of_correlation_is_measured(kind, rng):
    distance = {"spherical": 8.0, "karman": 2.0}.get(kind, 3.0)
    truth = Noise(0.004, 0.010, distance, NOTHING, NOTHING, kind, 1.5 if kind == "karman" else 0.5)
    words = {"spacing": (0.25, -0.25), "pairs": 300_000, "hurst": 1.5}
    fields = [random_field(256, (0.25, 0.25), truth, rng) for _ in range(4)]
    found = [noise_model(field, **words, kind=kind) for field in fields]
    assert {noise.kind for noise in found} == {kind}
    white, correlated, length = np.median([noise[:3] for noise in found], axis=0)
    assert white == pytest.approx(truth.white, rel=0.2)
    assert correlated == pytest.approx(truth.correlated, rel=0.25)
    assert length == pytest.approx(distance, rel=0.35)
    # Kinds that are alike cannot be told apart in a single map, but the best fits no worse than the true one.
    for field, noise in zip(fields, found, strict=True):
        best = noise_model(field, (0.25, -0.25), pairs=300_000, kind="best")
        assert best.misfit <= noise.misfit * (1 + 1e-6)


def test_correlations_are_those_of_the_formulas():
    d = np.array([0.0, 0.5, 1.0, 2.0])
    for kind, hurst, values in (
        ("exponential", 0.5, np.exp(-d)),
        ("gaussian", 0.5, np.exp(-(d**2))),
        ("spherical", 0.5, [1.0, 1 - 0.75 + 0.0625, 0.0, 0.0]),
        ("karman", 0.5, np.exp(-d)),
        ("karman", 1.5, (1 + d) * np.exp(-d)),
    ):
        noise = Noise(0.0, 2.0, 3.0, NOTHING, NOTHING, kind, hurst)
        np.testing.assert_allclose(noise.correlation(3.0 * d), values, atol=1e-9)
        np.testing.assert_allclose(noise.covariance(3.0 * d), 4 * np.asarray(values), atol=1e-8)
        np.testing.assert_allclose(noise.variogram(3.0 * d), 4 * (1 - np.asarray(values)), atol=1e-8)
    with pytest.raises(ValueError, match="kind must be one of best, exponential"):
        noise_model(np.zeros((20, 20)), (1.0, 1.0), kind="cubic")
