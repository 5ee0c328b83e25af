"""`python -m bench.earthquakes FOLDER`: public earthquakes inverted with the defaults beside what is
published.

FOLDER holds the archives named in `EVENTS`; those that are not there are left out by name.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dislok.inversion.cmt import Result, config, procedure
from dislok.inversion.cmt.posterior import matched
from dislok.inversion.cmt.stages import Stages
from dislok.inversion.cmt.summary import place

INF = float("inf")
KYUSHU = [
    [1, 2.5, 1.2, 2.1],
    [10, 6, 3.4, 2.7],
    [10, 6.6, 3.7, 2.9],
    [10, 7.2, 4, 3.1],
    [INF, 8.1, 4.6, 3.35],
]
MOJAVE = [
    [0.5, 2.5, 1.2, 2.1], [10, 6.1, 3.5, 2.75], [10, 6.3, 3.6, 2.8], [10.5, 6.6, 3.6, 2.9],
    [INF, 8, 4.6, 3.3],
]  # fmt: skip
ALASKA = [
    [0.5, 2.5, 1.2, 2.1], [10.5, 6, 3.5, 2.7], [11, 6.6, 3.7, 2.9], [12, 7.2, 4, 3.1], [INF, 8, 4.6, 3.35],
]  # fmt: skip
"""CRUST 2.0 profiles (Bassin et al. 2000): rows of thickness, vp, vs, density."""


class Quake(NamedTuple):
    """An earthquake, how it is inverted where not by default, and what is published.

    Attributes
    ----------
    file : archive in the folder, or table of offsets.
    event : name, latitude, longitude, depth of the hypocentre.
    crust : rows of layers.
    data : further keys of the data set.
    source : keys of the source.
    published : "Mw", "depth" (km), "strike", "dip" (degrees), as far as they are known.
    origin : of the published values.
    """

    file: str
    event: Mapping[str, Any]
    crust: Sequence[Sequence[float]]
    data: Mapping[str, Any]
    source: Mapping[str, Any]
    published: Mapping[str, float]
    origin: str


def _hypocentre(name: str, latitude: float, longitude: float, depth: float) -> dict[str, Any]:
    return {"name": name, "latitude": latitude, "longitude": longitude, "depth": depth}


WAVES = {"band": [0.03, 0.1], "window": [0, 120], "farthest": 150, "count": 40}
KUMAMOTO = _hypocentre("2016 Kumamoto", 32.791, 130.754, 10.0)
RIDGECREST = _hypocentre("2019 Ridgecrest", 35.77, -117.599, 8.0)
EVENTS = {
    "kumamoto": Quake(
        "kumamoto2016.npz", KUMAMOTO, KYUSHU, {**WAVES, "nearest": 25}, {},
        {"Mw": 7.05, "depth": 11.0, "strike": 224, "dip": 65}, "NIED (F-net, fault model)",
    ),
    "kumamoto-far": Quake(
        "kumamoto2016.npz", {**KUMAMOTO, "name": "2016 Kumamoto, EN from 40 km, depth held"}, KYUSHU,
        {**WAVES, "window": [0, 160], "nearest": 40, "components": "EN"}, {"half_duration": 8.0, "fixed":
        ["depth"]}, {"Mw": 7.05, "strike": 224, "dip": 65}, "NIED (F-net, fault model)",
    ),
    "ridgecrest": Quake(
        "ridgecrest2019.npz", RIDGECREST, MOJAVE, {**WAVES, "nearest": 25}, {},
        {"Mw": 7.1, "depth": 8.0, "strike": 321, "dip": 81}, "USGS, Global CMT",
    ),
    "anchorage": Quake(
        "anchorage2018.npz", _hypocentre("2018 Anchorage", 61.346, -149.955, 46.7), ALASKA,
        {**WAVES, "farthest": 250}, {}, {"Mw": 7.1, "depth": 46.7}, "USGS",
    ),
    "elmayor": Quake(
        "elmayor2010.npz", _hypocentre("2010 El Mayor-Cucapah", 32.2862, -115.2953, 8.0), MOJAVE,
        {**WAVES, "band": [0.02, 0.06], "nearest": 30}, {"half_duration": 12.0, "fixed": ["depth"]},
        {"Mw": 7.2, "strike": 312, "dip": 75}, "USGS, Wei et al. (2011)",
    ),
    "parkfield": Quake(
        "parkfield2004.npz", _hypocentre("2004 Parkfield", 35.8182, -120.366, 8.1), MOJAVE, WAVES, {},
        {"Mw": 6.0, "depth": 8.1}, "USGS",
    ),
    "napa": Quake(
        "napa2014.npz", _hypocentre("2014 Napa", 38.2152, -122.3123, 11.1), MOJAVE,
        {**WAVES, "nearest": 10, "farthest": 60, "quiet": 8}, {},
        {"Mw": 6.0, "depth": 11.1, "strike": 157, "dip": 77}, "USGS",
    ),
}  # fmt: skip


def inverted(quake: Quake, folder: Path) -> tuple[Result, float]:
    """The result, and seconds of processor time."""
    table = {
        "event": dict(quake.event),
        "crust": {"layers": [list(row) for row in quake.crust]},
        "waveforms": [{"file": quake.file, **quake.data}],
        "source": dict(quake.source),
    }
    event = config.build(table, folder)
    began = time.process_time()
    found = procedure.find(event.problem, event.start, event.options, Stages(None), lambda line: None)
    return procedure.concluded(found, event.options, event.name), time.process_time() - began


def compared(result: Result, published: Mapping[str, float]) -> dict[str, tuple[float, float, float, float]]:
    """By quantity: published, ours, its standard deviation, and the error in standard deviations."""
    c, sigma, spread = result.centroids[0], result.sigma(), result.spread()
    number, away = _nearest_plane(result, published)
    ours = {
        "Mw": (c.magnitude, spread["Mw"]),
        "depth": (c.depth, sigma.get("depth", np.nan)),
        "strike": (published.get("strike", np.nan) + away[0], spread[f"strike{number}"]),
        "dip": (published.get("dip", np.nan) + away[1], spread[f"dip{number}"]),
    }
    return {
        name: (true, *ours[name], (ours[name][0] - true) / ours[name][1]) for name, true in published.items()
    }


def _nearest_plane(result: Result, published: Mapping[str, float]) -> tuple[int, np.ndarray]:
    """Which plane (1 or 2) is the published one, and how far off it is in strike, dip (degrees)."""
    if "strike" not in published:
        return 1, np.zeros(2)
    best = []
    for number, plane in enumerate(result.centroids[0].planes, 1):
        want = np.array([[published["strike"], published["dip"], plane[2]]] * 2)
        off = matched(np.array([[plane, plane]]), want)[0, 0, :2]
        best.append((float((off**2).sum()), number, off))
    _, number, off = min(best, key=lambda one: one[0])
    return number, off


def row(name: str, quake: Quake, result: Result, seconds: float) -> dict[str, Any]:
    """What is kept of one earthquake."""
    c = result.centroids[0]
    return {
        "name": name, "event": result.event, "origin": quake.origin, "seconds": seconds,
        "variance_reduction": result.variance_reduction, "stations": result.station_count,
        "place": " ".join(place(c.latitude, c.longitude)), "planes": c.planes, "unique": result.unique,
        "compared": compared(result, quake.published), "warnings": list(result.warnings),
        "dropped": list(result.dropped), "summary": result.summary(),
    }  # fmt: skip


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table of the documentation, as reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    heads = ["event, stations", "variance reduction", "quantity", "published", "ours", "error / σ"]
    table = [heads]
    for one in rows:
        first = [f"{one['event']}, {one['stations']}", f"{100 * one['variance_reduction']:.1f} %"]
        for name, (true, ours, sigma, ratio) in one["compared"].items():
            digits = 2 if name == "Mw" else 1 if name == "depth" else 0
            known = np.isfinite(sigma)
            error = f" ± {sigma:.{digits}f}" if known else ""
            away = f"{ratio:+.1f}" if known else "–"
            table.append([*first, name, f"{true:g}", f"{ours:.{digits}f}{error}", away])
            first = ["", ""]
    for cells in table:
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}".rstrip() for i, cell in enumerate(cells)]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m bench.earthquakes")
    parser.add_argument("folder", type=Path, nargs="+", help="where the archives are")
    parser.add_argument("--only", default=",".join(EVENTS), help="names, by comma")
    parser.add_argument("--json", type=Path, help="write what was found")
    given = parser.parse_args(argv)
    rows = []
    for name in given.only.split(","):
        quake = EVENTS[name]
        holder = [folder for folder in given.folder if (folder / quake.file).exists()]
        if not holder:
            print(f"left out: {name}: no {quake.file}")
            continue
        rows.append(row(name, quake, *inverted(quake, holder[0])))
        print(rows[-1]["summary"], f"\n{rows[-1]['seconds']:.1f} s of processor time\n", flush=True)
        if given.json:
            given.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(report(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
