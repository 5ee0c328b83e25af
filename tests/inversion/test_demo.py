"""The demonstration from end to end on the table that ships, as a newcomer runs it."""

import contextlib
import io

import numpy as np
import pytest

from dislok.inversion import demo
from dislok.inversion.demo import PUBLISHED, kumamoto_problem, run
from dislok.inversion.fault import load

pytest.importorskip("matplotlib", reason="the demo draws with matplotlib")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Folder of the demo's files and what it printed."""
    folder, text = tmp_path_factory.mktemp("demo"), io.StringIO()
    with contextlib.redirect_stdout(text):
        assert run(folder) == 0
    return folder, text.getvalue()


def test_pictures_and_result_are_written(shown):
    folder, _ = shown
    for name in ("map.png", "residuals.png", "marginals.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
        assert (folder / name).stat().st_size > 20_000
    assert load(folder / "result.json").converged


def test_fault_agrees_with_the_published_one(shown):
    """Strike within 5 degrees and dip within 10 of the published model, magnitude within 0.15."""
    result = load(shown[0] / "result.json")
    found = dict(zip(result.names, result.values, strict=True))
    assert found["strike"] == pytest.approx(PUBLISHED["strike"], abs=5)
    assert found["dip"] == pytest.approx(PUBLISHED["dip"], abs=10)
    assert found["rake"] == pytest.approx(-160, abs=10)
    assert 6.85 < result.magnitude < 7.15
    assert result.variance_reduction > 0.85
    assert (result.sigma[~result.at_bound] > 0).all()


def test_words_of_the_demo(shown):
    text = shown[1]
    for word in (
        "GSI GEONET",
        "start 6/6",
        "converged",
        "published (NIED)",
        "R-hat",
        "Mw between",
        "map.png",
    ):
        assert word in text


def test_without_the_sampler_it_says_so(shown, monkeypatch, capsys):
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    result = load(shown[0] / "result.json")
    assert demo._draw(kumamoto_problem(), result) is None
    assert 'pip install "dislok[sample]"' in capsys.readouterr().out


def test_any_start_leads_to_the_same_fault():
    results = [kumamoto_problem().solve(starts=8, seed=seed) for seed in (10, 11)]
    np.testing.assert_allclose(results[0].values, results[1].values, atol=1e-3)
