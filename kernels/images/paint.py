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
def shadows(height, out, east, north, rise, most):
    """Light from the sun's direct beam, 1 or 0, soft over one pixel, on a surface (h, w) in pixels.

    `east`, `north` is the unit vector towards the sun, `rise` the tangent of its elevation. Rays are followed
    for `most` pixels; beyond the edges nothing casts a shadow.
    """
    h, w = height.shape
    top = height.max()
    for r in range(h):
        for c in range(w):
            level, hidden = height[r, c], 0.0
            for step in range(1, most):
                ray = level + rise * step
                x, y = c + east * step, r - north * step
                if ray > top or not (0 <= x < w - 1 and 0 <= y < h - 1):
                    break
                i, j = int(y), int(x)
                s, t = x - j, y - i
                above = height[i, j] + s * (height[i, j + 1] - height[i, j])
                below = height[i + 1, j] + s * (height[i + 1, j + 1] - height[i + 1, j])
                hidden = max(hidden, (above + t * (below - above) - ray) / rise)
                if hidden >= 1.0:
                    break
            out[r, c] = 1.0 - min(hidden, 1.0)
