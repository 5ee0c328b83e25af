"""Rectangular faults to be found: which parameters, between which bounds, with which prior knowledge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from dislok import gate as gates
from dislok.okada import Rectangle
from dislok.sources import DEFAULT_ORIGIN

PARAMETERS = Rectangle._fields
"""Names of a rectangle's ten parameters, in the order of every array."""

GEOMETRY = PARAMETERS[:7]
"""The parameters on which the displacement depends nonlinearly even when the slip is solved for."""

_ANGLES = ("strike", "rake")
_TOP_EDGE = ("topleft", "topcenter", "topright")


class FaultModel:
    """One rectangular fault to be found.

    Parameters
    ----------
    initial : Rectangle
        Ten numbers: where the search begins, and the value of what is held fixed. A rake or slip outside its
        bounds begins at the nearer one. Lengths in the problem's length unit, angles in degrees. What it
        carries as its reference point (`Rectangle.with_origin`) is what x, y and depth mean, "topleft" if
        nothing.
    bounds : mapping of name to (lower, upper)
        Limits of parameters. Without an entry, ``depth >= 0``, ``0 <= dip <= 90``, ``slip >= 0``, length and
        width at least a thousandth of their initial value, and position, strike and rake are free. A strike
        or rake whose bounds are 360 degrees apart or more goes round freely.
    fixed : collection of names, or mapping of name to value
        Parameters that are held at their initial value, or at the value given here. `opening` is held too
        unless `bounds` or `prior` name it.
    prior : mapping of name to (mean, standard deviation)
        Gaussian prior knowledge.

    Raises
    ------
    ValueError
        If a name is unknown, bounds are reversed or do not hold the initial value, or a prior's deviation is
        not positive.
    """

    def __init__(
        self,
        initial: Rectangle,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        fixed: Collection[str] | Mapping[str, float] = (),
        prior: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        for what, given in (("bounds", bounds), ("prior", prior)):
            if isinstance(given, Mapping):
                _check_known(what, given)
        limits = gates.mapping(gates.pair(gates.number(infinite=True)), PARAMETERS)
        bounds = dict(limits("bounds", {} if bounds is None else bounds))
        prior = dict(limits("prior", {} if prior is None else prior))
        if isinstance(fixed, Mapping):
            fixed = gates.mapping(gates.number(), PARAMETERS)("fixed", fixed)
        elif isinstance(fixed, str) or not isinstance(fixed, Collection):
            raise TypeError(f"fixed must be names, or a mapping of names to values, got {fixed!r:.60}")
        for what, names in (("bounds", bounds), ("fixed", fixed), ("prior", prior)):
            _check_known(what, names)
        values = _as_numbers(initial)
        self.origin = initial.origin
        if isinstance(fixed, Mapping):
            values |= {name: float(value) for name, value in fixed.items()}
        held = set(fixed) | ({"opening"} - set(bounds) - set(prior))
        self.free = tuple(name for name in PARAMETERS if name not in held)
        self.initial = np.array([values[name] for name in PARAMETERS])
        self.bounds = {name: _limits(name, values[name], bounds) for name in self.free}
        self.prior = {name: _gaussian(name, pair) for name, pair in prior.items() if name in self.free}
        for name in self.free:
            self.initial[PARAMETERS.index(name)] = _begin(name, values[name], self.bounds[name])

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:g}" for name, value in zip(PARAMETERS, self.initial, strict=True))
        return f"FaultModel({values}; free: {', '.join(self.free)})"


def common_origin(faults: Sequence[FaultModel], origin: str | None) -> str:
    """The reference point of all faults, on the upper edge: what they carry and what is given must agree."""
    origin = gates.optional(gates.text())("origin", origin)
    owns = [fault.origin or origin or DEFAULT_ORIGIN for fault in faults]
    common = upper_edge(owns[0] if origin is None else origin)
    for i, own in enumerate(owns):
        if own != common:
            raise ValueError(
                f"faults[{i}] has the origin {own!r}, expected {common!r} as of the others or as given "
                "(dislok.convert.move_origin moves the reference point)"
            )
    return common


def upper_edge(origin: str) -> str:
    """A reference point on the upper edge."""
    if origin not in _TOP_EDGE:
        raise ValueError(f"origin must lie on the upper edge, one of {', '.join(_TOP_EDGE)}; got {origin!r}")
    return origin


def wrap(angle: float, lower: float, upper: float) -> float:
    """The angle (degrees) plus the whole turns that bring it nearest to the middle of its bounds, or zero."""
    middle = (lower + upper) / 2 if np.isfinite([lower, upper]).all() else 0.0
    return float(angle - 360 * np.round((angle - middle) / 360))


def _as_numbers(initial: Rectangle) -> dict[str, float]:
    if not isinstance(initial, Rectangle):
        raise TypeError(f"initial: expected a Rectangle, got {type(initial).__name__}")
    numbers = {}
    for name, value in zip(PARAMETERS, initial, strict=True):
        array = gates.real()(f"initial.{name}", value)
        if array.size != 1:
            raise ValueError(f"initial: {name} must be one finite number, got {value!r}")
        numbers[name] = float(array.reshape(()))
    return numbers


def _limits(name: str, value: float, bounds: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    default = {
        "depth": (0.0, np.inf),
        "length": (1e-3 * value, np.inf),
        "width": (1e-3 * value, np.inf),
        "dip": (0.0, 90.0),
        "slip": (0.0, np.inf),
    }.get(name, (-np.inf, np.inf))
    lower, upper = (float(v) for v in bounds.get(name, default))
    if not lower < upper:
        raise ValueError(f"bounds: {name} needs lower < upper, got ({lower:g}, {upper:g})")
    if name in ("length", "width") and lower <= 0:
        raise ValueError(f"bounds: {name} must stay positive, got a lower bound of {lower:g}")
    if name == "depth" and lower < 0:
        raise ValueError(f"bounds: depth must not be negative, got a lower bound of {lower:g}")
    if name in _ANGLES and upper - lower >= 360:
        return -np.inf, np.inf
    return lower, upper


def _begin(name: str, value: float, limits: tuple[float, float]) -> float:
    """Where the search begins inside the bounds.

    The slip is found linearly: its own initial value hardly matters.
    """
    lower, upper = limits
    if name in _ANGLES:
        value = wrap(value, lower, upper) if np.isfinite(limits).all() else value
    if name not in GEOMETRY:
        return min(max(value, lower), upper)
    if not lower <= value <= upper:
        raise ValueError(f"initial: {name} = {value:g} lies outside its bounds ({lower:g}, {upper:g})")
    return value


def _gaussian(name: str, pair: tuple[float, float]) -> tuple[float, float]:
    mean, sigma = (float(v) for v in pair)
    if not (np.isfinite(mean) and np.isfinite(sigma) and sigma > 0):
        raise ValueError(
            f"prior: {name} needs a finite mean and a positive deviation, got ({mean:g}, {sigma:g})"
        )
    return mean, sigma


def _check_known(what: str, names: Collection[object]) -> None:
    for name in names:
        if not isinstance(name, str) or name not in PARAMETERS:
            raise ValueError(f"{what}: unknown parameter {name!r}; known are {', '.join(PARAMETERS)}")
