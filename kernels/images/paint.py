"""Leaves that hide one another, and the shadows of heights."""

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
def light(height, out, east, north, up, ambient, most):
    """Sunlight on a surface (h, w) in pixels: shading after Lambert, and shadows, soft over one pixel.

    `east`, `north`, `up` is the unit vector towards the sun; level ground in the sun has 1, shadows
    `ambient`. Rays are followed for `most` pixels, for none without shadows; beyond the edges nothing casts a
    shadow.
    """
    h, w = height.shape
    level = np.hypot(east, north)
    to_column, to_row, rise = east / max(level, 1e-9), -north / max(level, 1e-9), up / max(level, 1e-9)
    top = height.max()
    for r in range(h):
        above, below = max(r - 1, 0), min(r + 1, h - 1)
        for c in range(w):
            left, right = max(c - 1, 0), min(c + 1, w - 1)
            by_row = (height[below, c] - height[above, c]) / (below - above)
            by_column = (height[r, right] - height[r, left]) / (right - left)
            facing = (up - east * by_column + north * by_row) / np.sqrt(1 + by_column**2 + by_row**2)
            direct = max(facing, 0.0) / up
            if direct > 0 and most:
                direct *= 1.0 - _hidden(height, r, c, to_row, to_column, rise, top, most)
            out[r, c] = (1.0 - ambient) * direct + ambient


@kernel
def _hidden(height, r, c, to_row, to_column, rise, top, most):
    """How much of the sun is behind what stands in its way: 0 ... 1."""
    h, w = height.shape
    ground, hidden = height[r, c], 0.0
    for step in range(1, most):
        ray = ground + rise * step
        x, y = c + to_column * step, r + to_row * step
        if ray > top or not (0 <= x < w - 1 and 0 <= y < h - 1):
            break
        i, j = int(y), int(x)
        s, t = x - j, y - i
        above = height[i, j] + s * (height[i, j + 1] - height[i, j])
        below = height[i + 1, j] + s * (height[i + 1, j + 1] - height[i + 1, j])
        hidden = max(hidden, (above + t * (below - above) - ray) / rise)
        if hidden >= 1.0:
            return 1.0
    return hidden
