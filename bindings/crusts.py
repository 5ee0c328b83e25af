"""Tables of crustal models as other programs write them: what their columns are, by header or by number.

CRUST 1.0 and 2.0 (getCN1point, getCN2point), ``.nd`` of TauP and Cake, QSEIS and its kin, axitra, fk and
MudPy, CPS (model96), PyGRT, and tables with a header of names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from dislok.arrays import HostArray as Array

DEPTHS = ("thickness", "tops", "bottoms", "nodes")
"""What the first column may be: thicknesses, depths of upper or lower ends of layers, depths between which
properties change linearly."""

UNITS = ("km", "m")
DEEPEST = 300.0
"""Depth (km) below which nodes of a model of the whole Earth are not used."""

EARTH = 6400.0
"""Depth (km) that no node can have."""

_STEP = 0.03
_SHORTEST_METRES = 500.0
_LONGEST_KILOMETRES = 1000.0
_NAMES = {
    "thickness": {"thickness", "thick", "h", "th", "thk", "dz", "thic"},
    "depth": {"depth", "dep", "z"},
    "tops": {"top", "ztop", "depth_top", "depthtop", "top_depth", "depth-top"},
    "bottoms": {"bottom", "zbottom", "depth_bottom", "base", "bottom_depth", "bot"},
    "vp": {"vp", "alpha", "p-vel", "pvel", "v_p", "p_vel"},
    "vs": {"vs", "beta", "s-vel", "svel", "v_s", "s_vel"},
    "rho": {"rho", "density", "dens", "den", "ro"},
    "qp": {"qp", "qa", "qalpha", "q_p", "qkappa_p"},
    "qs": {"qs", "qb", "qbeta", "q_s"},
    "number": {"no", "n", "i", "nr", "layer", "num", "index"},
}
_KNOWN = {name: what for what, names in _NAMES.items() for name in names}
_DISCONTINUITIES = {"moho", "mantle", "conrad", "outer-core", "inner-core", "cmb", "icb", "crust"}
_WORD = re.compile(r"([A-Za-z][\w-]*)\s*(?:[\[(]\s*([^\])]*?)\s*[\])])?")
_LENGTHS = {"km": 1.0, "kilometer": 1.0, "kilometers": 1.0, "m": 1e-3, "meter": 1e-3, "meters": 1e-3}
_DENSITIES = {
    "g/cm3": 1.0, "g/cc": 1.0, "gm/cc": 1.0, "g/cm^3": 1.0, "g/cm**3": 1.0, "gm/cm3": 1.0, "gm/cm^3": 1.0,
    "t/m3": 1.0, "10^3 kg/m^3": 1.0, "kg/m3": 1e-3, "kg/m^3": 1e-3, "kg/m**3": 1e-3,
}  # fmt: skip

_ENDINGS = {
    "km": "km", "m": "m", "kms": "km/s", "km_s": "km/s", "kmps": "km/s", "ms": "m/s", "m_s": "m/s",
    "mps": "m/s", "gcc": "g/cc", "gcm3": "g/cm3", "g_cm3": "g/cm3", "g_cc": "g/cc", "kgm3": "kg/m3",
    "kg_m3": "kg/m3",
}  # fmt: skip


class Table(NamedTuple):
    """Rows of a table, and what its columns are.

    Attributes
    ----------
    columns : names out of `thickness`, `depth`, `tops`, `bottoms`, `vp`, `vs`, `rho`, `qp`, `qs`, `number`;
        "" for others.
    units : unit of each column as written; "" where none is.
    rows : numbers.
    depths : what a column called depth holds, or "" where the file does not say.
    """

    columns: tuple[str, ...]
    units: tuple[str, ...]
    rows: Array
    depths: str = ""


def layers(text: str, *, depths: str | None = None, unit: str | None = None, suffix: str = "") -> Array:
    """Rows of thickness (km), vp, vs (km/s), rho (g/cm³) and, where given, qp and qs, from a file's text.

    Parameters
    ----------
    text : str
    depths : {"thickness", "tops", "bottoms", "nodes"}, optional
        What the column of lengths is, where the text does not say.
    unit : {"km", "m"}, optional
        Unit of lengths, where the text does not say.
    suffix : str
        Ending of the file: ``.nd`` tells the format.

    Raises
    ------
    ValueError
        If it cannot be told what a column is or in which unit.
    """
    lines = text.splitlines()
    crust = _crust1(lines)
    if crust is None:
        crust = _crust2(lines)
    if crust is not None:
        return crust
    table = _headed(lines) or _plain(lines, suffix, depths)
    scaled = _in_kilometres(table, unit)
    return _stacked(scaled, depths)


def _numbers(line: str) -> list[float] | None:
    """The numbers of a line, without a comment behind them; None where it does not begin with any."""
    found = []
    for word in re.split(r"[\s,;]+", line.split("#")[0].split("|")[0].split("!")[0].strip()):
        try:
            found.append(float(word.replace("d", "e").replace("D", "e")))
        except ValueError:
            break
    return found or None


def _spoilt(line: str) -> bool:
    """Whether a line is a row of numbers whose first one cannot be read."""
    words = line.split()
    if len(words) < 4 or line.startswith(("#", "!", "*")):
        return False
    return len(_numbers(" ".join(words[1:])) or ()) == len(words) - 1


def _crust1(lines: Sequence[str]) -> Array | None:
    """What getCN1point prints: elevations of the bottoms of water, ice, sediments, crust; then the mantle."""
    head = _line_with(lines, r"layers:\s*vp,\s*vs,\s*rho,\s*bottom")
    if head is None:
        return None
    top = _after(lines, r"topography:")
    mantle = _after(lines, r"pn,\s*sn,\s*rho-mantle:")
    rows = [row for line in lines[head + 1 : head + 9] if (row := _numbers(line)) and len(row) == 4]
    if len(rows) != 8 or not top or not mantle or len(mantle) != 3:
        raise ValueError("looks like CRUST 1.0, but lacks its topography, eight layers or mantle")
    vp, vs, rho, bottom = np.array(rows).T
    thickness = np.round(np.concatenate([[top[0]], bottom[:-1]]) - bottom, 6)
    solid = np.column_stack([thickness, vp, vs, rho])[2:]
    return np.vstack([solid[solid[:, 0] > 0], [np.inf, *mantle]])


def _crust2(lines: Sequence[str]) -> Array | None:
    """What getCN2point prints: thickness and properties of ice, water, sediments, crust; the mantle above."""
    head = _line_with(lines, r"layer crustal model \(thickness, vp,\s*vs,\s*rho\)")
    if head is None:
        return None
    mantle = _after(lines, r"Mantle below Moho: ave\. vp, vs, rho:")
    named = [(row, line) for line in lines[head + 1 : head + 8] if (row := _numbers(line)) and len(row) == 4]
    if len(named) != 7 or not mantle or len(mantle) != 3:
        raise ValueError("looks like CRUST 2.0, but lacks its seven layers or the mantle")
    solid = [row for row, line in named if row[0] > 0 and not re.search(r"(?i)ice|water", line)]
    return np.vstack([solid, [np.inf, *mantle]])


def _line_with(lines: Sequence[str], pattern: str) -> int | None:
    return next((i for i, line in enumerate(lines) if re.search(pattern, line, re.IGNORECASE)), None)


def _after(lines: Sequence[str], pattern: str) -> list[float] | None:
    i = _line_with(lines, pattern)
    return None if i is None else _numbers(re.split(pattern, lines[i], flags=re.IGNORECASE)[-1])


def _headed(lines: Sequence[str]) -> Table | None:
    """The first table below a line that names its columns."""
    for i, line in enumerate(lines):
        names, units = _header(line)
        if not {"vp", "vs"} <= set(names):
            continue
        rows: list[list[float]] = []
        for number, below in enumerate(lines[i + 1 :], start=i + 2):
            row = _numbers(below)
            if row and len(row) >= len(names):
                rows.append(row[: len(names)])
            elif (row and (not rows or len(below.split("#")[0].split()) > 1)) or _spoilt(below):
                raise ValueError(f"line {number}: expected {len(names)} numbers, got {below.strip()!r:.60}")
            elif rows and below.strip() and not below.strip().startswith("#"):
                break
            elif not rows and not any(units):
                units = _units_alone(below, names)
        if rows:
            _complete(names)
            nodes = "nodes" if "number" in names else ""
            return Table(tuple(names), tuple(units), np.array(rows), nodes)
    return None


def _header(line: str) -> tuple[list[str], list[str]]:
    """What the words of a line name, and the units beside them."""
    names: list[str] = []
    units: list[str] = []
    for word, unit in _WORD.findall(line):
        if names and word.lower() in _LENGTHS and not unit:
            # A unit that stands by itself belongs to the word before it.
            units[-1] = word
            continue
        base, ending = _apart(word.lower())
        names.append(_KNOWN.get(base, ""))
        units.append(unit or ending)
    first = next((i for i, name in enumerate(names) if name), 0)
    return names[first:], units[first:]


def _apart(word: str) -> tuple[str, str]:
    """A word and the unit at its end: depth_km, vp_km_s, rho_kgm3."""
    if word not in _KNOWN:
        for ending, unit in _ENDINGS.items():
            if word.endswith(f"_{ending}") and word.removesuffix(f"_{ending}") in _KNOWN:
                return word.removesuffix(f"_{ending}"), unit
    return word, ""


def _units_alone(line: str, names: Sequence[str]) -> list[str]:
    """Units in a line of their own below the names; those of Q may be missing."""
    found = re.findall(r"[\[(]\s*([^\])]*?)\s*[\])]", line)
    return (
        [*found, *[""] * (len(names) - len(found))]
        if found and len(found) <= len(names)
        else [""] * len(names)
    )


def _complete(names: Sequence[str]) -> None:
    lengths = [name for name in names if name in ("thickness", "depth", "tops", "bottoms")]
    if not lengths:
        raise ValueError("its header names no thickness and no depth")
    if "rho" not in names:
        raise ValueError("its header names no density (rho)")
    if ("qp" in names) != ("qs" in names):
        raise ValueError("its header names only one of Qp and Qs")
    for name in set(names) - {""}:
        if names.count(name) > 1:
            raise ValueError(f"its header names {name} twice")


def _plain(lines: Sequence[str], suffix: str, depths: str | None) -> Table:
    """A table without a header, whose columns the numbers must tell."""
    namelist = any(re.match(r"\s*&\w+", line) for line in lines)
    words = {line.strip().lower() for line in lines}
    nodes = suffix.lower() == ".nd" or bool(words & _DISCONTINUITIES)
    rows = []
    inside = False
    for number, line in enumerate(lines, start=1):
        inside = (inside or bool(re.match(r"\s*&\w+", line))) and not re.match(r"\s*(/|//|&end)", line, re.I)
        row = None if inside else _numbers(line)
        if row:
            rows.append(row)
        elif not inside and _spoilt(line):
            raise ValueError(f"line {number}: expected numbers, got {line.strip()!r:.60}")
    widths = {len(row) for row in rows}
    numbered = len(widths) == 1 and widths <= {5, 7} and [r[0] for r in rows] == [*range(1, len(rows) + 1)]
    if numbered:
        rows, widths = [row[1:] for row in rows], {widths.pop() - 1}
    if not rows or widths - {4, 6} or len(widths) > 1:
        raise ValueError(f"rows must all have 4 or 6 numbers, got rows of {sorted(widths)}")
    table = np.array(rows)
    columns = _ordered(table)
    if depths is not None:
        first = "thickness" if depths == "thickness" else "depth"
    else:
        first = "depth" if nodes or numbered else _first(table[:, 0], namelist)
    return Table((first, *columns), ("",) * table.shape[1], table, "nodes" if nodes or numbered else "")


def _ordered(table: Array) -> tuple[str, ...]:
    """Names of the columns behind the first: vp before vs, or, in tables of fk and MudPy, after it."""
    if table.shape[1] == 4:
        return ("vp", "vs", "rho") if (table[:, 1] > table[:, 2]).all() else _reversed(table)
    return ("vp", "vs", "rho", "qp", "qs") if (table[:, 1] > table[:, 2]).all() else _reversed(table)


def _reversed(table: Array) -> tuple[str, ...]:
    if not (table[:, 1] < table[:, 2]).all():
        raise ValueError("cannot tell which column is vp and which vs; name the columns in a header")
    if table.shape[1] == 4:
        return ("vs", "vp", "rho")
    if (table[:, 4] > table[:, 5]).any():
        raise ValueError("vs stands before vp, but Qp seems to stand before Qs; name the columns in a header")
    return ("vs", "vp", "rho", "qs", "qp")


def _first(first: Array, namelist: bool) -> str:
    """Whether a column without a name holds thicknesses or depths."""
    if len(first) == 1 or first[-1] in (0.0, np.inf) or (np.diff(first) < 0).any():
        return "thickness"
    if first[0] == 0.0:
        # A first layer without thickness is none: these are depths (as axitra reads them, too).
        return "depth"
    if namelist:
        return "thickness"
    raise ValueError(
        f"cannot tell whether {', '.join(f'{v:g}' for v in first)} are thicknesses or depths; say so in a "
        "header, or by depths"
    )


def _in_kilometres(table: Table, unit: str | None) -> Table:
    """The table in km, km/s and g/cm³, by the units of its header or by what its numbers can be."""
    values = table.rows.copy()
    bad = ~np.isfinite(values)
    bad[-1, [k for k, name in enumerate(table.columns) if name in ("thickness", "depth")]] = False
    if bad.any():
        i, k = np.argwhere(bad)[0]
        raise ValueError(
            f"row {i + 1} has {table.columns[k] or 'a value'} {values[i, k]:g}; expected a number"
        )
    metric = False
    for name in ("vp", "vs"):
        k = table.columns.index(name)
        factor = _velocity(values[:, k], table.units[k], name)
        values[:, k] *= factor
        metric = metric or factor != 1.0
    k = table.columns.index("rho")
    values[:, k] *= _density(values[:, k], table.units[k])
    for k, name in enumerate(table.columns):
        if name in ("thickness", "depth", "tops", "bottoms"):
            values[:, k] *= _length(
                values[:, k], table.units[k] or unit or "", metric, table.depths == "nodes"
            )
    return table._replace(rows=values)


def _velocity(values: Array, unit: str, name: str) -> float:
    largest = float(values.max())
    said = {"km/s": 1.0, "km/sec": 1.0, "m/s": 1e-3, "m/sec": 1e-3}.get(unit.lower().replace(" ", ""))
    by_size = 1.0 if largest < 15.0 else 1e-3 if largest > (500.0 if said is None else 50.0) else 0.0
    if not by_size or (said is not None and said != by_size):
        raise ValueError(
            f"{name} reaches {largest:g}{' ' + unit if unit else ''}, which is no velocity of rock"
        )
    return by_size


def _density(values: Array, unit: str) -> float:
    largest = float(values.max())
    by_size = 1.0 if largest < 20.0 else 1e-3 if largest > 500.0 else 0.0
    said = _DENSITIES.get(unit.lower().replace(" ", ""))
    if not by_size or (said is not None and said != by_size):
        raise ValueError(f"rho reaches {largest:g}{' ' + unit if unit else ''}, which is no density of rock")
    return by_size


def _length(values: Array, unit: str, metric: bool, nodes: bool) -> float:
    known = _LENGTHS.get(unit.lower().replace(" ", ""))
    if known is not None:
        return known
    if unit:
        raise ValueError(f"lengths in {unit!r}; expected km or m")
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    if not metric and largest < (EARTH if nodes else _LONGEST_KILOMETRES):
        return 1.0
    if metric and (largest > _SHORTEST_METRES or len(values) == 1):
        return 1e-3
    raise ValueError(
        f"cannot tell whether lengths up to {largest:g} are km or m; say so in a header, or by unit"
    )


def _stacked(table: Table, depths: str | None) -> Array:
    """Rows of thickness and properties."""
    names = [n for n in ("vp", "vs", "rho", "qp", "qs") if n in table.columns]
    properties = table.rows[:, [table.columns.index(n) for n in names]]
    length = next(n for n in ("thickness", "tops", "bottoms", "depth") if n in table.columns)
    values = table.rows[:, table.columns.index(length)]
    kind = {"depth": table.depths or "tops"}.get(length, length)
    if depths is not None and kind != depths:
        if length in ("tops", "bottoms") or (length == "thickness" and any(table.units)):
            raise ValueError(f"depths is {depths!r}, but its header says {length}")
        kind = depths
    if kind == "thickness":
        return _closed(values, properties)
    if (np.diff(values) < 0).any() or values[0] < 0:
        raise ValueError(f"depths must not decrease, got {', '.join(f'{v:g}' for v in values)}")
    if kind == "bottoms":
        return _closed(np.diff(values, prepend=0.0), properties)
    twice = bool((np.diff(values) == 0).any())
    if kind == "nodes" or (twice and length == "depth"):
        return _between_nodes(values, properties)
    if values[0] != 0.0:
        raise ValueError(f"depths of tops must begin at 0, got {values[0]:g}")
    return _closed(np.append(np.diff(values), np.inf), properties)


def _closed(thickness: Array, properties: Array) -> Array:
    rows = np.column_stack([thickness, properties])
    rows[-1, 0] = np.inf
    if (rows[:-1, 0] < 0).any():
        raise ValueError(f"thicknesses must not be negative, got {rows[:-1, 0].min():g}")
    return rows[rows[:, 0] != 0.0]


def _between_nodes(depth: Array, properties: Array) -> Array:
    """Layers between nodes; where properties change, as many as keep the steps below 3 %."""
    rows: list[Array] = []
    for top, bottom, above, below in zip(depth, depth[1:], properties, properties[1:], strict=False):
        if bottom == top or top >= DEEPEST:
            continue
        share = min((DEEPEST - top) / (bottom - top), 1.0)
        bottom, below = top + share * (bottom - top), above + share * (below - above)
        speeds = above[:2] > 0
        change = np.abs(below[:2] / np.where(speeds, above[:2], 1.0) - 1.0)[speeds].max(initial=0.0)
        count = max(int(np.ceil(change / _STEP)), 1)
        middle = (np.arange(count) + 0.5) / count
        inner = above + middle[:, None] * (below - above)
        rows.extend(np.column_stack([np.full(count, (bottom - top) / count), inner]))
    last = int(np.searchsorted(depth, DEEPEST, side="left"))
    end = properties[min(last, len(depth) - 1)]
    if depth[-1] > DEEPEST and rows:
        end = rows[-1][1:]
    return _closed(np.append([row[0] for row in rows], np.inf), np.vstack([*[row[1:] for row in rows], end]))


def without_shear_loss(rows: Iterable[Sequence[float]]) -> list[list[float]]:
    """Rows in which water has the Qs of its P waves, which nothing asks for, instead of none."""
    found = [list(row) for row in rows]
    for row in found:
        if len(row) == 6 and row[2] == 0.0 and row[5] <= 0.0:
            row[5] = row[4]
    return found
