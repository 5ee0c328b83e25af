"""Sources of every family for the tests of what works on large problems."""

from typing import Any

import numpy as np

from dislok import okada, tde
from dislok.large.elements import OkadaElements, TriangleElements


def rectangles(rng: np.random.Generator, m: int, top: float = 0.0) -> okada.Rectangle:
    """Rectangles of several sizes and attitudes, the first of them at depth `top`."""
    depth = rng.uniform(top, top + 15.0, m)
    depth[0] = top
    size = rng.uniform(0.5, 3.0, (2, m))
    angles = rng.uniform(0, 360, m), rng.uniform(5, 90, m), rng.uniform(-180, 180, m)
    x, y = rng.uniform(-20, 20, (2, m))
    return okada.Rectangle(x, y, depth, *size, *angles, slip=rng.uniform(0.5, 2.0, m))


def points(rng: np.random.Generator, m: int) -> okada.Point:
    """Points of shear and inflation."""
    x, y = rng.uniform(-20, 20, (2, m))
    angles = rng.uniform(0, 360, m), rng.uniform(5, 90, m), rng.uniform(-180, 180, m)
    return okada.Point(x, y, rng.uniform(2, 15, m), *angles, potency=2.0, inflation=1.0)


def mesh(along: int, down: int, top: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Points and cells of a bent fault, 40 long, that starts at depth `top` and has no edges in between."""
    a, b = np.meshgrid(np.linspace(-20, 20, along + 1), np.linspace(0, 15, down + 1), indexing="ij")
    places = np.stack([4 * np.sin(a / 9) + 0.6 * b, a, -top - 0.8 * b], axis=-1).reshape(-1, 3)
    corner = (np.arange(along)[:, None] * (down + 1) + np.arange(down)).ravel()
    lower = np.stack([corner, corner + down + 1, corner + 1], axis=1)
    upper = np.stack([corner + down + 1, corner + down + 2, corner + 1], axis=1)
    return places, np.concatenate([lower, upper])


def ground(rng: np.random.Generator, n: int, depth: float = 0.0) -> np.ndarray:
    """Observers (n, 3) on the ground, or down to a depth."""
    return np.column_stack([rng.uniform(-40, 40, (n, 2)), -depth * rng.random(n)])


def case(family: str, rng: np.random.Generator, m: int) -> tuple[Any, Any, Any]:
    """A family's module, its sources, and slip: a tuple to be put after the sources, empty of Okada's."""
    if family == "triangle":
        half = int(np.sqrt(m))
        sources = mesh(half, m // (2 * half), 0.2)
        return tde, sources, (rng.standard_normal((len(sources[1]), 3)),)
    return okada, {"rectangle": rectangles, "point": points}[family](rng, m), ()


def elements(module: Any, sources: Any, slip: tuple[Any, ...]) -> Any:
    """The sources as elements."""
    if module is tde:
        return TriangleElements(tde, sources, slip[0] if slip else None, 0.25, "half")
    return OkadaElements(okada, sources, 0.25, "topleft")
