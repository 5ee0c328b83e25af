"""Vector code for blocks of pairs of Okada's sources and observers: a function for each method and level.

Behind the rows of a level or of a result lie those of `PAIR`, where they are used more than once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from dislok.kernels.lanes import LANES, accumulate, load, store
from dislok.kernels.names import Function, Number
from dislok.kernels.pairs.blocks import CHUNK, FINISH, FIRST, GROUP, METHOD
from dislok.kernels.pairs.code import Code, apart, compiled
from dislok.kernels.scalar import ZERO, binade, number, scalar, value

from .operations import ALL_LEVELS, Operation, distance, finished, method, pair_of, surely_near, tangent
from .pair import (
    FRAME_ROWS,
    LEVELS,
    PAIR,
    far_node,
    far_node_parameters,
    far_node_surface,
    near,
    near_surface,
    near_surface_parameters,
)
from .sources import NODES, RULES, TABLE, WEIGHTS, WIDTH_OF_TABLE
from .third_derivatives import far_node_third, near_corner_third

# Places of code; the codes of `sources.method_code` behind that of the closed form are rules.
NEAR, FAR = FIRST, FIRST + 1
PAIR_ROWS = len(PAIR)
OBS, SRC = 3, WIDTH_OF_TABLE  # columns before those that belong to an operation
_OWN, _ITS = np.uint64(OBS * LANES), np.uint64(SRC * LANES)
_UNIT = TABLE.index("unit")
_AL, _AW = PAIR.index("al1"), PAIR.index("aw1")
_RATE = PAIR.index("l1") - PAIR.index("al1")

# Up to this many pairs a call stays in the caller's thread, by the rows in the frame: to wake another one and
# to start a part there takes as long as some thousand pairs.
SERIAL = {
    "value": 1 << 14,
    "gradient": 1 << 13,
    "greens": 1 << 13,
    "greens_gradient": 1 << 12,
    "first": 1 << 12,
    "parameters": 1 << 12,
    "second": 1 << 10,
    "third": 1 << 9,
}


class Work(NamedTuple):
    """An operation as vector code has it: the result rows that are computed, and what lies where.

    To an observer belong what results are contracted with and then the tangents (3 each), to a source its
    tangents (its parameters each, with that of Poisson's ratio behind).
    """

    operation: Operation
    kept: tuple[int, ...]

    @property
    def level(self) -> str:
        """The rows in the frame."""
        return self.operation.level

    @property
    def given(self) -> tuple[int, int]:
        """Numbers of an observer and of a source to load: at least one, which the compiler drops unused."""
        ways = max(self.operation.tangents, int(self.operation.axes > 1))
        wide = len(self.operation.parameters) + 1
        return max(self.operation.cot + 3 * ways, 1), max(wide * self.operation.tangents, 1)

    def direction(self, own: Number, its: Number) -> Number:
        """The first tangent, in `VARIABLES`."""
        cot, p = self.operation.cot, len(self.operation.parameters)
        t_nu = its[p] if self.operation.tangents else ZERO
        return tangent(self.operation, own[cot : cot + 3], its[:p], t_nu)

    def finish(self, pair: Number, frame: Number, own: Number, its: Number) -> Number:
        """The result rows from those in the frame."""
        cot, p = self.operation.cot, len(self.operation.parameters)
        tangents = own[cot : cot + 3], its[:p], own[cot + 3 : cot + 6], its[p + 1 : 2 * p + 1]
        t_nu = its[p] if self.operation.tangents else ZERO
        return finished(self.operation, self.kept, pair, frame, own[:cot], *tangents, t_nu)


# ------------------------------------------------------------------------------------------- methods


def _classify(bits: int, real: type) -> Callable[..., None]:
    """How each lane is computed, as `sources.method_code` says."""

    def classify(obs, src, obs_width, src_width, count, codes):
        low, high = real(np.inf), real(0.0)
        for begin in range(0, count, LANES):
            o, s = np.uint64(begin * obs_width), np.uint64(begin * src_width)
            near = real(0.0)
            for lane in range(np.uint64(LANES)):
                codes[np.uint64(begin) + lane] = real(0.0)
                near += value(surely_near(bits, load(src, s + lane, SRC), load(obs, o + lane, 3)))
            if near == real(LANES):
                low = real(0.0)
                continue
            for lane in range(np.uint64(LANES)):
                found = value(method(bits, load(src, s + lane, WIDTH_OF_TABLE), load(obs, o + lane, 3)))
                codes[np.uint64(begin) + lane] = found
                low = min(low, found)
                high = max(high, found)
        codes[CHUNK], codes[CHUNK + 1] = low, high

    return classify


@scalar
def near_pair(row, place):
    """The numbers of `PAIR` in the source's unit of length."""
    return pair_of(row, place, row[_UNIT])


@scalar
def far_pair(row, place):
    """The numbers of `PAIR` in the unit in which the largest distance along an axis is from 0.5 to 1."""
    return pair_of(row, place, 0.5 / binade(distance(row, place)))


def _fused(work: Work, surface: bool) -> Callable[..., None]:
    """Result rows by the closed form."""
    index, (of_obs, of_src) = ALL_LEVELS.index(work.level), work.given

    @scalar
    def formula(row, place, nu, eps, own, its):
        pair = near_pair(row, place)
        if work.level == "parameters":
            frame = near_surface_parameters(pair, nu, eps)
        else:
            frame = (near_surface if surface else near)(index, pair, nu, eps)
        return work.finish(pair, frame, own, its)

    def closed_form(obs, src, rows, groups, nu, eps, last, which):
        apart()
        for group in range(np.uint64(groups)):
            for lane in range(np.uint64(GROUP)):
                i = group * np.uint64(GROUP) + lane
                row, place = load(src, i, WIDTH_OF_TABLE), load(obs, i, 3)
                own, its = load(obs, _OWN + i, of_obs), load(src, _ITS + i, of_src)
                store(rows, i, formula(row, place, number(nu), number(eps), own, its))

    return closed_form


def _whole() -> Callable[..., None]:
    """Frame rows of level "second" by the closed form."""
    index, at = LEVELS.index("second"), np.uint64(FRAME_ROWS["second"] * LANES)

    def whole(obs, src, rows, groups, nu, eps, last, which):
        apart()
        for group in range(np.uint64(groups)):
            for lane in range(np.uint64(GROUP)):
                i = group * np.uint64(GROUP) + lane
                store(rows, at + i, near_pair(load(src, i, WIDTH_OF_TABLE), load(obs, i, 3)))
        for group in range(np.uint64(groups)):
            for lane in range(np.uint64(GROUP)):
                i = group * np.uint64(GROUP) + lane
                store(rows, i, near(index, load(rows, at + i, PAIR_ROWS), number(nu), number(eps)))

    return whole


def _corners(work: Work, real: type) -> Callable[..., None]:
    """Frame rows of level "third" by the closed form, corner by corner so that the code stays small."""
    count = at = np.uint64(FRAME_ROWS["third"] * LANES)
    (of_obs, of_src), rate_at = work.given, np.uint64(_RATE * LANES)
    al_at, aw_at = np.uint64(FRAME_ROWS["third"] + _AL), np.uint64(FRAME_ROWS["third"] + _AW)

    @scalar
    def formula(pair, nu, eps, al, aw, rate_l, rate_w, own, its):
        return near_corner_third(pair, work.direction(own, its), nu, eps, al, aw, rate_l, rate_w)

    def corners(obs, src, rows, groups, nu, eps, last, which):
        apart()
        for k in range(count):
            rows[k] = real(0.0)
        for group in range(np.uint64(groups)):
            for lane in range(np.uint64(GROUP)):
                i = group * np.uint64(GROUP) + lane
                store(rows, at + i, near_pair(load(src, i, WIDTH_OF_TABLE), load(obs, i, 3)))
        for corner in range(4):
            right, upper = np.uint64(corner // 2), np.uint64(corner % 2)
            sign = real(1.0 if right == upper else -1.0)
            al, aw = (al_at + right) * np.uint64(LANES), (aw_at + upper) * np.uint64(LANES)
            for group in range(np.uint64(groups)):
                for lane in range(np.uint64(GROUP)):
                    i = group * np.uint64(GROUP) + lane
                    pair = load(rows, at + i, PAIR_ROWS)
                    own, its = load(obs, _OWN + i, of_obs), load(src, _ITS + i, of_src)
                    (edge_l,), (edge_w,) = load(rows, al + i, 1), load(rows, aw + i, 1)
                    (rate_l,), (rate_w,) = load(rows, al + rate_at + i, 1), load(rows, aw + rate_at + i, 1)
                    terms = formula(pair, number(nu), number(eps), edge_l, edge_w, rate_l, rate_w, own, its)
                    accumulate(rows, i, terms, sign)

    return corners


def _node(level: str, surface: bool, work: Work | None) -> Function:
    """Frame rows of one node of a quadrature."""
    index = ALL_LEVELS.index(level)

    @scalar
    def node(pair, nu, g, h, weight, own, its):
        if work is not None:
            return far_node_third(pair, work.direction(own, its), nu, g, h, weight)
        if level == "parameters":
            return far_node_parameters(pair, nu, g, h, weight)
        formula = far_node_surface if surface and level != "second" else far_node
        return formula(index, pair, nu, g, h, weight)

    return node


def _quadrature(level: str, surface: bool, real: type, work: Work | None) -> Callable[..., None]:
    """Frame rows by quadrature; `work` where they are taken along a direction."""
    formula, count = _node(level, surface, work), np.uint64(FRAME_ROWS[level] * LANES)
    at = count
    of_obs, of_src = work.given if work else (1, 1)

    def quadrature(obs, src, rows, groups, nu, eps, last, which):
        apart()
        for k in range(count):
            rows[k] = real(0.0)
        for group in range(np.uint64(groups)):
            for lane in range(np.uint64(GROUP)):
                i = group * np.uint64(GROUP) + lane
                store(rows, at + i, far_pair(load(src, i, WIDTH_OF_TABLE), load(obs, i, 3)))
        code = int(8.0 * which)
        along, across = RULES[code // 8 - 1], RULES[code % 8]
        for a in range(along):
            g = real(NODES[along, a])
            for b in range(across):
                h = real(NODES[across, b])
                weight = real(WEIGHTS[along, a] * WEIGHTS[across, b])
                for group in range(np.uint64(groups)):
                    for lane in range(np.uint64(GROUP)):
                        i = group * np.uint64(GROUP) + lane
                        pair = load(rows, at + i, PAIR_ROWS)
                        own, its = load(obs, _OWN + i, of_obs), load(src, _ITS + i, of_src)
                        terms = formula(pair, number(nu), number(g), number(h), number(weight), own, its)
                        accumulate(rows, i, terms, real(1.0))

    return quadrature


def _finish(work: Work) -> Callable[..., None]:
    """Result rows in place of the frame's."""
    count, at = FRAME_ROWS[work.level], np.uint64(FRAME_ROWS[work.level] * LANES)
    of_obs, of_src = work.given

    @scalar
    def formula(pair, frame, own, its):
        return work.finish(pair, frame, own, its)

    def finish(obs, src, rows, groups):
        apart()
        # short groups would be unrolled, and not become vector code
        for i in range(np.uint64(groups) * np.uint64(GROUP)):
            own, its = load(obs, _OWN + i, of_obs), load(src, _ITS + i, of_src)
            pair = load(rows, at + i, PAIR_ROWS)
            store(rows, i, formula(pair, load(rows, i, count), own, its))

    return finish


# ----------------------------------------------------------------------------------------- addresses


@cache
def _classify_code(dtype: np.dtype) -> int:
    return compiled(_classify(8 * dtype.itemsize, dtype.type), METHOD, dtype)


@cache
def _frame_code(place: int, level: str, surface: bool, dtype: np.dtype) -> int:
    """Address of what all operations of a level have in common."""
    if place == FAR:
        return compiled(_quadrature(level, surface, dtype.type, None), place, dtype)
    return compiled(_whole(), place, dtype)


@cache
def code_of(operation: Operation, kept: tuple[int, ...], surface: bool, dtype: np.dtype) -> Code:
    """Code that computes the result rows `kept`, for observers anywhere or at the surface.

    Second derivatives include those with z and so have no shorter form for observers at the surface.
    """
    surface = surface and operation.fused
    work, real, level = Work(operation, kept), dtype.type, operation.level

    def make(place: int) -> int:
        if place == METHOD:
            return _classify_code(dtype)
        if place == FINISH:
            return compiled(_finish(work), place, dtype)
        if level == "third":
            method = _corners(work, real) if place == NEAR else _quadrature(level, surface, real, work)
            return compiled(method, place, dtype)
        if place == NEAR and operation.fused:
            return compiled(_fused(work, surface), place, dtype)
        return _frame_code(place, level, surface, dtype)

    rows = FRAME_ROWS[level] + PAIR_ROWS
    return Code(FAR + 1 - FIRST, make, 0, rows, operation.fused, SERIAL[level])
