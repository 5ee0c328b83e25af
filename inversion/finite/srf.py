"""The Standard Rupture Format of versions 1 and 2 (Graves 2014): centimetres, slip rates of every patch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dislok.convert import to_geographic

from .model import Array, FiniteFault, joined

_DENSITY = 2.8
_STEP = 0.05


def recognised(lines: Sequence[str]) -> bool:
    """Whether these are the lines of an SRF."""
    plain = [line for line in lines[:200] if line.strip() and not line.startswith("#")]
    return len(plain) > 1 and plain[0].strip() in ("1.0", "1", "2.0", "2") and (
        plain[1].split()[0] in ("PLANE", "POINTS")
    )  # fmt: skip


class _Words:
    """Numbers and words of a file one after the other."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.words = " ".join(line for line in lines if not line.startswith("#")).split()
        self.at = 0

    def take(self, count: int) -> list[float]:
        if self.at + count > len(self.words):
            raise ValueError("the file ends in the middle of a patch")
        if count < 0:
            raise ValueError(f"a number of values is negative: {count}")
        part = self.words[self.at : self.at + count]
        self.at += count
        return [float(word) for word in part]

    def word(self) -> str:
        self.at += 1
        return self.words[self.at - 1] if self.at <= len(self.words) else ""


def parsed(lines: Sequence[str]) -> FiniteFault:
    """The model in these lines."""
    words = _Words(lines)
    version = float(words.word())
    planes: list[list[float]] = []
    points: list[Array] = []
    counts: list[int] = []
    while (key := words.word()) != "":
        count = int(words.take(1)[0])
        if key == "PLANE":
            planes += [words.take(11) for _ in range(count)]
        elif key == "POINTS":
            points += [_point(words, version, k) for k in range(count)]
            counts.append(count)
        else:
            raise ValueError(f"expected PLANE or POINTS, got {key!r}")
    if not points:
        raise ValueError("no POINTS")
    table = np.array(points)
    shapes = [(int(plane[2]), int(plane[3])) for plane in planes]
    if sum(a * b for a, b in shapes) != len(table):
        if planes:
            raise ValueError(f"PLANE says {sum(a * b for a, b in shapes)} patches, POINTS has {len(table)}")
        shapes = [(count, 1) for count in counts]
    ends = np.cumsum([a * b for a, b in shapes])
    parts = []
    for k, rows in enumerate(np.split(table, ends[:-1])):
        length = planes[k][4] / planes[k][2] if planes else None
        parts.append(_segment(rows, shapes[k], length))
    return joined(parts)


def _point(words: _Words, version: float, k: int) -> Array:
    """Longitude, latitude, depth, strike, dip, rake, area (m²), slip (m), moment, time, rise of a patch."""
    lon, lat, depth, strike, dip, area, begin, dt = words.take(8)
    vs, rho = words.take(2) if version >= 2 else (-1.0, -1.0)
    rake, first, n1, second, n2, third, n3 = words.take(7)
    if min(n1, n2, n3) < 0 or not all(n.is_integer() for n in (n1, n2, n3)):
        raise ValueError(f"patch {k} has {n1:g}, {n2:g} and {n3:g} slip rates; expected whole numbers")
    words.take(int(n1) + int(n2) + int(n3))
    if third:
        raise ValueError(f"patch {k} opens by {third:g} cm; a finite-fault model holds slip only")
    slip = np.hypot(first, second) / 100
    turned = rake + np.rad2deg(np.arctan2(second, first)) if slip else rake
    # cm/s and g/cm³ make dyn/cm², a tenth of a Pa.
    modulus = 0.1 * rho * vs**2 if vs > 0 and rho > 0 else np.nan
    rise = dt * max(n1, n2) if n1 or n2 else np.nan
    square = area * 1e-4
    return np.array(
        [lon, lat, depth, strike, dip, turned, square, slip, modulus * square * slip, begin, rise]
    )


def _segment(rows: Array, shape: tuple[int, int], length: float | None) -> FiniteFault:
    lon, lat, depth, strike, dip, rake, area, slip, moment, begin, rise = rows.T
    along = np.sqrt(area) / 1e3 if length is None else np.full(len(rows), length)
    width = area / 1e6 / along
    return FiniteFault(
        lat, lon, depth, strike, dip, rake, along, width, slip, moment, begin, rise, shape=(shape,)
    )


def text(model: FiniteFault) -> str:
    """The model as SRF 2.0; shear moduli are those of the moments, slip rates are triangles."""
    lines = ["2.0", f"PLANE {len(model.shape)}"]
    for k, (nx, ny) in enumerate(model.shape):
        inside = np.asarray(model.segment) == k
        lines += _plane(model, inside, nx, ny)
    moment = np.nan_to_num(np.asarray(model.moment))
    potency = model.area * model.slip
    with np.errstate(invalid="ignore", divide="ignore"):
        modulus = np.where((potency > 0) & (moment > 0), moment / potency, 30e9)
    speed = np.sqrt(10 * modulus / _DENSITY)
    begin = np.nan_to_num(np.asarray(model.rupture_time))
    for k in range(len(model.shape)):
        own = np.flatnonzero(np.asarray(model.segment) == k)
        lines.append(f"POINTS {len(own)}")
        for i in own:
            lines += _written(model, int(i), float(speed[i]), float(begin[i]))
    return "\n".join([*lines, ""])


def _plane(model: FiniteFault, inside: NDArray[np.bool_], nx: int, ny: int) -> list[str]:
    """Head of one segment: middle of its upper edge, numbers, sizes, direction, depth of the top."""
    upper = np.flatnonzero(inside)[:nx]
    strike, longitude = (
        float(np.unwrap(v[upper], period=360).mean()) for v in (model.strike, model.longitude)
    )
    dip = float(model.dip[upper].mean())
    long, wide = nx * float(model.length[inside].mean()), ny * float(model.width[inside].mean())
    top = float((model.depth - model.width / 2 * np.sin(np.deg2rad(model.dip)))[upper].mean())
    azimuth, fall = np.deg2rad(strike), np.deg2rad(dip)
    aside = -500.0 * float(model.width[upper].mean()) * np.cos(fall)
    lon, lat = to_geographic(
        aside * np.cos(azimuth), -aside * np.sin(azimuth), longitude,
        float(model.latitude[upper].mean()),
    )  # fmt: skip
    return [
        f"{float(lon):.6f} {float(lat):.6f} {nx} {ny} {long:.6f} {wide:.6f}",
        f"{strike % 360:.4f} {dip:.4f} {max(top, 0.0):.4f} -999.9 -999.9",
    ]


def _written(model: FiniteFault, i: int, speed: float, begin: float) -> list[str]:
    """A patch: where, what, and a triangle of slip rates whose sum is the slip."""
    rise, slip = float(np.asarray(model.rise_time)[i]), 100 * float(model.slip[i])
    count = max(int(np.ceil(rise / _STEP)), 1) if np.isfinite(rise) and rise > 0 and slip else 0
    dt = rise / count if count else _STEP
    head = (
        f"{model.longitude[i]:.6f} {model.latitude[i]:.6f} {model.depth[i]:.6f} {model.strike[i]:.5f} "
        f"{model.dip[i]:.5f} {1e4 * model.area[i]:.8e} {begin:.5f} {dt:.8f} {speed:.8e} {_DENSITY:.5f}"
    )
    lines = [head, f"{model.rake[i]:.5f} {slip:.6f} {count} 0.0 0 0.0 0"]
    if count:
        # Samples at the middles of steps, so that they add up whatever the number.
        shape = 1 - np.abs(2 * (np.arange(count) + 0.5) / count - 1)
        rates = slip / dt * shape / shape.sum()
        lines += [" ".join(f"{v:.7e}" for v in rates[k : k + 6]) for k in range(0, count, 6)]
    return lines
