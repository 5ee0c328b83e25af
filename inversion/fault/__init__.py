"""Geometry and slip of rectangular faults from GNSS offsets and line-of-sight displacement.

Examples
--------
>>> from dislok.inversion.fault import FaultModel, Gnss, Problem
>>> from dislok.okada import Rectangle
>>> fault = FaultModel(Rectangle(0, 0, 5, 20, 10, 30, 60), bounds={"x": (-20, 20), "y": (-20, 20)})
>>> problem = Problem(Gnss(xy, offsets, sigma), fault, length_unit=1000)  # doctest: +SKIP
>>> print(problem.solve().summary())  # doctest: +SKIP
"""

from ..data import Gnss, Los, PixelOffsets
from ..dataset import Dataset
from ..fits import Fit
from ..rectangles import FaultModel
from .problem import Problem
from .result import Result, load
from .sample import Samples

__all__ = [
    "Dataset",
    "FaultModel",
    "Fit",
    "Gnss",
    "Los",
    "PixelOffsets",
    "Problem",
    "Result",
    "Samples",
    "load",
]
