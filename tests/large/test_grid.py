"""Displacement on grids against the sum over all sources at all points; tiles, files, errors."""

import numpy as np
import pytest
from large_cases import case, elements, mesh

from dislok import okada, tde
from dislok.large import grid
from dislok.large.elements import TriangleElements

FAMILIES = ["triangle", "rectangle", "point"]
X, Y = np.linspace(-33.0, 30.0, 130), np.linspace(-28.0, 35.0, 110)


@pytest.fixture
def tiled(monkeypatch):
    """Tiles so small that the grids of these tests have several."""
    monkeypatch.setattr(grid, "TILE", 64)


def direct(module, x, y, sources, slip=(), **options):
    north, east = np.meshgrid(y, x, indexing="ij")
    obs = np.column_stack([east.ravel(), north.ravel(), np.zeros(east.size)])
    return module.displacement(obs, sources, *slip, **options).reshape(len(y), len(x), 3)


def worst(got, want):
    return np.abs(got - want).max() / np.linalg.norm(want, axis=2).max()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-8])
def test_tolerance_is_kept(rng, tiled, family, tolerance):
    module, sources, slip = case(family, rng, 60)
    got = module.on_grid(X, Y, sources, *slip, tolerance=tolerance)
    assert worst(got, direct(module, X, Y, sources, slip)) <= tolerance


def test_fault_that_breaks_the_surface(rng, tiled):
    """A jump of a metre runs through the grid, and is where it belongs."""
    sources, slip = mesh(16, 4), (np.array([0.0, 1.0, 0.0]),)
    want = direct(tde, X, Y, sources, slip)
    assert worst(tde.on_grid(X, Y, sources, *slip, tolerance=1e-5), want) <= 1e-5


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6, 1e-9])
def test_many_triangles(rng, tiled, tolerance):
    """Enough of them that clusters are summed; 1e-9 is left to the sum one by one."""
    sources = mesh(60, 12)
    slip = rng.standard_normal((len(sources[1]), 3))
    got = tde.on_grid(X, Y, sources, slip, tolerance=tolerance)
    assert worst(got, direct(tde, X, Y, sources, (slip,))) <= tolerance


def test_many_triangles_with_any_number_of_threads(rng, tiled):
    sources = mesh(60, 12)
    slip = rng.standard_normal((len(sources[1]), 3))
    one, all_of_them = (tde.on_grid(X, Y, sources, slip, threads=n) for n in (1, None))
    np.testing.assert_array_equal(one, all_of_them)


def test_few_evaluations(rng, monkeypatch):
    """What a direct sum needs grows with the number of points; this hardly does."""
    sources, slip = mesh(20, 5), rng.standard_normal((200, 3))
    pairs = []
    exact = tde.displacement
    monkeypatch.setattr(
        tde, "displacement", lambda o, t, *a, **k: (pairs.append(len(o) * len(t)), exact(o, t, *a, **k))[1]
    )
    counts = []
    for n in (200, 800):
        pairs.clear()
        axis = np.linspace(-50, 50.3, n)
        tde.on_grid(axis, axis, sources, slip)
        counts.append(sum(pairs))
    assert counts[1] < 2.5 * counts[0]
    assert counts[1] < 0.05 * 800 * 800 * 200


def test_what_is_far_enough():
    """Boxes beside, below, above and across the ground, and half of the longer side of a patch."""
    corners = np.array(
        [
            [[9.0, 0.0, -1.0], [9.5, 0.0, -1.0], [9.0, 1.0, -2.0]],
            [[0.0, 0.0, -4.1], [1.0, 0.0, -5.0], [0.0, 1.0, -5.0]],
            [[0.0, 0.0, 4.1], [1.0, 0.0, 5.0], [0.0, 1.0, 5.0]],
            [[0.0, 0.0, -5.0], [1.0, 0.0, 5.0], [0.0, 1.0, 5.0]],
            [[7.0, 0.0, -1.0], [9.0, 0.0, -1.0], [9.0, 1.0, -2.0]],
        ]
    )
    sources = TriangleElements(tde, corners, None, 0.25, "full")
    ground = grid.Ground(np.linspace(-4, 4, 30), np.linspace(-3, 3, 30), sources, 5, 1.0)
    assert ground._is_far(ground.whole()).tolist() == [True, True, True, False, False]


def test_full_space(rng, tiled):
    _, (places, cells), slip = case("triangle", rng, 60)
    sources = (places + (0.0, 0.0, 6.0), cells)
    got = tde.on_grid(X, Y, sources, *slip, tolerance=1e-6, space="full")
    assert worst(got, direct(tde, X, Y, sources, slip, space="full")) <= 1e-6


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X[::-1], Y),
        (X, Y[::-1]),
        (np.sinh(np.linspace(-3, 3, 90)), Y[::2]),
        (X, np.array([1.5])),
        (np.array([-3.0]), np.array([2.0])),
    ],
    ids=["west", "south", "uneven", "row", "point"],
)
def test_axes_of_any_kind(rng, tiled, x, y):
    module, sources, slip = case("triangle", rng, 60)
    got = module.on_grid(x, y, sources, *slip, tolerance=1e-5)
    want = direct(module, x, y, sources, slip)
    # Of few points the largest displacement is not that of the ground nearby.
    assert np.abs(got - want).max() <= 1e-5 * np.linalg.norm(want, axis=2).max()


def test_points_on_an_edge_have_no_value():
    source = okada.Rectangle(0, -10, 0, 20, 8, 0, 60)
    axis = np.arange(-20.0, 21.0)
    got, want = okada.on_grid(axis, axis, source, tolerance=1e-6), direct(okada, axis, axis, source)
    assert np.isnan(want).any()
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)


def test_no_slip(tiled):
    assert not tde.on_grid(X, Y, mesh(4, 2, 0.5), np.zeros(3)).any()


def test_tiles_cover_the_grid_once_and_know_their_error(rng, tiled):
    module, sources, slip = case("triangle", rng, 60)
    want = direct(module, X, Y, sources, slip)
    seen = np.zeros(want.shape[:2], int)
    for tile in module.grid_tiles(X, Y, sources, *slip, tolerance=1e-4):
        seen[tile.rows, tile.columns] += 1
        assert max(tile.values.shape[:2]) <= 64
        true = np.abs(tile.values - want[tile.rows, tile.columns]).max()
        # Seen at some points only, and over the largest displacement at some points.
        assert tile.error <= 1.5 * true / np.linalg.norm(want, axis=2).max() + 1e-15
    assert (seen == 1).all()


class TestFiles:
    @pytest.fixture
    def problem(self, rng, tiled):
        return case("triangle", rng, 30)

    def test_interrupted_and_taken_up(self, problem, tmp_path):
        module, sources, slip = problem
        marks, path = tmp_path / "marks.npz", tmp_path / "map.npy"
        out = np.lib.format.open_memmap(path, "w+", float, (len(Y), len(X), 3))

        def stop(stage, done, total):
            if done == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            module.on_grid(X, Y, sources, *slip, out=out, marks=marks, progress=stop)
        finished = np.count_nonzero(out.any(axis=2)) / out[..., 0].size
        assert 0.05 < finished < 0.8
        del out
        seen = []
        module.on_grid(
            X,
            Y,
            sources,
            *slip,
            out=np.load(path, mmap_mode="r+"),
            marks=marks,
            progress=lambda *a: seen.append(a),
        )
        assert [done for _, done, _ in seen] == list(range(3, seen[-1][2] + 1))
        np.testing.assert_array_equal(np.load(path), module.on_grid(X, Y, sources, *slip))

    def test_into_zarr(self, problem, tmp_path):
        zarr = pytest.importorskip("zarr")
        module, sources, slip = problem
        shape = (len(Y), len(X), 3)
        out = zarr.create_array(tmp_path / "map.zarr", shape=shape, chunks=(50, 50, 3), dtype="float32")
        assert module.on_grid(X, Y, sources, *slip, out=out) is out
        want = module.on_grid(X, Y, sources, *slip)
        np.testing.assert_array_equal(out[...], want.astype("float32"))

    def test_marks_of_another_grid(self, problem, tmp_path):
        module, sources, slip = problem
        out, marks = np.empty((len(Y), len(X), 3)), tmp_path / "marks.npz"
        module.on_grid(X, Y, sources, *slip, out=out, marks=marks)
        with pytest.raises(ValueError, match="belongs to another problem"):
            module.on_grid(X + 1, Y, sources, *slip, out=out, marks=marks)


class TestErrors:
    SOURCE = okada.Rectangle(0, 0, 1, 10, 5, 0, 45)

    @pytest.mark.parametrize(
        ("x", "options", "message"),
        [
            ([0.0, 1.0, 0.5], {}, r"x\[1\] is 1.0 and x\[2\] is 0.5; x must rise or fall"),
            ([0.0, np.nan], {}, r"x\[1\] is nan"),
            ([], {}, "x must be a vector"),
            (3.0, {}, "x must be a vector"),
            ([0.0, 1.0], {"tolerance": 0.0}, "tolerance is 0.0; it must be at least 1e-10"),
            ([0.0, 1.0], {"out": np.zeros((2, 2))}, r"out must have shape \(3, 2, 3\), got \(2, 2\)"),
            ([0.0, 1.0], {"marks": "marks.npz"}, "marks= needs out="),
            ([0.0, 1.0], {"nu": 0.5}, "nu is 0.5"),
        ],
    )
    def test_inputs(self, x, options, message):
        with pytest.raises(ValueError, match=message):
            okada.on_grid(x, [0.0, 1.0, 2.0], self.SOURCE, **options)

    def test_tolerance_that_is_not_reached(self, rng):
        """A field that is nowhere twice the same cannot be kept to any tolerance."""
        noisy = elements(okada, self.SOURCE, ())
        noisy.displacement = lambda obs, columns: rng.standard_normal((len(obs), 3))
        with pytest.raises(RuntimeError, match="rows 0 to 30 and columns 0 to 30 of the grid have an error"):
            grid.on_grid(X[:30], Y[:30], noisy, tolerance=1e-3)
