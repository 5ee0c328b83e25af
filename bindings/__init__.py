"""dislok: compute kernels for earthquake sources with exact derivatives.

Submodules load when they are first used, so that ``import dislok`` stays light:

- `dislok.okada`: displacement, strain, stress and their derivatives of rectangles and point sources
- `dislok.tde`: the same of triangles, also in a full space
- `dislok.propagator`: seismograms and static offsets in a layered half-space, and their derivatives
- `dislok.stf`, `dislok.tables`: source time functions; tables of seismograms over distance and depth
- `dislok.large.hierarchical`: compressed Green's matrices of very many observers and sources
- `dislok.scale`: Green's matrices in blocks, for dask and Zarr
- `dislok.topography`: displacement at stations on mountains
- `dislok.convert`: magnitudes, moment tensors, nodal planes, coordinates
- `dislok.okadatorch`: drop-in for the public names of OkadaTorch
- `dislok.images`: images at displaced pixels, and derivatives
- `dislok.raster`: georeferenced images and maps
- `dislok.inversion`: faults from GNSS and InSAR data
- `dislok.nn`: displacement between two satellite images, and synthetic earthquakes to learn it from
- `dislok.backends`: which compiled backend serves a call
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dislok import backends as backends
    from dislok import convert as convert
    from dislok import images as images
    from dislok import inversion as inversion
    from dislok import large as large
    from dislok import nn as nn
    from dislok import okada as okada
    from dislok import okadatorch as okadatorch
    from dislok import propagator as propagator
    from dislok import raster as raster
    from dislok import scale as scale
    from dislok import stf as stf
    from dislok import tables as tables
    from dislok import tde as tde
    from dislok import topography as topography

__version__ = "0.1.0"
__all__ = ["__version__"]
_SUBMODULES = [
    "backends",
    "convert",
    "images",
    "inversion",
    "large",
    "nn",
    "okada",
    "okadatorch",
    "propagator",
    "raster",
    "scale",
    "stf",
    "tables",
    "tde",
    "topography",
]


def __getattr__(name: str) -> ModuleType:
    if name in _SUBMODULES:
        return import_module(f"dislok.{name}")
    raise AttributeError(f"module 'dislok' has no attribute {name!r}; it offers {', '.join(_SUBMODULES)}")


def __dir__() -> list[str]:
    return __all__ + _SUBMODULES
