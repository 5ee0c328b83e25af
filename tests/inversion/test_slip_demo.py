"""Slip of a real earthquake on the table that ships, beside what others published."""

import contextlib
import io

import numpy as np
import pytest

from dislok import cli
from dislok.convert import double_couple
from dislok.inversion.slip import load
from dislok.inversion.slip.demo import DIP, STRIKE, kumamoto_fault, kumamoto_problem

pytest.importorskip("matplotlib", reason="the demo draws with matplotlib")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Folder of the demo's files and what it printed."""
    folder, text = tmp_path_factory.mktemp("demo"), io.StringIO()
    with contextlib.redirect_stdout(text):
        assert cli.main(["demo", "slip", "--out", str(folder)]) == 0
    return folder, text.getvalue()


@pytest.mark.slow
def test_pictures_and_result_are_written(shown):
    folder, text = shown
    for name in ("choice.png", "slip.png", "fit.png", "restoration.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
        assert (folder / name).stat().st_size > 20_000
    assert "Kubo et al. (2016)" in text and "slip.npz" in text


@pytest.mark.slow
def test_slip_agrees_with_the_published_one(shown):
    """Largest slip within half a metre of Kubo's 3.8 m, Mw between F-net's 7.0 and 0.05 below it."""
    result = load(shown[0] / "slip.npz")
    assert np.linalg.norm(result.slip[0], axis=1).max() == pytest.approx(3.8, abs=0.5)
    assert 6.93 < result.magnitude < 7.05
    assert result.variance_reduction > 0.92
    whole = double_couple(result.moment_tensor)
    plane = int(np.argmin(np.abs(whole.strike - STRIKE)))
    assert whole.rake[plane] == pytest.approx(-160, abs=10)


def test_fault_passes_through_the_hypocentre():
    fault = kumamoto_fault(4.0)
    np.testing.assert_allclose(fault.strike, STRIKE)
    np.testing.assert_allclose(fault.dip, DIP)
    problem = kumamoto_problem(8.0)
    result = problem.solve(0.2, uncertainty=False)
    assert 6.9 < result.magnitude < 7.1
