"""FaultDeform: random earthquakes on rough faults, and how they move the ground.

Lengths are in km, slip and displacement in m, angles in degrees. Every random number comes from a
`numpy.random.Generator` that is passed in.
"""

from .earthquake import Earthquake, draw, make
from .faults import Rupture, draw_rupture
from .recipe import PAPER, Recipe
from .scaling import LAWS, Law
from .strands import Strand

__all__ = [
    "LAWS",
    "PAPER",
    "Earthquake",
    "Law",
    "Recipe",
    "Rupture",
    "Strand",
    "draw",
    "draw_rupture",
    "make",
]
