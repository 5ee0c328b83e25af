"""The benchmarks of displacement between images: what they make and how they judge it."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("rasterio")


@pytest.fixture
def bench(monkeypatch):
    """The benchmarks are not installed: they are run from the checkout."""
    if not (ROOT / "bench").is_dir():
        pytest.skip("no checkout")
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: import_module(f"bench.{name}")


@pytest.mark.parametrize("zone", [0.0, 8.0, 32.0])
def test_zones_of_the_truth(bench, zone):
    """A stated width is found in the profile of the truth, and so is the slip."""
    zones = bench("flow_zones")
    rng = np.random.default_rng(3)
    pairs = zones.pairs
    ground = [pairs.Terrain().draw(rng, (420, 420))]
    pair = zones.drawn(ground, zone, np.random.default_rng(4))
    found = zones.seen(np.asarray(pair.flow_pre.values, float), pair.meta["displacement"]["strike"])
    profile = np.array(found["profile"])
    # strain of 0.5 % lies in the tails of the zone; a step is as wide as the window and the pixel
    assert found["width"] == pytest.approx(6.0 if zone == 0 else 8 + 2 * zone, rel=0.2)
    assert abs(found["offset"]) == pytest.approx(2 * zones.MOTION[0], rel=0.03)
    assert np.sign(found["offset"]) == np.sign(profile[-1] - profile[0])
    assert np.abs(profile + profile[::-1]).max() < 0.15  # both walls move alike


def test_grounds_are_judged_by_all_points_and_by_valid_ones(bench, monkeypatch):
    grounds = bench("flow_grounds")
    image = grounds.pairs.Terrain().draw(np.random.default_rng(5), (500, 500)).albedo.astype(np.float32)
    pair = grounds.made(image, 1, 2)[0]
    truth = pair.flow_pre
    off = truth.values.copy()
    off[:, :128, 0] += 2.0
    valid = truth.valid.copy()
    valid[:, :128] = False

    class Map:
        pass

    said = Map()
    said.values, said.valid = off, valid
    monkeypatch.setattr(grounds.methods, "measure", lambda pre, post, by: said)
    found = grounds.judged(pair, "dislok")
    assert found["wild"] == pytest.approx(0.5, abs=0.05)
    assert found["epe"] == pytest.approx(2 * found["wild"], rel=1e-5)
    assert found["wild of valid"] == 0 and found["epe of valid"] < 1e-6
    assert found["valid"] == pytest.approx(0.5, abs=0.05)


def test_the_command_line_is_timed(bench, tmp_path, capsys):
    tool = bench("flow_tool")
    file = tmp_path / "times.json"
    assert tool.main(["--size", "96", "--method", "micmac", "--json", str(file)]) == 0
    row = json.loads(file.read_text())["methods"]["micmac"]
    assert row["rate"] == pytest.approx(96**2 / row["wall"])
    assert 0.05 < row["gib"] < 8 and row["processor"] > 0
    assert "micmac" in capsys.readouterr().out
