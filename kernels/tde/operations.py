"""What can be computed of a pair: the table of operations that every backend reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .finish import FINISHES, ROWS, Finish
from .levels import DIRECTION


class Operation(NamedTuple):
    """What is computed of a pair, and to whom it belongs.

    Parameters
    ----------
    name : str
        Key of `finish.FINISHES`: the level, and its result rows.
    by : {"pair", "observer", "triangle"}
        The result is that of a pair, or the sum of an observer or of a triangle.
    kept : tuple of int
        The result rows that are kept.
    width : int
        How many of them lie side by side; the rest of a sum, if any, goes to the end of the array.
    extra : str
        Key of `EXTRAS`: what belongs to a triangle beside its place.
    cot : int
        Numbers of an observer that the result is contracted with.
    tangents : int
        Tangents of the observer that the operation is given.
    axes : int
        3 where the displacement is differentiated along east, north and up, one after the other.
    """

    name: str
    by: str
    kept: tuple[int, ...]
    width: int
    extra: str = "none"
    cot: int = 0
    tangents: int = 0
    axes: int = 1

    @property
    def finish(self) -> Finish:
        """How the result comes about."""
        return FINISHES[self.name]

    @property
    def rows(self) -> int:
        """Number of rows of the level."""
        return ROWS[self.finish.level]

    @property
    def per_axis(self) -> bool:
        """Whether every axis has results of its own."""
        return self.axes > 1 and not self.cot

    @property
    def size(self) -> int:
        """How many numbers are kept of a pair, or of a sum."""
        return len(self.kept) * (self.axes if self.per_axis else 1)


#: Numbers of a triangle beside its place that an operation may want.
EXTRAS = {"none": 0, "slopes": 30, "tangent": DIRECTION, "tangents": 2 * DIRECTION + 3, "bend": DIRECTION}


def operation(name: str, by: str, kept: Iterable[int], **others: object) -> Operation:
    """The operation that keeps these rows, all in one run where no `width` is given."""
    kept = tuple(kept)
    return Operation(name, by, kept, **{"width": len(kept), **others})  # type: ignore[arg-type]


def all_operations() -> dict[tuple[str, str], Operation]:
    """Operations by (name, of); "both" is the displacement with its gradient."""
    u, axes = "displacement", {"axes": 3}
    once, twice = {"extra": "tangent", "tangents": 1}, {"extra": "tangents", "tangents": 2}
    return {
        ("field", u): operation("value", "observer", range(3)),
        ("field", "gradient"): operation("gradient", "observer", range(3, 12)),
        ("field", "both"): operation("gradient", "observer", range(12)),
        ("greens", u): operation("greens", "pair", unit_slips(3, 0, 3), width=3),
        ("greens", "gradient"): operation("greens_gradient", "pair", unit_slips(12, 3, 9), width=3),
        ("adjoint", u): operation("slips", "triangle", range(3), cot=3),
        ("adjoint", "gradient"): operation("slips_gradient", "triangle", range(3), cot=9),
        ("jacobian", u): operation("jacobian", "pair", range(27), width=9, extra="slopes"),
        ("jacobian", "gradient"): operation(
            "jacobian_along", "pair", range(27), width=9, extra="slopes", **axes
        ),
        ("vjp", u): operation("adjoint", "triangle", range(3, 16), width=12, cot=3),
        ("vjp", "gradient"): operation("adjoint_along", "triangle", range(3, 16), width=12, cot=9, **axes),
        ("vjp_observer", u): operation("adjoint", "observer", range(3), cot=3),
        ("vjp_observer", "gradient"): operation("adjoint_along", "observer", range(3), cot=9, **axes),
        ("jvp", u): operation("tangent", "observer", range(3), **once),
        ("jvp", "gradient"): operation("tangent_along", "observer", range(3), width=9, **axes, **once),
        ("vjp2", u): operation("adjoint_along", "triangle", (*range(3, 15), 16, 17, 18), cot=3, **once),
        ("vjp2", "gradient"): operation("adjoint_twice", "triangle", range(3, 15), cot=9, **axes, **once),
        ("vjp2_observer", u): operation("adjoint_along", "observer", range(3), cot=3, **once),
        ("vjp2_observer", "gradient"): operation(
            "adjoint_twice", "observer", range(3), cot=9, **axes, **once
        ),
        ("jvp2", u): operation("tangent_along", "observer", range(3), **twice),
        ("jvp2", "gradient"): operation("tangent_twice", "observer", range(3), width=9, **axes, **twice),
        ("bend", "gradient"): operation("tangent_along", "observer", range(3), width=9, extra="bend", **axes),
    }


def unit_slips(rows: int, first: int, count: int) -> list[int]:
    """Rows `first` and later of three slips with `rows` each, in the order component, slip."""
    return [first + c + rows * k for c in range(count) for k in range(3)]


OPERATIONS = all_operations()
# Compiled code names an operation by its place.
NAMES = tuple(OPERATIONS)


def operation_at(place: int) -> Operation:
    """The operation that compiled code means."""
    return OPERATIONS[NAMES[place]]
