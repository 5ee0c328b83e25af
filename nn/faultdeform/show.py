"""Pictures of a data set: a sheet of its pairs, and statistics of its earthquakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dislok.arrays import Record
from dislok.large.blocks import Blocks
from dislok.store import Place

from .about import about
from .earthquake import Earthquake, draw
from .recipe import Recipe, recipe_of
from .roughness import hurst_of
from .scaling import LAWS, mean_slip
from .slip import areas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHEET = 12
"""Most pairs on a sheet."""
DRAWN = 60
"""Most earthquakes whose traces are drawn again for their spectra."""


def show(path: Place, folder: Place, *, drawn: int = DRAWN) -> list[Path]:
    """Draw a contact sheet and the statistics of a data set.

    Parameters
    ----------
    path : path
        Zarr group of `dislok.nn.faultdeform.files.write`.
    folder : path
        Where ``sheet.png`` and ``statistics.png`` go.
    drawn : int
        Most earthquakes that are drawn again from the seed, for the spectra of their traces.

    Returns
    -------
    list of Path

    Raises
    ------
    ValueError
        If the group holds something else, or nothing yet.
    """
    from matplotlib.figure import Figure

    blocks = Blocks.open(path)
    facts = dict(blocks.group.attrs)
    if "faultdeform" not in facts:
        raise ValueError(f"{path} holds no data set of FaultDeform")
    missing = {index[0] for index in blocks.missing()}
    there = [k for k in range(blocks.total) if k not in missing]
    if not there:
        raise ValueError(f"{path} holds no finished earthquake yet")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    found = []
    for name, make in (
        ("sheet", lambda figure: _sheet(figure, blocks, there)),
        ("statistics", lambda figure: _statistics(figure, blocks, there, facts, drawn)),
    ):
        figure = Figure(layout="constrained")
        make(figure)
        figure.savefig(place / f"{name}.png", dpi=110)
        found.append(place / f"{name}.png")
    return found


def _sheet(figure: Figure, blocks: Blocks, there: list[int]) -> None:
    samples = blocks.arrays["pre"].shape[1]
    chosen = [(k, s) for k in there for s in range(samples)]
    chosen = [chosen[i] for i in np.unique(np.linspace(0, len(chosen) - 1, SHEET).astype(int))]
    across = 3
    rows = -(-len(chosen) // across)
    figure.set_size_inches(4.4 * across, 1.25 * rows + 0.2)
    axes = figure.subplots(rows, 4 * across, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for n, (k, s) in enumerate(chosen):
        own = axes[n // across, 4 * (n % across) : 4 * (n % across) + 4]
        _pair(own, blocks, k, s)


def _pair(axes: Any, blocks: Blocks, k: int, s: int) -> None:
    images = [np.asarray(blocks.arrays[name][k, s]) for name in ("pre", "post")]
    flow = np.asarray(blocks.arrays["flow_pre"][k, s])
    valid = np.asarray(blocks.arrays["valid_pre"][k, s])
    top = float(np.abs(flow).max())
    for axis, image in zip(axes, images, strict=False):
        axis.imshow(image, cmap="gray", vmin=np.nanpercentile(image, 1), vmax=np.nanpercentile(image, 99))
    for axis, part in zip(axes[2:], flow, strict=True):
        axis.imshow(np.where(valid, part, np.nan), cmap="RdBu_r", vmin=-top, vmax=top)
    told = about(blocks, k)["earthquake"]
    titles = (f"{k}/{s}: Mw {told['magnitude']:.1f}", told["mechanism"], f"east ±{top:.2g} px", "north")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=6, pad=2)


def _statistics(figure: Figure, blocks: Blocks, there: list[int], facts: Record, drawn: int) -> None:
    figure.set_size_inches(11, 7)
    (first, second, third), (fourth, fifth, sixth) = figure.subplots(2, 3)
    told = [about(blocks, k) for k in there]
    quakes = [each["earthquake"] for each in told]
    recipe = recipe_of(None, facts["recipe"])
    again = [draw(np.random.default_rng([facts["seed"], k]), recipe) for k in there[:drawn]]
    _magnitudes(first, quakes)
    _slips(second, quakes, recipe)
    _spectra(third, again)
    fourth.hist([q["magnitude"] for q in quakes], bins=20, color="0.5")
    fourth.set(xlabel="Mw", ylabel="earthquakes")
    amplitudes = [pair["amplitude"] for each in told for pair in each["pairs"]]
    fifth.hist(amplitudes, bins=np.geomspace(0.01, 60, 25), color="0.5")
    fifth.set(xlabel="amplitude (px)", ylabel="pairs", xscale="log")
    _profiles(sixth, again)


def _magnitudes(axis: Axes, quakes: list[Record]) -> None:
    length = np.geomspace(5, 150, 50)
    axis.semilogx([q["length"] for q in quakes], [q["magnitude"] for q in quakes], "k.", ms=4)
    for name, law in LAWS.items():
        width = [law.width(x, law.magnitude(x, 12.0, "strike-slip"), "strike-slip") for x in length]
        curve = [law.magnitude(x, min(w, 17.0), "strike-slip") for x, w in zip(length, width, strict=True)]
        axis.semilogx(length, curve, lw=1, label=name)
    axis.set(xlabel="length (km)", ylabel="Mw")
    axis.legend(fontsize=6, title="strike-slip", title_fontsize=6)


def _slips(axis: Axes, quakes: list[Record], recipe: Recipe) -> None:
    slip = [mean_slip(q["magnitude"], q["length"], q["width"], recipe.rigidity) for q in quakes]
    axis.loglog([q["length"] for q in quakes], slip, "k.", ms=4)
    length = np.array([5.0, 150.0])
    axis.fill_between(length, 1.25e-2 * length, 6e-2 * length, alpha=0.2, label="Scholz: 1.25e-5 to 6e-5 L")
    axis.set(xlabel="length (km)", ylabel="mean slip (m)")
    axis.legend(fontsize=6)


def _spectra(axis: Axes, quakes: list[Earthquake]) -> None:
    found = []
    for quake in quakes:
        for line in quake.trace:
            if len(line) >= 256:
                profile, step = straightened(line)
                k = np.fft.rfftfreq(len(profile), step)[1:]
                power = np.abs(np.fft.rfft(profile * np.hanning(len(profile))))[1:] ** 2 * step / len(profile)
                axis.loglog(k, power, lw=0.4, color="0.6")
                shortest = 2.0 * quake.metadata["recipe"]["shortest_wave"] * quake.metadata["element"]
                if shortest < 0.025 * step * len(profile):
                    found.append(hurst_of(profile, shortest, 0.5 * step * len(profile), step))
    k = np.array([0.05, 2.0])
    axis.loglog(k, 1e-4 * k**-2.6, "r--", lw=1, label="H = 0.8")
    title = f"H = {np.median(found):.2f}, median of {len(found)}" if found else ""
    axis.set(xlabel="wavenumber (1/km)", ylabel="power of the trace (km³)", title=title, ylim=(1e-10, None))
    axis.legend(fontsize=6)


def straightened(line: np.ndarray) -> tuple[np.ndarray, float]:
    """Distance of a trace (k, 2) from the line between its ends, at even steps along that, and the step."""
    along = (line[-1] - line[0]) / np.linalg.norm(line[-1] - line[0])
    place, off = (line - line[0]) @ along, (line - line[0]) @ np.array([along[1], -along[0]])
    even = np.linspace(place[0], place[-1], len(line))
    return np.interp(even, place, off), float(even[1] - even[0])


def _profiles(axis: Axes, quakes: list[Earthquake]) -> None:
    for quake in quakes:
        size, area = np.linalg.norm(quake.slip, axis=1), areas(quake.triangles)
        depth = -quake.triangles[..., 2].mean(axis=1)
        bins = np.linspace(0, 15, 16)
        which = np.digitize(depth, bins) - 1
        total = np.bincount(which, area * size, 16)[:15]
        covered = np.bincount(which, area, 16)[:15]
        mean = np.divide(total, covered, out=np.full(15, np.nan), where=covered > 0)
        axis.plot(mean / np.nanmax(mean), 0.5 * (bins[1:] + bins[:-1]), lw=0.5, color="0.5")
    axis.set(xlabel="slip over its largest", ylabel="depth (km)")
    axis.invert_yaxis()
