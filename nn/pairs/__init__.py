"""Pairs of images of one piece of ground before and after it moved, with the truth on both grids.

Ground comes from images (`of_image`) or from nothing (`procedural`), displacement from earthquakes or a quick
fault (`displacement`), and everything else that differs between two dates from a `Recipe` whose numbers are
drawn from distributions (`ground`, `sensor`). One state of a generator makes one pair, bit for bit::

    rng = np.random.default_rng(1)
    moved = amplitude_in(ScrewFault().draw(rng, (256, 256)), rng, RANGES[1])
    pair = make_pair(AnyGround().draw(rng, moved.right.shape), moved, rng)
"""

from .alignment import Alignment, align
from .dates import DateWindow, TwoDates, windows
from .displacement import RANGES, Displacement, ScrewFault, amplitude_in, of_metres
from .distributions import Choice, Distribution, Fixed, LogUniform, Mixture, Normal, Uniform
from .pair import Pair, make_pair
from .procedural import AnyGround, Blend, DeadLeaves, Dunes, Fractal, Terrain
from .quakes import Earthquakes, of_earthquake
from .recipe import Recipe
from .scenario import Crop, Scenario
from .scenes import Library, split
from .textures import Texture, of_image

__all__ = [
    "RANGES",
    "Alignment",
    "AnyGround",
    "Blend",
    "Choice",
    "Crop",
    "DateWindow",
    "DeadLeaves",
    "Displacement",
    "Distribution",
    "Dunes",
    "Earthquakes",
    "Fixed",
    "Fractal",
    "Library",
    "LogUniform",
    "Mixture",
    "Normal",
    "Pair",
    "Recipe",
    "Scenario",
    "ScrewFault",
    "Terrain",
    "Texture",
    "TwoDates",
    "Uniform",
    "align",
    "amplitude_in",
    "make_pair",
    "of_earthquake",
    "of_image",
    "of_metres",
    "split",
    "windows",
]
