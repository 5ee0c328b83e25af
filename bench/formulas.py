"""Which formulas the roofline counts, and the measured case that each belongs to."""

from collections.abc import Callable
from functools import partial

from dislok.kernels.okada import pair as pairs

from .cases import Case, named
from .counting import Operations, Recorder


def closed_form(level: str, surface: bool = False) -> Operations:
    """Operations of one pair of a rectangle and an observer near it, in the two steps that a kernel takes.

    The first step is in the fault's frame, the second turns the result to the caller's axes and parameters.
    """
    record = Recorder()
    nu, eps = (record.variable(name, per_pair=False) for name in ("nu", "eps"))
    pair = tuple(record.variable(name) for name in pairs.PAIR)
    near = pairs.near_surface if surface else pairs.near
    return plus(record.count(near(pairs.LEVELS.index(level), pair, nu, eps)), finish(level))


def finish(level: str) -> Operations:
    """From the fault's frame to the caller's axes and parameters."""
    record = Recorder()
    pair = tuple(record.variable(name) for name in pairs.PAIR)
    frame = [record.variable(f"frame{i}") for i in range(pairs.FRAME_ROWS[level])]
    return record.count(getattr(pairs, f"finish_{level}")(pair, frame))


def plus(a: Operations, b: Operations) -> Operations:
    """Sum of two counts."""
    return Operations(*(x + y for x, y in zip(a, b, strict=True)))


def _of(name: str, level: str, surface: bool = False) -> tuple[Case, Callable[[], Operations]]:
    return named(name), partial(closed_form, level, surface)


COUNTED: dict[str, tuple[Case, Callable[[], Operations]]] = {
    "displacement, surface": _of("displacement, surface", "value", surface=True),
    "displacement, inside": _of("displacement, inside", "value"),
    "displacement + gradient, inside, 2 slips": _of("displacement + gradient, inside, 2 slips", "gradient"),
    "Jacobian of displacement, surface": _of("Jacobian of displacement, surface", "first", surface=True),
    "Jacobian of displacement, inside": _of("Jacobian of displacement, inside", "first"),
    "Hessian of displacement, inside": _of("Hessian of displacement, inside", "second"),
}
