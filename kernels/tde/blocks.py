"""Blocks of (triangle, observer) pairs, evaluated one after the other in compiled code.

Every pair is a lane. Lanes run along one side, the observers or the triangles, in chunks of up to `CHUNK`;
for each chunk all members of the other side come in turn, repeated in every lane. With pairs both sides run
along. The lanes of a chunk that are evaluated alike (closed form, lift, quadrature of so many points) go in
blocks of `LANES` to code at an address, so that one loop, `run`, serves every operation.
"""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import call, kernel
from dislok.kernels.lanes import LANES, lane_sum, load
from dislok.kernels.scalar import value

from .pair import PLAN_ROW, ROW, method

# Lanes that are sorted at once; their sums and their columns stay in the second-level cache.
CHUNK = 512
# Lanes that code takes at once, so that a block of few lanes costs little.
GROUP = 16
# First column of a triangle that says where each method serves.
PLAN = ROW
# Places of code in `run`; the first three are also the codes of `pair.method`, of which later ones are rules.
NEAR, LIFTED, FAR, FINISH = 0, 1, 2, 3
# What `run` writes to `stop` where code is missing, plus its place.
MISSING = 10


@kernel
def fill(table, start, count, rows):
    """Columns of `count` rows of a table from `start` on, as blocks of rows of lanes.

    The lanes of the last block that are left over repeat the last row.
    """
    width = table.shape[1]
    for begin in range(0, count, LANES):
        base = np.uint64(begin * width)
        for lane in range(np.uint64(LANES)):
            source = np.uint64(start + min(begin + np.int64(lane), count - 1))
            for c in range(np.uint64(width)):
                rows[base + c * np.uint64(LANES) + lane] = table[source, c]


@kernel
def repeat(table, index, rows):
    """One row of a table in every lane of a block."""
    for c in range(np.uint64(table.shape[1])):
        number = table[index, c]
        for lane in range(np.uint64(LANES)):
            rows[c * np.uint64(LANES) + lane] = number


@kernel
def gather(rows, width, picks, begin, used, out):
    """Columns of chosen lanes of blocks as one block; the last is repeated."""
    for lane in range(np.uint64(LANES)):
        pick = picks[begin + min(np.int64(lane), used - 1)]
        base = np.uint64((pick // LANES) * LANES * width + pick % LANES)
        for c in range(np.uint64(width)):
            out[c * np.uint64(LANES) + lane] = rows[base + c * np.uint64(LANES)]


@kernel
def classify(obs_rows, obs_width, tri_rows, tri_width, count, codes):
    """How each lane is computed, as `pair.method` says; returns the least and the greatest code.

    A width of 0 stands for a side that is the same in all lanes.
    """
    low, high = codes.dtype.type(np.inf), codes.dtype.type(0.0)
    for begin in range(0, count, LANES):
        o, t = np.uint64(begin * obs_width), np.uint64(begin * tri_width + PLAN * LANES)
        for lane in range(np.uint64(LANES)):
            found = value(method(load(tri_rows, t + lane, PLAN_ROW), load(obs_rows, o + lane, 3)))
            codes[np.uint64(begin) + lane] = found
            low = min(low, found)
            high = max(high, found)
    return int(low), int(high)


@kernel
def pick(codes, count, code, picks):
    """List the lanes that have a code; returns their number."""
    found = 0
    for k in range(count):
        picks[found] = k
        found += 1 if codes[k] == code else 0
    return found


@kernel
def add_to_lanes(rows, span, used, begin, picks, picked, sums):
    """Add rows of a block to the sums (rows, `CHUNK`) of the chunk's lanes."""
    for r in range(span[0], span[1]):
        row = np.uint64(r * LANES)
        place = np.uint64((r - span[0]) * CHUNK)
        if picked:
            for k in range(used):
                sums[place + np.uint64(picks[begin + k])] += rows[row + np.uint64(k)]
        else:
            for k in range(np.uint64(used)):
                sums[place + np.uint64(begin) + k] += rows[row + k]


@kernel
def write(rows, index, to, used, begin, picks, picked, at, stride, out):
    """Store the rows ``index`` of each lane at the places `to`; lanes are `stride` apart, from `at` on."""
    for k in range(used):
        lane = picks[begin + k] if picked else begin + k
        base = np.uint64(at + lane * stride)
        for r in range(np.uint64(len(index))):
            out[base + np.uint64(to[r])] = rows[np.uint64(index[r] * LANES + k)]


@kernel
def collect(sums, count, start, out):
    """Sums of a chunk's lanes (rows, `CHUNK`) to the rows (lanes, r) of `out`."""
    for k in range(np.uint64(count)):
        for r in range(np.uint64(out.shape[1])):
            out[np.uint64(start) + k, r] = sums[r * np.uint64(CHUNK) + k]


@kernel
def run(obs, tri, along, chunk, turn, lift, code, constants, count, by_lane, by_other, matrix, work, stop):
    """Evaluate every `turn[1]`-th chunk of lanes, from number `turn[0]` on.

    Parameters
    ----------
    obs : array, shape (n, 3 or more)
        Observers, and what results are contracted with.
    tri : array, shape (m, 51 or more)
        Triangles: the formula's columns, plan, what belongs to them, and how they are lifted.
    along : tuple of bool
        Whether lanes run along the observers, along the triangles.
    chunk : int
        Lanes of a chunk, a multiple of `LANES` and at most `CHUNK`.
    turn : tuple of int
        First chunk, and step from chunk to chunk.
    lift : int
        First column of triangles that tells how they are lifted.
    code : array of int, shape (4,)
        Addresses of closed form, lift, quadrature, and what turns their rows into the result's; 0 for none.
    constants : tuple
        Poisson's ratio and the spacing of the numbers at 1.
    count : int
        Rows that closed form and quadrature add to.
    by_lane, by_other : tuple
        Result rows (from, to) that are summed for each lane, and for each member of the other side, and the
        array (members, rows) to which they go.
    matrix : tuple
        Result rows that are kept for every pair, where they go relative to the pair, the flat array, and how
        far apart the pairs of neighbouring observers and of neighbouring triangles are.
    work : tuple
        Scratch: rows of observers, of triangles, two blocks of gathered ones, results, sums, codes; picks.
    stop : array, shape (1,)
        Becomes nonzero when the caller has given up, or when code that is needed is missing.
    """
    obs_rows, tri_rows, own_obs, own_tri, rows, sums, codes, picks = work
    lanes = len(obs) if along[0] else len(tri)
    others = 1 if along[0] and along[1] else (len(tri) if along[0] else len(obs))
    obs_width = obs.shape[1] if along[0] else 0
    tri_width = tri.shape[1] if along[1] else 0
    index, to, out, by_obs, by_tri = matrix
    stride = (by_obs if along[0] else 0) + (by_tri if along[1] else 0)
    for start in range(turn[0] * chunk, lanes, turn[1] * chunk):
        here = min(chunk, lanes - start)
        if along[0]:
            fill(obs, start, here, obs_rows)
        if along[1]:
            fill(tri, start, here, tri_rows)
        sums[:] = 0.0
        for other in range(others):
            if stop[0]:
                return
            if not along[0]:
                repeat(obs, other, obs_rows)
            if not along[1]:
                repeat(tri, other, tri_rows)
            low, high = classify(obs_rows, obs_width, tri_rows, tri_width, here, codes)
            picked = low != high
            at = other * (by_tri if along[0] else by_obs) + start * stride
            for way in range(low, high + 1):
                number = pick(codes, here, way, picks) if picked else here
                if number and code[min(way, FAR)] == 0:
                    stop[0] = MISSING + min(way, FAR)
                    return
                for begin in range(0, number, LANES):
                    used = min(LANES, number - begin)
                    groups = (used + GROUP - 1) // GROUP
                    o, t = obs_rows[begin * obs_width :], tri_rows[begin * tri_width :]
                    if picked and along[0]:
                        gather(obs_rows, obs_width, picks, begin, used, own_obs)
                        o = own_obs
                    if picked and along[1]:
                        gather(tri_rows, tri_width, picks, begin, used, own_tri)
                        t = own_tri
                    for k in range(np.uint64(count * LANES)):
                        rows[k] = 0.0
                    if way < FAR:
                        call(code[way], (o, t, rows, groups, constants[0], constants[1], lift * LANES))
                    else:
                        call(code[FAR], (o, t, rows, groups, constants[0], way - FAR))
                    if code[FINISH]:
                        call(code[FINISH], (o, t, rows, groups))
                    add_to_lanes(rows, by_lane[0], used, begin, picks, picked, sums)
                    if len(index):
                        write(rows, index, to, used, begin, picks, picked, at, stride, out)
                    for r in range(by_other[0][0], by_other[0][1]):
                        total = lane_sum(rows, r * LANES, used)
                        by_other[1][other, r - by_other[0][0]] += total
        if by_lane[0][1] > by_lane[0][0]:
            collect(sums, here, start, by_lane[1])
