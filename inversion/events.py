"""Measured offsets of real earthquakes that ship with dislok, and how they were measured.

``python -m dislok.inversion.events ARCHIVE TABLE`` measures the Kumamoto table again from the displacement
records.
"""

from __future__ import annotations

import sys
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from .gnss import OffsetTable, read_offsets, static_offsets, write_offsets

KUMAMOTO_EPICENTRE = (32.791, 130.754)
"""Latitude and longitude (degrees) of the 2016-04-15 16:25:06 UTC, Mw 7.0 Kumamoto earthquake."""

KUMAMOTO_HEADER = (
    "Static offsets of the 2016-04-15 16:25 UTC Mw 7.0 Kumamoto earthquake, east, north, up (m).",
    "Measured by dislok.inversion.gnss.static_offsets from 1 Hz displacement records of GEONET.",
    "Records: Geospatial Information Authority of Japan (GSI), GEONET; as published with",
    "  Murray et al. (2023), Bull. Seismol. Soc. Am. 113(3), 1286-1310, and",
    "  Ruhl et al. (2019), Seismol. Res. Lett. 90(1), 271-279, doi:10.1785/0220180177.",
    "Level before: 120 s up to the origin time; after: from 60 s + distance / 2.5 km/s to 299 s.",
    "Stations within 150 km of the epicentre whose record rests on one level before and after.",
    "Sigma: one standard deviation.",
)


def kumamoto2016() -> OffsetTable:
    """Static GNSS offsets of the 2016 Mw 7.0 Kumamoto mainshock within 150 km, as measured by dislok.

    The records begin two minutes before the mainshock: its foreshocks of the day before are not in these
    offsets.
    """
    with as_file(files("dislok.inversion") / "data" / "kumamoto2016_offsets.csv") as path:
        return read_offsets(path)


def measure_kumamoto2016(archive: str | Path, radius: float = 150.0) -> OffsetTable:
    """Measure the offsets that `kumamoto2016` returns.

    Parameters
    ----------
    archive : path
        NumPy archive of 1 Hz records with the entries ``station`` (n,), ``lat``, ``lon`` (n,), ``dist_km``
        (n,) from the epicentre, ``t`` (n_times,) in seconds from the origin time, and ``disp_enu_m`` (n, 3,
        n_times) in metres.
    radius : float
        Epicentral distance (km) of the farthest station.
    """
    with np.load(archive, allow_pickle=False) as records:
        near = records["dist_km"] <= radius
        distance = records["dist_km"][near]
        # The slowest waves that still shake at GNSS noise level travel at about 2.5 km/s for a minute.
        settle = 60 + distance / 2.5
        measured = static_offsets(records["t"], records["disp_enu_m"][near], settle=settle)
        keep = measured.usable()
        order = np.argsort(distance[keep], kind="stable")
        chosen = np.flatnonzero(near)[keep][order]
        station, latitude, longitude = (records[name][chosen] for name in ("station", "lat", "lon"))
    offset, sigma = measured.offset[keep][order], measured.sigma[keep][order]
    return OffsetTable(station, latitude, longitude, offset, sigma)


def main(arguments: list[str]) -> int:
    """Measure the Kumamoto table from an archive of records and write it."""
    if len(arguments) != 2:
        print("usage: python -m dislok.inversion.events ARCHIVE.npz TABLE.csv", file=sys.stderr)
        return 2
    table = measure_kumamoto2016(arguments[0])
    write_offsets(arguments[1], table, KUMAMOTO_HEADER)
    print(f"{len(table.station)} stations written to {arguments[1]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
