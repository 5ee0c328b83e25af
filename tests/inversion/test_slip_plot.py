"""Pictures of patches and of slip: they are drawn for every kind of result, and say what they cannot draw."""

import sys

import numpy as np
import pytest
from inversion_cases import LOOK

from dislok.inversion.mesh import Grid, listric, trace_mesh
from dislok.inversion.mesh.plot import patch_3d, patch_map, patch_section, section
from dislok.inversion.slip import Gnss, Los, PixelOffsets, SlipModel, SlipProblem, plot
from dislok.okada import Rectangle

plt = pytest.importorskip("matplotlib.pyplot", reason="pictures need matplotlib")

GRID = Grid(Rectangle(0.0, 0.0, 0.0, 20.0, 10.0, 30.0, 60.0), 6, 3)
MESH = trace_mesh([[10.0, -20.0], [12.0, -10.0]], listric(8.0, (70.0, 40.0)), 3.0)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def problem():
    xy = np.random.default_rng(0).uniform(-30, 30, (60, 2))
    u = GRID.apply(xy, np.tile([0.3, 1.0, 0.0], (GRID.size, 1)))
    data = [
        Gnss(xy[:20], u[:20], 0.01),
        Los(xy, u @ LOOK, LOOK, 0.01, name="T1"),
        PixelOffsets(xy, u[:, :2], sigma=0.02, name="SAR"),
    ]
    models = [SlipModel(GRID, rake=70.0, spread=40.0), SlipModel(MESH, rake=90.0)]
    return SlipProblem(data, models, length_unit=1000)


@pytest.fixture(scope="module")
def result(problem):
    return problem.solve(0.3)


def drawn(figure, tmp_path):
    figure.savefig(tmp_path / "figure.png", dpi=60)
    return figure.axes


@pytest.mark.parametrize("patches", [GRID, MESH], ids=["grid", "mesh"])
@pytest.mark.parametrize("picture", [patch_map, patch_section, patch_3d])
def test_patches(picture, patches, tmp_path):
    axes = drawn(picture(patches, np.arange(patches.size), label="slip (m)", unit="km"), tmp_path)
    assert axes[0].get_xlabel().endswith("(km)") and axes[1].get_ylabel() == "slip (m)"


def test_section_of_a_plane_keeps_lengths_along_strike():
    outlines = section(GRID)
    assert np.ptp(outlines[..., 0]) == pytest.approx(20.0)
    assert np.ptp(outlines[..., 1]) == pytest.approx(10.0 * np.sin(np.deg2rad(60)))


@pytest.mark.parametrize("what", ["slip", "sigma", "restoration"])
def test_sections(result, what, tmp_path):
    axes = drawn(plot.slip_section(result, what=what, title="A fault"), tmp_path)
    assert len(axes) == 3 and axes[0].get_ylabel() == "depth (km)"
    low, high = axes[0].get_ylim()
    assert low > high


def test_maps(result, tmp_path):
    assert drawn(plot.slip_map(result, title="A fault"), tmp_path)[0].get_xlabel() == "east (km)"
    axes = drawn(plot.fit_map(result, radius=25.0), tmp_path)
    assert [a.get_title() for a in axes[:2]] == ["horizontal", "vertical"]
    assert np.ptp(axes[0].get_xlim()) == pytest.approx(50.0)
    assert drawn(plot.data_map(result), tmp_path)[0].get_title() == "observed LOS"
    assert drawn(plot.data_map(result, name="SAR"), tmp_path)[3].get_title() == "observed N"


@pytest.mark.parametrize("method", ["abic", "lcurve"])
def test_choice(problem, method, tmp_path):
    axes = drawn(plot.choice(problem.choose(method)), tmp_path)
    assert axes[0].get_xlabel() == "smoothing" and axes[1].get_ylabel() == "misfit (chi-square)"


def test_mistakes_are_named(result, problem):
    with pytest.raises(ValueError, match=r"no such data set named 'T2'; there are GNSS \(gnss\), T1 \(los\)"):
        plot.data_map(result, name="T2")
    with pytest.raises(ValueError, match="what must be 'slip', 'sigma' or 'restoration', got 'rake'"):
        plot.slip_section(result, what="rake")
    with pytest.raises(ValueError, match="holds no uncertainty"):
        plot.slip_section(problem.solve(0.3, uncertainty=False), what="sigma")
    with pytest.raises(ValueError, match=r"values: expected shape \(18,\), got \(3,\)"):
        patch_map(GRID, np.zeros(3))


def test_missing_matplotlib_names_the_extra(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install \"dislok\[plot\]\""):
        plot.slip_map(result)
