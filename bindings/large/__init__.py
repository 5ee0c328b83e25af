"""Very many observers and sources: results that need no call for every pair.

- `dislok.large.hierarchical`: compressed Green's matrices; `skeletons` and `clusters` build them
- `dislok.large.lowrank`: far blocks as products of two factors
- `dislok.large.grid`: displacement on grids from polynomials of patches; `far` sums many triangles at a time
- `dislok.large.blocks`: arrays in pieces, which can be stopped and taken up again
- `dislok.large.elements`: what all of these ask of sources

They load when they are first used.
"""

from importlib import import_module
from types import ModuleType

_SUBMODULES = ["blocks", "clusters", "elements", "far", "grid", "hierarchical", "lowrank", "skeletons"]


def __getattr__(name: str) -> ModuleType:
    if name in _SUBMODULES:
        return import_module(f"dislok.large.{name}")
    raise AttributeError(f"module 'dislok.large' has no attribute {name!r}")
