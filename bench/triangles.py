"""Triangular dislocations beside cutde: one fault as a mesh, its displacement, strain and matrices."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dislok import tde

from . import problems, suite
from .measure import Work, duels, usable_cores
from .peers import Absent, version
from .problems import NU

COMPARED = 200
PEER = "cutde"


class Problem(NamedTuple):
    """Observers, and a mesh with slip, in metres."""

    obs: NDArray
    tri: NDArray
    slip: NDArray

    @property
    def pairs(self) -> int:
        return len(self.obs) * len(self.tri)


class Case(NamedTuple):
    """One comparison.

    Attributes
    ----------
    name : str
        Short, unique; `--only` matches parts of it.
    operation : str
        "displacement", "strain", "fields" (displacement and strain) or "greens".
    space : str
        "half" or "full".
    goal : float or None
        How many times faster than cutde dislok wants to be.
    surface : bool
        All observers at z = 0.
    dtype : type
        float64 or float32.
    n : int
        Number of observers.
    """

    name: str
    operation: str
    space: str = "half"
    goal: float | None = None
    surface: bool = False
    dtype: type = np.float64
    n: int = 1000

    def problem(self, n: int | None = None) -> Problem:
        """The fault of `problems` cut into 200 triangles, observers within 100 km of it."""
        obs = problems.observers("near", n or self.n, self.surface)
        tri = mesh()
        slip = np.random.default_rng(problems.SEED).normal(size=(len(tri), 3))
        return Problem(*(a.astype(self.dtype) for a in (obs, tri, slip)))


CASES = (
    Case("triangles: displacement, half-space, inside", "displacement", goal=10.0),
    Case("triangles: displacement, half-space, surface", "displacement", goal=10.0, surface=True),
    Case("triangles: displacement + strain, half-space", "fields", goal=10.0),
    Case("triangles: strain, half-space", "strain"),
    Case("triangles: Green's matrix, half-space", "greens"),
    Case("triangles: displacement, full space", "displacement", "full", goal=6.0, n=3000),
    Case("triangles: displacement + strain, full space", "fields", "full", goal=6.0, n=3000),
    Case("triangles: few stations, half-space", "displacement", n=30),
    Case("triangles: float32 displacement, half-space", "displacement", dtype=np.float32),
    Case("triangles: float32 displacement + strain, half-space", "fields", dtype=np.float32),
    Case("triangles: float32 displacement, full space", "displacement", "full", dtype=np.float32, n=3000),
)
THREADED = (
    Case("triangles: displacement, half-space", "displacement", n=10_000),
    Case("triangles: displacement + strain, half-space", "fields", n=5_000),
    Case("triangles: displacement, full space", "displacement", "full", n=20_000),
    Case("triangles: Green's matrix, half-space", "greens", n=5_000),
)


def mesh(along: int = 20, down: int = 5) -> NDArray:
    """The fault of `problems.fault` as 2 * along * down triangles, shape (m, 3, 3)."""
    src = problems.patches(along, down)
    s, c = np.sin(np.deg2rad(problems.STRIKE)), np.cos(np.deg2rad(problems.STRIKE))
    sd, cd = np.sin(np.deg2rad(problems.DIP)), np.cos(np.deg2rad(problems.DIP))
    strike, dip = np.array([s, c, 0.0]), np.array([c * cd, -s * cd, -sd])
    corner = src[:, :3] * [1.0, 1.0, -1.0]
    a, b = src[:, 3:4] * strike, src[:, 4:5] * dip
    # counterclockwise from above
    first = np.stack([corner, corner + b, corner + a], axis=1)
    second = np.stack([corner + a, corner + b, corner + a + b], axis=1)
    return np.ascontiguousarray(np.concatenate([first, second]))


class Cutde:
    """cutde's C++ backend, by its functions that sum over the triangles."""

    name = PEER

    def __init__(self) -> None:
        self.spaces = {
            "half": importlib.import_module("cutde.halfspace"),
            "full": importlib.import_module("cutde.fullspace"),
        }
        self.version = version(PEER)

    def run(self, case: Case, problem: Problem) -> Callable[[], NDArray]:
        """The work; takes nothing and returns numbers in dislok's layout."""
        space = self.spaces[case.space]
        obs, tri, slip = problem
        if case.operation == "greens":
            return lambda: space.disp_matrix(obs, tri, NU)
        parts = {
            "displacement": [space.disp_free],
            "strain": [space.strain_free],
            "fields": [space.disp_free, space.strain_free],
        }[case.operation]
        return lambda: np.concatenate([part(obs, tri, slip, NU) for part in parts], axis=1)


def ours(case: Case, problem: Problem, threads: int) -> Callable[[], Any]:
    """The public function of an operation; of "fields" displacement and the whole gradient."""
    obs, tri, slip = problem
    more = {"nu": NU, "space": case.space, "threads": threads}
    if case.operation == "greens":
        return lambda: tde.greens(obs, tri, **more)
    return lambda: getattr(tde, case.operation)(obs, tri, slip, **more)


def numbers(case: Case, result: Any) -> NDArray:
    """dislok's result in cutde's layout."""
    if case.operation != "fields":
        return result
    u, g = result
    strain = 0.5 * (g + g.transpose(0, 2, 1)).reshape(-1, 9)[:, [0, 4, 8, 1, 2, 5]]
    return np.concatenate([u, strain], axis=1)


def find() -> Cutde | Absent:
    """cutde, or why it is absent."""
    try:
        return Cutde()
    except ImportError as error:
        return Absent(PEER, str(error))


def compare(settings: suite.Settings, say: Callable[[str], Any]) -> list[dict]:
    """Every case on one core, in turn with cutde where it is installed."""
    peer, rows = find(), []
    with suite.threads(1):
        for case in CASES:
            if settings.wants(case.name):
                say(case.name)
                rows.append(_compare_one(case, peer, settings))
    return rows


def _compare_one(case: Case, peer: Cutde | Absent, settings: suite.Settings) -> dict:
    problem, small = case.problem(min(case.n, 100) if settings.quick else case.n), case.problem(COMPARED)
    mine = ours(case, problem, 1)
    mine()
    if isinstance(peer, Absent):
        apart, others = 0.0, {"": Work((mine,))}
    else:
        want = peer.run(case, small)()
        got = numbers(case, ours(case, small, 1)())
        apart = float(np.linalg.norm(got - want) / np.linalg.norm(want))
        others = {PEER: Work((peer.run(case, problem),))}
    ((name, duel),) = duels(mine, others, settings.budget, settings.least).items()
    goal = (PEER, case.goal) if case.goal else ()
    return suite.row(case.name, name, duel, problem.pairs, apart, goal, case.dtype)


def scaling(settings: suite.Settings, say: Callable[[str], Any]) -> list[dict]:
    """Two threads against one; none where only one core may be used."""
    rows: list[dict] = []
    if len(usable_cores()) < 2:
        return rows
    with suite.threads(2):
        for case in THREADED:
            if settings.wants(case.name):
                say(f"two threads: {case.name}")
                problem = case.problem(500 if settings.quick else None)
                one, two = (ours(case, problem, k) for k in (1, 2))
                rows.append(suite.scaling_row(case.name, "dislok", one, two, problem.pairs, settings, 1.8))
    return rows
