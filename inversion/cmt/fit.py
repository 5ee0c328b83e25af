"""Data beside their prediction: what a result shows of each data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dislok.arrays import Record

from .data import COMPONENTS, Dataset, Offsets
from .filters import Array
from .noise import Mask
from .problem import State


@dataclass(frozen=True)
class Fit:
    """Data and prediction of one data set.

    Attributes
    ----------
    name : name of the data set; kind : "displacement", "velocity", "acceleration" or "offset".
    station : (n,) names; latitude, longitude : (n,) degrees.
    times : (n_times,) seconds after the reference; empty for offsets.
    observed, predicted : (n, 3[, n_times]) filtered east, north, up.
    mask : of the same shape, what was fitted.
    """

    name: str
    kind: str
    station: NDArray[np.str_]
    latitude: Array
    longitude: Array
    times: Array
    observed: Array
    predicted: Array
    mask: Mask

    @property
    def variance_reduction(self) -> float:
        """1 minus squared residual over squared data, of all that was fitted, without weights."""
        return float(_reduction(self.observed, self.predicted, self.mask, axis=None))

    @property
    def by_trace(self) -> Array:
        """Variance reduction (n, 3) of every trace, NaN where nothing was fitted.

        For offsets of every number.
        """
        axis = self.observed.ndim - 1 if self.times.size else ()
        return _reduction(self.observed, self.predicted, self.mask, axis)

    def as_dict(self) -> Record:
        """Variance reductions as plain values that JSON can hold."""
        traces = [
            {"station": str(name), "component": COMPONENTS[c], "variance_reduction": float(value)}
            for name, row in zip(self.station, self.by_trace, strict=True)
            for c, value in enumerate(row)
            if np.isfinite(value)
        ]
        reduction = self.variance_reduction
        return {"name": self.name, "kind": self.kind, "variance_reduction": reduction, "traces": traces}


def fits(state: State) -> tuple[Fit, ...]:
    """Data and prediction of every data set at a state."""
    found = []
    for field in state.system.fields:
        predicted = np.einsum("k...e,ke->...", field.green(state.sources), state.sources.tensor)
        found.append(_fit(field.data, predicted))
    return tuple(found)


def total_reduction(found: Sequence[Fit]) -> float:
    """Variance reduction of several data sets: the mean of theirs, since their units differ."""
    return float(np.mean([fit.variance_reduction for fit in found]))


def _fit(part: Dataset, predicted: Array) -> Fit:
    shown = (part.observed, predicted, part.mask)
    if isinstance(part, Offsets):
        table = part.table
        return Fit(
            part.name, "offset", table.station, table.latitude, table.longitude, np.zeros(0), *shown
        )  # fmt: skip
    records = part.records
    return Fit(
        part.name, records.quantity, records.station, records.latitude, records.longitude, part.times, *shown
    )  # fmt: skip


def _reduction(observed: Array, predicted: Array, mask: Mask, axis: Any) -> Array:
    residual = np.where(mask, observed - predicted, 0.0)
    data = np.where(mask, observed, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - (residual**2).sum(axis=axis) / (data**2).sum(axis=axis))
