"""The Zarr groups of FaultDeform as torch data sets."""

import pickle

import numpy as np
import pytest

from dislok.nn.faultdeform.files import DataSet, write
from dislok.nn.faultdeform.recipe import Recipe

torch = pytest.importorskip("torch")
from dislok.nn.stored import StoredPairs  # noqa: E402

RECIPE = Recipe(length=(8.0, 20.0), pixel=0.06, triangles=1500)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("stored") / "data"
    write(DataSet(n=7, size=48, windows=2, recipe=RECIPE), place)
    return place


def test_samples_are_the_pairs_of_the_group(path):
    data = DataSet(n=7, size=48, windows=2, recipe=RECIPE)
    stored = StoredPairs(path)
    assert len(stored) == 14
    pair, _, told = list(data.pairs_of(3))[1]
    got = stored[7]
    np.testing.assert_array_equal(got["flow"].numpy(), pair.flow_pre.values.transpose(2, 0, 1))
    np.testing.assert_array_equal(got["valid"].numpy(), pair.valid)
    seen = np.isfinite(pair.post)
    np.testing.assert_array_equal(got["post"][0].numpy()[seen], pair.post[seen])
    assert torch.isfinite(got["pre"]).all() and got["index"] == 7
    if pair.distance is not None:
        np.testing.assert_array_equal(got["distance"].numpy(), pair.distance)
    assert stored.about(7)["amplitude"] == pytest.approx(told["amplitude"])
    assert stored.about(7)["earthquake"]["magnitude"] == data.earthquake(3).metadata["magnitude"]
    after = StoredPairs(path, frame="post")[7]
    np.testing.assert_array_equal(after["flow"].numpy(), pair.flow_post.values.transpose(2, 0, 1))


def test_crops_change_from_epoch_to_epoch(path):
    stored = StoredPairs(path, crop=32, seed=3)
    first = stored[2]["pre"].clone()
    assert first.shape == (1, 32, 32)
    torch.testing.assert_close(stored[2]["pre"], first)
    found = set()
    for epoch in range(6):
        stored.set_epoch(epoch)
        found.add(stored[2]["pre"].numpy().tobytes())
    assert len(found) > 3


def test_splits_share_no_earthquake(path):
    parts = {name: StoredPairs(path, split=name) for name in ("train", "validation", "test")}
    quakes = [{k for k, _ in part.places} for part in parts.values()]
    assert sum(map(len, quakes)) == 7 == len(set.union(*quakes))


def test_workers_open_the_group_themselves(path):
    stored = StoredPairs(path, crop=16)
    again = pickle.loads(pickle.dumps(stored))
    assert "_blocks" not in again.__dict__
    torch.testing.assert_close(again[4]["post"], stored[4]["post"])
    loader = torch.utils.data.DataLoader(stored, batch_size=4)
    assert sum(len(batch["index"]) for batch in loader) == 14


def test_half_made_groups_have_what_is_finished(tmp_path):
    class Stopped(Exception):
        pass

    def stop(done, total):
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        write(DataSet(n=4, size=48, recipe=RECIPE), tmp_path / "half", progress=stop)
    assert [k for k, _ in StoredPairs(tmp_path / "half").places] == [0, 1]


def test_what_cannot_be_read(path, tmp_path):
    with pytest.raises(ValueError, match="crop is 64; pairs of .* have 48"):
        StoredPairs(path, crop=64)
    with pytest.raises(ValueError, match="split is 'dev'"):
        StoredPairs(path, split="dev")
    with pytest.raises(ValueError, match="frame is 'mid'"):
        StoredPairs(path, frame="mid")
    with pytest.raises((ValueError, OSError)):
        StoredPairs(tmp_path / "nothing")
