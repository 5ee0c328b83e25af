"""Files of a synthetic earthquake that the tests of `dislok fault` and `dislok slip` share."""

import numpy as np

from dislok import raster
from dislok.convert import line_of_sight, to_geographic, to_local
from dislok.inversion.gnss import OffsetTable, write_offsets
from dislok.okada import Rectangle, displacement

LATITUDE, LONGITUDE = 32.7, 130.8
TRUTH = Rectangle(1.0, -2.0, 1.5, 12.0, 8.0, 40.0, 60.0, 80.0, 1.2).with_origin("topcenter")
INCIDENCE, HEADING = 38.0, -12.0
STATIONS = 24

FAULT = """
[event]
name = "Test <quake>"
latitude = 32.7
longitude = 130.8
[[gnss]]
file = "offsets.csv"
common_error = 0.001
[[interferograms]]
file = "unw.tif"
maker = "heading"
look = [38.0, -12.0]
rest = 18
smallest = 8
largest = 32
[[faults]]
x = 0.0
y = 0.0
depth = 2.0
length = 8.0
width = 5.0
strike = 50
dip = 50
[faults.bounds]
x = [-10, 10]
y = [-10, 10]
depth = [0, 6]
length = [3, 25]
width = [2, 16]
dip = [20, 85]
[search]
starts = 2
"""
SLIP = """
[event]
name = "Test"
latitude = 32.7
longitude = 130.8
[[gnss]]
file = "offsets.csv"
[[offset_maps]]
file = "map.tif"
smallest = 16
largest = 32
[[faults]]
x = 1.0
y = -2.0
depth = 1.5
length = 16
width = 10
strike = 40
dip = 60
n_strike = 6
n_dip = 4
rake = 80
"""


def write(folder, rng):
    """A table of offsets, an interferogram in longitude and latitude, and a displacement map in UTM."""
    xy = rng.uniform(-25, 25, (STATIONS, 2))
    lon, lat = to_geographic(*(1000 * xy.T), LONGITUDE, LATITUDE)
    offset = displacement(xy, TRUTH) + 0.002 * rng.standard_normal((STATIONS, 3))
    names = np.array([f"S{i:02d}" for i in range(STATIONS)])
    write_offsets(folder / "offsets.csv", OffsetTable(names, lat, lon, offset, np.full((STATIONS, 3), 0.002)))
    _interferogram(folder / "unw.tif", rng)
    _map(folder / "map.tif", rng)


def _interferogram(path, rng, n=160, step=0.004):
    lon = LONGITUDE + (np.arange(n) - (n - 1) / 2) * step
    lat = LATITUDE - (np.arange(n) - (n - 1) / 2) * step
    xy = np.stack(to_local(*np.meshgrid(lon, lat), LONGITUDE, LATITUDE), -1) / 1000
    look = line_of_sight(INCIDENCE, HEADING)
    motion = (displacement(xy.reshape(-1, 2), TRUTH) @ look).reshape(n, n)
    motion += 0.003 * rng.standard_normal((n, n)) + 0.02
    transform = (step, 0.0, float(lon[0] - step / 2), 0.0, -step, float(lat[0] + step / 2))
    phase = (-4 * np.pi / 0.0555 * motion).astype(np.float32)
    raster.write(path, raster.Raster(phase, transform, "EPSG:4326"))


def _map(path, rng, n=256, pixel=200.0):
    """What `dislok flow` writes, of the fault alone: eight bands and the frame."""
    import rasterio
    import rasterio.warp

    x0, y0 = (v[0] for v in rasterio.warp.transform("EPSG:4326", "EPSG:32652", [LONGITUDE], [LATITUDE]))
    x = x0 + (np.arange(n) - (n - 1) / 2) * pixel
    y = y0 - (np.arange(n) - (n - 1) / 2) * pixel
    places = (axis.ravel().tolist() for axis in np.meshgrid(x, y))
    lon, lat = rasterio.warp.transform("EPSG:32652", "EPSG:4326", *places)
    xy = np.stack(to_local(lon, lat, LONGITUDE, LATITUDE), -1) / 1000
    metres = displacement(xy, TRUTH)[:, :2].reshape(n, n, 2) + 0.05 * rng.standard_normal((n, n, 2))
    bands = np.zeros((8, n, n), np.float32)
    bands[:2], bands[2:4] = np.moveaxis(metres, -1, 0) / pixel, np.moveaxis(metres, -1, 0)
    bands[4:6], bands[6], bands[7] = 0.05 / pixel, 0.9, 1.0
    transform = rasterio.Affine(pixel, 0, x[0] - pixel / 2, 0, -pixel, y[0] + pixel / 2)
    profile = {"driver": "GTiff", "count": 8, "dtype": "float32", "height": n, "width": n}
    with rasterio.open(path, "w", crs="EPSG:32652", transform=transform, **profile) as file:
        file.write(bands)
        file.update_tags(FRAME="pre")
