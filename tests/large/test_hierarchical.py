"""Compressed Green's matrices against the full ones: tolerance, products, files, interruptions, errors."""

import numpy as np
import pytest
from large_cases import case, ground, mesh
from scipy.sparse.linalg import lsqr

from dislok import okada, tde
from dislok.kernels.interpolative import interpolative, miss
from dislok.large import hierarchical, skeletons
from dislok.large.clusters import partition, tree

FAMILIES = ["triangle", "rectangle", "point"]


@pytest.fixture
def small(monkeypatch):
    """Clusters so small that problems of a test are compressed at all."""
    monkeypatch.setattr(skeletons, "LEAF", 12)


def full(module, obs, sources, of="displacement"):
    matrix = module.greens(obs, sources, of=of)
    rows = matrix.shape[0] * (3 if of == "displacement" else 9)
    return matrix.reshape(rows, -1)


def relative(got, want):
    return np.linalg.norm(got - want) / np.linalg.norm(want)


class TestInterpolativeDecomposition:
    @pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-9])
    def test_error_is_what_was_asked(self, rng, tolerance):
        left, right = np.linalg.qr(rng.standard_normal((80, 50)))[0], rng.standard_normal((50, 60))
        values = left * np.logspace(0, -12, 50) @ right
        chosen, factor = interpolative(values, tolerance)
        got = values[:, chosen] @ factor
        assert relative(got, values) <= tolerance
        # Many columns fewer would not do: even the best approximation of a lower rank is too coarse.
        best = np.linalg.svd(values, compute_uv=False)
        assert np.sqrt(np.sum(best[int(0.8 * len(chosen)) :] ** 2)) > tolerance * np.linalg.norm(values)
        np.testing.assert_array_equal(factor[:, chosen], np.eye(len(chosen)))
        assert np.abs(factor).max() < 10.0  # no large weights

    def test_every_column_can_be_the_one(self):
        for column in range(5):
            values = np.full((7, 5), 1e-3)
            values[3, column] = 1.0
            assert column in interpolative(values, 1e-2)[0]

    def test_miss_is_the_error(self, rng):
        values, factor = rng.standard_normal((9, 6)), rng.standard_normal((2, 6))
        wrong, whole = miss(values, np.array([4, 1]), factor)
        assert wrong == pytest.approx(np.linalg.norm(values - values[:, [4, 1]] @ factor) ** 2, rel=1e-13)
        assert whole == pytest.approx(np.linalg.norm(values) ** 2, rel=1e-13)

    def test_zeros(self):
        chosen, factor = interpolative(np.zeros((4, 3)), 1e-3)
        assert len(chosen) == 1 and np.isfinite(factor).all()


class TestClusters:
    def test_tree_holds_everything_once(self, rng):
        low = rng.uniform(-1, 1, (333, 3))
        high = low + rng.uniform(0, 0.1, (333, 3))
        clusters = tree(low, high, 10)
        assert sorted(clusters.order) == list(range(333))
        for k in range(clusters.size):
            things = clusters.things(k)
            assert (low[things] >= clusters.low[k]).all() and (high[things] <= clusters.high[k]).all()
            child = clusters.child[k]
            if child:
                assert clusters.parent[child] == clusters.parent[child + 1] == k
                parts = np.concatenate([clusters.things(child), clusters.things(child + 1)])
                np.testing.assert_array_equal(parts, things)
            else:
                assert len(things) <= 10

    def test_every_pair_is_in_one_block_and_far_ones_are_far(self, rng):
        a, b = rng.uniform(0, 1, (200, 3)), rng.uniform(0, 1, (130, 3)) * (4, 1, 0)
        rows, columns = tree(a, a, 8), tree(b, b, 5)
        far, near = partition(rows, columns, 0.7)
        assert len(far) and len(near)
        count = np.zeros((200, 130), int)
        for i, j in np.concatenate([far, near]):
            count[np.ix_(rows.things(i), columns.things(j))] += 1
        assert (count == 1).all()
        for i, j in far:
            gaps = np.linalg.norm(a[rows.things(i)][:, None] - b[columns.things(j)], axis=2)
            assert gaps.min() >= 0.7 * np.linalg.norm(rows.high[i] - rows.low[i]) > 0

    def test_things_at_one_place_are_near(self):
        a = np.zeros((40, 3))
        far, near = partition(tree(a, a, 8), tree(a, a, 8), 0.7)
        assert not len(far) and len(near)


class TestTolerance:
    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.parametrize("tolerance", [1e-3, 1e-7])
    def test_is_kept(self, rng, small, family, tolerance):
        module, sources, _ = case(family, rng, 300)
        obs = ground(rng, 320, depth=3.0)
        exact = full(module, obs, sources)
        matrix = module.operator(obs, sources, tolerance=tolerance)
        assert matrix.shape == exact.shape
        assert relative(matrix @ np.eye(matrix.shape[1]), exact) <= tolerance
        assert len(matrix.far) > 4

    def test_of_the_gradient(self, rng, small):
        _, sources, _ = case("triangle", rng, 200)
        obs = ground(rng, 150, depth=20.0)
        exact = full(tde, obs, sources, "gradient")
        matrix = tde.operator(obs, sources, of="gradient", tolerance=1e-5)
        assert relative(matrix @ np.eye(matrix.shape[1]), exact) <= 1e-5
        assert matrix.report.largest_rank > 0
        s, r = rng.standard_normal((len(sources[1]), 3)), rng.standard_normal((150, 3, 3))
        got, want = matrix.apply(s), tde.apply(obs, sources, s, of="gradient")
        assert got.shape == want.shape and relative(got, want) < 1e-4
        got, want = matrix.apply_adjoint(r), tde.apply_adjoint(obs, sources, r, of="gradient")
        assert got.shape == want.shape and relative(got, want) < 1e-4

    def test_sources_of_very_different_size(self, rng, small):
        _, sources, _ = case("rectangle", rng, 200)
        sources = sources._replace(length=np.logspace(-2, 1.3, 200))
        obs = ground(rng, 250)
        exact = full(okada, obs, sources)
        matrix = okada.operator(obs, sources, tolerance=1e-6)
        assert relative(matrix @ np.eye(matrix.shape[1]), exact) <= 1e-6

    def test_report_tells_the_truth(self, rng, small):
        module, sources, _ = case("triangle", rng, 400)
        obs = ground(rng, 500)
        matrix = module.operator(obs, sources, tolerance=1e-4)
        true = relative(matrix @ np.eye(matrix.shape[1]), full(module, obs, sources))
        # 200 of the rows and columns, times eight random vectors.
        assert matrix.report.row_error == pytest.approx(true, rel=0.5)
        assert matrix.report.column_error == pytest.approx(true, rel=0.5)
        assert matrix.report.bytes == matrix.nbytes
        assert matrix.report.share == matrix.nbytes / (8 * np.prod(matrix.shape))

    def test_is_reached_in_the_end(self, rng, small, monkeypatch):
        """The first attempt is much too coarse; the check says so, and a later one is not."""
        monkeypatch.setattr(skeletons, "SAFETY", 1e4)
        module, sources, _ = case("triangle", rng, 200)
        obs = ground(rng, 200)
        matrix = module.operator(obs, sources, tolerance=1e-6)
        assert relative(matrix @ np.eye(matrix.shape[1]), full(module, obs, sources)) <= 1e-6
        monkeypatch.setattr(skeletons, "ATTEMPTS", 1)
        with pytest.raises(RuntimeError, match="after 1 attempts; 1e-06 was asked for"):
            module.operator(obs, sources, tolerance=1e-6)

    @pytest.mark.slow
    def test_of_many(self, rng):
        """Compared with rows and columns of the full matrix, and with what it saves."""
        sources, obs = mesh(100, 50, 0.1), ground(rng, 10000)
        matrix = tde.operator(obs, sources, tolerance=1e-5)
        assert matrix.report.share < 0.06
        s = rng.standard_normal((10000, 3))
        some = rng.choice(10000, 100, replace=False)
        assert relative(matrix.apply(s)[some], tde.apply(obs[some], sources, s)) < 3e-5


class TestProducts:
    @pytest.fixture
    def problem(self, rng, small):
        module, sources, _ = case("triangle", rng, 200)
        obs = ground(rng, 230)
        return module.operator(obs, sources, tolerance=1e-6), obs, sources

    def test_adjoint(self, rng, problem):
        matrix, _, _ = problem
        s, r = rng.standard_normal(matrix.shape[1]), rng.standard_normal(matrix.shape[0])
        forward, backward = matrix @ s, matrix.T @ r
        scale = np.linalg.norm(r) * np.linalg.norm(forward)
        assert abs(r @ forward - s @ backward) < 1e-12 * scale

    def test_are_those_of_the_family(self, rng, problem):
        matrix, obs, sources = problem
        s, r = rng.standard_normal((len(sources[1]), 3)), rng.standard_normal((len(obs), 3))
        assert relative(matrix.apply(s), tde.apply(obs, sources, s)) < 1e-5
        assert relative(matrix.apply_adjoint(r), tde.apply_adjoint(obs, sources, r)) < 1e-5

    def test_of_many_vectors_at_once(self, rng, problem):
        matrix, _, _ = problem
        s = rng.standard_normal((matrix.shape[1], 4))
        one_by_one = np.stack([matrix @ column for column in s.T], axis=1)
        np.testing.assert_allclose(matrix @ s, one_by_one, rtol=0, atol=1e-13 * np.abs(one_by_one).max())

    def test_serve_a_solver_of_scipy(self, rng, problem):
        matrix, obs, sources = problem
        slip = rng.standard_normal(matrix.shape[1])
        data = full(tde, obs, sources) @ slip
        found = lsqr(matrix, data, damp=1e-3, iter_lim=500)[0]
        assert relative(matrix @ found, data) < 1e-2

    def test_in_single_precision(self, rng, small):
        module, sources, _ = case("triangle", rng, 200)
        obs = ground(rng, 230)
        double = module.operator(obs, sources, tolerance=1e-5)
        single = module.operator(obs, sources, tolerance=1e-5, dtype="float32")
        assert single.dtype == np.float32 and single.nbytes < 0.7 * double.nbytes
        s = rng.standard_normal((len(sources[1]), 3))
        assert single.apply(s).dtype == np.float32
        assert relative(single.apply(s), module.apply(obs, sources, s)) < 5e-5

    def test_complex_vectors_are_refused(self, problem):
        with pytest.raises(TypeError, match="real and imaginary"):
            problem[0] @ np.ones(problem[0].shape[1], complex)

    def test_shapes_are_checked(self, problem):
        matrix, obs, _ = problem
        with pytest.raises(ValueError, match=r"s must have shape \(196, 3\), got \(3, 3\)"):
            matrix.apply(np.zeros((3, 3)))
        with pytest.raises(ValueError, match=r"r must have shape \(230, 3\), got \(200, 3\)"):
            matrix.apply_adjoint(np.zeros((200, 3)))


class TestTensors:
    @pytest.fixture
    def matrix(self, rng, small):
        _, sources, _ = case("point", rng, 30)
        return okada.operator(ground(rng, 25), sources, tolerance=1e-6)

    @pytest.mark.parametrize("name", ["apply", "apply_adjoint"])
    def test_are_differentiable(self, rng, matrix, name):
        torch = pytest.importorskip("torch")
        function = getattr(matrix, name)
        shape = (30, 4) if name == "apply" else (25, 3)
        values = torch.tensor(rng.standard_normal(shape), requires_grad=True)
        assert torch.autograd.gradcheck(function, values, check_forward_ad=True, check_batched_grad=True)
        assert torch.autograd.gradgradcheck(function, values)
        jacobian = torch.func.jacrev(function)(values.detach()).reshape(-1, values.numel())
        assert torch.equal(torch.func.jacfwd(function)(values.detach()).reshape(jacobian.shape), jacobian)
        flat = matrix if name == "apply" else matrix.T
        np.testing.assert_allclose(jacobian.numpy(), flat @ np.eye(values.numel()), rtol=0, atol=1e-15)
        got = torch.func.vmap(function, in_dims=1)(values.detach()[:, None] * torch.ones(1, 2, 1))
        assert torch.equal(got[1], function(values.detach()))

    def test_dtypes_must_agree(self, matrix):
        torch = pytest.importorskip("torch")
        with pytest.raises(TypeError, match=r"torch.float32, but the operator is float64"):
            matrix.apply(torch.zeros(30, 4, dtype=torch.float32))

    def test_geometry_is_not_differentiable(self, rng):
        torch = pytest.importorskip("torch")
        obs = torch.zeros(4, 2, dtype=torch.float64)
        corners = torch.tensor([[[0.0, 0, -1], [1, 0, -1], [0, 1, -2]]], dtype=torch.float64)
        assert tde.operator(obs, corners).shape == (12, 3)
        with pytest.raises(ValueError, match="triangles requires gradients"):
            tde.operator(obs, corners.requires_grad_())


class TestFiles:
    def test_saved_and_loaded(self, rng, small, tmp_path):
        module, sources, _ = case("rectangle", rng, 100)
        matrix = module.operator(ground(rng, 90), sources, tolerance=1e-5, dtype="float32")
        matrix.save(tmp_path / "matrix.npz")
        again = hierarchical.load(tmp_path / "matrix.npz")
        s = rng.standard_normal(matrix.shape[1])
        np.testing.assert_array_equal(again @ s, matrix @ s)
        assert again.report == matrix.report and again.dtype == matrix.dtype
        assert [path.name for path in tmp_path.iterdir()] == ["matrix.npz"]

    @pytest.mark.parametrize("at", ["near blocks", "skeletons of sources", "far blocks"])
    def test_interrupted_and_taken_up(self, rng, small, tmp_path, monkeypatch, at):
        monkeypatch.setattr(skeletons, "PIECE", 4)
        module, sources, _ = case("triangle", rng, 200)
        obs = ground(rng, 210)
        calls = []
        greens = module.greens
        monkeypatch.setattr(module, "greens", lambda *a, **k: (calls.append(1), greens(*a, **k))[1])

        def stop(stage, done, total):
            if stage == at and done >= total / 2:
                raise KeyboardInterrupt

        def build(progress=None, folder=tmp_path):
            calls.clear()
            return module.operator(obs, sources, tolerance=1e-5, folder=folder, progress=progress)

        with pytest.raises(KeyboardInterrupt):
            build(stop)
        before = len(calls)
        matrix, after = build(), len(calls)
        reference, whole = build(folder=None), len(calls)
        s = rng.standard_normal(matrix.shape[1])
        np.testing.assert_array_equal(matrix @ s, reference @ s)
        assert after < whole
        # What was lost is one piece, or one side's skeletons.
        assert before + after <= whole + (8 if "blocks" in at else 60)

    def test_pieces_of_another_problem(self, rng, small, tmp_path):
        module, sources, _ = case("rectangle", rng, 20)
        obs = ground(rng, 20)
        module.operator(obs, sources, folder=tmp_path)
        with pytest.raises(ValueError, match="belongs to another problem"):
            module.operator(obs, sources, folder=tmp_path, nu=0.3)


class TestErrors:
    SOURCE = okada.Rectangle(0, 0, 0, 10, 5, 0, 45)

    def test_observer_on_an_edge(self):
        obs = [[3.0, 4.0], [0.0, 5.0]]
        with pytest.raises(ValueError, match=r"obs\[1\] lies on an edge of source 0"):
            okada.operator(obs, self.SOURCE)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"tolerance": 0.0}, "tolerance is 0.0; it must be at least 1e-11"),
            ({"tolerance": 1e-7, "dtype": "float32"}, "at least 1e-06 in float32"),
            ({"dtype": "int8"}, "unknown dtype='int8'"),
            ({"of": "tilt"}, "unknown of='tilt'"),
            ({"nu": 0.7}, "nu is 0.7"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            okada.operator([[3.0, 4.0]], self.SOURCE, **options)

    def test_nothing_to_do(self):
        with pytest.raises(ValueError, match="there must be observers and sources, got 0 and 1"):
            okada.operator(np.zeros((0, 3)), self.SOURCE)

    def test_observer_above_the_ground(self):
        with pytest.raises(ValueError, match=r"obs\[0, 2\] is 1.0"):
            okada.operator([[3.0, 4.0, 1.0]], self.SOURCE)
