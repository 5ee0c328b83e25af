"""The demonstration: a synthetic earthquake with noise like that of GNSS, found again.

Or a real one from a folder.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from dislok import convert
from dislok.propagator import LayeredModel

from . import tensor as tensors
from .config import Event
from .data import Waveforms
from .filters import Array, CosineLowpass
from .problem import Problem
from .records import Records, local
from .source import Sources
from .stages import Stages, invert, run, timed
from .synthetic import gnss_noise, synthetic_records

CRUST = LayeredModel(
    thickness=[0.1, 1.9, 3.0, 13.0, 14.0, np.inf],
    vp=[3.2, 5.15, 5.5, 6.0, 6.7, 7.7],
    vs=[2.0, 2.85, 3.2, 3.46, 3.87, 4.3],
    rho=[2.1, 2.5, 2.6, 2.7, 2.8, 3.3],
)
"""Crust of northern Kyushu (Kobayashi et al. 2006), table 1 of O'Toole et al. (2012)."""

HYPOCENTRE = (33.9, 130.1, 30.0)
"""Where the tests of O'Toole et al. (2012) begin: latitude, longitude, depth; 15 km from the source and 2 s
early.
"""

TRUTH = {"latitude": 34.0, "longitude": 130.0, "depth": 35.0, "time": 2.0}
"""Where their source is (tables 2 and 3)."""

MECHANISM = (30.0, 80.0, 20.0, 6.6)
"""Strike, dip, rake and Mw of table 3."""

STATIONS = np.array(
    [
        [45, 75], [70, 95], [40, 110], [95, 120], [60, 135], [110, 150],
        [75, 165], [50, 185], [90, 205], [65, 230], [130, 55],
    ]
)  # fmt: skip
"""Distance (km) and azimuth of eleven stations around the hypocentre, most of them on one side, as on
Kyushu.
"""


def stations() -> tuple[Array, Array]:
    """Latitude and longitude of the demo's stations."""
    distance, azimuth = STATIONS[:, 0] * 1e3, np.deg2rad(STATIONS[:, 1])
    lon, lat = convert.to_geographic(
        distance * np.sin(azimuth), distance * np.cos(azimuth), HYPOCENTRE[1], HYPOCENTRE[0]
    )
    return np.asarray(lat), np.asarray(lon)


def true_source(tensor: Array | None = None) -> Sources:
    """The source of table 3, or another tensor (6,) at its place."""
    strike, dip, rake, magnitude = MECHANISM
    if tensor is None:
        moment = convert.moment_from_magnitude(magnitude)
        tensor = tensors.row(np.asarray(convert.moment_tensor(strike, dip, rake, moment)))
    x, y = local(np.array(TRUTH["latitude"]), np.array(TRUTH["longitude"]), *HYPOCENTRE[:2])
    return Sources.at(x, y, TRUTH["depth"], TRUTH["time"]).with_tensor(np.asarray(tensor, float)[None])


def synthetic(seed: int | None = 7, tensor: Array | None = None) -> Records:
    """Records of the demo's earthquake at its stations; without noise where `seed` is None."""
    lat, lon = stations()
    records = synthetic_records(lat, lon, CRUST, true_source(tensor), HYPOCENTRE[:2], end=120.0)
    if seed is not None:
        noise = gnss_noise(len(records), records.t, np.random.default_rng(seed))
        records.values[...] += noise
    return records


def problem(records: Records, components: str = "EN") -> Problem:
    """The inverse problem of the demo: one minute of every record through the paper's filter."""
    data = Waveforms(records, CosineLowpass(0.05, 0.2), (0.0, 63.0), components)
    return Problem(data, CRUST, HYPOCENTRE[:2], stf="impulse")


def run_demo(out: Path, data: Path | None = None) -> int:
    """Run the demonstration and write its files into a folder.

    Parameters
    ----------
    out : Path
        Existing folder.
    data : Path, optional
        Folder of a real earthquake, with its ``event.toml`` and waveforms; the synthetic one by default.

    Returns
    -------
    int
        Exit status: 0.
    """
    began = time.perf_counter()
    if data is not None:
        run(data / "event.toml", out, _say)
    else:
        _synthetic_demo(out)
    timed(_say, began, out)
    return 0


def _synthetic_demo(out: Path) -> None:
    print("SYNTHETIC data: a strike-slip earthquake of Mw 6.6 under Kyushu that never happened (table 3 of")
    print("O'Toole et al. 2012), at 11 invented stations, with noise like that of 1 Hz GNSS positions.")
    print("The search begins 15 km away, 5 km too shallow and 2 s too early.\n", flush=True)
    event = Event(
        name="SYNTHETIC earthquake",
        problem=problem(synthetic()),
        start=Sources.at(0.0, 0.0, HYPOCENTRE[2], 0.0),
        scaled_duration=False,
        bands=(CosineLowpass(0.02, 0.06),),
        iterations=40,
        subevents=1,
        reach=60.0,
        grid=None,
        quality=True,
        errors="residuals",
        crusts=None,
        uncertainty={"bootstrap": 200, "depths": [24.0, 28.0, 32.0, 35.0, 38.0, 42.0], "map": {"grid": 7}},
    )
    result = invert(event, out, Stages(None), _say)
    found, (strike, dip, rake, magnitude) = result.centroids[0], MECHANISM
    print(f"{'':<12}{'true':>16}{'found':>16}")
    for name in ("latitude", "longitude", "depth", "time"):
        print(f"{name:<12}{TRUTH[name]:>16.3f}{getattr(found, name):>16.3f}")
    print(f"{'Mw':<12}{magnitude:>16.2f}{found.magnitude:>16.2f}")
    plane = min(found.planes, key=lambda p: abs(p[0] - strike))
    words = "/".join(f"{v:.0f}" for v in plane)
    print(f"{'plane':<12}{f'{strike:.0f}/{dip:.0f}/{rake:.0f}':>16}{words:>16}\n")


def _say(line: str) -> None:
    print(line, flush=True)
