"""Reports of a training: a table, TensorBoard, pictures, and how long it will take."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dislok.store import writing

FIELDS: tuple[str, ...] = ("step", "samples", "loss", "rate", "error", "still", "seconds")


class Table:
    """metrics.csv: one row per report, kept up to the step that a training goes on from.

    Columns are step, samples seen, mean loss since the last row, learning rate, mean endpoint error of the
    validation and that of a field of zeros (pixels; empty where nothing was validated), seconds of this run.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        rows = _rows(path)
        kept = [row for row in rows if int(row["step"]) <= step]
        with writing(path) as draft, open(draft, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(kept)

    def add(self, **row: float) -> None:
        """Append a row."""
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, FIELDS, restval="").writerow(row)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def board(folder: Path, step: int) -> Callable[..., None]:
    """A function that sends numbers to TensorBoard; one that does nothing where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return lambda step, **numbers: None
    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def send(step: int, **numbers: float) -> None:
        for name, value in numbers.items():
            if math.isfinite(value):
                writer.add_scalar(name, value, step)
        writer.flush()

    return send


def picture(path: Path, images: np.ndarray, truth: np.ndarray, found: np.ndarray) -> None:
    """Draw pairs in rows: before, after, true and found displacement to the right and down.

    Parameters
    ----------
    path : Path
        PNG file.
    images : ndarray, shape (n, channels, h, w)
        The first two channels are drawn.
    truth, found : ndarray, shape (n, 2, h, w)
        Pixels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 2 * len(images)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(images), 6, squeeze=False)
    for row, pair, true, said in zip(axes, images, truth, found, strict=True):
        most = max(float(np.abs(true).max()), 0.01)
        row[0].imshow(pair[0], cmap="gray")
        row[1].imshow(pair[1], cmap="gray")
        fields = (true[0], said[0], true[1], said[1])
        for axis, field in zip(row[2:], fields, strict=True):
            axis.imshow(field, cmap="RdBu_r", vmin=-most, vmax=most)
        row[2].set_ylabel(f"± {most:.2g} px")
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    names = ("before", "after", "right: true", "right: found", "down: true", "down: found")
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name, fontsize=9)
    with writing(path) as draft:
        figure.savefig(draft, dpi=80)


def spelled(seconds: float) -> str:
    """A duration for people: 45 s, 12 min, 3 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
