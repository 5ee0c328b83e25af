"""Two images, `dislok flow`, `dislok fault` and `dislok slip`: the truth lies in the 95 % regions."""

import csv

import numpy as np
import pytest
from flow_cases import moved, texture
from scipy import stats

from dislok.cli import main
from dislok.convert import to_geographic
from dislok.inversion.fault import load
from dislok.inversion.slip import load as load_slip
from dislok.okada import Rectangle, displacement

rasterio = pytest.importorskip("rasterio")

N, PIXEL = 448, 10.0
SQUARE = rasterio.transform.from_origin(5e5 - N * PIXEL / 2, 4e6, PIXEL, PIXEL)
TRUTH = Rectangle(-0.026, 0.052, 0.4, 1.6, 1.0, 20.0, 70.0, 15.0, 80.0).with_origin("topcenter")
"""Kilometres around the images' middle, and metres: nine metres at the ground, nine tenths of a pixel."""

EVENT = """
[event]
name = "Two images"
latitude = {latitude}
longitude = {longitude}
[[offset_maps]]
file = "map.tif"
largest = 32
"""
FAULT = """
[[faults]]
x = 0
y = 0
depth = 0.3
length = 1
width = 1
strike = 0
dip = 80
[faults.bounds]
x = [-1.5, 1.5]
y = [-1.5, 1.5]
depth = [0, 1]
length = [0.3, 4]
width = [0.2, 3]
strike = [-60, 90]
dip = [30, 90]
[search]
starts = 2
"""
SLIP = """
[[faults]]
x = -0.0944
y = 0.0769
depth = 0.2
length = 2.4
width = 1.4
strike = 20
dip = 70
n_strike = 12
n_dip = 7
order = 1
edges = "locked"
"""
"""A plane that reaches two patches of 200 m beyond the slip at both ends, and one above and below."""


def images(folder, ground, rng, noise):
    """The ground before and after as files; what was at a pixel moved by the fault's displacement."""
    axis = (np.arange(N) - (N - 1) / 2) * PIXEL / 1000
    east, north = np.meshgrid(axis, -axis)
    u = displacement(np.column_stack([east.ravel(), north.ravel()]), TRUTH).reshape(N, N, 3) / PIXEL
    pair = {"pre": ground, "post": moved(ground, u[..., 0], -u[..., 1])}
    for name, image in pair.items():
        values = (image + noise * rng.standard_normal((N, N))).astype(np.float32)
        profile = {"driver": "GTiff", "height": N, "width": N, "count": 1, "dtype": "float32"}
        with rasterio.open(
            folder / f"{name}.tif", "w", crs="EPSG:32633", transform=SQUARE, **profile
        ) as file:
            file.write(values, 1)


def whole_way(folder, ground, rng, noise):
    """Both results, from the command line alone."""
    images(folder, ground, rng, noise)
    pair = [str(folder / "pre.tif"), str(folder / "post.tif")]
    words = ["--method", "dislok", "--coregister", "none", "--no-picture", "--quiet"]
    assert main(["flow", *pair, "--out", str(folder / "map.tif"), *words]) == 0
    x, y = SQUARE * (N / 2, N / 2)
    lon, lat = (v[0] for v in rasterio.warp.transform("EPSG:32633", "EPSG:4326", [x], [y]))
    event = EVENT.format(latitude=lat, longitude=lon)
    for name, words in (("fault", FAULT), ("slip", SLIP)):
        (folder / f"{name}.toml").write_text(event + words)
        assert main([name, str(folder / f"{name}.toml"), "--quiet"]) == 0
    return load(folder / "fault" / "result.json"), load_slip(folder / "slip" / "slip.npz"), (lat, lon)


def check_fault(result, folder, place):
    truth = np.array([getattr(TRUTH, name) for name in result.names])
    off = result.values - truth
    assert len(truth) == 9 and result.converged and not result.at_bound.any()
    assert off @ np.linalg.solve(result.covariance, off) < stats.chi2.ppf(0.95, 9)
    assert off[result.names.index("slip")] / 80 == pytest.approx(0.0, abs=0.12)
    assert result.sigma[result.names.index("strike")] < 1.0
    with open(folder / "fault" / "faults.csv", newline="", encoding="utf-8") as file:
        table = {row["parameter"]: row for row in csv.DictReader(file)}
    lon, lat = to_geographic(1000 * TRUTH.x, 1000 * TRUTH.y, place[1], place[0])
    for name, value in (("longitude", lon), ("latitude", lat)):
        assert float(table[name]["value"]) == pytest.approx(float(value), abs=5e-4)


def check_slip(result):
    """Potency along and across the rake, and slip of the patches, against the truth and the stated errors."""
    rake, areas = np.deg2rad(TRUTH.rake), result.patches[0].areas
    potency = TRUTH.length * TRUTH.width * TRUTH.slip
    for turn, truth in ((rake, potency), (rake + np.pi / 2, 0.0)):
        weights = np.stack([areas * np.cos(turn), areas * np.sin(turn)], -1).ravel()
        sigma = result.inflation * np.sqrt(weights @ result.covariance @ weights)
        assert abs(weights @ result.coefficients - truth) < 1.96 * sigma
        assert sigma < 0.1 * potency
    row, column = np.divmod(np.arange(84), 12)
    slips = (row >= 1) & (row <= 5) & (column >= 2) & (column <= 9)
    truth = slips[:, None] * TRUTH.slip * np.array([np.cos(rake), np.sin(rake)])
    z = (result.slip[0][:, :2] - truth) / result.sigma[0][:, :2]
    assert (np.abs(z) < 1.96).mean() > 0.9


@pytest.mark.slow
def test_procedural_ground(tmp_path):
    rng = np.random.default_rng(4)
    fault, slip, place = whole_way(tmp_path, texture(rng, (N, N)), rng, 8.0)
    check_fault(fault, tmp_path, place)
    check_slip(slip)


@pytest.mark.slow
def test_real_ground(tmp_path, shared):
    """On the red band of a Landsat 7 image."""
    with rasterio.open(shared / "images" / "ukis_landsat7_red.tif") as file:
        ground = file.read(1)[:N, :N].astype(float)
    fault, slip, place = whole_way(tmp_path, ground, np.random.default_rng(4), 0.01 * ground.std())
    check_fault(fault, tmp_path, place)
    check_slip(slip)
