"""Responses of a layered half-space on the CPU: vector kernels over blocks of wavenumbers.

A block is `LANES` wavenumbers at one frequency; its numbers lie in rows of `LANES`, and each step of `pair`
is a loop over the lanes with nothing but arithmetic in it, which LLVM turns into vector code.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.lanes import LANES, load, store
from dislok.kernels.names import Function, Kernel
from dislok.kernels.scalar import number

from .pair import (
    CROSS,
    HALF_SPACE,
    PLACE,
    RECEIVER,
    SEA_FLOOR,
    SURFACE,
    carried_rows,
    cross_carried,
    cross_other,
    meet_receiver,
    meet_source,
    other_rows,
    result_rows,
    start_carried,
    start_other,
)

_LANES = np.uint64(LANES)


@cache
def _start(formula: Function, kind: int, order: int, end: int) -> Kernel:
    """The state of a block at an end of the stack."""
    count = len(PLACE) * (1 + order)

    def start(k, first, table, at, state):
        for i in range(_LANES):
            place = load(table, at, count)
            store(state, i, formula(kind, order, end, number(k[first + i]), place))

    return kernel(start)


@cache
def _step(formula: Function, kind: int, order: int, rows: int) -> Kernel:
    """The state of a block after a step."""
    count = len(PLACE) * (1 + order)

    def step(sign, k, first, table, at, state):
        for i in range(_LANES):
            place, before = load(table, at, count), load(state, i, rows)
            store(state, i, formula(kind, order, number(sign), before, number(k[first + i]), place))

    return kernel(step)


def _meet(kind: int, order: int, force: int) -> Kernel:
    """The kept columns of a block from the two states at a source, in rows of `LANES`."""
    count = len(PLACE) * (1 + order)
    carried_n, other_n = carried_rows(kind, order), other_rows(kind, order)

    def at_source(side, k, first, table, at, state, others, begin, result):
        for i in range(_LANES):
            place = load(table, at, count)
            carried, other = load(state, i, carried_n), load(others, begin + i, other_n)
            kk = number(k[first + i])
            store(result, i, meet_source(kind, order, force, number(side), carried, other, kk, place))

    return kernel(at_source)


def _deliver(result, which, begin, stride, taper, out, first, source, n):
    """Write the wanted rows of a block, times the source's taper, to their places in `out`."""
    factors = np.uint64(source * n) + first
    for row in range(len(which)):
        at = np.uint64(which[row]) * _LANES
        to = np.uint64(begin[row] + source * stride[row]) + first
        for i in range(_LANES):
            out[to + i] = result[at + i] * taper[factors + i]


@cache
def _begin(formula: Function, kind: int, order: int) -> Kernel:
    """The state of a block at an end of the stack of any kind."""
    at_surface, at_sea, at_bottom = (
        _start(formula, kind, order, end) for end in (SURFACE, SEA_FLOOR, HALF_SPACE)
    )

    def begin(end, k, first, table, at, state):
        if end == SURFACE:
            at_surface(k, first, table, at, state)
        elif end == SEA_FLOOR:
            at_sea(k, first, table, at, state)
        else:
            at_bottom(k, first, table, at, state)

    return kernel(begin)


@cache
def _address(order: int) -> Kernel:
    """Where the numbers of a place lie in the table."""
    chunk = len(PLACE) * (1 + order) * LANES

    def address(place):
        return np.uint64((place // LANES) * chunk + place % LANES)

    return kernel(address)


def _sweep(kind: int, order: int, force: int) -> Kernel:
    """The kernel for one kind of number."""
    carried_n, other_n = carried_rows(kind, order), other_rows(kind, order)
    result_n = result_rows(kind, order, bool(force))
    begin_carried, begin_other = _begin(start_carried, kind, order), _begin(start_other, kind, order)
    carried_step = _step(cross_carried, kind, order, carried_n)
    other_step = _step(cross_other, kind, order, other_n)
    receiver_step = _step(meet_receiver, kind, order, carried_n)
    at_source, address, deliver = _meet(kind, order, force), _address(order), kernel(_deliver)

    def sweep(
        k,
        table,
        ends,
        carried_program,
        other_program,
        sources,
        sign,
        active,
        entry,
        which,
        begin,
        stride,
        taper,
        out,
    ):
        state = np.empty(carried_n * LANES)
        others = np.empty(len(sources) * other_n * LANES)
        result = np.empty(result_n * LANES)
        for block in range(len(k) // LANES):
            first, left, start = np.uint64(block * LANES), active[block], entry[block, 1]
            end = HALF_SPACE if start > 0 else ends[1, 0]
            begin_other(end, k, first, table, address(entry[block, 0]), state)
            for turn in range(start, len(other_program)):
                what, place = other_program[turn, 0], other_program[turn, 1]
                if what == CROSS:
                    other_step(-sign, k, first, table, address(place), state)
                else:
                    to = place * other_n * LANES
                    others[to : to + other_n * LANES] = state[: other_n * LANES]
            begin_carried(ends[0, 0], k, first, table, address(ends[0, 1]), state)
            for turn in range(len(carried_program)):
                what, place = carried_program[turn, 0], carried_program[turn, 1]
                if what == CROSS:
                    carried_step(sign, k, first, table, address(place), state)
                elif what == RECEIVER:
                    receiver_step(sign, k, first, table, address(place), state)
                else:
                    at, there = address(sources[place]), np.uint64(place * other_n * LANES)
                    at_source(-sign, k, first, table, at, state, others, there, result)
                    deliver(result, which, begin, stride, taper, out, first, place, len(k))
                    left -= 1
                    if left == 0:
                        break

    return kernel(sweep)


@cache
def sweep(kind: int, order: int, force: bool) -> Kernel:
    """The compiled kernel for one kind of number and order of derivative, with columns of forces or without.

    Its arguments: wavenumbers (n,), a multiple of `LANES`; the table of places; for the carried and the other
    state the kind and place of the end they start from; their programs, rows of (what, place or number of the
    source); the sources' places; the carried state's direction, 1 upward, -1 downward; for every block the
    number of sources that need it and where the other state starts (see `reach`); the rows of results wanted,
    where in `out` those of the first source begin and how far the other sources' are from there; the tapers
    (sources, n), flat; and `out`, which is left as it is where a source does not need a block.
    """
    return _sweep(kind, order, int(force))
