"""The equations of one round of refinement, assembled in one passage over rows; only the result is stored.

A few rows of the mean of the images, of their difference and of its derivatives are kept in rings.
"""

from __future__ import annotations

import numpy as np

from ..cpu import kernel
from ..streams import streamed
from . import variational
from .spline import warp_row
from .variational import B1, B2, EAST, I11, I12, I22, PAIR, SOUTH, TRIPLE, U, V

# Rows of the rings, a power of two: from row r - 2 on to r + 4.
RING = 8
# Rows and columns over which residuals are summed up.
BLOCK = 4
# Numbers between rows: rows as long as a page would drive each other out of the cache.
GAP = 40

compare = streamed(variational.compared)
slope_x = streamed(variational.slope, (0, 1, 3, 4))
slope_y = streamed(variational.slope)
sum_up = streamed(variational.squares)
equations = streamed(variational.data)
hold = streamed(variational.held)
tie_east = streamed(variational.east, PAIR, PAIR, PAIR, PAIR, PAIR, PAIR)
tie_south = streamed(variational.south, TRIPLE, TRIPLE, TRIPLE, TRIPLE)
relieve = streamed(variational.pull, (0,), PAIR, (0,), (0,), TRIPLE)
invert = streamed(variational.inverse, (0,), (0,), (0,), PAIR)


@kernel
def along(row, out):
    """Derivative along a row; its ends repeat themselves."""
    n = row.size
    slope_x((out[2 : n - 2],), (row,), ())
    half = np.float32(0.5)
    for c in (0, 1, n - 2, n - 1):
        out[c] = half * (row[min(c + 1, n - 1)] - row[max(c - 1, 0)])


@kernel
def across(ring, row, height, out):
    """Derivative across the `height` rows of a plane, those around `row` in a ring; the border repeats."""
    top, up, down = max(row - 2, 0), max(row - 1, 0), min(row + 1, height - 1)
    low = min(row + 2, height - 1)
    slope_y((out,), (ring[top % RING], ring[up % RING], ring[down % RING], ring[low % RING]), ())


@kernel
def pad(row, out):
    """A row with its ends repeated, at the beginning of `out`."""
    n = row.size
    out[1 : n + 1] = row
    out[0], out[n + 1] = row[0], row[n - 1]


@kernel
def residuals(images, u, v, out, begin, end):
    """Sums over blocks of `BLOCK` by `BLOCK` pixels, rows of blocks from `begin` to before `end`.

    Planes (3, blocks): weights, squares of the brightness residual and of the gradient's. `images` are the
    first one, where it is seen, the second one's spline and its mask.
    """
    pre, seen, spline, valid = images
    height, n = pre.shape
    z, both = np.empty((RING, n + GAP), np.float32), np.empty((RING, n + GAP), np.float32)
    mean = np.empty(n, np.float32)
    image, inside, parts = np.empty(n, np.float32), np.empty(n, np.float32), np.empty((4, n), np.float32)
    zx, zy = np.empty(n, np.float32), np.empty(n, np.float32)
    wide = np.zeros((3, out.shape[2] * BLOCK), np.float32)
    sums = wide[0, :n], wide[1, :n], wide[2, :n]
    first, last = begin * BLOCK, min(end * BLOCK, height)
    for s in range(max(first - 2, 0), last + 2):
        if s < height:
            warp_row(spline, valid, u[s], v[s], s, 0, image, inside, parts)
            compare((mean, z[s % RING], both[s % RING]), (pre[s], seen[s], image, inside), ())
        r = s - 2
        if r < first:
            continue
        along(z[r % RING, :n], zx)
        across(z, r, height, zy)
        sum_up(sums, (both[r % RING], z[r % RING], zx, zy, *sums), ())
        if (r + 1) % BLOCK == 0 or r == height - 1:
            i = r // BLOCK
            for k in range(3):
                for j in range(out.shape[2]):
                    of = wide[k, j * BLOCK : (j + 1) * BLOCK]
                    out[k, i, j] = of[0] + of[1] + of[2] + of[3]
            wide[:] = np.float32(0.0)


@kernel
def widen(blocks, out):
    """Blocks back on the pixels of rows, linear between their middles."""
    height, n = blocks.shape
    for i in range(height):
        for j in range(n + 1):
            a, b = blocks[i, max(j - 1, 0)], blocks[i, min(j, n - 1)]
            for k in range(BLOCK):
                c = j * BLOCK + k - BLOCK // 2
                if 0 <= c < out.shape[1]:
                    out[i, c] = a + (np.float32(k) + np.float32(0.5)) / np.float32(BLOCK) * (b - a)


@kernel
def between(row, count):
    """The two rows of blocks around a row of pixels, and how far it lies between their middles."""
    i = (row - BLOCK // 2 + BLOCK) // BLOCK - 1
    share = (np.float32(row - BLOCK // 2 - i * BLOCK) + np.float32(0.5)) / np.float32(BLOCK)
    return max(i, 0), min(i + 1, count - 1), share


@kernel
def ties(wide, row, height, prior, east, south):
    """Ties of a row's pixels to those at the right and below; `wide` (2, ring, n + 2) holds padded motion.

    `prior`: nats per gradient, the gradient below which the prior is quadratic, that above which motion
    steps.
    """
    n = east.size
    alpha, eps2, tau2 = prior[0], prior[1] * prior[1], np.float32(1.0) / (prior[2] * prior[2])
    up, low = max(row - 1, 0) % RING, min(row + 1, height - 1) % RING
    here = row % RING
    u0, u1, u2 = wide[0, up], wide[0, here], wide[0, low]
    v0, v1, v2 = wide[1, up], wide[1, here], wide[1, low]
    tie_east((east,), (u1[1:], v1[1:], u0[1:], u2[1:], v0[1:], v2[1:]), (alpha, eps2, tau2))
    east[n - 1] = np.float32(0.0)
    if row == height - 1:
        south[:] = np.float32(0.0)
    else:
        tie_south((south,), (u1, u2, v1, v2), (alpha, eps2, tau2))


@kernel
def part(row, lines, r):
    """A row `r` onto the lines of the two colours of a plane of the equations."""
    first, second = lines[r & 1], lines[(r + 1) & 1]
    for j in range(row.size // 2):
        first[j + 1] = row[2 * j]
        second[j + 1] = row[2 * j + 1]


@kernel
def finish(own, east, south, north, shape, padded, u, v, row, out):
    """Equations of a row, `own` (5, n or more), and its ties, `east` with a zero before it, onto `out`.

    Where `shape` (2, h, w) is given, the prior pulls towards it.
    """
    height, n = u.shape
    up, low = max(row - 1, 0), min(row + 1, height - 1)
    if shape.size > 0:
        for k in range(2):
            pad(shape[k, row], padded)
            target = own[3 + k, :n]
            relieve((target,), (target, east, south, north, padded, shape[k, low], shape[k, up]), ())
    matrix = own[0, :n], own[1], own[2]
    invert(matrix, (*matrix, east, south, north), ())
    part(own[0, :n], out[row + 1, I11], row)
    part(own[1, :n], out[row + 1, I12], row)
    part(own[2, :n], out[row + 1, I22], row)
    part(own[3, :n], out[row + 1, B1], row)
    part(own[4, :n], out[row + 1, B2], row)
    part(east[1:], out[row + 1, EAST], row)
    part(south, out[row + 1, SOUTH], row)
    part(u[row], out[row + 1, U], row)
    part(v[row], out[row + 1, V], row)


@kernel
def assemble(images, u, v, noise, settings, prior, spring, shape, precision, out, begin, end):
    """Equations of rows from `begin` to before `end` around a motion, with their ties, ready to be relaxed.

    `images`: the first one, where it is seen, the second one's spline and its mask. `noise` (2, rows of
    blocks, w): variances of the brightness and the gradient residual. `settings`: the last constants of
    `variational.data`; `prior`: see `ties`. Of these, any may be empty: `spring` (3, h, w), a motion to which
    pixels are held and how strongly; `shape` (2, h, w), towards which the prior pulls; `precision` (3, h, w),
    which gets the data's matrices.
    """
    pre, seen, spline, valid = images
    height, n = pre.shape
    rings = np.empty((4, RING, n + GAP), np.float32)
    mean, z, both, gy = rings[0], rings[1], rings[2], rings[3]
    image, inside, parts = np.empty(n, np.float32), np.empty(n, np.float32), np.empty((4, n), np.float32)
    slopes, own = np.empty((6, n + GAP), np.float32), np.empty((5, n + GAP), np.float32)
    wide, padded = np.empty((2, RING, n + GAP), np.float32), np.empty(n + 2, np.float32)
    east, south, north = np.zeros(n + 1, np.float32), np.empty(n, np.float32), np.zeros(n, np.float32)
    unsure, nu, weight0, weight1 = settings[0], settings[1], settings[2], settings[3]
    for s in range(max(begin - 4, 0), end + 4):
        if s < height:
            warp_row(spline, valid, u[s], v[s], s, 0, image, inside, parts)
            k = s % RING
            compare((mean[k, :n], z[k], both[k]), (pre[s], seen[s], image, inside), ())
            pad(u[s], wide[0, k])
            pad(v[s], wide[1, k])
        t, r = s - 2, s - 4
        if max(begin - 2, 0) <= t < height:
            across(mean, t, height, gy[t % RING, :n])
        if r == begin - 1 and r >= 0:
            ties(wide, r, height, prior, east[1:], north)
        if r < begin:
            continue
        k = r % RING
        along(mean[k, :n], slopes[0])
        along(slopes[0, :n], slopes[1])
        along(gy[k, :n], slopes[2])
        across(gy, r, height, slopes[3, :n])
        along(z[k, :n], slopes[4])
        across(z, r, height, slopes[5, :n])
        i, j, share = between(r, noise.shape[1])
        equations(
            (own[0, :n], own[1], own[2], own[3], own[4]),
            (
                slopes[0], gy[k], slopes[1], slopes[2], slopes[3], slopes[4], slopes[5], z[k], both[k],
                noise[0, i], noise[0, j], noise[1, i], noise[1, j], u[r], v[r],
            ),
            (share, unsure, nu, weight0, weight1),
        )  # fmt: skip
        if precision.size > 0:
            precision[0, r], precision[1, r], precision[2, r] = own[0, :n], own[1, :n], own[2, :n]
        if spring.size > 0:
            bound = own[0, :n], own[2], own[3], own[4]
            hold(bound, (*bound, spring[0, r], spring[1, r], spring[2, r]), ())
        ties(wide, r, height, prior, east[1:], south)
        finish(own, east, south, north, shape, padded, u, v, r, out)
        north[:] = south


@kernel
def smoothing(u, v, prior, out, begin, end):
    """Equations of rows without data: motion that is smoothed by its own ties."""
    height, n = u.shape
    own, none = np.empty((5, n + GAP), np.float32), np.empty((2, 0, 0), np.float32)
    wide, padded = np.empty((2, RING, n + GAP), np.float32), np.empty(n + 2, np.float32)
    east, south, north = np.zeros(n + 1, np.float32), np.empty(n, np.float32), np.zeros(n, np.float32)
    for s in range(max(begin - 2, 0), end + 1):
        if s < height:
            pad(u[s], wide[0, s % RING])
            pad(v[s], wide[1, s % RING])
        r = s - 1
        if r == begin - 1 and r >= 0:
            ties(wide, r, height, prior, east[1:], north)
        if r < begin:
            continue
        own[:] = np.float32(0.0)
        ties(wide, r, height, prior, east[1:], south)
        finish(own, east, south, north, none, padded, u, v, r, out)
        north[:] = south
