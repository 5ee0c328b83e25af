"""Displacement between two images without learning: search, carry, refine.

`match` measures it; `trace` gives what a network needs to make it better.
"""

from .engine import Settings
from .inputs import NoMatch
from .matching import Trace, match, trace

__all__ = ["NoMatch", "Settings", "Trace", "match", "trace"]
