"""The matching engine as one of the methods."""

from __future__ import annotations

from ..flow import FlowMap
from .inputs import Array, Mask, checked_pair


def dislok(
    pre: Array, post: Array, *, valid: Mask | None = None, reach: float = 64.0, both_ways: bool = False
) -> FlowMap:
    """Displacement by search, carry and refinement: `dislok.nn.match.match`.

    Parameters
    ----------
    pre, post : ndarray, shape (h, w)
        Images of the same size; NaN where missing.
    valid : ndarray of bool, shape (h, w), optional
        Pixels of both images that can be used.
    reach : float
        Farthest motion to look for (px).
    both_ways : bool
        Match the other way round as well, and call no pixel valid that is not led back to itself.

    Returns
    -------
    FlowMap
        In the frame of `pre`, with error and score.

    Raises
    ------
    NoMatch
        If nothing of one image is recognised in the other.
    """
    from ..match import Settings, match

    checked_pair(pre, post, valid)
    seen = None if valid is None else (valid, valid)
    return match(pre, post, valid=seen, both_ways=both_ways, settings=Settings(reach=reach))
