"""Coast lines lie where coasts are, on both sides of the date line."""

import numpy as np
import pytest

from dislok.inversion.cmt import coast

CAPES = {
    "Cabo da Roca": (-9.500, 38.781), "Cape Agulhas": (20.000, -34.833), "Cape Reinga": (172.680, -34.420),
    "Land's End": (-5.716, 50.066), "Point Conception": (-120.471, 34.448), "Cape Sata": (130.660, 30.993),
    "Punta Arenas": (-70.90, -53.16), "Nordkapp": (25.783, 71.170),
}  # fmt: skip
"""Longitude and latitude of capes and coastal towns, from gazetteers."""


def _distance(line, lon, lat):
    """Least distance (degrees of latitude) of a point from the segments of a line."""
    scaled = (line - [lon, lat]) * [np.cos(np.deg2rad(lat)), 1.0]
    a, b = scaled[:-1], scaled[1:]
    along = np.clip(-(a * (b - a)).sum(1) / np.maximum(((b - a) ** 2).sum(1), 1e-12), 0, 1)
    return np.linalg.norm(a + along[:, None] * (b - a), axis=1).min()


@pytest.mark.parametrize("name", CAPES)
def test_capes_lie_on_the_coast(name):
    """Within 4 km: 2 km of simplification, and what the map at 1:10 million leaves out."""
    lon, lat = CAPES[name]
    found = coast.lines(lon - 1, lon + 1, lat - 1, lat + 1)
    assert min(_distance(line, lon, lat) for line in found) < 0.04


def test_open_sea_and_inner_land_have_none():
    assert coast.lines(-150, -145, 30, 35) == []
    assert coast.lines(100, 103, 45, 48) == []


def test_frames_across_the_date_line():
    """Fiji from either side is the same, whole turns apart."""
    east, west = coast.lines(176, 182, -19, -15), coast.lines(-184, -178, -19, -15)
    assert len(east) == len(west) > 3
    for a, b in zip(east, west, strict=True):
        np.testing.assert_allclose(a - [360, 0], b)
    assert max(line[:, 0].max() for line in east) > 180 > min(line[:, 0].min() for line in east)


def test_lines_have_no_jumps():
    """No side of the map, no seam: steps between vertices are those of coasts."""
    whole = coast.lines(-180, 180, -90, 90)
    steps = [np.abs(np.diff(line, axis=0)).max() for line in whole]
    assert max(steps) < 12 and np.median(steps) < 0.5 and sum(map(len, whole)) > 50_000
