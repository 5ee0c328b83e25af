"""Networks that search, from two images to a map: shipped and own weights, missing pixels, passes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dislok.nn.geoflownet import geoflownet_a, save  # noqa: E402
from dislok.nn.geoflownet.scarp import Scarp  # noqa: E402
from dislok.nn.geoflownet.single import _network  # noqa: E402
from dislok.nn.geoflownet.single import geoflownet as found  # noqa: E402
from dislok.nn.predict.methods import measure  # noqa: E402


@pytest.fixture
def pair(rng):
    return rng.standard_normal((2, 70, 90)).astype(np.float32)


@pytest.fixture
def weights(tmp_path):
    """A network of one thirty-second of the width, as it is before any training."""
    torch.manual_seed(3)
    path = tmp_path / "small.safetensors"
    save(geoflownet_a(1 / 32), path, normalisation="local")
    return str(path)


def test_values_are_the_networks(pair, weights):
    from dislok.nn.geoflownet import load, normalise

    known = np.ones(pair.shape[1:], bool)
    seen = np.stack([normalise.local(image, known) for image in pair])
    with torch.inference_mode():
        right, down = load(weights)(torch.from_numpy(seen[None]))[0][0].numpy()
    field = found(*pair, weights=weights)
    assert np.allclose(field.right, right, atol=1e-5) and np.allclose(field.down, down, atol=1e-5)
    assert field.frame == "pre" and field.error is None and field.score is None


def test_what_is_missing_is_not_valid(pair, weights):
    pair[0, 10:20, 30:40] = np.nan
    mask = np.ones(pair.shape[1:], bool)
    mask[50:60, 50:60] = False
    field = measure(*pair, valid=mask, by="geoflownet", weights=weights)
    assert not field.valid[10:20, 30:40].any() and not field.valid[50:60, 50:60].any()
    assert np.isfinite(field.values[field.valid]).all() and field.valid.any()


def test_normalisation_is_the_one_of_the_training(pair, weights, tmp_path):
    whole = tmp_path / "whole.safetensors"
    network, kind = _network_of(weights)
    save(network, whole, normalisation="image")
    assert kind == "local"
    local, image = (found(*pair, weights=str(path)).right for path in (weights, whole))
    assert np.abs(local - image).max() > 1e-3


def _network_of(path):
    from pathlib import Path

    return _network(Path(path))


def test_a_second_pass_adds_to_the_first(pair, weights):
    once, twice = (found(*pair, weights=weights, passes=count).right for count in (1, 2))
    assert np.abs(twice - once).max() > 1e-3


@pytest.mark.parametrize("passes", [0, -1, 1.5, True])
def test_passes_are_counted(pair, weights, passes):
    with pytest.raises((TypeError, ValueError), match="passes"):
        found(*pair, weights=weights, passes=passes)


def test_other_networks_are_refused(pair, weights, tmp_path):
    other = tmp_path / "other.safetensors"
    save(Scarp(0.25), other)
    with pytest.raises(ValueError, match="no network that finds a field"):
        found(*pair, weights=str(other))
    network, _ = _network_of(weights)
    save(network, other, normalisation="odd")
    with pytest.raises(ValueError, match="normalisation must be one of image, local, not 'odd'"):
        found(*pair, weights=str(other))
    with pytest.raises(FileNotFoundError, match="absent"):
        found(*pair, weights=str(tmp_path / "absent.safetensors"))


def test_shipped_weights_measure_a_shift(rng):
    from scipy import ndimage

    ground = ndimage.gaussian_filter(rng.standard_normal((200, 200)), 1.3)
    post = ndimage.shift(ground, (0.5, 0.8), order=5)
    field = found(ground, post)
    inside = np.s_[40:-40, 40:-40]
    right, down = np.median(field.right[inside]), np.median(field.down[inside])
    assert right == pytest.approx(0.8, abs=0.15) and down == pytest.approx(0.5, abs=0.15)
