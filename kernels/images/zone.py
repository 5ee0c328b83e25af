"""Where motion steps: mixtures of the motions of both sides, matched in windows that lie along the step.

A pixel's motion is ``a + w_k (b - a)`` with the motions `a` and `b` of the two sides and weights `w_k`. What
slides along a line keeps its order along that line, however fast motion changes across: a window that is long
along the line and thin across recognises it.
"""

from __future__ import annotations

import numpy as np

from ..cpu import kernel
from .spline import value

HUGE = np.float32(1e9)
# Pixels on a side of the blocks that say what the two sides do.
BLOCK = 4


@kernel
def extremes(field, out, begin, end):
    """Range of motion in each block, the larger of both components, for rows of blocks before `end`."""
    for i in range(begin, end):
        for j in range(out.shape[1]):
            most = np.float32(0)
            for k in range(2):
                low = high = field[k, i * BLOCK, j * BLOCK]
                for r in range(i * BLOCK, (i + 1) * BLOCK):
                    for c in range(j * BLOCK, (j + 1) * BLOCK):
                        low, high = min(low, field[k, r, c]), max(high, field[k, r, c])
                most = max(most, high - low)
            out[i, j] = most


@kernel
def split(field, trust, along, middle, out, begin, end):
    """Trust and motion, summed over the pixels of blocks on either side of `middle`.

    `along` (2, blocks) is the direction in which motion differs, `middle` (blocks) the border on that axis;
    `out` (6, blocks): trust, trust times right, trust times down, of the low and of the high side.
    """
    for i in range(begin, end):
        for j in range(out.shape[2]):
            ex, ey, border = along[0, i, j], along[1, i, j], middle[i, j]
            for k in range(6):
                out[k, i, j] = 0
            for r in range(i * BLOCK, (i + 1) * BLOCK):
                for c in range(j * BLOCK, (j + 1) * BLOCK):
                    u, v, t = field[0, r, c], field[1, r, c], trust[r, c]
                    side = 0 if u * ex + v * ey < border else 3
                    out[side, i, j] += t
                    out[side + 1, i, j] += t * u
                    out[side + 2, i, j] += t * v


@kernel
def squares(field, trust, out, begin, end):
    """Trust times 1, right, down, and their squares and product, summed over blocks: `out` (6, blocks)."""
    for i in range(begin, end):
        for j in range(out.shape[2]):
            for k in range(6):
                out[k, i, j] = 0
            for r in range(i * BLOCK, (i + 1) * BLOCK):
                for c in range(j * BLOCK, (j + 1) * BLOCK):
                    u, v, t = field[0, r, c], field[1, r, c], trust[r, c]
                    out[0, i, j] += t
                    out[1, i, j] += t * u
                    out[2, i, j] += t * v
                    out[3, i, j] += t * u * u
                    out[4, i, j] += t * v * v
                    out[5, i, j] += t * u * v


@kernel
def warped(spline, valid, a, b, weights, rows, columns, out, begin, end):
    """Values of the second image at listed pixels under every mixture, NaN where it shows nothing.

    `a`, `b` (2, pixels) are the motions of the two sides; `out` is (pixels, mixtures).
    """
    height, width = valid.shape
    top, edge, half = np.float32(height - 1), np.float32(width - 1), np.float32(0.5)
    for p in range(begin, end):
        r, c = rows[p], columns[p]
        u, v = a[0, p], a[1, p]
        du, dv = b[0, p] - u, b[1, p] - v
        for k in range(weights.size):
            x = np.float32(c) + u + weights[k] * du
            y = np.float32(r) + v + weights[k] * dv
            out[p, k] = np.nan
            if x >= 0 and y >= 0 and x <= edge and y <= top:
                if valid[np.uint64(np.int64(y + half)), np.uint64(np.int64(x + half))]:
                    out[p, k] = value(spline, x, y)


@kernel
def costs(pre, seen, images, index, rows, columns, way, offsets, taps, nats, floor, out, begin, end):
    """Misfit in nats of every mixture at listed pixels.

    `index` (h, w) is the line of a pixel in `images`, or -1; `way` (pixels) chooses one of the windows whose
    points are `offsets` (windows, points, 2) with weights `taps` (windows, points).
    """
    height, width = pre.shape
    many = images.shape[1]
    mass, sb, sbb = np.empty(many, np.float32), np.empty(many, np.float32), np.empty(many, np.float32)
    sa, saa, sab = np.empty(many, np.float32), np.empty(many, np.float32), np.empty(many, np.float32)
    zero, one, tiny = np.float32(0), np.float32(1), np.float32(1e-9)
    for p in range(begin, end):
        for k in range(many):
            mass[k] = sb[k] = sbb[k] = sa[k] = saa[k] = sab[k] = zero
        w = way[p]
        total = zero
        for t in range(taps.shape[1]):
            r, c = rows[p] + offsets[w, t, 0], columns[p] + offsets[w, t, 1]
            if r < 0 or c < 0 or r >= height or c >= width:
                continue
            tap = taps[w, t] * seen[r, c]
            q = index[r, c]
            if q < 0 or tap == zero:
                continue
            total += tap
            value_a = pre[r, c]
            line = images[q]
            for k in range(many):
                value_b = line[k]
                good = value_b == value_b
                m = tap if good else zero
                y = value_b if good else zero
                mass[k] += m
                sa[k] += m * value_a
                saa[k] += m * value_a * value_a
                sb[k] += m * y
                sbb[k] += m * y * y
                sab[k] += m * y * value_a
        for k in range(many):
            cost = zero
            if mass[k] > np.float32(0.3):
                scale = one / mass[k]
                ma, mb = sa[k] * scale, sb[k] * scale
                va, vb = max(saa[k] * scale - ma * ma, zero), max(sbb[k] * scale - mb * mb, zero)
                rho = max((sab[k] * scale - ma * mb) / np.sqrt(va * vb + tiny), zero)
                cost = nats * np.log(max(one - rho * rho, zero) + floor)
            out[p, k] = cost


@kernel
def message(cost, before, toll, now):
    """Costs of a pixel's mixtures along a path from those of the pixel before, a toll for each step."""
    many = cost.size
    least = HUGE
    run = HUGE
    for k in range(many):
        run = min(run + toll, before[k])
        now[k] = run
    run = HUGE
    for k in range(many - 1, -1, -1):
        run = min(run + toll, now[k])
        now[k] = run
        least = min(least, run)
    for k in range(many):
        now[k] += cost[k] - least


@kernel
def paths(volume, index, rows, columns, direction, tolls, total):
    """Add to `total` the costs along paths through listed pixels, direction 0 right, 1 left, 2 down, 3 up.

    The pixels are in the order of rows, then columns.
    """
    height, width = index.shape
    count, many = volume.shape
    dr = 0 if direction < 2 else (1 if direction == 2 else -1)
    dc = (1 if direction == 0 else -1) if direction < 2 else 0
    arrived = np.empty((count, many), np.float32)
    for s in range(count):
        p = s if direction % 2 == 0 else count - 1 - s
        r, c = rows[p] - dr, columns[p] - dc
        q = -1
        if r >= 0 and c >= 0 and r < height and c < width:
            q = index[r, c]
        if q < 0 or q >= count:
            for k in range(many):
                arrived[p, k] = volume[p, k]
        else:
            message(volume[p], arrived[q], tolls[p], arrived[p])
        for k in range(many):
            total[p, k] += arrived[p, k]
