"""Rows of a block to places in an array: lane by lane, turned in tiles, past the caches."""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.lanes import LANES, LINE, TILE, transpose, write_line


@kernel
def place_rows(rows, index, to, used, out, begin, step):
    """Write the rows `index` of each lane to the places `to` of `out`, lanes `step` apart from `begin` on."""
    tiled = 0
    if len(index) >= TILE and to[len(index) - 1] - to[0] == len(index) - 1:
        tiled = used // TILE * TILE
        turn(rows, index, tiled, out, begin + to[0], step)
    for k in range(len(index)):
        row, place = np.uint64(index[k] * LANES), np.uint64(begin + to[k])
        for lane in range(np.uint64(tiled), np.uint64(used)):
            out[place + lane * np.uint64(step)] = rows[row + lane]


@kernel
def stream(numbers, count, out, begin):
    """Copy the first `count` numbers to `out` from element `begin` on, whole cache lines past the caches."""
    line = LINE // out.itemsize
    head = min(-(out.ctypes.data // out.itemsize + begin) % line, count)
    tail = head + (count - head) // line * line
    for k in range(head):
        out[begin + k] = numbers[k]
    for k in range(np.uint64(head), np.uint64(tail), np.uint64(line)):
        write_line(numbers, k, out, np.uint64(begin) + k)
    for k in range(tail, count):
        out[begin + k] = numbers[k]


@kernel
def turn(rows, index, count, out, begin, stride):
    """Write the numbers ``rows[index]`` of each of `count` lanes side by side, `stride` from lane to lane."""
    size = len(index)
    for start in range(0, size, TILE):
        k = min(start, size - TILE)  # the last tile overlaps the one before
        for lane in range(0, count, TILE):
            at = (
                np.uint64(index[k] * LANES + lane), np.uint64(index[k + 1] * LANES + lane),
                np.uint64(index[k + 2] * LANES + lane), np.uint64(index[k + 3] * LANES + lane),
                np.uint64(index[k + 4] * LANES + lane), np.uint64(index[k + 5] * LANES + lane),
                np.uint64(index[k + 6] * LANES + lane), np.uint64(index[k + 7] * LANES + lane),
            )  # fmt: skip
            transpose(rows, at, out, np.uint64(begin + lane * stride + k), np.uint64(stride))
