"""Whole-pixel motion by exhaustive search, with a prior for smooth fields and sharp steps along paths.

Hirschmüller (2008), "Stereo processing by semiglobal matching and mutual information", equation 13, for
motion in two directions: neighbouring labels differ by one pixel in a row or a column or both.
"""

from __future__ import annotations

import numpy as np

from ..cpu import kernel
from .smooth import along_row

HUGE = np.float32(1e9)


@kernel
def costs(a, b, moments_a, moments_b, shifts, taps, nats, volume, begin, end):
    """Cost of shifts, in nats, into `volume` (h, w, number of shifts), for rows from `begin` to before `end`.

    `moments` (3, h, w) hold each image's local weight, mean and mean square, on its own.
    """
    height, n = a.shape
    reach = taps.size - 1
    padded, product = np.empty(n + 2 * reach, np.float32), np.empty(n, np.float32)
    slots = 2 * reach + 1
    ring, total = np.zeros((slots, n), np.float32), np.empty(n, np.float32)
    tiny = np.float32(1e-6)
    for s in range(shifts.shape[0]):
        dy, dx = shifts[s, 0], shifts[s, 1]
        for r in range(begin - reach, end + reach):
            line = ring[(r + slots) % slots]
            if 0 <= r < height and 0 <= r + dy < height:
                for c in range(n):
                    product[c] = np.float32(0.0)
                low, high = max(0, -dx), min(n, n - dx)
                if high > low:
                    p, q, t = a[r, low:high], b[r + dy, low + dx : high + dx], product[low:high]
                    for c in range(high - low):
                        t[c] = p[c] * q[c]
                along_row(product, taps, padded, line)
            else:
                line[:] = np.float32(0.0)
            m = r - reach
            if m < begin:
                continue
            for c in range(n):
                total[c] = taps[0] * ring[(m + slots) % slots, c]
            for j in range(1, reach + 1):
                tap, up, down = taps[j], ring[(m - j + slots) % slots], ring[(m + j) % slots]
                for c in range(n):
                    total[c] += tap * (up[c] + down[c])
            y = m + dy
            for c in range(n):
                x = c + dx
                if y < 0 or y >= height or x < 0 or x >= n:
                    volume[m, c, s] = np.float32(0.0)
                    continue
                wa, wb = moments_a[0, m, c], moments_b[0, y, x]
                weight = min(wa, wb)
                if weight < np.float32(0.2):
                    volume[m, c, s] = np.float32(0.0)
                    continue
                ma, mb = moments_a[1, m, c], moments_b[1, y, x]
                va, vb = moments_a[2, m, c] - ma * ma, moments_b[2, y, x] - mb * mb
                rho = (total[c] / weight - ma * mb) / np.sqrt(max(va * vb, tiny))
                rho = min(max(rho, np.float32(0.0)), np.float32(1.0))
                volume[m, c, s] = weight * nats * np.log(np.float32(1.01) - rho * rho)


@kernel
def step(cost, before, least, now, room, ny, nx, one, far):
    """One step along a path: costs of a pixel's labels from those of the one before; the least."""
    for k in range(room.size):
        room[k] = HUGE
    # Least of three along columns of the label grid, then along rows.
    wide = nx + 2
    for y in range(ny):
        source = before[y * nx : (y + 1) * nx]
        target = room[(y + 1) * wide + 1 : (y + 1) * wide + 1 + nx]
        for x in range(nx):
            target[x] = source[x]
    smallest = HUGE
    for y in range(ny):
        up, mid, low = room[y * wide :], room[(y + 1) * wide :], room[(y + 2) * wide :]
        own, out, c = before[y * nx : (y + 1) * nx], now[y * nx : (y + 1) * nx], cost[y * nx : (y + 1) * nx]
        for x in range(nx):
            best = min(min(up[x], up[x + 1]), up[x + 2])
            best = min(best, min(min(mid[x], mid[x + 1]), mid[x + 2]))
            best = min(best, min(min(low[x], low[x + 1]), low[x + 2]))
            value = c[x] + min(min(own[x], best + one), least + far) - least
            out[x] = value
            smallest = min(smallest, value)
    return smallest


@kernel
def paths(volume, ny, nx, one, far, total, direction, begin, end):
    """Add the costs along paths in a direction (0 right, 1 left, 2 down, 3 up) to `total`.

    Paths from `begin` to before `end`: rows for directions 0 and 1, columns for the others.
    """
    height, width, labels = volume.shape
    steps = width if direction < 2 else height
    room = np.empty((ny + 2) * (nx + 2), np.float32)
    before, now = np.empty(labels, np.float32), np.empty(labels, np.float32)
    for line in range(begin, end):
        before[:] = np.float32(0.0)
        least = np.float32(0.0)
        for k in range(steps):
            at = k if direction % 2 == 0 else steps - 1 - k
            r, c = (line, at) if direction < 2 else (at, line)
            least = step(volume[r, c], before, least, now, room, ny, nx, one, far)
            sums = total[r, c]
            for s in range(labels):
                sums[s] += now[s]
            before, now = now, before


@kernel
def winners(total, shifts, u, v, begin, end):
    """The shift of least cost at each pixel."""
    labels = shifts.shape[0]
    for r in range(begin, end):
        for c in range(u.shape[1]):
            best, least = 0, total[r, c, 0]
            for s in range(1, labels):
                if total[r, c, s] < least:
                    best, least = s, total[r, c, s]
            v[r, c] = np.float32(shifts[best, 0])
            u[r, c] = np.float32(shifts[best, 1])
