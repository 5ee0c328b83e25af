"""Interferograms: every maker's convention gives the same vectors and signs, from files too."""

import numpy as np
import pytest

from dislok.convert import line_of_sight
from dislok.inversion.fault import Los
from dislok.inversion.interferogram import interferogram, look_vectors, motion_of
from dislok.inversion.quadtree import quadtree

INCIDENCE, HEADING = 38.0, -12.0
LOOK = line_of_sight(INCIDENCE, HEADING)
# From north to the satellite, clockwise.
BEARING = np.degrees(np.arctan2(LOOK[0], LOOK[1]))
PLANES = {
    "licsar": tuple(LOOK),
    "gmtsar": tuple(LOOK),
    "isce": (INCIDENCE, -BEARING),
    "hyp3": (np.radians(90 - INCIDENCE), np.radians(90 - BEARING)),
}


@pytest.mark.parametrize("maker", PLANES)
def test_look_of_every_maker(maker):
    np.testing.assert_allclose(look_vectors(maker, *PLANES[maker]), LOOK, atol=1e-12)


def test_ascending_right_looking_is_in_the_west():
    assert LOOK[0] < -0.5 and LOOK[2] > 0.7
    east, _, up = look_vectors("isce", 38.0, 102.0)
    assert east < -0.5 and up > 0.7


def test_away_is_negative():
    # A whole fringe of phase is half a wavelength away from the satellite.
    assert motion_of(2 * np.pi, 0.056) == pytest.approx(-0.028)


@pytest.mark.parametrize("maker", PLANES)
def test_files_into_cells_and_line_of_sight(tmp_path, maker, rng):
    pytest.importorskip("rasterio")
    from dislok import raster

    shape, transform = (40, 50), (0.001, 0.0, 130.0, 0.0, -0.001, 33.0)
    phase = rng.normal(5, 1, shape).astype(np.float32)
    phase[:8, :8] = 0 if maker != "gmtsar" else np.nan
    raster.write(tmp_path / "unw.tif", raster.Raster(phase, transform, "EPSG:4326"))
    looks = []
    for k, value in enumerate(PLANES[maker]):
        plane = np.full(shape, value, np.float32)
        raster.write(tmp_path / f"{k}.tif", raster.Raster(plane, transform, "EPSG:4326"))
        looks.append(raster.read(tmp_path / f"{k}.tif", screen=False))
    found = interferogram(raster.read(tmp_path / "unw.tif"), looks, maker=maker, wavelength=0.0555)
    assert np.isnan(found.motion[:8, :8]).all()
    np.testing.assert_allclose(found.motion[20, 20], -phase[20, 20] * 0.0555 / 4 / np.pi, rtol=1e-6)
    cells = quadtree(found.motion, 1.0, origin=found.origin, spacing=found.spacing, smallest=8, largest=8)
    data = Los(cells.xy, cells.values[:, 0], cells.average(found.look), sigma=0.01)
    assert data.size == len(cells.xy) and data.xy[:, 1].max() < 33
    np.testing.assert_allclose(data.look, np.broadcast_to(LOOK, data.look.shape), atol=1e-6)


def test_refusals():
    for maker, planes, message in (
        ("snap", (1, 2), "maker: expected one of"),
        ("isce", (1, 2, 3), "isce has 2 planes, got 3"),
        ("licsar", (1.0, 1.0, 1.0), "unit vectors, got one of length 1.732"),
    ):
        with pytest.raises(ValueError, match=message):
            look_vectors(maker, *planes)
    with pytest.raises(ValueError, match="wavelength: expected metres"):
        motion_of(1.0, 5.55)
