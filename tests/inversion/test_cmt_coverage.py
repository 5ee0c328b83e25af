"""What is stated as uncertainty holds the truth as often as it promises; the tables of the documentation."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from dislok.inversion.cmt.synthetic import disturbed, position_noise

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch):
    if not (ROOT / "bench").is_dir():
        pytest.skip("no checkout beside the tests")
    monkeypatch.syspath_prepend(str(ROOT))


def _module(name):
    return import_module(f"bench.{name}")


def _row(stations, seed, error, sigma, errors="largest"):
    return {
        "stations": stations, "seed": seed, "seconds": 1.0, "errors": errors, "unique": True,
        "variance_reduction": 0.9, "error": [error] * 15, "sigma": [sigma] * 15,
    }  # fmt: skip


def test_the_table_counts_what_lies_inside():
    bench = _module("coverage")
    rows = [_row(8, 0, 0.5, 1.0), _row(8, 1, 1.5, 1.0), _row(8, 2, 3.0, 1.0), _row(3, 0, 1.0, None, "none")]
    np.testing.assert_allclose(bench.coverage(rows[:3], 1), 100 / 3)
    np.testing.assert_allclose(bench.coverage(rows[:3], 2), 200 / 3)
    text = bench.report(rows)
    assert text.startswith(".. list-table::") and "–" in text and text.count("- 33\n") == 11


def test_a_study_goes_on_where_it_was(tmp_path, monkeypatch):
    bench = _module("coverage")
    made = []
    monkeypatch.setattr(
        bench, "measured", lambda seed, n: (made.append((seed, n)), _row(n, seed, 1.0, 2.0))[1]
    )
    file = tmp_path / "rows.jsonl"
    bench.study(file, (5, 8), range(2))
    rows = bench.study(file, (5, 8), range(3))
    assert made == [(0, 5), (0, 8), (1, 5), (1, 8), (2, 5), (2, 8)] and len(rows) == 6
    assert [json.loads(line) for line in file.read_text().splitlines()] == rows


def test_scenarios_are_drawn_from_their_seed():
    bench = _module("coverage")
    (one, truth), (two, same) = (bench.scenario(np.random.default_rng([1, 4]), 4) for _ in range(2))
    np.testing.assert_array_equal(one.data[0].records.values, two.data[0].records.values)
    assert truth.depth == same.depth and len(one.stations) == 4


def test_noise_of_positions_has_its_sizes():
    """Standard deviations of the parts, and power that rises with time scale."""
    t, rng = np.arange(400.0), np.random.default_rng(0)
    white = position_noise(20, t, rng, flicker=0.0, walk=0.0)
    np.testing.assert_allclose(white.std(axis=(0, 2)), [2e-3, 2e-3, 4.4e-3], rtol=0.05)
    flicker = position_noise(20, t, rng, white=0.0, walk=0.0)
    np.testing.assert_allclose(flicker.std(axis=-1).mean(axis=0), [2e-3, 2e-3, 4.4e-3], rtol=0.2)
    walk = position_noise(200, t, rng, white=0.0, flicker=0.0, walk=0.5)
    grown = (walk[..., 100] - walk[..., 0]).std(axis=0)
    np.testing.assert_allclose(grown, 5e-3 * np.array([1, 1, 2.2]), rtol=0.2)


def test_disturbed_crusts_scatter_as_said():
    model = _module("coverage").CRUSTS[0]
    rng = np.random.default_rng(1)
    ratio = np.log([np.asarray(disturbed(model, rng).vp) / model.vp for _ in range(300)])
    assert ratio.std() == pytest.approx(0.06, rel=0.15) and abs(ratio.mean()) < 0.01
    assert np.isinf(disturbed(model, rng).thickness[-1])


def test_earthquakes_are_compared_with_what_is_published():
    """The plane that is nearest to the published one is read, across north and across the vertical."""
    bench = _module("earthquakes")
    rows = [
        {
            "event": "2000 Test", "stations": 9, "variance_reduction": 0.91,
            "compared": {"Mw": (7.0, 7.05, 0.05, 1.0), "strike": (2.0, 358.0, 4.0, -1.0)},
        }
    ]  # fmt: skip
    text = bench.report(rows)
    assert "2000 Test, 9" in text and "7.05 ± 0.05" in text and "+1.0" in text and "358 ± 4" in text


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_promise():
    """Twelve earthquakes under eight stations in unknown crusts: pooled over 15 numbers each, which hang
    together, the shares within one and two standard deviations are near 68 and 95 %, as twelve can tell.
    """
    bench = _module("coverage")
    whole = [bench.measured(seed, 8) for seed in range(12)]
    rows = [row for row in whole if row["errors"] != "none"]
    assert len(rows) >= 8
    assert 45 < bench.coverage(rows, 1).mean() < 90
    assert bench.coverage(rows, 2).mean() > 80
