"""Common parts of the pictures of moment tensors: colours, frames, draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .filters import Array
from .resample import Ensemble
from .result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OBSERVED, PREDICTED, SOURCE, QUIET = "#20252b", "#d1495b", "#2a6f97", "#9aa3ad"


def drawn_tensors(result: Result, ensemble: Ensemble | None, i: int) -> Array | None:
    """Tensors of the bootstrap, or drawn from the stated uncertainty, of a source."""
    if ensemble is not None:
        return ensemble.table(i)["tensor"]
    return None if result.errors == "none" else result.draws(300, i)[0]


def subplots(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    """A figure of so many axes; `ImportError` that says what to install."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('pictures need matplotlib: pip install "dislok[plot]"') from error
    return plt.subplots(rows, columns, figsize=size, layout="constrained", **options)


def titled(figure: Figure, title: str) -> Figure:
    """The figure with a heading."""
    figure.suptitle(title, fontsize=13)
    return figure
