"""Pictures: they are drawn for every kind of result, and say what they cannot draw."""

import sys

import numpy as np
import pytest
from inversion_cases import BOUNDS, LOOK, TRUTH, gnss, moved, stations

from dislok.inversion import plot
from dislok.inversion.fault import FaultModel, Gnss, Los, Problem, Samples

plt = pytest.importorskip("matplotlib.pyplot", reason="pictures need matplotlib")


@pytest.fixture(scope="module")
def result():
    xy = stations(400, seed=9)
    track = Los(xy, moved(xy) @ LOOK + 0.1, LOOK, 0.01, name="T54")
    model = FaultModel(TRUTH, bounds=BOUNDS, fixed=["x", "y", "depth", "length"])
    return Problem([gnss(0.01, 1), track], model, length_unit=1000).solve()


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def drawn(figure, tmp_path):
    figure.savefig(tmp_path / "figure.png", dpi=60)
    return figure.axes


def test_map(result, tmp_path):
    axes = drawn(plot.fit_map(result, title="A fault"), tmp_path)
    assert [a.get_title() for a in axes] == ["horizontal", "vertical"]
    assert axes[0].get_xlabel() == "east (km)"
    assert axes[0].get_xlim()[1] - axes[0].get_xlim()[0] == pytest.approx(4 * result.faults.length[0])


def test_map_of_horizontal_data(tmp_path):
    xy = stations(20)
    data = Gnss(xy, moved(xy)[:, :2], 0.01, components="EN")
    drawn(plot.fit_map(Problem(data, FaultModel(TRUTH)).solve(), radius=10), tmp_path)


def test_residuals(result, tmp_path):
    axes = drawn(plot.residuals(result), tmp_path)
    assert [text.get_text() for text in axes[1].get_legend().get_texts()] == ["E", "N", "U"]


def test_los(result, tmp_path):
    axes = drawn(plot.los(result, name="T54"), tmp_path)
    assert [a.get_title() for a in axes[:3]] == ["data", "prediction", "residual"]


@pytest.mark.parametrize("with_draws", [True, False])
def test_marginals(result, rng, tmp_path, with_draws):
    draws = rng.multivariate_normal(result.values, result.covariance, (2, 300))
    draws[0, :, 1] += 360
    samples = (
        Samples(result.names, draws, np.zeros((2, 300)), np.ones(2), np.zeros(2, int)) if with_draws else None
    )
    axes = drawn(plot.marginals(result, samples, reference={"dip": 50.0}, title="Posterior"), tmp_path)
    assert len(axes) == 25
    assert axes[20].get_xlabel() == "width (km)" and axes[20].get_ylabel() == "slip (m)"


def test_marginals_of_a_fault_at_its_bound(tmp_path):
    known = ["x", "y", "depth", "length", "width", "strike"]
    held = FaultModel(TRUTH._replace(dip=40.0), bounds=BOUNDS | {"dip": (10, 40)}, fixed=known)
    drawn(plot.marginals(Problem(gnss(0.01, 1), held).solve()), tmp_path)


def test_unknown_data_set(result):
    with pytest.raises(
        ValueError, match=r"no data set of kind 'los' named 'T1'; there are GNSS \(gnss\), T54 \(los\)"
    ):
        plot.los(result, name="T1")


def test_samples_of_another_problem(result):
    samples = Samples(("x",), np.zeros((1, 9, 1)), np.zeros((1, 9)), np.ones(1), np.zeros(1, int))
    with pytest.raises(ValueError, match="do not belong"):
        plot.marginals(result, samples)


def test_missing_matplotlib_names_the_extra(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install \"dislok\[plot\]\""):
        plot.fit_map(result)
