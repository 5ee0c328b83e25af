"""Pairs sorted into blocks, and blocks evaluated one after the other, all in compiled code.

Every (observer, source) pair becomes a lane. Lanes are sorted into blocks of `LANES` that are evaluated
alike (closed form, or quadrature of so many points). The numbers of a block lie in rows of `LANES`: those of
`PAIR`, what the result is contracted with (`EXTRA`), and from `FRAME` on the rows in the frame, whose place
the result takes. What fills them is code at an address, so that one loop, `run`, serves every operation.
"""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import call, kernel
from dislok.kernels.lanes import LANES, LINE, TILE, fence, lane_sum, transpose, write_line
from dislok.kernels.scalar import binade, number, value

from .pair import PAIR
from .sources import CENTRE, LENGTH_ROWS, ORDERS, RULES, method_code

PAIR_ROWS = len(PAIR)
EXTRA = PAIR_ROWS
FRAME = 64
UNIT = PAIR.index("unit")
# Pairs that are sorted at once.
CHUNK = 1024
# Lanes and blocks that hold them: one more block for each rule and the closed form.
ROOM = CHUNK // LANES + len(ORDERS) + 1
# What `run` may find missing, in the order of its code.
NEAR, FAR, FINISH = 0, 1, 2

# ------------------------------------------------------------------------------------------- sorting


@kernel
def classify(obs, i0, i1, source, reach, switch, amplification, codes):
    """Codes of the pairs of one source with observers i0 to i1.

    0 for the closed form, else 1 + 8 * (place in `ORDERS` of the rule along the length) + (of that across).
    """
    depth = source[CENTRE + 2]
    a, b = source[CENTRE + 3], source[CENTRE + 4]
    x, y = source[0] + source[CENTRE], source[1] + source[CENTRE + 1]
    largest = max(a, b)
    near, far = (reach[7] * largest) ** 2, (switch * largest) ** 2
    limit = amplification * (4.0 * a * b)
    limits = (reach[0], reach[1], reach[2], reach[3], reach[4], reach[5], reach[6], reach[7])
    places = obs.reshape(-1)
    for k in range(np.uint64(i1 - i0)):
        at = (np.uint64(i0) + k) * np.uint64(3)
        east, north, z = places[at] - x, places[at + np.uint64(1)] - y, places[at + np.uint64(2)]
        up = z + depth
        code = method_code(
            number(east * east + north * north + up * up), number(depth - z), near, far, limit, a, b, limits
        )
        codes[k] = np.int64(value(code))


@kernel
def schedule(obs, table, paired, part, start, reach, switch, amplification, codes, lanes, blocks):
    """Sort the next pairs of a part of the work into blocks.

    `part` is (first observer, last, first source, last); `start` counts pairs, source by source. Writes
    observer and source of every lane (the last of a block repeated), and of every block: points along and
    across, lanes in use. Returns the next `start`, the number of blocks and how many use the closed form.
    """
    i0, i1, j0, j1 = part
    width = i1 - i0
    count = width if paired else width * (j1 - j0)
    n = min(count - start, CHUNK)
    heads = np.zeros(len(ORDERS) + 1, np.int64)
    # a literal would have `alike` compiled for it, and once more for what follows
    k = np.int64(0)
    while k < n:
        i, j, run = next_run(start + k, n - k, part, paired)
        classify(obs, i, i + run, table[j], reach, switch, amplification, codes[k : k + run])
        if alike(codes, k, run):
            heads[(codes[k] + 7) // 8] += run
        else:
            for each in range(k, k + run):
                heads[(codes[each] + 7) // 8] += 1
        k += run
    total = 0
    near = 0
    for key in range(len(ORDERS) + 1):
        used = heads[key]
        heads[key] = total * LANES
        total += (used + LANES - 1) // LANES
        if key == 0:
            near = total
        for block in range(heads[key] // LANES, total):
            blocks[block, 0] = RULES[max(key - 1, 0)]
            blocks[block, 1] = 0
            blocks[block, 2] = min(LANES, used - (block * LANES - heads[key]))
    k = np.int64(0)
    while k < n:
        i, j, run = next_run(start + k, n - k, part, paired)
        step = run if alike(codes, k, run) else 1
        for each in range(k, k + run, step):
            key = (codes[each] + 7) // 8
            place(lanes, heads[key], step, i + each - k, j)
            for block in range(heads[key] // LANES, (heads[key] + step - 1) // LANES + 1):
                blocks[block, 1] = max(blocks[block, 1], (codes[each] + 7) % 8)
            heads[key] += step
        k += run
    for block in range(total):
        blocks[block, 1] = RULES[blocks[block, 1]]
        last = block * LANES + blocks[block, 2] - 1
        for lane in range(last + 1, (block + 1) * LANES):
            lanes[lane, 0] = lanes[last, 0]
            lanes[lane, 1] = lanes[last, 1]
    return start + n, total, near


@kernel
def next_run(at, left, part, paired):
    """Observer, source and number of the pairs that follow with the same source."""
    i0, i1, j0, _ = part
    if paired:
        return i0 + at, i0 + at, 1
    i = i0 + at % (i1 - i0)
    return i, j0 + at // (i1 - i0), min(left, i1 - i)


@kernel
def alike(codes, start, count):
    """Whether a run of codes has one value."""
    different = np.int64(0)
    head = codes[start]
    for k in range(np.uint64(start), np.uint64(start + count)):
        different += np.int64(codes[k] != head)
    return different == 0


@kernel
def place(lanes, at, count, observer, source):
    """Write consecutive observers of one source to consecutive lanes."""
    for k in range(np.uint64(count)):
        lanes[np.uint64(at) + k, np.uint64(0)] = observer + np.int64(k)
        lanes[np.uint64(at) + k, np.uint64(1)] = source


# ------------------------------------------------------------------------------- rows of one block


@kernel
def fill(rows, obs, table, lanes, near, owner):
    """Write the rows of `PAIR`; lengths in the source's unit or, for quadrature, in that of the distance.

    `owner` is the source whose numbers the rows still hold. Returns the one that they hold now, -1 for none.
    """
    lane_count = np.uint64(LANES)
    for k in range(lane_count):
        i, j = np.uint64(lanes[k, 0]), np.uint64(lanes[k, 1])
        rows[k] = obs[i, 0] - table[j, 0]
        rows[lane_count + k] = obs[i, 1] - table[j, 1]
        rows[lane_count + lane_count + k] = obs[i, 2]
    source = lanes[0, 1]
    one_source = source == lanes[LANES - 1, 1]
    held = near and one_source and owner == source
    scaled = np.uint64(3 if held else len(LENGTH_ROWS))
    if one_source and not held:
        for r in range(np.uint64(3), np.uint64(PAIR_ROWS)):
            number = rows.dtype.type(table[source, r - np.uint64(1)])
            for k in range(lane_count):
                rows[r * lane_count + k] = number
    elif not one_source:
        for k in range(lane_count):
            j = np.uint64(lanes[k, 1])
            for r in range(np.uint64(3), np.uint64(PAIR_ROWS)):
                rows[r * lane_count + k] = table[j, r - np.uint64(1)]
    unit = np.uint64(UNIT) * lane_count
    if not near:
        units_of_distance(rows, unit)
    for r in range(scaled):
        first = LENGTH_ROWS[r] * lane_count
        for k in range(lane_count):
            rows[first + k] *= rows[unit + k]
    return source if one_source and near else -1


@kernel
def units_of_distance(rows, unit):
    """For each lane the power of two that makes its largest distance along an axis a number from 0.5 to 1."""
    lane_count = np.uint64(LANES)
    depth = np.uint64(3) * lane_count
    for k in range(lane_count):
        level = max(abs(rows[k]), abs(rows[lane_count + k]))
        up = rows[depth + k] - rows[depth - lane_count + k]
        rows[unit + k] = rows.dtype.type(0.5) / value(binade(number(max(level, up))))


@kernel
def contract(rows, cot, at, column, lanes):
    """Copy the rows of `cot` that the lanes' observers (column 0) or sources (1) own to row `at`."""
    for c in range(cot.shape[1]):
        for k in range(LANES):
            rows[(at + c) * LANES + k] = cot[lanes[k, column], c]


@kernel
def tangents(rows, at, of_obs, of_src, of_nu, lanes):
    """Tangents of the pair's `VARIABLES` from those of observers, sources (eleven columns) and nu."""
    for k in range(LANES):
        i, j = lanes[k, 0], lanes[k, 1]
        first = at * LANES + k
        for c in range(11):
            rows[first + c * LANES] = of_src[j, c]
        rows[first] -= of_obs[i, 0]
        rows[first + LANES] -= of_obs[i, 1]
        rows[first + 11 * LANES] = of_obs[i, 2]
        rows[first + 12 * LANES] = of_nu


# ------------------------------------------------------------------------------- what becomes of rows


@kernel
def deliver(rows, lanes, used, ordered, sink, turned):
    """Put the result rows of a block where a sink wants them.

    `ordered`: the lanes are consecutive observers, of one source or each of its own. `turned` is scratch.
    """
    out, index, to, by_observer, by_source, add, streamed = sink
    one_source = lanes[0, 1] == lanes[LANES - 1, 1]
    if by_observer == 0 and one_source:
        for k in range(len(index)):
            out[lanes[0, 1] * by_source + to[k]] += lane_sum(rows, index[k] * LANES, used)
    elif ordered and not add:
        begin = lanes[0, 0] * by_observer + lanes[0, 1] * by_source
        step = by_observer + (lanes[1, 1] - lanes[0, 1]) * by_source
        if streamed and step == len(index):
            place_rows(rows, index, to, used, turned, np.int64(0), step)
            stream(turned, used * step, out, begin)
        else:
            place_rows(rows, index, to, used, out, begin, step)
    else:
        for lane in range(np.uint64(used)):
            first = np.uint64(lanes[lane, 0] * by_observer + lanes[lane, 1] * by_source)
            for k in range(np.uint64(len(index))):
                place, number = first + np.uint64(to[k]), rows[np.uint64(index[k] * LANES) + lane]
                out[place] = out[place] + number if add else number


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


# ----------------------------------------------------------------------------------------------- run


@kernel
def run(geometry, part, start, stop, rules, code, fused, constants, cot, ways, sinks, work):
    """Evaluate the pairs of a part of the work from number `start` on, at least to number `stop`.

    Parameters
    ----------
    geometry : tuple
        Observers (n, 3), table of sources, and whether source i goes with observer i only.
    part : tuple of int
        First observer, last, first source, last.
    start, stop : int
        Pairs are counted source by source.
    rules : tuple
        Reach of the quadratures, distance and amplification at which they take over.
    code : array of int, shape (3,)
        Addresses of code for one block: closed form, quadrature, from the frame's rows to the result's; 0
        where it has not been compiled.
    fused : bool
        The closed form gives the result's rows at once.
    constants : tuple
        Poisson's ratio and the relative rounding of coordinates.
    cot : tuple
        What results are contracted with, (n, c) or (m, c) and c may be 0; its row; column of `lanes` that
        owns it.
    ways : tuple
        Of each tangent: of observers (n, 3) or (0, 3), of sources (m, 11), of nu; its row.
    sinks : tuple
        Of each: flat array; rows that it wants and where they go, relative to so many numbers for each
        observer and for each source; whether they are added; whether they go past the caches.
    work : tuple
        Scratch: rows, results of a block lane by lane, codes, lanes, blocks.

    Returns
    -------
    start : int
        Number of the next pair.
    missing : int
        Place in `code` of what is missing to go on; -1 for nothing.
    """
    obs, table, paired = geometry
    rows, turned, codes, lanes, blocks = work
    nu, eps = constants
    results = rows[FRAME * LANES :]
    owner = np.int64(-1)
    while start < stop:
        after, total, near = schedule(obs, table, paired, part, start, *rules, codes, lanes, blocks)
        if near and code[NEAR] == 0:
            return start, NEAR
        if near < total and code[FAR] == 0:
            return start, FAR
        if (near < total or not fused) and code[FINISH] == 0:
            return start, FINISH
        for block in range(total):
            own = lanes[block * LANES : (block + 1) * LANES]
            owner = fill(rows, obs, table, own, block < near, owner)
            contract(rows, cot[0], cot[1], cot[2], own)
            for way in ways:
                if len(way[0]):
                    tangents(rows, way[3], way[0], way[1], way[2], own)
            if block < near:
                call(code[NEAR], (rows, nu, eps))
            else:
                call(code[FAR], (rows, nu, blocks[block, 0], blocks[block, 1]))
            if block >= near or not fused:
                call(code[FINISH], (rows,))
            used = blocks[block, 2]
            one_source = own[0, 1] == own[LANES - 1, 1]
            ordered = (one_source or paired) and own[used - 1, 0] - own[0, 0] == used - 1
            for sink in sinks:
                if len(sink[1]):
                    deliver(results, own, used, ordered, sink, turned)
        start = after
    fence()
    return start, -1
