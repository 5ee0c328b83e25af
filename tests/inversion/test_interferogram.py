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
    "heading": (INCIDENCE, HEADING),
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


def test_one_number_for_the_whole_scene():
    raster = pytest.importorskip("dislok.raster")
    phase = raster.Raster(np.full((4, 5), 2.0), (1.0, 0, 0, 0, -1.0, 0))
    found = interferogram(phase, (np.float32(INCIDENCE), int(HEADING)), maker="heading", wavelength=0.056)
    assert found.look.shape == (3, 4, 5) and np.isfinite(found.motion).all()
    np.testing.assert_allclose(found.look[:, 1, 2], LOOK, atol=1e-12)


def test_missing_look_is_missing_motion():
    vectors = look_vectors("heading", [INCIDENCE, np.nan], [HEADING, HEADING])
    assert np.isfinite(vectors[:, 0]).all() and np.isnan(vectors[:, 1]).all()


def _grid(path, values, *, names=("z",), units=True):
    """A grid as GMT writes it: netCDF with its rows from south to north."""
    from scipy.io import netcdf_file

    with netcdf_file(path, "w") as file:
        file.Conventions = b"COARDS"
        for axis, places in (("y", 32 + 0.01 * np.arange(len(values))), ("x", 130 + 0.02 * np.arange(50))):
            file.createDimension(axis, len(places))
            made = file.createVariable(axis, "d", (axis,))
            made[:] = places
            if units:
                made.units = {"x": b"degrees_east", "y": b"degrees_north"}[axis]
        for name in names:
            variable = file.createVariable(name, "f", ("y", "x"))
            variable[:] = values[::-1]
            variable._FillValue = np.float32(np.nan)


def test_grids_of_gmtsar_from_south_to_north(tmp_path, rng):
    pytest.importorskip("rasterio")
    from dislok import raster

    phase = rng.normal(5, 1, (40, 50)).astype(np.float32)
    phase[3, 4] = np.nan
    planes = {"unwrap": phase} | {
        f"look_{k}": np.full(phase.shape, LOOK[n], np.float32) for n, k in enumerate("enu")
    }
    for name, values in planes.items():
        _grid(tmp_path / f"{name}.grd", values)
    read = {name: raster.read(tmp_path / f"{name}.grd", screen=False) for name in planes}
    looks = [read[f"look_{k}"] for k in "enu"]
    found = interferogram(read["unwrap"], looks, maker="gmtsar", wavelength=0.0555)
    assert np.isnan(found.motion[3, 4]) and np.isfinite(found.motion).sum() == phase.size - 1
    np.testing.assert_allclose(found.motion[7, 9], -phase[7, 9] * 0.0555 / 4 / np.pi, rtol=1e-6)
    # The first row is the northernmost.
    assert found.spacing == pytest.approx((0.02, -0.01)) and found.origin == pytest.approx((130.0, 32.39))


def test_variables_of_one_file_are_chosen(tmp_path, rng):
    pytest.importorskip("rasterio")
    from dislok import raster

    values = rng.normal(5, 1, (40, 50)).astype(np.float32)
    path = tmp_path / "several.nc"
    _grid(path, values, names=("phase", "coherence"))
    with pytest.raises(ValueError, match=r"several.nc: choose one .* phase, coherence"):
        raster.read(path)
    with pytest.raises(ValueError, match="no variable 'phases'; there are phase, coherence"):
        raster.read(path, variable="phases")
    np.testing.assert_array_equal(raster.read(path, variable="coherence").values, values)
    _grid(path, values, units=False)
    with pytest.raises(ValueError, match="its axes state no units"):
        raster.read(path)
    raster.write(tmp_path / "plain.tif", raster.Raster(values))
    with pytest.raises(ValueError, match="plain.tif cannot be read as netCDF"):
        raster.read(tmp_path / "plain.tif", variable="phase")
