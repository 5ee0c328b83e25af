"""On which side of a line across an image a pixel lies, and how far from it."""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel


@kernel
def _fill(points, out, value):
    """Set `out` (h, w) to `value` inside a polygon of points (column, row), by crossings of each row."""
    h, w = out.shape
    crossings = np.empty(len(points))
    for r in range(h):
        count = 0
        for i in range(len(points)):
            x0, y0 = points[i - 1, 0], points[i - 1, 1]
            x1, y1 = points[i, 0], points[i, 1]
            if (y0 <= r) != (y1 <= r):
                crossings[count] = x0 + (r - y0) / (y1 - y0) * (x1 - x0)
                count += 1
        crossings[:count].sort()
        for k in range(0, count - 1, 2):
            first = max(0, int(np.ceil(crossings[k])))
            last = min(w - 1, int(np.floor(crossings[k + 1])))
            for c in range(first, last + 1):
                out[r, c] = value


@kernel
def _near(points, out, band):
    """Bring |out| down to the distance from the nearest segment of a line, where that is below `band`."""
    h, w = out.shape
    for i in range(len(points) - 1):
        x0, y0 = points[i, 0], points[i, 1]
        dx, dy = points[i + 1, 0] - x0, points[i + 1, 1] - y0
        square = dx * dx + dy * dy
        first = max(0, int(np.ceil(min(y0, y0 + dy) - band)))
        last = min(h - 1, int(np.floor(max(y0, y0 + dy) + band)))
        left, right = min(x0, x0 + dx) - band, max(x0, x0 + dx) + band
        for r in range(first, last + 1):
            for c in range(max(0, int(np.ceil(left))), min(w - 1, int(np.floor(right))) + 1):
                along = ((c - x0) * dx + (r - y0) * dy) / square if square > 0 else 0.0
                along = min(max(along, 0.0), 1.0)
                across, off = c - x0 - along * dx, r - y0 - along * dy
                distance = across * across + off * off
                if distance < out[r, c] * out[r, c]:
                    out[r, c] = np.copysign(np.sqrt(distance), out[r, c])


def signed_distance(points: np.ndarray, shape: tuple[int, int], band: float) -> np.ndarray:
    """Distance in pixels from a line, positive on the right hand of someone who walks along it in the image.

    The line (m, 2) of columns and rows goes on straight beyond both of its ends, the way its last tenth goes,
    so that it cuts the plane in two. Distances of `band` and more are `band`; (h, w), float32.
    """
    reach = 4.0 * (float(np.abs(points).max()) + sum(shape) + band)
    tenth = max(1, len(points) // 10)
    ends = [points[a] + reach * _unit(points[a] - points[b]) for a, b in ((0, tenth), (-1, -1 - tenth))]
    line = np.vstack([ends[0], points, ends[1]])
    out = np.full(shape, -band, np.float32)
    _fill(_closed(line, reach), out, np.float32(band))
    _near(line, out, float(band))
    return out


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.hypot(*vector)


def _closed(line: np.ndarray, reach: float) -> np.ndarray:
    """A polygon of the line and an arc around what lies on its right hand, rows growing downwards."""
    angles = [np.arctan2(*(line[k] - line.mean(0))[::-1]) for k in (-1, 0)]
    # with rows downwards, angles grow clockwise: from the end of the line to its start, its right is passed
    turn = (angles[1] - angles[0]) % (2 * np.pi)
    steps = angles[0] + turn * np.linspace(0, 1, 34)[1:-1]
    arc = line.mean(0) + 4.0 * reach * np.column_stack([np.cos(steps), np.sin(steps)])
    return np.vstack([line, arc])
