"""The faults and observers of the benchmarks: stated distributions, seeded, in metres."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NU = 0.25
SEED = 19920401
LENGTH, WIDTH, TOP, STRIKE, DIP = 40e3, 20e3, 3e3, 30.0, 40.0
# Rake and opening that leave one, two or three of the slip components different from zero.
SLIPS = {1: (0.0, 0.0), 2: (30.0, 0.0), 3: (30.0, 0.5)}
DISTRIBUTIONS = {
    "near": "east and north uniform within 100 km of the fault",
    "far": "distance from 300 to 3000 km, its logarithm uniform, all azimuths",
    "mixed": "distance from 10 to 1000 km, its logarithm uniform, all azimuths",
}
DEPTHS = "z uniform from -20 km to 0; at the surface all z = 0"


class Problem(NamedTuple):
    """Observers and sources of one benchmark, in the layout of the kernels.

    Attributes
    ----------
    kind : str
        "rectangle" or "point".
    obs : array, shape (n, 3)
        East, north, up (m).
    src : array, shape (m, 10) or (m, 9)
        Sources in the order of `okada.Rectangle` (reference point top left) or `okada.Point`.
    surface : bool
        Whether all observers lie at z = 0.
    """

    kind: str
    obs: NDArray
    src: NDArray
    surface: bool

    @property
    def pairs(self) -> int:
        """Number of source-observer pairs."""
        return len(self.obs) * len(self.src)


def observers(where: str, n: int, surface: bool, seed: int = SEED) -> NDArray:
    """Observers of one of `DISTRIBUTIONS`, in no particular order, shape (n, 3) (m)."""
    rng = np.random.default_rng(seed)
    if where == "near":
        east, north = rng.uniform(-100e3, 100e3, (2, n))
    elif where in ("far", "mixed"):
        low, high = {"far": (300e3, 3000e3), "mixed": (10e3, 1000e3)}[where]
        distance = np.exp(rng.uniform(np.log(low), np.log(high), n))
        azimuth = rng.uniform(0.0, 2 * np.pi, n)
        east, north = distance * np.sin(azimuth), distance * np.cos(azimuth)
    else:
        raise ValueError(f"observers must be one of {', '.join(DISTRIBUTIONS)}, not {where!r}")
    up = np.zeros(n) if surface else rng.uniform(-20e3, 0.0, n)
    return np.ascontiguousarray(np.stack([east, north, up], axis=1))


def fault(slips: int = 2) -> NDArray:
    """One fault of 40 km by 20 km whose middle lies near the origin, shape (1, 10)."""
    rake, opening = SLIPS[slips]
    x, y = _top_left(0.0, 0.0)
    return np.array([[x, y, TOP, LENGTH, WIDTH, STRIKE, DIP, rake, 1.0, opening]])


def patches(along: int = 10, down: int = 5) -> NDArray:
    """The same fault cut into `along` times `down` patches, shape (along * down, 10)."""
    length, width = LENGTH / along, WIDTH / down
    i, j = (k.ravel() for k in np.meshgrid(np.arange(along), np.arange(down), indexing="ij"))
    x, y = _top_left(i * length, j * width * np.cos(np.deg2rad(DIP)))
    columns = [x, y, TOP + j * width * np.sin(np.deg2rad(DIP)), length, width, STRIKE, DIP, 30.0, 1.0, 0.0]
    return np.ascontiguousarray(np.stack(np.broadcast_arrays(*columns), axis=1))


def point() -> NDArray:
    """A point source with shear and no volume, of the fault's potency, shape (1, 9)."""
    return np.array([[0.0, 0.0, 10e3, STRIKE, DIP, 30.0, LENGTH * WIDTH, 0.0, 0.0]])


def _top_left(along, across):
    """East and north of a point `along` strike and `across` it from the fault's top left corner."""
    s, c = np.sin(np.deg2rad(STRIKE)), np.cos(np.deg2rad(STRIKE))
    a, b = along - LENGTH / 2, across - WIDTH / 2 * np.cos(np.deg2rad(DIP))
    return a * s + b * c, a * c - b * s


def problem(kind: str, where: str, surface: bool, slips: int, n: int, dtype: type) -> Problem:
    """The problem that a benchmark's words describe; `kind` also takes "patches"."""
    sources = {"rectangle": lambda: fault(slips), "patches": patches, "point": point}[kind]()
    return Problem(
        "point" if kind == "point" else "rectangle",
        observers(where, n, surface).astype(dtype),
        sources.astype(dtype),
        surface,
    )
