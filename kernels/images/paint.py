"""Leaves that hide one another, and light and shadows on heights."""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel


@kernel
def leaves(out, shapes):
    """Paint ellipses and rectangles over an image (h, w), in turn, with edges one pixel soft.

    A row of `shapes`: column, row, half axes along and across, cosine and sine of the turn, 0 (ellipse) or 1
    (rectangle), grey value, and slopes of the grey value by column and row.
    """
    h, w = out.shape
    for k in range(len(shapes)):
        x, y, a, b, cosine, sine, kind, grey, by_x, by_y = shapes[k]
        reach = np.hypot(a, b) if kind else max(a, b)
        for r in range(max(0, int(y - reach)), min(h, int(y + reach) + 2)):
            for c in range(max(0, int(x - reach)), min(w, int(x + reach) + 2)):
                u, v = abs(cosine * (c - x) + sine * (r - y)), abs(cosine * (r - y) - sine * (c - x))
                if kind:
                    depth = min(a - u, b - v)
                else:
                    depth = (1.0 - np.sqrt((u / a) ** 2 + (v / b) ** 2)) * min(a, b)
                cover = min(max(depth + 0.5, 0.0), 1.0)
                value = grey + by_x * (c - x) + by_y * (r - y)
                out[r, c] += cover * (value - out[r, c])


@kernel
def light(height, out, down, right, up, ambient, shadows):
    """Sunlight on a surface (h, w) in pixels: shading after Lambert, and shadows, soft over one pixel.

    (`down`, `right`, `up`) is the unit vector towards the sun, along rows, columns and upwards, with
    abs(down) >= abs(right); level ground in the sun has 1, shadows `ambient`. Rows are followed away from the
    sun with the height below which ground is dark, interpolated between columns, so that the edges of shadows
    grow softer with distance. Beyond the edges nothing casts a shadow.
    """
    h, w = height.shape
    dark, lit = np.empty(w, np.float32), np.empty(w, np.float32)
    dark[:] = -np.inf
    rise = np.float32(up / max(np.sqrt(down * down + right * right), 1e-9))
    for k in range(h):
        r = h - 1 - k if down > 0 else k
        if shadows and k:
            _followed(height[r + 1 if down > 0 else r - 1], dark, right / abs(down), up / abs(down), lit)
        _facing(height, r, np.float32(down), np.float32(right), np.float32(up), lit)
        row, own, least = height[r], out[r], np.float32(ambient)
        for c in range(np.uint64(w)):
            hidden = min(max((dark[c] - row[c]) / rise, np.float32(0)), np.float32(1))
            own[c] = (np.float32(1) - least) * lit[c] * (np.float32(1) - hidden) + least


@kernel
def _followed(before, dark, shift, fall, high):
    """The heights below which a row is dark, from those of the row before it, towards the sun."""
    w = len(dark)
    for c in range(w):
        high[c] = max(dark[c], before[c])
    whole = int(np.floor(shift))
    share, drop = np.float32(shift - whole), np.float32(fall)
    first, last = max(0, -whole), min(w, w - 1 - whole)
    dark[:] = -np.inf
    there = np.uint64(first + whole)
    for i in range(np.uint64(max(0, last - first))):
        near, far = high[there + i], high[there + i + np.uint64(1)]
        dark[np.uint64(first) + i] = near + share * (far - near) - drop


@kernel
def _facing(height, r, down, right, up, out):
    """Direct light on a row: 0 where it turns away from the sun."""
    h, w = height.shape
    above, here, below = height[max(r - 1, 0)], height[r], height[min(r + 1, h - 1)]
    per_row = np.float32(1 / max(min(r + 1, h - 1) - max(r - 1, 0), 1))
    half, one, zero = np.float32(0.5), np.float32(1), np.float32(0)
    for c in range(np.uint64(1), np.uint64(w - 1)):
        by_row = per_row * (below[c] - above[c])
        by_column = half * (here[c + np.uint64(1)] - here[c - np.uint64(1)])
        size = np.sqrt(one + by_column * by_column + by_row * by_row)
        out[c] = max((up - right * by_column - down * by_row) / size, zero) / up
    for c in (0, w - 1):
        by_row = per_row * (below[c] - above[c])
        by_column = here[min(c + 1, w - 1)] - here[max(c - 1, 0)]
        size = np.sqrt(one + by_column * by_column + by_row * by_row)
        out[c] = max((up - right * by_column - down * by_row) / size, zero) / up
