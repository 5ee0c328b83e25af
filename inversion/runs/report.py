"""One self-contained HTML page of a run: numbers, warnings, data sets, pictures; all as in the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from .. import page
from ..fault import Fit, Result, Samples
from ..fits import unit_doubts, unit_of
from ..rectangles import PARAMETERS
from ..slip import SlipResult
from ..starts import rival_lines
from .inputs import Place
from .outputs import interval

CAPTIONS = {
    "marginals": "Posterior of every pair of parameters",
    "slip": "Slip from above",
    "section": "Slip on the faults, seen from the hanging wall",
    "sigma": "Standard deviation of the slip",
    "restoration": "What the data decide (1) and what the smoothing does (0)",
    "choice": "How the smoothing was chosen",
}
"""Pictures by name; the others are of data sets."""


def of_faults(
    name: str, result: Result, samples: Samples | None, place: Place, notes: Sequence[str],
    pictures: Mapping[str, Path],
) -> str:  # fmt: skip
    """The page of `dislok fault` as text."""
    body = [
        *page.warnings(_doubts_of_faults(result, samples)),
        "<h2>Faults</h2>",
        *(_fault(result, samples, place, m) for m in range(len(result.parameters))),
        f"<p>Seismic moment {result.moment.sum():.3g} N·m, Mw {result.magnitude:.2f}.</p>",
        f"<p>{escape(_fit_words(result))}</p>",
        *_notes(notes),
        "<h2>Data</h2>",
        _data_table(result.fits),
        *_figures(pictures),
    ]
    return page.page(name, "Rectangular faults", body)


def of_slip(
    name: str, result: SlipResult, place: Place, notes: Sequence[str], pictures: Mapping[str, Path]
) -> str:
    """The page of `dislok slip` as text."""
    most = np.array([np.linalg.norm(slip[:, :2], axis=1).max() for slip in result.slip])
    sizes = np.array([np.sqrt(patches.areas.sum()) for patches in result.patches])
    doubts = unit_doubts(most, sizes, result.magnitude, result.length_unit)
    if not result.converged:
        doubts.append("the search for what the bounds hold did NOT converge")
    body = [
        *page.warnings(doubts),
        "<h2>Slip</h2>",
        _slip_table(result, place),
        f"<p>Seismic moment {result.moment.sum():.3g} N·m, Mw {result.magnitude:.2f}; smoothing "
        f"{result.smoothing:.4g}; variance reduction {100 * result.variance_reduction:.2f} %, chi-square "
        f"{result.misfit:.1f} for {result.count} data less {result.parameters:.1f} parameters.</p>",
        *_notes(notes),
        "<h2>Data</h2>",
        _data_table(result.fits),
        *_figures(pictures),
    ]
    return page.page(name, "Slip on faults of patches", body)


def _doubts_of_faults(result: Result, samples: Samples | None) -> list[str]:
    sides = result.parameters[:, 3:5].min(axis=1)
    lines = unit_doubts(result.parameters[:, 8], sides, result.magnitude, result.length_unit)
    if not result.converged:
        lines.append("the search did NOT converge")
    for name, held in zip(result.names, result.at_bound, strict=True):
        if held:
            lines.append(f"{name} ended on its bound: the errors of the others hold for it there")
    lines += rival_lines(result.rivals, result.names)
    if not np.isfinite(result.sigma[~result.at_bound]).all():
        lines.append("no standard deviations: the misfit does not rise to all sides of the best point")
    return lines + [f"draws NOT to be quoted: {doubt}" for doubt in (samples.doubts if samples else ())]


def _fault(result: Result, samples: Samples | None, place: Place, m: int) -> str:
    many, rows = len(result.parameters) > 1, []
    for name, value in zip(PARAMETERS, result.parameters[m].tolist(), strict=True):
        full = f"{name}_{m + 1}" if many else name
        unit = unit_of(name, result.length_unit)
        if full not in result.names:
            if name != "opening" or value:
                rows.append((name, f"{value:.4g} {unit}", "held", ""))
            continue
        i = result.names.index(full)
        low, high = interval(result, samples, i)
        held = bool(result.at_bound[i])
        span = "" if held or not np.isfinite(low + high) else f"{low:.4g} to {high:.4g}"
        sigma = "at bound" if held else f"{result.sigma[i]:.2g}"
        rows.append((name, f"{value:.4g} {unit}", sigma, span))
    lon, lat = place.geographic(result.parameters[m, :2])
    rows.append((f"{result.origin}: latitude, longitude", f"{lat:.4f}°, {lon:.4f}°", "", ""))
    title = f"<h3>Fault {m + 1}</h3>" if many else ""
    return title + page.table(("", "value", "± 1 σ", "95 %"), rows)


def _fit_words(result: Result) -> str:
    words = (
        f"Variance reduction {100 * result.variance_reduction:.2f} %, chi-square {result.chi2:.1f} for "
        f"{result.dof} degrees of freedom, {len(result.starts)} starts."
    )
    if result.inflation > 1:
        words += f" Errors of the data count {result.inflation:.2f} times, as their residuals ask for."
    return words


def _slip_table(result: SlipResult, place: Place) -> str:
    rows = []
    for i, (patches, slip, moment) in enumerate(zip(result.patches, result.slip, result.moment, strict=True)):
        size = np.linalg.norm(slip[:, :2], axis=1)
        top = int(np.argmax(size))
        lon, lat = place.geographic(patches.centroids[top, :2])
        sigma = np.linalg.norm(result.sigma[i][top, :2])
        rows.append((
            str(i + 1), str(patches.size), f"{size[top]:.3g} ± {sigma:.2g} m",
            f"{patches.rake(slip)[top]:.0f}°",
            f"{lat:.3f}°, {lon:.3f}°", f"{-patches.centroids[top, 2]:.1f} km", f"{moment:.3g} N·m",
        ))  # fmt: skip
    head = ("fault", "patches", "largest slip", "rake", "at latitude, longitude", "depth", "moment")
    return page.table(head, rows)


def _notes(notes: Sequence[str]) -> list[str]:
    return [f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in notes)}</ul>"] if notes else []


def _data_table(fits: Sequence[Fit]) -> str:
    rows = [
        (
            fit.name,
            fit.kind,
            str(int(np.isfinite(fit.observed).sum())),
            f"{1000 * np.sqrt(np.nanmean(fit.residual**2)):.3g} mm",
            f"{100 * fit.variance_reduction:.1f} %",
            ", ".join(f"{name} {1000 * value:.3g} mm" for name, value in fit.nuisance.items()),
        )
        for fit in fits
    ]
    head = ("data set", "kind", "data", "residual, rms", "variance reduction", "solved with the motion")
    return page.table(head, rows)


def _figures(pictures: Mapping[str, Path]) -> list[str]:
    words = {"map": "measured and predicted", "residuals": "residuals", "data": "data, prediction, residual"}
    found = []
    for name, path in pictures.items():
        kind, _, which = name.partition("-")
        caption = CAPTIONS.get(name) or f"{which}: {words[kind]}"
        found.append(f"<h2>{escape(caption)}</h2>{page.picture(path)}")
    return found
