"""Slip on faults of patches from GNSS offsets, line-of-sight displacement and pixel offsets.

Examples
--------
>>> from dislok.inversion.mesh import Grid
>>> from dislok.inversion.slip import Gnss, SlipModel, SlipProblem
>>> from dislok.okada import Rectangle
>>> grid = Grid(Rectangle(0, 0, 0, 40, 20, 30, 60), n_strike=20, n_dip=10)
>>> problem = SlipProblem(Gnss(xy, offsets, sigma), SlipModel(grid, rake=90, spread=45))  # doctest: +SKIP
>>> print(problem.solve("abic").summary())  # doctest: +SKIP
"""

from ..data import Gnss, Los, PixelOffsets
from .choice import Choice
from .geometry import GridShape, MeshShape, ShapeResult, solve_shape
from .model import SlipModel
from .problem import SlipProblem
from .result import SlipResult, load

__all__ = [
    "Choice",
    "Gnss",
    "GridShape",
    "Los",
    "MeshShape",
    "PixelOffsets",
    "ShapeResult",
    "SlipModel",
    "SlipProblem",
    "SlipResult",
    "load",
    "solve_shape",
]
