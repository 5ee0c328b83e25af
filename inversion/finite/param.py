"""The ``.param`` of the USGS's finite faults (Ji, Wald & Helmberger 2002): slip in cm, moment in dyn·cm."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dislok.convert import to_geographic

from .model import Array, FiniteFault, joined, uniform

_SEGMENT = re.compile(
    r"#\s*Fault_segment\s*=\s*(\d+)\s*nx\(Along-strike\)\s*=\s*(\d+)\s*Dx\s*=\s*([\d.]+)\s*km\s*"
    r"ny\(downdip\)\s*=\s*(\d+)\s*Dy\s*=\s*([\d.]+)\s*km",
    re.IGNORECASE,
)
_COLUMNS = "lat lon depth slip rake strike dip t_rup t_ris t_fal mo".split()
_MODULI = (1e9, 1e12)


def recognised(lines: Sequence[str]) -> bool:
    """Whether these are the lines of a ``.param``."""
    return any("total number of fault_segments" in line.lower() for line in lines[:20])


def parsed(lines: Sequence[str]) -> FiniteFault:
    """The model in these lines."""
    heads = [(i, found) for i, line in enumerate(lines) if (found := _SEGMENT.search(line))]
    if not heads:
        raise ValueError("no line '#Fault_segment = ...' with nx, Dx, ny, Dy")
    ends = [i for i, _ in heads[1:]] + [len(lines)]
    parts = []
    for (i, found), end in zip(heads, ends, strict=True):
        nx, dx, ny, dy = int(found[2]), float(found[3]), int(found[4]), float(found[5])
        table = _rows(lines[i + 1 : end], nx * ny, int(found[1]))
        lat, lon, depth, slip, rake, strike, dip, rupture, rise, fall, moment = table.T
        parts.append(
            FiniteFault(
                lat,
                lon,
                depth,
                strike,
                dip,
                rake,
                np.full(nx * ny, dx),
                np.full(nx * ny, dy),
                slip / 100,
                _newton_metres(moment, slip / 100 * dx * dy * 1e6),
                rupture,
                rise + fall,
                shape=((nx, ny),),
            )  # fmt: skip
        )
    return joined(parts)


def _rows(lines: Sequence[str], count: int, segment: int) -> Array:
    """The table below the line that names its columns, in the order of `_COLUMNS`."""
    head = next((i for i, line in enumerate(lines) if re.match(r"#\s*lat", line, re.IGNORECASE)), None)
    if head is None:
        raise ValueError(f"segment {segment}: no line names the columns (Lat. Lon. depth slip ...)")
    names = [word.strip(".").lower() for word in lines[head].lstrip("# ").split()]
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        raise ValueError(f"segment {segment}: no column {missing[0]!r}; there are {', '.join(names)}")
    rows = [line.split() for line in lines[head + 1 :] if line.strip() and not line.startswith("#")]
    if len(rows) != count or any(len(row) < len(names) for row in rows):
        raise ValueError(f"segment {segment}: expected {count} rows of {len(names)} numbers, got {len(rows)}")
    return np.array([[float(row[names.index(name)]) for name in _COLUMNS] for row in rows])


def _newton_metres(moment: Array, potency: Array) -> Array:
    """Moments in N·m; of dyn·cm and N·m the unit that gives a shear modulus of rock (Pa) is the file's."""
    moved = (potency > 0) & (moment > 0)
    if not moved.any():
        return moment * 1e-7
    modulus = float(np.median(moment[moved] / potency[moved]))
    for factor in (1e-7, 1.0):
        if _MODULI[0] < factor * modulus < _MODULI[1]:
            return moment * factor
    raise ValueError(
        f"moments make a shear modulus of {modulus:g}, neither in dyn·cm nor in N·m that of rock"
    )


def text(model: FiniteFault) -> str:
    """The model as ``.param``."""
    lines = [f"#Total number of fault_segments= {len(model.shape):5d}"]
    for k, (nx, ny) in enumerate(model.shape):
        dx, dy = uniform(model, k, "length", "width")
        inside = np.asarray(model.segment) == k
        lines.append(
            f"#Fault_segment = {k + 1:3d} nx(Along-strike)= {nx:3d} Dx= {dx:.6f}km ny(downdip)= {ny:3d} "
            f"Dy= {dy:.6f}km"
        )
        lines.append(f"#Boundary of Fault_segment {k + 1:5d}")
        lines.append("#Lon.  Lat.  Depth")
        lines += [f"{lon:13.5f}{lat:13.5f}{depth:13.5f}" for lat, lon, depth in _boundary(model, inside)]
        lines.append("#Lat. Lon. depth slip rake strike dip t_rup t_ris t_fal mo")
        rise = np.nan_to_num(np.asarray(model.rise_time)[inside]) / 2
        columns = (
            model.latitude[inside], model.longitude[inside], model.depth[inside], 100 * model.slip[inside],
            model.rake[inside], model.strike[inside], model.dip[inside],
            np.nan_to_num(np.asarray(model.rupture_time)[inside]), rise, rise,
            1e7 * np.nan_to_num(np.asarray(model.moment)[inside]),
        )  # fmt: skip
        lines += [
            f"{a:12.6f}{b:12.6f}{c:12.6f}{d:14.6f}{e:12.5f}{f:12.5f}{g:12.5f}{h:12.5f}{i:12.5f}{j:12.5f}{m:16.8e}"
            for a, b, c, d, e, f, g, h, i, j, m in zip(*columns, strict=True)
        ]
    return "\n".join([*lines, ""])


def _boundary(model: FiniteFault, inside: NDArray[np.bool_]) -> list[tuple[float, float, float]]:
    """Latitude, longitude and depth of the corners of a segment, the first one twice."""
    rectangles = model.rectangles(model.place)
    x, y, depth, length, width, strike, dip = (np.asarray(v)[inside] for v in rectangles[:7])
    azimuth, fall = np.deg2rad(strike), np.deg2rad(dip)
    along = np.stack([np.sin(azimuth), np.cos(azimuth), 0 * azimuth], axis=-1) * length[:, None] / 2
    down = np.stack([np.cos(azimuth) * np.cos(fall), -np.sin(azimuth) * np.cos(fall), np.sin(fall)], axis=-1)
    down *= width[:, None] / 2
    middle = np.stack([x, y, depth], axis=-1)
    nx = model.shape[int(np.asarray(model.segment)[inside][0])][0]
    picks = [(0, -1, -1), (nx - 1, 1, -1), (-1, 1, 1), (-nx, -1, 1), (0, -1, -1)]
    corners = [middle[k] + a * along[k] + b * down[k] for k, a, b in picks]
    lat, lon = model.place
    found = []
    for east, north, deep in corners:
        longitude, latitude = to_geographic(1e3 * east, 1e3 * north, lon, lat)
        found.append((float(latitude), float(longitude), float(deep)))
    return found
