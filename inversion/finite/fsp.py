"""The ``.fsp`` of SRCMOD (Mai & Thingbaijam 2014): km, m and N·m; places of middles or of upper edges."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dislok.convert import to_geographic

from .model import Array, FiniteFault, joined, uniform

_NUMBER = r"\s*=\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)"


def recognised(lines: Sequence[str]) -> bool:
    """Whether these are the lines of an ``.fsp``."""
    head = lines[:60]
    return any(line.startswith("%") for line in head) and any(
        "FINITE-SOURCE RUPTURE MODEL" in line.upper() or re.match(r"%\s*Invs\s*:", line) for line in head
    )


def parsed(lines: Sequence[str]) -> FiniteFault:
    """The model in these lines."""
    tables = _tables(lines)
    if not tables:
        raise ValueError("no line names the columns (LAT LON X==EW Y==NS Z SLIP ...)")
    head = "\n".join(line for line in lines if line.startswith("%"))
    top = _at_top(head)
    parts = [_segment(lines, begin, names, rows, top, len(tables)) for begin, names, rows in tables]
    model = joined(parts)
    place = [_value(head, key) for key in ("LAT", "LON", "DEP")]
    named = re.search(r"%\s*Event\s*:\s*(.*)", head)
    hypocentre = (place[0], place[1], place[2]) if None not in place else None
    return replace(
        model, name=re.sub(r"\s+", " ", named[1]).strip() if named else "earthquake",
        hypocentre=hypocentre,  # type: ignore[arg-type]
    )  # fmt: skip


def _value(head: str, key: str) -> float | None:
    """The first number of that name in a head."""
    found = re.search(rf"\b{key}{_NUMBER}", head)
    return float(found[1]) if found else None


def _at_top(head: str) -> bool:
    """Whether places are those of the upper edges of patches, SRCMOD's rule where a file says nothing."""
    found = re.search(r"given for (\S*)\s*center of each", head.replace("top-center", "top- center"))
    return found is None or found[1].startswith("top")


def _tops(depth: Array, height: float, top: float | None, other: float | None, said: bool) -> bool:
    """Whether depths are those of upper edges: by the depth of the segment's top, else by what the text says.

    The text is the same in files of either kind: "center", beside a picture with a mark at the top.
    """
    edge = top if top is not None else other
    if edge is None:
        return said
    from_edge = abs(float(depth.min()) - edge)
    from_middle = abs(float(depth.min()) - edge - height / 2)
    if min(from_edge, from_middle) > 0.1 * height:
        return said
    return from_edge < from_middle


def _tables(lines: Sequence[str]) -> list[tuple[int, list[str], Array]]:
    """Line, names of columns and rows of every table of patches."""
    found = []
    for i, line in enumerate(lines):
        words = line.lstrip("% ").upper().split()
        if not (line.startswith("%") and {"LAT", "LON", "Z", "SLIP"} <= set(words)):
            continue
        rows: list[list[float]] = []
        for below in lines[i + 1 :]:
            if below.startswith("%"):
                if rows:
                    break
                continue
            if below.strip():
                rows.append([float(word) for word in below.split()])
        if len({len(row) for row in rows}) != 1 or len(rows[0]) < len(words):
            raise ValueError(f"line {i + 1} names {len(words)} columns, but the rows below have others")
        _whole(lines[:i], len(rows))
        found.append((i, words, np.array(rows)))
    return found


def _whole(above: Sequence[str], count: int) -> None:
    """Raise if a table has another number of patches than the head nearest to it says."""
    head = "\n".join(line for line in reversed(above) if line.startswith("%"))
    single = (_value(head, "Nsg") or 1) == 1
    nx, nz = _value(head, "Nx"), _value(head, "Nz")
    said = _value(head, "Nsbfs") or (nx * nz if single and nx and nz else None)
    if said is not None and said != count:
        raise ValueError(f"its head says {said:g} patches, but the table has {count}")


def _segment(
    lines: Sequence[str], begin: int, names: list[str], rows: Array, top: bool, count: int
) -> FiniteFault:
    """One segment: what lies above its table, the nearest line first, says its size and direction."""
    above = "\n".join(line for line in reversed(lines[:begin]) if line.startswith("%"))
    column = dict(zip(names, rows.T, strict=False))
    sizes = {key: _value(above, key) for key in ("Dx", "Dz", "LEN", "WID", "Nx", "Nz")}
    strike = _value(above, "STRIKE") if count > 1 or "STRIKE" in above else _value(above, "STRK")
    dip = _value(above, "DIP")
    if strike is None or dip is None or sizes["Dx"] is None or sizes["Dz"] is None:
        raise ValueError("its head does not say strike, dip, Dx and Dz")
    n, dx, dz = len(rows), sizes["Dx"], sizes["Dz"]
    nx = _along(n, sizes, count)
    lat, lon, depth = column["LAT"], column["LON"], column["Z"]
    if _tops(depth, dz * np.sin(np.deg2rad(dip)), _value(above, "Z2top"), _value(above, "Htop"), top):
        lat, lon, depth = _middles(lat, lon, depth, strike, dip, dz)
    rake = column.get(
        "RAKE", np.full(n, _value(above, "RAKE") if _value(above, "RAKE") is not None else np.nan)
    )
    if np.isnan(rake).any():
        raise ValueError("neither its table nor its head says the rake")
    moment = column.get("SF_MOMENT", np.full(n, np.nan))
    return FiniteFault(
        lat, lon, depth, np.full(n, strike), np.full(n, dip), rake, np.full(n, dx), np.full(n, dz),
        column["SLIP"], moment, _known(column.get("TRUP"), n), _known(column.get("RISE"), n),
        shape=((nx, n // nx),),
    )  # fmt: skip


def _known(values: Array | None, n: int) -> Array:
    """Times; the -99 and -999 of unknown ones become NaN."""
    return np.full(n, np.nan) if values is None else np.where(values <= -99, np.nan, values)


def _along(n: int, sizes: dict[str, float | None], count: int) -> int:
    """Number of patches along strike."""
    if count == 1 and sizes["Nx"] and n % int(sizes["Nx"]) == 0:
        return int(sizes["Nx"])
    if sizes["LEN"] and sizes["Dx"]:
        nx = round(sizes["LEN"] / sizes["Dx"])
        if nx and n % nx == 0:
            return nx
    return n


def _middles(
    lat: Array, lon: Array, depth: Array, strike: float, dip: float, width: float
) -> tuple[Array, Array, Array]:
    """Middles of patches from the middles of their upper edges."""
    azimuth, fall = np.deg2rad(strike), np.deg2rad(dip)
    aside = 500.0 * width * np.cos(fall)
    moved = [
        to_geographic(aside * np.cos(azimuth), -aside * np.sin(azimuth), float(x), float(y))
        for x, y in zip(lon, lat, strict=True)
    ]
    longitude, latitude = (np.array([float(pair[k]) for pair in moved]) for k in (0, 1))
    return latitude, longitude, depth + width / 2 * np.sin(fall)


def text(model: FiniteFault) -> str:
    """The model as ``.fsp``, places being the middles of patches."""
    lat, lon = model.place
    depth = (
        model.hypocentre[2] if model.hypocentre else float(np.average(model.depth, weights=model.slip + 1e-9))
    )
    first = np.asarray(model.segment) == 0
    strike, dip, dx, dz = uniform(model, 0, "strike", "dip", "length", "width")
    nx, nz = model.shape[0]
    rake = float(np.average(model.rake[first], weights=model.slip[first] + 1e-9))
    lines = [
        "% --------------------- FINITE-SOURCE RUPTURE MODEL ---------------------", "%",
        f"% Event : {model.name}", "% EventTAG: dislok", "%",
        f"% Loc  : LAT = {lat:.6f}  LON = {lon:.6f}  DEP = {depth:.4f}",
        f"% Size : LEN = {nx * dx:.6f} km  WID = {nz * dz:.6f} km  Mw = {model.magnitude:.4f}  "
        f"Mo = {model.total_moment:.8e} Nm",
        f"% Mech : STRK = {strike:.5f}  DIP = {dip:.5f}  RAKE = {rake:.5f}  "
        f"Htop = {_top(model, first):.4f} km",
        "%", "% --------------------- inversion-related parameters ---------------------", "%",
        f"% Invs : Nx = {nx}  Nz = {nz}", f"% Invs : Dx = {dx:.6f} km  Dz = {dz:.6f} km",
        f"% Invs : Ntw = 1  Nsg = {len(model.shape)}", "%",
        "% X,Y,Z coordinates in km; SLIP in m; RAKE in deg, RISE in s, TRUP in s, SF_MOMENT in Nm",
        "% Coordinates are given for center of each subfault or segment: |'|",
        f"% Origin of local coordinate system at LAT = {lat:.6f}  LON = {lon:.6f}: X (EW) = 0, Y (NS) = 0",
    ]  # fmt: skip
    for k in range(len(model.shape)):
        lines += _written(model, k)
    return "\n".join([*lines, ""])


def _top(model: FiniteFault, inside: NDArray[np.bool_]) -> float:
    return float((model.depth - model.width / 2 * np.sin(np.deg2rad(model.dip)))[inside].min())


def _written(model: FiniteFault, k: int) -> list[str]:
    """Head and rows of one segment."""
    inside = np.asarray(model.segment) == k
    strike, dip, dx, dz = uniform(model, k, "strike", "dip", "length", "width")
    nx, nz = model.shape[k]
    rectangles = model.rectangles(model.place)
    columns = [
        model.latitude,
        model.longitude,
        rectangles.x,
        rectangles.y,
        model.depth,
        model.slip,
        model.rake,
    ]
    times = [
        np.where(np.isnan(v), -999.0, v)
        for v in (np.asarray(model.rupture_time), np.asarray(model.rise_time))
    ]
    moment = np.nan_to_num(np.asarray(model.moment))
    table = np.stack([np.asarray(c) for c in (*columns, *times, moment)], axis=-1)[inside]
    rule = "% " + "-" * 72
    return [
        rule,
        f"% SEGMENT # {k + 1}: STRIKE = {strike:.5f} deg  DIP = {dip:.5f} deg",
        f"% LEN = {nx * dx:.6f} km  WID = {nz * dz:.6f} km",
        f"% depth to top: Z2top = {_top(model, inside):.4f} km",
        f"% Dx = {dx:.6f} km  Dz = {dz:.6f} km",
        f"% Nsbfs = {nx * nz} subfaults",
        rule,
        "%  LAT  LON  X==EW  Y==NS  Z  SLIP  RAKE  TRUP  RISE  SF_MOMENT",
        rule,
        *(
            f"{a:12.6f}{b:12.6f}{c:12.4f}{d:12.4f}{e:12.6f}{f:14.8f}{g:12.5f}{h:12.5f}{i:12.5f}{m:16.8e}"
            for a, b, c, d, e, f, g, h, i, m in table
        ),
    ]
