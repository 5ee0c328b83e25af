"""Static motion of many point sources at many stations from a table over distance, on the CPU."""

from __future__ import annotations

import math

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.threads import default_threads, share

#: Integrals of `integrals.names(False)`.
COLUMNS = 10
# Columns of the table by name: vertical, then east and north.
_UZZ, _P1, _UHH, _VZZ, _VHH, _U1, _P2, _UHH2, _M1, _M2 = range(COLUMNS)
# Fewest pairs of a point and a station for one thread.
_WORTHWHILE = 1 << 15


@kernel
def add(stations, points, moments, owner, coefficients, shape, scale, width, out):
    """Add to `out` (owners, n, 3, c) what points do at stations.

    `stations` (n, 2) and `points` (p, 2): east, north (km); `moments` (p, c, 6): c moment tensors xx, yy, zz,
    xy, xz, yz of each point; `owner` (p,); `coefficients`: flat (p, panels, orders, `COLUMNS`), with
    `shape` = (panels, orders); `scale` and `width` as of `difference.Panel`.
    """
    panels, orders = shape
    row = np.uint64(COLUMNS)
    integral = np.empty(COLUMNS)
    for p in range(len(points)):
        for i in range(len(stations)):
            dx, dy = stations[i, 0] - points[p, 0], stations[i, 1] - points[p, 1]
            r = math.sqrt(dx * dx + dy * dy)
            s = math.asinh(r / scale) / width
            piece = min(int(s), panels - 1)
            x = 2.0 * (s - piece) - 1.0
            at = np.uint64((p * panels + piece) * orders * COLUMNS)
            for c in range(row):
                integral[c] = coefficients[at + c]
            before, wave = 1.0, x
            for _ in range(1, orders):
                at += row
                for c in range(row):
                    integral[c] += wave * coefficients[at + c]
                before, wave = wave, 2.0 * x * wave - before
            c1, s1 = (dx / r, dy / r) if r > 0.0 else (1.0, 0.0)
            c2, s2 = c1 * c1 - s1 * s1, 2.0 * c1 * s1
            c3, s3 = c2 * c1 - s2 * s1, s2 * c1 + c2 * s1
            for k in range(moments.shape[1]):
                xx, yy, zz = moments[p, k, 0], moments[p, k, 1], moments[p, k, 2]
                xy, xz, yz = moments[p, k, 3], moments[p, k, 4], moments[p, k, 5]
                both, apart = xx + yy, yy - xx
                radial = -(zz * integral[_VZZ] + both * integral[_VHH])
                p2, m2 = 0.5 * integral[_P2], -0.5 * integral[_M2]
                p1, m1 = 0.5 * integral[_P1], -0.5 * integral[_M1]
                east, north = radial * c1, radial * s1
                east += p1 * xz + m1 * (xz * c2 + yz * s2)
                north += p1 * yz + m1 * (xz * s2 - yz * c2)
                east += p2 * (apart * c1 - 2.0 * xy * s1) + m2 * (apart * c3 - 2.0 * xy * s3)
                north += p2 * (-apart * s1 - 2.0 * xy * c1) + m2 * (apart * s3 + 2.0 * xy * c3)
                up = zz * integral[_UZZ] + both * integral[_UHH] + (xz * c1 + yz * s1) * integral[_U1]
                up += (apart * c2 - 2.0 * xy * s2) * integral[_UHH2]
                out[owner[p], i, 0, k] += east
                out[owner[p], i, 1, k] += north
                out[owner[p], i, 2, k] += up


def add_all(stations, points, moments, owner, coefficients, scale, width, out) -> None:
    """`add` with the stations shared among threads; `coefficients` (p, panels, orders, `COLUMNS`)."""
    shape, flat = coefficients.shape[1:3], np.ascontiguousarray(coefficients).reshape(-1)
    pairs = len(points) * len(stations)
    threads = max(1, min(default_threads(), pairs // _WORTHWHILE))
    ends = np.linspace(0, len(stations), threads + 1).astype(int)
    jobs = [
        (stations[a:b], points, moments, owner, flat, shape, scale, width, out[:, a:b])
        for a, b in zip(ends[:-1], ends[1:], strict=True)
    ]
    share(add, jobs, threads, lambda: None)
