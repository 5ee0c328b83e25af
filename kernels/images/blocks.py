"""Matching of small windows: correlation of candidates around a field, and its regularisation along lines.

The candidates of a pixel are ``n x n`` displacements, `step` apart, around what is known there. Their cost
is that of MicMac (Rosu et al. 2015; eq. 1 of the GeoFlowNet paper); dynamic programming along lines in
several directions adds a cost in proportion to the change of displacement from pixel to pixel.

References
----------
Rosu, A.-M., Pierrot-Deseilligny, M., Delorme, A., Binet, R. and Klinger, Y. (2015). Measurement of ground
displacement from optical satellite image correlation using the free open-source software MicMac. ISPRS J.
Photogramm. Remote Sens. 100, 48-59.
"""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel

HALF = 4
SIDE = 2 * HALF + 1
TAPS = 6
MARGIN = HALF + TAPS
_WIDE, _LONG = 16, 24
_ZERO, _ONE = np.float32(0), np.float32(1)


@kernel
def sinc_taps(fraction, taps):
    """Six weights of a windowed sinc for a point `fraction` past the third sample; they add up to one."""
    total = 0.0
    for k in range(TAPS):
        x = np.pi * (k - 2 - fraction)
        value = 1.0 if abs(x) < 1e-6 else 3 * np.sin(x) * np.sin(x / 3) / (x * x)
        taps[k] = value
        total += value
    for k in range(TAPS):
        taps[k] /= np.float32(total)


@kernel
def centred(image, row, column, window):
    """Copy a window without its mean into lines of `_WIDE` numbers; return its sum of squares."""
    total = _ZERO
    for i in range(SIDE):
        for j in range(SIDE):
            window[i, j] = image[row - HALF + i, column - HALF + j]
            total += window[i, j]
    mean, square = total / np.float32(SIDE * SIDE), _ZERO
    for i in range(SIDE):
        for j in range(SIDE):
            window[i, j] -= mean
            square += window[i, j] * window[i, j]
    return square


@kernel
def lines_between(image, start, stride, taps, strip):
    """Lines of a window, and of the pixels around it that interpolation needs, at a fraction of a row.

    `image` and `strip` are flat; a line of the strip has `_LONG` numbers.
    """
    for i in range(np.uint64(SIDE)):
        top, line = start + i * stride, i * np.uint64(_LONG)
        for j in range(np.uint64(_LONG)):
            at = top + j
            strip[line + j] = (
                taps[0] * image[at]
                + taps[1] * image[at + stride]
                + taps[2] * image[at + np.uint64(2) * stride]
                + taps[3] * image[at + np.uint64(3) * stride]
                + taps[4] * image[at + np.uint64(4) * stride]
                + taps[5] * image[at + np.uint64(5) * stride]
            )


@kernel
def correlate(window, strip, taps, mask, sums):
    """Σ a b, Σ b and Σ b²: first window, strip at a fraction of a column; `_WIDE` partial sums."""
    for j in range(np.uint64(3 * _WIDE)):
        sums[j] = _ZERO
    wide = np.uint64(_WIDE)
    for i in range(np.uint64(SIDE)):
        line, row = i * np.uint64(_LONG), i * wide
        for j in range(wide):
            at = line + j
            value = mask[j] * (
                taps[0] * strip[at]
                + taps[1] * strip[at + np.uint64(1)]
                + taps[2] * strip[at + np.uint64(2)]
                + taps[3] * strip[at + np.uint64(3)]
                + taps[4] * strip[at + np.uint64(4)]
                + taps[5] * strip[at + np.uint64(5)]
            )
            sums[j] += window[row + j] * value
            sums[wide + j] += value
            sums[np.uint64(2) * wide + j] += value * value


@kernel
def correlation_of(sums, power):
    """Correlation coefficient from the partial sums and the first window's sum of squares."""
    cross = total = square = _ZERO
    for j in range(SIDE):
        cross += sums[j]
        total += sums[_WIDE + j]
        square += sums[2 * _WIDE + j]
    spread = square - total * total / np.float32(SIDE * SIDE)
    return cross / np.sqrt(max(power * spread, np.float32(1e-12)))


@kernel
def cost_of(correlation, least, gamma):
    """Equation 1: (1 - ((max(Cor, Cmin) - Cmin) / (1 - Cmin))^γ) (1 - Cmin)."""
    above = (max(correlation, least) - least) / (_ONE - least)
    return (_ONE - above**gamma) * (_ONE - least)


@kernel
def window_costs(pre, post, right, down, step, n, least, gamma, first, last, costs):
    """Cost ``(h, w, n * n)`` of candidates in rows ``first .. last - 1``; ``i * n + j`` is i down, j right.

    `pre` and `post` are padded by `MARGIN` pixels on all sides. A window that leaves them costs the most.
    """
    h, w = right.shape
    window, strip = np.zeros((SIDE, _WIDE), np.float32), np.empty(SIDE * _LONG, np.float32)
    mask, sums = np.zeros(_WIDE, np.float32), np.empty(3 * _WIDE, np.float32)
    mask[:SIDE] = _ONE
    along, across = np.empty((n, TAPS), np.float32), np.empty(TAPS, np.float32)
    flat, flat_window, stride = post.ravel(), window.ravel(), np.uint64(post.shape[1])
    middle = n // 2
    for r in range(first, last):
        for c in range(w):
            power = centred(pre, r + MARGIN, c + MARGIN, window)
            left = c + MARGIN + right[r, c] - middle * step
            for j in range(n):
                x = left + j * step
                sinc_taps(x - np.float32(np.floor(x)), along[j])
            for i in range(n):
                y = r + MARGIN + down[r, c] + (i - middle) * step
                row, ready = int(np.floor(y)), -MARGIN
                sinc_taps(y - np.float32(row), across)
                for j in range(n):
                    column = int(np.floor(left + j * step))
                    costs[r, c, i * n + j] = _ONE - least
                    if row < HALF + 2 or row >= h + HALF + 6 or column < HALF + 2 or column >= w + HALF + 6:
                        continue
                    if column != ready:
                        start = (row - HALF - 2) * post.shape[1] + column - HALF - 2
                        lines_between(flat, np.uint64(start), stride, across, strip)
                        ready = column
                    correlate(flat_window, strip, along[j], mask, sums)
                    costs[r, c, i * n + j] = cost_of(correlation_of(sums, power), least, gamma)


@kernel
def message(before, du, dv, step, n, alpha, half, out):
    """Least cost of reaching each candidate from the pixel before: a minimum along each axis in turn."""
    for i in range(n):
        for j in range(n):
            best = np.float32(1e30)
            for k in range(n):
                best = min(best, before[i * n + k] + alpha * abs(du + step * np.float32(j - k)))
            half[i * n + j] = best
    for j in range(n):
        for i in range(n):
            best = np.float32(1e30)
            for k in range(n):
                best = min(best, half[k * n + j] + alpha * abs(dv + step * np.float32(i - k)))
            out[i * n + j] = best


@kernel
def scan(costs, right, down, step, n, alpha, dr, dc, first, last, total):
    """Add to `total` the least cost of paths that arrive at each pixel in the direction ``(dr, dc)``.

    Lines start at the border of the rows ``first .. last - 1``; the lines of a direction are independent.
    """
    w, many = right.shape[1], n * n
    state, fresh = np.zeros((w, many), np.float32), np.zeros((w, many), np.float32)
    half, arrived = np.empty(many, np.float32), np.empty(many, np.float32)
    for s in range(last - first):
        r = first + s if dr > 0 or dr == 0 else last - 1 - s
        for t in range(w):
            c = t if dc >= 0 else w - 1 - t
            p, q = r - dr, c - dc
            if p < first or p >= last or q < 0 or q >= w:
                for m in range(many):
                    arrived[m] = _ZERO
            else:
                source = fresh[q] if dr == 0 else state[q]
                du, dv = right[r, c] - right[p, q], down[r, c] - down[p, q]
                message(source, du, dv, step, n, alpha, half, arrived)
            least = arrived.min()
            for m in range(many):
                fresh[c, m] = costs[r, c, m] + arrived[m] - least
                total[r, c, m] += fresh[c, m]
        state, fresh = fresh, state


@kernel
def choose(total, step, n, first, last, right, down):
    """Move the field to the candidate of least total cost."""
    middle = n // 2
    for r in range(first, last):
        for c in range(right.shape[1]):
            best, at = np.float32(1e30), middle * n + middle
            for m in range(n * n):
                if total[r, c, m] < best:
                    best, at = total[r, c, m], m
            right[r, c] += np.float32(at % n - middle) * step
            down[r, c] += np.float32(at // n - middle) * step
