"""Every method that measures displacement, behind one call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from dislok.arrays import Record

from ..flow import FlowMap
from .inputs import Array, Mask


@dataclass(frozen=True)
class Method:
    """A method by name, and what a map in tiles must know of it.

    Attributes
    ----------
    name, summary : str
    place : str
        Module, within `dislok.nn`, that holds the function of the same name.
    reach : int
        How far (px) beyond the largest displacement a value depends on the images.
    multiple : int
        Tiles must begin at multiples of it, so that coarser images are the same in all tiles.
    exact : bool
        Whether a value depends on nothing farther away; else it depends a little on all of a tile.
    """

    name: str
    summary: str
    place: str
    reach: int
    multiple: int = 1
    exact: bool = True

    def function(self) -> Callable[..., FlowMap]:
        """The function ``(pre, post, *, valid=None, ...) -> FlowMap``."""
        found: Callable[..., FlowMap] = getattr(import_module(f"dislok.nn.{self.place}"), self.name)
        return found

    def options(self) -> Record:
        """Names and defaults of what can be set."""
        parameters = inspect.signature(self.function()).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "valid"}


METHODS: Mapping[str, Method] = {
    each.name: each
    for each in (
        Method("dislok", "search, carry, refine: our own", "predict.engine", 192, 16, exact=False),
        Method("scarp", "the same, refined by the shipped network", "geoflownet.apply", 224, 16, exact=False),
        Method(
            "geoflownet", "a network that searches: GeoFlowNet", "geoflownet.single", 176, 16, exact=False
        ),
        Method("cosicorr", "phase correlation in two windows", "predict.cosicorr", 64, 4),
        Method("micmac", "regularised correlation of 9 x 9 windows", "predict.micmac", 128, 32, exact=False),
        Method("deepflow", "OpenCV's DeepFlow on normalised images", "predict.opencv", 128, 32, exact=False),
        Method("dis", "OpenCV's dense inverse search", "predict.opencv", 128, 32, exact=False),
    )
}


def method(name: str) -> Method:
    """The method of a name.

    Raises
    ------
    ValueError
        If there is none; the message lists those there are.
    """
    if name not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {name!r}")
    return METHODS[name]


def measure(
    pre: Array, post: Array, *, valid: Mask | None = None, by: str = "dislok", **options: Any
) -> FlowMap:
    """Displacement between two images of one grid, by a method of choice.

    Parameters
    ----------
    pre, post : ndarray, shape (h, w)
        Images of the same size; NaN where missing.
    valid : ndarray of bool, shape (h, w), optional
        Pixels of both images that can be used.
    by : str
        Name of the method, one of `METHODS`.
    **options
        Of the method.

    Returns
    -------
    FlowMap
        In the frame of `pre`.

    Raises
    ------
    ValueError
        If there is no such method, or it has no such option.
    ImportError
        If the method builds on something that is not installed.
    """
    chosen = method(by)
    unknown = set(options) - set(chosen.options())
    if unknown:
        known = ", ".join(chosen.options()) or "none"
        raise ValueError(f"{by}: no option {sorted(unknown)[0]!r}; there are: {known}")
    return chosen.function()(pre, post, valid=valid, **options)
