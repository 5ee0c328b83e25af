"""Scenarios, streams of their crops over workers and ranks, and pairs in files."""

import dataclasses

import numpy as np
import pytest

from dislok.nn import pairs
from dislok.nn.pairs import files, scenario
from dislok.nn.pairs.distributions import Fixed

torch = pytest.importorskip("torch")
from dislok.nn import stream  # noqa: E402

SMALL = pairs.Scenario(crop=16, window=32, margin=12, reuse=2, ranges=((0.5, 2.0), (2.0, 6.0)))


def same(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a) and set(a) == set(b)


def indices(loader):
    return [int(i) for batch in loader for i in batch["index"]]


def loader(data, workers=0, batch=3):
    context = "spawn" if workers else None
    return torch.utils.data.DataLoader(
        data, batch_size=batch, num_workers=workers, multiprocessing_context=context
    )


def test_groups_are_a_seed_and_a_number():
    first, second = (list(SMALL.group(5, 3)) for _ in range(2))
    assert len(first) == SMALL.crops_of_group == 8
    for a, b in zip(first, second, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    other = next(SMALL.group(5, 4))
    assert not np.array_equal(first[0].pre, other.pre)
    assert [crop.number for crop in first] == list(range(24, 32))


@pytest.mark.parametrize("skip", range(9))
def test_skipped_crops_change_nothing(skip):
    whole, rest = list(SMALL.group(5, 3)), list(SMALL.group(5, 3, skip=skip))
    assert [c.number for c in rest] == [c.number for c in whole[skip:]]
    for a, b in zip(whole[skip:], rest, strict=True):
        np.testing.assert_array_equal(a.post, b.post)


def test_crops_are_parts_of_pairs():
    pair = next(SMALL.pairs(1, 0))
    crop = list(SMALL.group(1, 0))[3]
    np.testing.assert_array_equal(crop.valid, pair.valid[16:, 16:])
    np.testing.assert_array_equal(crop.flow[0], pair.flow_pre.values[16:, 16:, 0])
    np.testing.assert_array_equal(crop.flow[1], pair.flow_pre.values[16:, 16:, 1])
    assert crop.pre.flags.c_contiguous and np.isfinite(crop.pre).all() and np.isfinite(crop.post).all()
    assert 0.5 <= crop.amplitude <= 6.0


def test_ground_is_turned_in_eight_ways(rng):
    ground = pairs.Terrain().draw(rng, (20, 20))
    ways = [scenario.turned(ground, k) for k in range(8)]
    assert len({t.albedo.tobytes() for t in ways}) == 8
    np.testing.assert_array_equal(np.sort(ways[5].height.ravel()), np.sort(ground.height.ravel()))
    np.testing.assert_array_equal(ways[0].albedo, ground.albedo)


def test_a_fault_of_ones_own_and_its_own_amplitudes():
    fault = pairs.ScrewFault(strike=Fixed(0.0), zone=Fixed(0.0))
    own = dataclasses.replace(SMALL, fault=fault, ranges=None, recipe=pairs.Recipe.plain())
    crop = next(own.group(0, 0))
    assert 0.3 < crop.amplitude < 0.8
    np.testing.assert_allclose(crop.flow[0], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"window": 40}, "window is 40; it must be a multiple of crop"),
        ({"crop": 4}, "at least 8"),
        ({"reuse": 65}, "reuse is 65"),
        ({"ranges": ((1.0, 10.0),)}, "5 below the margin, 12"),
        ({"ranges": ((2.0, 1.0),)}, "ranges has \\(2.0, 1.0\\)"),
        ({"weights": (1.0,)}, "1 weights for 2 values"),
    ],
)
def test_scenarios_that_cannot_be(change, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SMALL, **change)


def test_samples_are_tensors():
    sample = next(iter(stream.PairStream(SMALL, 1, 8, rank=0, world=1)))
    assert sample["pre"].shape == sample["post"].shape == (1, 16, 16)
    assert sample["flow"].shape == (2, 16, 16) and sample["flow"].dtype == torch.float32
    assert sample["valid"].shape == (16, 16) and sample["valid"].dtype == torch.bool


def test_epochs_and_ranks_share_no_crop():
    seen = []
    for epoch in range(2):
        for rank in range(3):
            data = stream.PairStream(SMALL, 1, 50, rank=rank, world=3)
            data.set_epoch(epoch)
            mine = indices(loader(data))
            assert len(mine) == len(data) == 16
            seen += mine
    assert sorted(seen) == list(range(96))


@pytest.mark.slow
def test_workers_share_the_crops_and_make_the_same():
    data = stream.PairStream(SMALL, 1, 40, rank=0, world=1)
    alone = {int(s["index"]): s for s in data}
    together = {
        int(b["index"][k]): {name: value[k] for name, value in b.items()}
        for b in loader(data, workers=2)
        for k in range(len(b["index"]))
    }
    assert sorted(alone) == sorted(together) == list(range(40))
    assert all(same(alone[k], together[k]) for k in alone)


@pytest.mark.parametrize("batches", [0, 1, 2, 5, 13])
def test_resumed_is_undisturbed(batches):
    data = stream.PairStream(SMALL, 1, 40, rank=0, world=1)
    data.set_epoch(3)
    whole = list(loader(data))
    data.resume(3, batches, 3)
    rest = list(loader(data))
    assert len(rest) == len(whole) - batches
    assert all(same(a, b) for a, b in zip(whole[batches:], rest, strict=True))
    assert indices(loader(data)) == [int(i) for b in whole for i in b["index"]]


@pytest.mark.slow
@pytest.mark.parametrize("batches", [1, 4])
def test_resumed_with_workers_is_undisturbed(batches):
    data = stream.PairStream(SMALL, 1, 48, rank=0, world=1)
    whole = list(loader(data, workers=2))
    data.resume(0, batches, 3)
    rest = list(loader(data, workers=2))
    assert all(same(a, b) for a, b in zip(whole[batches:], rest, strict=True))


def test_workers_that_cannot_share_alike_are_refused(monkeypatch):
    data = stream.PairStream(SMALL, 1, 40, rank=0, world=1)
    info = type("Info", (), {"id": 0, "num_workers": 2})
    monkeypatch.setattr(stream, "get_worker_info", lambda: info)
    data.resume(0, 3, 2)
    with pytest.raises(ValueError, match="5 groups of a rank cannot be resumed with 2 workers"):
        next(iter(data))


def test_ranks_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    data = stream.PairStream(SMALL, 1, 64)
    assert (data.rank, data.world, len(data)) == (2, 4, 16)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: stream.PairStream(SMALL, 1, 15, rank=0, world=2), "crops is 15; .* 16 crops"),
        (lambda: stream.PairStream(SMALL, 1, 16, rank=2, world=2), "rank is 2; it must be from 0 to 1"),
        (lambda: stream.PairStream(SMALL, 1, 16, rank=0), "given together"),
        (lambda: stream.PairStream(SMALL, 1, 16).set_epoch(-1), "epoch is -1"),
        (lambda: stream.PairStream(SMALL, 1, 16).resume(0, 2, 0), "batch_size 0"),
    ],
)
def test_streams_that_cannot_be(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_pairs_in_files(tmp_path):
    made = list(SMALL.pairs(3, 0))
    for k, pair in enumerate(made):
        files.save(tmp_path / f"{k}.npz", pair)
    back = files.load(tmp_path / "1.npz")
    assert back.meta == made[1].meta
    for name in ("pre", "post", "distance"):
        np.testing.assert_array_equal(getattr(back, name), getattr(made[1], name))
    np.testing.assert_array_equal(back.flow_post.values, made[1].flow_post.values)
    data = stream.PairFiles(tmp_path)
    assert len(data) == 2 and data[1]["pre"].shape == (1, 32, 32)
    cut = stream.PairFiles(tmp_path, crop=16, seed=4)
    first, again = cut[0], cut[0]
    cut.set_epoch(1)
    assert same(first, again) and not same(first, cut[0]) and first["flow"].shape == (2, 16, 16)
    with pytest.raises(ValueError, match="32 by 32 pixels, less than the crop of 64"):
        stream.PairFiles(tmp_path, crop=64)[0]


def test_files_that_are_no_pairs(tmp_path):
    with pytest.raises(FileNotFoundError, match="no pairs in"):
        stream.PairFiles(tmp_path)
    pair = next(SMALL.pairs(3, 0))
    files.save(tmp_path / "a.npz", pair)
    cut = (tmp_path / "a.npz").read_bytes()[:500]
    (tmp_path / "b.npz").write_bytes(cut)
    np.savez(tmp_path / "c.npz", pre=pair.pre)
    for name in ("b.npz", "c.npz"):
        with pytest.raises(ValueError, match=f"{name} is no pair"):
            files.load(tmp_path / name)


def test_importing_pairs_loads_no_torch():
    import subprocess
    import sys

    code = "import sys, dislok.nn.pairs; print([m for m in ('torch', 'rasterio') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
