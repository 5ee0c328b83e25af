"""Responses of a layered half-space on the CPU: vector kernels over blocks of wavenumbers.

A block is `LANES` wavenumbers at one frequency; its numbers lie in rows of `LANES`, and each step of `pair`
is a loop over the lanes with nothing but arithmetic in it, which LLVM turns into vector code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from dislok.kernels.cpu import kernel
from dislok.kernels.lanes import LANES, load, store
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


def table_size(places: int, order: int) -> int:
    """Numbers in the table of so many places at one frequency."""
    return -(-places // LANES) * len(PLACE) * (1 + order) * LANES


def _start(formula: Callable[..., Any], kind: int, order: int, end: int) -> Any:
    """The state of a block at an end of the stack."""
    count = len(PLACE) * (1 + order)

    def start(k, first, table, at, state):
        for i in range(_LANES):
            place = load(table, at, count)
            store(state, i, formula(kind, order, end, number(k[first + i]), place))

    return kernel(start)


def _step(formula: Callable[..., Any], kind: int, order: int, rows: int) -> Any:
    """The state of a block after a step."""
    count = len(PLACE) * (1 + order)

    def step(sign, k, first, table, at, state):
        for i in range(_LANES):
            place, before = load(table, at, count), load(state, i, rows)
            store(state, i, formula(kind, order, number(sign), before, number(k[first + i]), place))

    return kernel(step)


def _meet(kind: int, order: int) -> Any:
    """The columns of a block from the states at a source, which lie one after the other in `meet`."""
    count = len(PLACE) * (1 + order)
    carried_n, other_n = carried_rows(kind, order), other_rows(kind, order)
    other_at, result_at = np.uint64(carried_n * LANES), np.uint64((carried_n + other_n) * LANES)

    def at_source(side, k, first, table, at, meet, begin):
        for i in range(_LANES):
            place = load(table, at, count)
            carried = load(meet, begin + i, carried_n)
            other = load(meet, begin + other_at + i, other_n)
            result = meet_source(kind, order, number(side), carried, other, number(k[first + i]), place)
            store(meet, begin + result_at + i, result)

    return kernel(at_source)


def _sweep(kind: int, order: int) -> Any:
    """The kernel for one kind of number."""
    carried_n, other_n = carried_rows(kind, order), other_rows(kind, order)
    meet_n = (carried_n + other_n + result_rows(kind, order)) * LANES
    place_n = len(PLACE) * (1 + order) * LANES
    carried_surface = _start(start_carried, kind, order, SURFACE)
    carried_sea = _start(start_carried, kind, order, SEA_FLOOR)
    carried_bottom = _start(start_carried, kind, order, HALF_SPACE)
    other_surface = _start(start_other, kind, order, SURFACE)
    other_sea = _start(start_other, kind, order, SEA_FLOOR)
    other_bottom = _start(start_other, kind, order, HALF_SPACE)
    carried_step = _step(cross_carried, kind, order, carried_n)
    other_step = _step(cross_other, kind, order, other_n)
    receiver_step = _step(meet_receiver, kind, order, carried_n)
    at_source = _meet(kind, order)

    def sweep(k, table, ends, carried_program, other_program, sources, sign, wanted, out):
        state = np.empty(carried_n * LANES)
        meet = np.empty(len(sources) * meet_n)
        for block in range(len(k) // LANES):
            first = np.uint64(block * LANES)
            place = ends[0, 1]
            at = np.uint64((place // LANES) * place_n + place % LANES)
            if ends[0, 0] == SURFACE:
                carried_surface(k, first, table, at, state)
            elif ends[0, 0] == SEA_FLOOR:
                carried_sea(k, first, table, at, state)
            else:
                carried_bottom(k, first, table, at, state)
            for turn in range(len(carried_program)):
                what, place = carried_program[turn, 0], carried_program[turn, 1]
                at = np.uint64((place // LANES) * place_n + place % LANES)
                if what == CROSS:
                    carried_step(sign, k, first, table, at, state)
                elif what == RECEIVER:
                    receiver_step(sign, k, first, table, at, state)
                else:
                    meet[place * meet_n : place * meet_n + carried_n * LANES] = state
            place = ends[1, 1]
            at = np.uint64((place // LANES) * place_n + place % LANES)
            if ends[1, 0] == SURFACE:
                other_surface(k, first, table, at, state)
            elif ends[1, 0] == SEA_FLOOR:
                other_sea(k, first, table, at, state)
            else:
                other_bottom(k, first, table, at, state)
            for turn in range(len(other_program)):
                what, place = other_program[turn, 0], other_program[turn, 1]
                at = np.uint64((place // LANES) * place_n + place % LANES)
                if what == CROSS:
                    other_step(-sign, k, first, table, at, state)
                else:
                    begin = place * meet_n + carried_n * LANES
                    meet[begin : begin + other_n * LANES] = state[: other_n * LANES]
            for source, place in enumerate(sources):
                at = np.uint64((place // LANES) * place_n + place % LANES)
                at_source(-sign, k, first, table, at, meet, np.uint64(source * meet_n))
                for row, which in enumerate(wanted):
                    begin = source * meet_n + (carried_n + other_n + which) * LANES
                    out[row, source, first : first + _LANES] = meet[begin : begin + LANES]

    return kernel(sweep)


@cache
def sweep(kind: int, order: int) -> Any:
    """The compiled kernel for one kind of number and order of derivative.

    Its arguments: wavenumbers (n,), a multiple of `LANES`; the table of places; for the carried and the other
    state the kind and place of the end they start from; their programs, rows of (what, place or number of the
    source); the sources' places; the carried state's direction, 1 upward, -1 downward; the rows of results
    wanted; and where they go, (rows, sources, n).
    """
    return _sweep(kind, order)
