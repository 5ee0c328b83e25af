"""Green's matrices as dask arrays and in Zarr stores: values, blocks, interruptions, a cluster, errors."""

import numpy as np
import pytest
from large_cases import case, ground

pytest.importorskip("dask")
pytest.importorskip("zarr")

from dislok import launches, okada, scale, tde  # noqa: E402


@pytest.mark.parametrize("family", ["triangle", "rectangle", "point"])
@pytest.mark.parametrize("of", ["displacement", "gradient"])
def test_is_the_matrix(rng, family, of):
    module, sources, _ = case(family, rng, 40)
    obs = ground(rng, 50, 2.0)
    want = module.greens(obs, sources, of=of)
    array = module.greens(obs, sources, of=of, chunks=(20, 15))
    assert array.shape == want.shape and array.dtype == want.dtype
    assert array.chunks[0] == (20, 20, 10) and array.chunks[-2][0] == 15
    np.testing.assert_allclose(array.compute(), want, rtol=0, atol=1e-13 * np.abs(want).max())


def test_observers_at_the_surface(rng):
    _, sources, _ = case("rectangle", rng, 7)
    obs = rng.uniform(-9, 9, (11, 2))
    want = okada.greens(obs, sources)
    np.testing.assert_allclose(
        okada.greens(obs, sources, chunks=4), want, rtol=0, atol=1e-13 * np.abs(want).max()
    )


def test_products_are_never_larger_than_a_block(rng):
    """A product of the lazy matrix is that of the whole."""
    _, sources, _ = case("triangle", rng, 40)
    obs, slip = ground(rng, 50), rng.standard_normal((len(sources[1]), 3))
    lazy = tde.greens(obs, sources, chunks=(25, 10))
    got = (lazy * slip).sum(axis=(2, 3)).compute()
    np.testing.assert_allclose(got, tde.apply(obs, sources, slip), rtol=0, atol=1e-13)


class TestStore:
    @pytest.fixture
    def array(self, rng):
        _, sources, _ = case("triangle", rng, 40)
        return tde.greens(ground(rng, 50), sources, chunks=(20, 15))

    def test_values(self, array, tmp_path):
        seen = []
        stored = scale.store(array, tmp_path / "g.zarr", progress=lambda *a: seen.append(a))
        np.testing.assert_array_equal(stored[...], array.compute())
        assert stored.chunks == array.chunksize
        assert seen == [("blocks", 0, 9), ("blocks", 9, 9)]

    def test_interrupted_and_taken_up(self, array, tmp_path, monkeypatch):
        computed = []
        entries = launches.greens

        def greens(*args, **options):
            if len(computed) == 4:
                raise KeyboardInterrupt
            computed.append(1)
            return entries(*args, **options)

        import dask

        monkeypatch.setattr(launches, "greens", greens)
        with dask.config.set(scheduler="synchronous"):
            with pytest.raises(KeyboardInterrupt):
                scale.store(array, tmp_path / "g.zarr")
            monkeypatch.setattr(launches, "greens", lambda *a, **k: (computed.append(1), entries(*a, **k))[1])
            stored = scale.store(array, tmp_path / "g.zarr")
            assert len(computed) == 9
            scale.store(array, tmp_path / "g.zarr")
            assert len(computed) == 9
        np.testing.assert_array_equal(stored[...], array.compute())

    def test_of_another_array(self, rng, array, tmp_path):
        scale.store(array, tmp_path / "g.zarr")
        with pytest.raises(ValueError, match="belongs to another array"):
            scale.store(array + 1, tmp_path / "g.zarr")

    def test_blocks_of_different_size(self, array, tmp_path):
        with pytest.raises(ValueError, match=r"one size along an axis, got \(5, 20, 25\) along axis 0"):
            scale.store(array.rechunk({0: (5, 20, 25)}), tmp_path / "g.zarr")

    @pytest.mark.slow
    def test_on_a_cluster_of_two_processes(self, array, tmp_path):
        distributed = pytest.importorskip("distributed")
        want = array.compute()
        options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
        with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
            workers = client.run(lambda: __import__("os").getpid())
            assert len(set(workers.values())) == 2
            stored = scale.store(array, tmp_path / "g.zarr")
            np.testing.assert_array_equal(stored[...], want)
            np.testing.assert_array_equal(array.compute(), want)


class TestErrors:
    SOURCE = okada.Rectangle(0, 0, 1, 10, 5, 0, 45)

    @pytest.mark.parametrize(
        "options", [{"pairs": True}, {"backend": "numba"}, {"out": np.zeros((1, 3, 1, 3))}]
    )
    def test_what_does_not_go_with_blocks(self, options):
        with pytest.raises(ValueError, match="do not go with chunks="):
            okada.greens([[1.0, 2.0]], self.SOURCE, chunks=1, **options)

    def test_values_are_checked_at_once(self):
        with pytest.raises(ValueError, match=r"obs\[0, 2\] is 4.0"):
            okada.greens([[1.0, 2.0, 4.0]], self.SOURCE, chunks=1)

    def test_missing_package(self):
        with pytest.raises(
            ImportError, match=r'no_such_package is not installed: pip install "dislok\[scale\]"'
        ):
            scale.needed("no_such_package.array")


class TestDamage:
    @pytest.fixture
    def array(self, rng):
        _, sources, _ = case("triangle", rng, 40)
        return tde.greens(ground(rng, 50), sources, chunks=(20, 15))

    def test_found_and_repaired(self, array, tmp_path):
        stored = scale.store(array, tmp_path / "g.zarr")
        assert scale.verify(tmp_path / "g.zarr") == []
        want = stored[...]
        flipped, cut, gone = (
            tmp_path / "g.zarr" / "values" / "c" / at for at in ("0/0/1/0", "1/0/0/0", "2/0/2/0")
        )
        content = flipped.read_bytes()
        flipped.write_bytes(content[:60] + bytes([content[60] ^ 1]) + content[61:])
        cut.write_bytes(cut.read_bytes()[:100])
        gone.unlink()
        found = scale.verify(tmp_path / "g.zarr")
        assert [damage.block for damage in found] == [(0, 0, 1, 0), (1, 0, 0, 0), (2, 0, 2, 0)]
        for damage, name in zip(found, ("c/0/0/1/0", "c/1/0/0/0", "c/2/0/2/0"), strict=True):
            assert name in damage.reason
        seen = []
        stored = scale.store(array, tmp_path / "g.zarr", repair=True, progress=lambda *a: seen.append(a))
        assert seen[0] == ("blocks", 6, 9)
        np.testing.assert_array_equal(stored[...], want)
        assert scale.verify(tmp_path / "g.zarr") == []

    def test_a_block_that_has_gone_is_computed_without_being_asked(self, array, tmp_path):
        scale.store(array, tmp_path / "g.zarr")
        (tmp_path / "g.zarr" / "values" / "c" / "1" / "0" / "1" / "0").unlink()
        np.testing.assert_array_equal(scale.store(array, tmp_path / "g.zarr")[...], array.compute())

    def test_no_store(self, tmp_path):
        with pytest.raises(ValueError, match="holds no blocks of dislok"):
            scale.verify(tmp_path / "g.zarr")
