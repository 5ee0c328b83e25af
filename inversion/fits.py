"""Data beside their prediction, and what a fit says of errors and of the unit of length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from dislok.arrays import HostArray as Array
from dislok.convert import magnitude_from_moment

from .dataset import Dataset

UNITS = {"strike": "deg", "dip": "deg", "rake": "deg", "slip": "m", "opening": "m"}


@dataclass(frozen=True)
class Fit:
    """Data and prediction of one data set.

    Attributes
    ----------
    name, kind, labels : name of the data set, "gnss", "los" or "offsets", names of the c columns.
    xy : (n, 2); observed, predicted, sigma : (n, c), predicted with the nuisance terms; NaN where data are
        missing.
    look : (n, 3) look vectors of line-of-sight data, empty otherwise.
    nuisance : value of every nuisance term by name.
    boxes : (n, 4) west, south, east and north end of the cells that the data are means over, or empty.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    xy: Array
    observed: Array
    predicted: Array
    sigma: Array
    look: Array
    nuisance: dict[str, float]
    boxes: Array = field(default_factory=lambda: np.zeros((0, 4)))

    @property
    def residual(self) -> Array:
        """Observed less predicted, (n, c)."""
        return self.observed - self.predicted

    @property
    def variance_reduction(self) -> float:
        """See `variance_reduction`."""
        return variance_reduction([self])

    def __str__(self) -> str:
        """A line of text: number of data, residual and nuisance terms."""
        terms = "".join(f"; {name} {value:.4g}" for name, value in self.nuisance.items())
        rms = np.sqrt(np.nanmean(self.residual**2))
        return f"{self.name}: {int(np.isfinite(self.observed).sum())} data, residual rms {rms:.4g}{terms}"


def fit_of(data: Dataset, predicted: Array, nuisance: dict[str, float]) -> Fit:
    """Data and prediction (n, c) of a data set."""
    look = getattr(data, "look", np.zeros((0, 3)))
    return Fit(
        data.name, data.kind, data.labels, data.xy, data.observed, predicted, data.sigma, look, nuisance,
        data.boxes,
    )  # fmt: skip


def variance_reduction(fits: Sequence[Fit]) -> float:
    """One minus residuals over data, both squared, weighted by the variances; 1 is a perfect fit."""
    left = sum(np.nansum((fit.residual / fit.sigma) ** 2) for fit in fits)
    return float(1 - left / sum(np.nansum((fit.observed / fit.sigma) ** 2) for fit in fits))


def inflation_of(cost: float, dof: int) -> float:
    """How much larger the errors of data are than stated, by what they leave.

    Parameters
    ----------
    cost : float
        Summed loss of the whitened residuals; their chi-square for the linear loss.
    dof : int
        Data less unknowns.

    Returns
    -------
    float
        The root of their ratio where chance makes it so large in one of a thousand cases only, else 1.
    """
    if dof < 1 or cost <= stats.chi2.ppf(0.999, dof):
        return 1.0
    return float(np.sqrt(cost / dof))


def moment_magnitude(moment: float) -> float:
    """Moment magnitude of a moment (N m); minus infinity without slip."""
    return float(magnitude_from_moment(moment)) if moment > 0 else float("-inf")


def unit_doubts(slip: Array, size: Array, magnitude: float, length_unit: float) -> list[str]:
    """Why slip (m,) in metres on faults of a size (m,) in length units cannot be, as lines of text.

    Slip of earthquakes is 1e-6 to 1e-3 of the fault's smaller side: a hundredth means stress drops of
    hundreds of megapascals.
    """
    share = float(np.max(np.abs(slip) / (size * length_unit), initial=0.0))
    words = f"length_unit is {length_unit:g}, metres in one unit of the coordinates"
    if share > 0.02:
        return [
            f"DOUBTFUL: slip is {100 * share:.2g} % of the fault's smaller side; {words}: are they in km?"
        ]
    if magnitude > 9.8:
        return [f"DOUBTFUL: no earthquake is as large; {words}: are they in m?"]
    return []


def unit_of(name: str, length_unit: float) -> str:
    """Unit of an unknown, as a word for tables and figures."""
    length = {1.0: "m", 1000.0: "km"}.get(length_unit, f"{length_unit:g} m")
    return UNITS.get(name.split("_")[0], length)
