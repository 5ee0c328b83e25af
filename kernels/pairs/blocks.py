"""Blocks of pairs, evaluated one after the other in compiled code.

Every pair is a lane. Lanes run along one side, the observers or the sources, in chunks of up to `CHUNK`; for
each chunk all members of the other side come in turn, repeated in every lane. With pairs both sides run
along. The lanes of a chunk that are evaluated alike (closed form, quadrature of so many points) go in blocks
of `LANES` to code at an address, so that one loop, `run`, serves every operation of every family. Lanes that
are too few for a block wait in queues for others, whatever their member of the other side.
"""

from __future__ import annotations

import numpy as np

from dislok.kernels.cpu import call, kernel
from dislok.kernels.lanes import LANES, fence, lane_sum

from .delivery import place_rows, stream

# Lanes that are sorted at once; their sums and their columns stay in the second-level cache.
CHUNK = 512
# Lanes that code takes at once, so that a block of few lanes costs little.
GROUP = 16
# So few lanes beyond whole groups wait for others that are computed in the same way.
FEW = 10
# Ways to compute a lane, at most.
WAYS = 16
# Places of code in `run`: what says how a lane is computed, what makes the result's rows of a level's, the
# first method. The last one serves all later methods too.
METHOD, FINISH, FIRST = 0, 1, 2
# What stands in the place of code that is not needed.
NONE = -1
# What `run` finds in `stop` when the caller has given up; where code is missing, it writes its place plus
# one.
GIVEN_UP = -1


@kernel
def at_surface(obs):
    """Whether all observers have z = 0."""
    for i in range(len(obs)):
        if obs[i, 2] != 0.0:
            return False
    return True


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
def gather(rows, width, picks, begin, count, used, out):
    """Columns of `count` chosen lanes of blocks as one block; the last that is used is repeated."""
    for lane in range(np.uint64(count)):
        pick = picks[begin + min(np.int64(lane), used - 1)]
        base = np.uint64((pick // LANES) * LANES * width + pick % LANES)
        for c in range(np.uint64(width)):
            out[c * np.uint64(LANES) + lane] = rows[base + c * np.uint64(LANES)]


@kernel
def gather_members(table, members, count, used, out):
    """Rows of a table, one for each of `count` lanes, as a block of columns; the last is repeated."""
    for lane in range(np.uint64(count)):
        member = np.uint64(members[min(np.int64(lane), used - 1)])
        for c in range(np.uint64(table.shape[1])):
            out[c * np.uint64(LANES) + lane] = table[member, c]


@kernel
def pick(codes, count, way, picks):
    """List the lanes that are computed in a way, whatever the fraction of their codes; returns how many."""
    found = 0
    low, high = codes.dtype.type(way), codes.dtype.type(way + 1)
    for k in range(count):
        picks[found] = k
        found += 1 if low <= codes[k] < high else 0
    return found


@kernel
def largest_code(codes, begin, used, picks, picked):
    """The largest code of a block's lanes."""
    largest = codes.dtype.type(0.0)
    for k in range(begin, begin + used):
        largest = max(largest, codes[picks[k] if picked else k])
    return largest


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
def add_to_members(rows, span, used, members, out):
    """Add rows of a block to the sums (members, rows) of each lane's member of the other side."""
    for r in range(span[0], span[1]):
        for k in range(used):
            out[members[k], r - span[0]] += rows[r * LANES + k]


@kernel
def collect(sums, count, start, out):
    """Sums of a chunk's lanes (rows, `CHUNK`) to the rows (lanes, r) of `out`."""
    if out.shape[1] == 0:
        return
    for k in range(np.uint64(count)):
        for r in range(np.uint64(out.shape[1])):
            out[np.uint64(start) + k, r] = sums[r * np.uint64(CHUNK) + k]


@kernel
def write(rows, matrix, used, begin, picks, picked, at, step, turned):
    """Store result rows of each lane where `matrix` wants them; lanes are `step` apart, from `at` on."""
    index, to, out, streamed = matrix[0], matrix[1], matrix[2], matrix[5]
    if picked:
        for k in range(used):
            base = np.uint64(at + picks[begin + k] * step)
            for r in range(np.uint64(len(index))):
                out[base + np.uint64(to[r])] = rows[np.uint64(index[r] * LANES + k)]
    elif streamed and step == len(index):
        place_rows(rows, index, to, used, turned, np.int64(0), step)
        stream(turned, used * step, out, at + begin * step)
    else:
        place_rows(rows, index, to, used, out, at + begin * step, step)


@kernel
def write_members(rows, matrix, used, picks, members, start, step, by_other):
    """`write` for lanes that each have a member of the other side of their own, `by_other` apart."""
    index, to, out = matrix[0], matrix[1], matrix[2]
    for k in range(used):
        base = np.uint64(members[k] * by_other + (start + picks[k]) * step)
        for r in range(np.uint64(len(index))):
            out[base + np.uint64(to[r])] = rows[np.uint64(index[r] * LANES + k)]


@kernel
def compute(how, place, o, s, rows, groups, which):
    """Result rows of a block of observers and sources."""
    code, fused, numbers, zeroed = how
    for k in range(np.uint64(zeroed * LANES)):
        rows[k] = 0.0
    call(code[place], (o, s, rows, groups, numbers[0], numbers[1], numbers[2] * LANES, which))
    if code[FINISH] != NONE and not (fused and place == FIRST):
        call(code[FINISH], (o, s, rows, groups))


@kernel
def steps(matrix, along):
    """How far apart the pairs of neighbouring lanes, and of neighbouring members of the other side, lie."""
    step = (matrix[3] if along[0] else 0) + (matrix[4] if along[1] else 0)
    return step, matrix[4] if along[0] else matrix[3]


@kernel
def keep(queue, waiting, way, other, picks, begin, end, picked):
    """Put lanes that are too few for a block into the queue of their way, with their member."""
    for k in range(begin, end):
        queue[way, 0, waiting[way]] = picks[k] if picked else k
        queue[way, 1, waiting[way]] = other
        waiting[way] += 1


@kernel
def evaluate_queue(sides, how, by_lane, by_other, kept, work, place, way, start):
    """Evaluate the lanes that wait in a queue, and deliver their rows."""
    obs, src, along, obs_width, src_width = sides
    obs_rows, src_rows, own_obs, own_src, rows, _, sums, _, most, _, waiting, queue = work
    used, lanes, members = waiting[way], queue[way, 0], queue[way, 1]
    count = (used + GROUP - 1) // GROUP * GROUP
    if along[0]:
        gather(obs_rows, obs_width, lanes, 0, count, used, own_obs)
    else:
        gather_members(obs, members, count, used, own_obs)
    if along[1]:
        gather(src_rows, src_width, lanes, 0, count, used, own_src)
    else:
        gather_members(src, members, count, used, own_src)
    compute(how, place, own_obs, own_src, rows, count // GROUP, most[way])
    add_to_lanes(rows, by_lane[0], used, 0, lanes, True, sums)
    add_to_members(rows, by_other[0], used, members, by_other[1])
    for matrix in kept:
        if len(matrix[0]):
            step, apart = steps(matrix, along)
            write_members(rows, matrix, used, lanes, members, start, step, apart)
    waiting[way], most[way] = 0, 0.0


# In one piece, because in several it takes a third longer to compile and is five per cent slower.
@kernel
def run(  # noqa: C901
    obs, src, along, chunk, turn, code, fused, numbers, zeroed, by_lane, by_other, kept, work, stop
):
    """Evaluate every `turn[1]`-th chunk of lanes, from number `turn[0]` on.

    Parameters
    ----------
    obs : array, shape (n, 3 or more)
        Observers, and what results are contracted with.
    src : array, shape (m, k)
        Sources: what the family's code reads, and what belongs to them.
    along : tuple of bool
        Whether lanes run along the observers, along the sources.
    chunk : int
        Lanes of a chunk, a multiple of `LANES` and at most `CHUNK`.
    turn : tuple of int
        First chunk, and step from chunk to chunk.
    code : array of int
        Addresses; 0 where there is none yet. The method writes the code of each lane, whose whole part names
        the code that computes it, and behind all lanes the least and the largest.
    fused : bool
        The first method gives the result's rows at once.
    numbers : tuple
        What all code is given: Poisson's ratio, rounding, and the first column of the sources' last part.
    zeroed : int
        Rows that are set to zero first, because methods add to them.
    by_lane, by_other : tuple
        Result rows (from, to) that are summed for each lane, and for each member of the other side, and the
        array (members, rows) to which they go.
    kept : tuple
        Of two arrays, of which each may be for no rows: result rows that are kept of every pair, where they
        go relative to the pair, the flat array, how far apart the pairs of neighbouring observers and of
        neighbouring sources are, and whether they go past the caches.
    work : tuple
        Scratch: rows of observers, of sources, two blocks of gathered ones, results, results of a block lane
        by lane, sums, codes, the largest code of each queue; picks, lengths of the queues, queues.
    stop : array, shape (1,)
        Becomes nonzero when the caller has given up, or when code that is needed is missing.
    """
    obs_rows, src_rows, own_obs, own_src, rows, turned, sums, codes, most, picks, waiting, queue = work
    lanes = len(obs) if along[0] else len(src)
    others = 1 if along[0] and along[1] else (len(src) if along[0] else len(obs))
    obs_width = obs.shape[1] if along[0] else 0
    src_width = src.shape[1] if along[1] else 0
    sides, how = (obs, src, along, obs_width, src_width), (code, fused, numbers, zeroed)
    last = len(code) - 1
    if code[METHOD] == 0:
        stop[0] = METHOD + 1
        return
    for start in range(turn[0] * chunk, lanes, turn[1] * chunk):
        here = min(chunk, lanes - start)
        if along[0]:
            fill(obs, start, here, obs_rows)
        if along[1]:
            fill(src, start, here, src_rows)
        sums[:], most[:] = 0.0, 0.0
        waiting[:] = 0
        for other in range(others):
            if stop[0]:
                return
            if not along[0]:
                repeat(obs, other, obs_rows)
            if not along[1]:
                repeat(src, other, src_rows)
            call(code[METHOD], (obs_rows, src_rows, obs_width, src_width, here, codes))
            low, high = int(codes[CHUNK]), int(codes[CHUNK + 1])
            picked = low != high
            for way in range(low, high + 1):
                number = pick(codes, here, way, picks) if picked else here
                place = min(FIRST + way, last)
                if number and (code[place] == 0 or (code[FINISH] == 0 and not (fused and place == FIRST))):
                    stop[0] = 1 + (FINISH if code[place] else place)
                    return
                tail = number % GROUP
                whole = number - tail if tail <= FEW else number
                for begin in range(0, whole, LANES):
                    used = min(LANES, whole - begin)
                    groups = (used + GROUP - 1) // GROUP
                    o, s = obs_rows[begin * obs_width :], src_rows[begin * src_width :]
                    if picked and along[0]:
                        gather(obs_rows, obs_width, picks, begin, groups * GROUP, used, own_obs)
                        o = own_obs
                    if picked and along[1]:
                        gather(src_rows, src_width, picks, begin, groups * GROUP, used, own_src)
                        s = own_src
                    which = codes[0]
                    if place == last:
                        which = largest_code(codes, begin, used, picks, picked)
                    compute(how, place, o, s, rows, groups, which)
                    add_to_lanes(rows, by_lane[0], used, begin, picks, picked, sums)
                    for matrix in kept:
                        if len(matrix[0]):
                            step, apart = steps(matrix, along)
                            at = other * apart + start * step
                            write(rows, matrix, used, begin, picks, picked, at, step, turned)
                    for r in range(by_other[0][0], by_other[0][1]):
                        total = lane_sum(rows, r * LANES, used)
                        by_other[1][other, r - by_other[0][0]] += total
                if whole < number:
                    keep(queue, waiting, way, other, picks, whole, number, picked)
                    most[way] = max(most[way], largest_code(codes, whole, number - whole, picks, picked))
                    if waiting[way] > LANES - GROUP:
                        evaluate_queue(sides, how, by_lane, by_other, kept, work, place, way, start)
        for way in range(WAYS):
            if waiting[way]:
                place = min(FIRST + way, last)
                evaluate_queue(sides, how, by_lane, by_other, kept, work, place, way, start)
        collect(sums, here, start, by_lane[1])
    if kept[0][5]:
        fence()
