"""The common part of inverse problems on data: points, whitening, adjoint, prediction, nuisance terms."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
from scipy import linalg

from dislok import gate as gates
from dislok.arrays import HostArray as Array

from .dataset import Dataset, check_names
from .fits import Fit, fit_of


class Observed:
    """A problem whose sources move the ground under data sets.

    Attributes
    ----------
    datasets : of k data and q nuisance terms in all.
    points : (n, 2) places of all data sets, one after the other.
    whitened_data : (k,) with unit, independent errors.
    design : (k, q) whitened columns of the nuisance terms.
    nu, length_unit, shear_modulus : as given.
    """

    def __init__(
        self, datasets: Sequence[Dataset] | Dataset, nu: float, length_unit: float, shear_modulus: float
    ) -> None:
        self.datasets = gates.several("datasets", datasets, Dataset)
        check_names(self.datasets)
        self.nu = float(gates.number(least=0, below=0.5)("nu", nu))
        self.length_unit = float(gates.number(above=0)("length_unit", length_unit))
        self.shear_modulus = float(gates.number(above=0)("shear_modulus", shear_modulus))
        self.points = np.concatenate([data.points for data in self.datasets])
        self._set_data()

    def _set_data(self) -> None:
        self.whitened_data = np.concatenate([data.whiten(data.values) for data in self.datasets])
        self.design = linalg.block_diag(*(data.whiten(data.basis) for data in self.datasets))

    def reweighted(self, factors: Sequence[float]) -> Self:
        """The same problem with the errors of each data set so many times as large."""
        made = copy.copy(self)
        pairs = zip(self.datasets, map(float, factors), strict=True)
        made.datasets = tuple(data.reweighted(factor) for data, factor in pairs)
        made._set_data()
        return made

    def whitened(self, columns: Array) -> Array:
        """From columns (n, 3, ...) at all points to whitened data (k, ...)."""
        return np.concatenate([data.whiten(data.see(columns[at])) for data, _, at, _ in self._pieces()])

    def adjoint(self, white: Array) -> Array:
        """Transpose of `whitened` for a vector (k,): (n, 3)."""
        force = np.zeros((len(self.points), 3))
        for data, rows, at, _ in self._pieces():
            force[at] += data.see_adjoint(data.whiten_adjoint(white[rows]))
        return force

    def predicted(self, displacement: Array, nuisance: Array) -> list[Array]:
        """Predicted data, one table (n, c) for each data set, of a displacement (n, 3) and nuisance terms."""
        return [
            data.spread(data.see(displacement[at]) + data.basis @ nuisance[own])
            for data, _, at, own in self._pieces()
        ]

    def fits(self, displacement: Array, nuisance: Array) -> tuple[Fit, ...]:
        """Data and prediction of every data set."""
        tables, found = self.predicted(displacement, nuisance), []
        for (data, _, _, own), table in zip(self._pieces(), tables, strict=True):
            terms = zip(data.nuisance, nuisance[own].tolist(), strict=True)
            found.append(fit_of(data, table, dict(terms)))
        return tuple(found)

    def _pieces(self) -> Iterator[tuple[Dataset, slice, slice, slice]]:
        """Every data set with its rows of the data, of the points and of the nuisance terms."""
        row = point = term = 0
        for data in self.datasets:
            ends = row + data.size, point + len(data.points), term + len(data.nuisance)
            yield data, slice(row, ends[0]), slice(point, ends[1]), slice(term, ends[2])
            row, point, term = ends
