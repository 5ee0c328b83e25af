"""What is compared: one `Case` a row of the table, with the goal that the project set itself where it set
one.
"""

from typing import NamedTuple

import numpy as np

from . import problems


class Case(NamedTuple):
    """One comparison.

    Attributes
    ----------
    name : str
        Short, unique; `--only` matches parts of it.
    operation : str
        What is computed, a key that `ours.run` and the other codes understand.
    kind : str
        "rectangle", "patches" or "point".
    where : str
        A key of `problems.DISTRIBUTIONS`.
    surface : bool
        All observers at z = 0.
    slips : int
        Slip components different from zero: 1, 2 or 3.
    n : int
        Number of observers.
    dtype : type
        float64 or float32.
    goal : tuple
        Code and how many times faster than it dislok wants to be; empty without a goal.
    leave_out : tuple of str
        Codes that would take the time of the whole run without saying more.
    rounds : int
        The least number of rounds, whatever they take.
    """

    name: str
    operation: str
    kind: str = "rectangle"
    where: str = "near"
    surface: bool = False
    slips: int = 2
    n: int = 100_000
    dtype: type = np.float64
    goal: tuple = ()
    leave_out: tuple = ()
    rounds: int = 3

    def problem(self, n: int | None = None) -> problems.Problem:
        """Observers and sources, of `n` observers instead of the case's number if given."""
        return problems.problem(self.kind, self.where, self.surface, self.slips, n or self.n, self.dtype)


FAST = ("DC3D", 8.0)
FEW = 30
CASES = (
    Case("displacement, surface", "displacement", surface=True),
    Case("displacement, inside", "displacement"),
    Case("displacement, surface, far", "displacement", where="far", surface=True, leave_out=("torchdeform",)),
    Case("displacement, inside, far", "displacement", where="far", leave_out=("torchdeform",)),
    Case("displacement, inside, mixed", "displacement", where="mixed", leave_out=("torchdeform",)),
    Case("displacement + gradient, surface", "fields", surface=True, goal=FAST),
    Case("displacement + gradient, inside, 1 slip", "fields", slips=1, goal=FAST),
    Case("displacement + gradient, inside, 2 slips", "fields", goal=FAST),
    Case("displacement + gradient, inside, 3 slips", "fields", slips=3, goal=FAST),
    Case("displacement + gradient, inside, far", "fields", where="far", goal=FAST),
    Case("displacement + gradient, inside, mixed", "fields", where="mixed", goal=FAST),
    Case("point, displacement + gradient, inside", "fields", kind="point"),
    Case("Green's matrix of 50 patches, surface", "greens", kind="patches", surface=True, n=1000),
    Case("Jacobian of displacement, surface", "jacobian", surface=True, goal=("OkadaTorch", 150.0)),
    Case("Jacobian of displacement, inside", "jacobian", goal=("OkadaTorch", 150.0)),
    Case("Jacobian of displacement, inside, far", "jacobian", where="far", goal=("OkadaTorch", 150.0)),
    Case("Jacobian of gradient, inside", "jacobian of gradient", rounds=2),
    Case("Hessian of displacement, surface", "hessian", surface=True, goal=("OkadaTorch", 300.0)),
    Case("Hessian of displacement, inside", "hessian", goal=("OkadaTorch", 300.0)),
    Case("value + VJP of displacement, surface", "vjp", surface=True, goal=("OkadaTorch", 10.0)),
    Case("value + VJP of displacement, inside", "vjp", goal=("OkadaTorch", 10.0)),
    Case("value + VJP of displacement and gradient, inside", "vjp of fields"),
    # A call with a few stations spends its time outside of the formulas.
    Case("few stations: displacement, surface", "displacement", surface=True, n=FEW),
    Case("few stations: Jacobian of displacement, surface", "jacobian", surface=True, n=FEW),
    Case("float32 displacement, inside", "displacement", dtype=np.float32),
    Case("float32 displacement + gradient, inside", "fields", dtype=np.float32),
    Case("float32 Jacobian of displacement, inside", "jacobian", dtype=np.float32),
)
# Two threads against one; and, with the kernel called directly, the price of the public functions' checks.
THREADED = tuple(
    Case(name, operation, surface=surface, n=n)
    for name, operation, surface, n in (
        ("displacement, surface", "displacement", True, 400_000),
        ("displacement + gradient, inside", "fields", False, 200_000),
        ("Jacobian of displacement, inside", "jacobian", False, 200_000),
        ("Hessian of displacement, inside", "hessian", False, 20_000),
        ("value + VJP of displacement, inside", "vjp", False, 200_000),
    )
)
DTYPES = (
    "displacement, inside",
    "displacement + gradient, inside, 2 slips",
    "Jacobian of displacement, inside",
)


def chosen(cases: tuple[Case, ...], words: list[str]) -> list[Case]:
    """The cases whose name holds one of `words`, without regard to case; all of them without words."""
    return [c for c in cases if not words or any(w.lower() in c.name.lower() for w in words)]


def named(name: str) -> Case:
    """The case of that name."""
    return next(c for c in CASES if c.name == name)
