"""Finite-fault models of other programs: USGS ``.param``, SRCMOD ``.fsp``, SRF; read, used, written.

Examples
--------
>>> from dislok import okada
>>> from dislok.inversion import finite
>>> model = finite.read("basic_inversion.param")  # doctest: +SKIP
>>> print(model.magnitude, len(model))  # doctest: +SKIP
>>> u = okada.displacement(xy, model.rectangles(model.place))  # doctest: +SKIP
>>> finite.write("model.fsp", model)  # doctest: +SKIP
"""

from .files import read, write
from .model import FiniteFault, from_grid, from_rectangles

__all__ = ["FiniteFault", "from_grid", "from_rectangles", "read", "write"]
