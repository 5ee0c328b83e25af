"""The return of a search for sources: its steps and where it ended."""

from __future__ import annotations

from typing import NamedTuple

from .filters import Filter
from .problem import State
from .source import Sources


class Step(NamedTuple):
    """One iteration of a search.

    Attributes
    ----------
    sources : Sources
        Where it is.
    misfit : float
        ``|d - s|² / |d|²``.
    objective : float
        Squared whitened residuals and priors.
    damping : float
        Of the next step; 0 for Gauss-Newton.
    band : Filter or None
        Filter of this stage of the search; None for the data's own.
    """

    sources: Sources
    misfit: float
    objective: float
    damping: float
    band: Filter | None


class Search(NamedTuple):
    """Where a search ended.

    Attributes
    ----------
    state : State
        The last sources with their residuals.
    history : tuple of Step
        Every iteration, the start first.
    converged : bool
        Whether the last step was small.
    others : tuple of Search
        Other minima that were found, the best first.
    """

    state: State
    history: tuple[Step, ...]
    converged: bool
    others: tuple[Search, ...] = ()
