"""The source type of moment tensors on the lune of Tape & Tape (2012), with the draws of its uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import tensor as tensors
from .drawing import PREDICTED, SOURCE, drawn_tensors, subplots, titled
from .filters import Array
from .resample import Ensemble
from .result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CORNERS = {
    "DC": (0.0, 0.0), "+CLVD": (-30.0, 0.0), "-CLVD": (30.0, 0.0), "+ISO": (0.0, 90.0), "-ISO": (0.0, -90.0),
    "+crack": (-30.0, 60.503), "-crack": (30.0, -60.503),
}  # fmt: skip
"""Lune longitude and latitude (degrees) of source types; cracks for a Poisson ratio of 0.25."""


def lune(tensor: Array) -> tuple[Array, Array]:
    """Longitude γ and latitude δ (degrees) of tensors (..., 6) on the lune.

    Tape & Tape (2012, eq. 21): γ = 0 for double couples, 30 and -30 for negative and positive CLVDs; δ = 90
    for explosions.
    """
    values = np.linalg.eigvalsh(tensors.matrix(np.asarray(tensor, float)))
    low, middle, high = np.moveaxis(values, -1, 0)
    gamma = np.arctan2(-low + 2 * middle - high, np.sqrt(3) * (high - low))
    length = np.sqrt((values**2).sum(axis=-1))
    beta = np.arccos(np.clip(values.sum(axis=-1) / np.maximum(np.sqrt(3) * length, 1e-300), -1, 1))
    return np.rad2deg(gamma), 90 - np.rad2deg(beta)


def source_type(result: Result, ensemble: Ensemble | None = None, *, title: str = "") -> Figure:
    """Where the sources lie between double couples, CLVDs and explosions.

    Parameters
    ----------
    result : Result
    ensemble : Ensemble, optional
        Bootstrap solutions to show instead of draws from the stated uncertainty.
    title : str
        Heading.
    """
    figure, axes = subplots(1, 1, (4.2, 6.4))
    _frame(axes)
    for i, c in enumerate(result.centroids):
        drawn = drawn_tensors(result, ensemble, i)
        if drawn is not None:
            axes.plot(*_flat(*lune(drawn)), "o", ms=3, mew=0, alpha=0.25, color=SOURCE)
        axes.plot(*_flat(*lune(c.tensor)), "o", ms=9, mec="white", color=PREDICTED, zorder=5)
    return titled(figure, title or "Source type on the lune")


def _flat(gamma: Array | float, delta: Array | float) -> tuple[Array, Array]:
    """Sinusoidal projection, which keeps areas."""
    return np.asarray(gamma * np.cos(np.deg2rad(delta))), np.asarray(delta, float)


def _frame(axes: Axes) -> None:
    edge = np.linspace(-90, 90, 181)
    for side in (-30.0, 0.0, 30.0):
        axes.plot(*_flat(side, edge), color="#9aa3ad", lw=1.2 if side else 0.6, zorder=1)
    axes.plot([-30, 30], [0, 0], color="#9aa3ad", lw=0.6, zorder=1)
    for name, (gamma, delta) in CORNERS.items():
        x, y = _flat(gamma, delta)
        axes.plot(x, y, "o", ms=4, color="#20252b", zorder=2)
        aside = "left" if gamma > 0 or name in ("DC", "+ISO", "-ISO") else "right"
        axes.annotate(
            name, (float(x), float(y)), xytext=(6 if aside == "left" else -6, 4), ha=aside,
            textcoords="offset points", fontsize=8,
        )  # fmt: skip
    axes.set_xlim(-46, 46)
    axes.set_ylim(-99, 102)
    axes.axis("off")
