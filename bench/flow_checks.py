"""`python -m bench.flow_checks IMAGES`: what a method says of real ground that did not move, of
images shifted by a known half pixel, and of generated pairs, with the coverage of its stated error.

IMAGES is a folder of single-band GeoTIFF: pairs of two dates named below, and textures that generated pairs
are made of. Points within 24 pixels of the border do not count.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dislok import raster
from dislok.nn.match import NoMatch
from dislok.nn.pairs import RANGES, Earthquakes, Library, Pair, Scenario, of_image
from dislok.nn.predict.methods import measure

from . import flow_cost
from .report import machine, table

SHIFTED = {"Sentinel-2, Perth": "medicis_T50JML_c050", "Sentinel-2, Calama": "medicis_T19KER_c050"}
STILL = {
    "Landsat 5, Nanjing": ("pair_nanjing_20000503_b5", "pair_nanjing_20020712_b5"),
    "Landsat 5/7, Taizhou": ("pair_taizhou_20000317_b4", "pair_taizhou_20030206_b4"),
    "HiRISE, Mars": ("pair_hirise_nochange_before", "pair_hirise_nochange_after"),
    "HiRISE, Mars, boulders": ("pair_hirise_boulder_before", "pair_hirise_boulder_after"),
    "Landsat 7, Pennsylvania": ("pair_pa_etm_july_b5", "pair_pa_etm_nov_b5"),
}
TEXTURES = """apollo15_0297 hirise_mars l7_everest_b4 l8_046028_b4 l8_106071_b3 l8_107035_b4 l8_121044_b4
ls_rmnp_red phr_gizeh_1 phr_ventoux_left s2_maricopa s2_patch11 s2p_pair_01 s2p_trip_01 sol_atlanta sol_pan1
ukis_landsat5_red ukis_landsat7_red ukis_sentinel2_red wv3_20""".split()
BORDER = 24
INSIDE = (slice(BORDER, -BORDER),) * 2
SIGMAS = (1.0, 1.96)
LEAST = 400  # pixels on a side of a texture


def read(folder: Path, name: str) -> np.ndarray:
    """A band of the folder."""
    return raster.read(folder / f"{name}.tif").values


def measured(
    pre: np.ndarray, post: np.ndarray, truth: tuple[float, float] | None = None, by: str = "dislok"
) -> dict[str, Any]:
    """What is found between two images of ground that did not move.

    Parameters
    ----------
    pre, post : ndarray, shape (h, w)
    truth : (east, north), optional
        What errors are counted from, px; None counts from the median: two dates need not be registered.
    by : str
        The method, one that states errors.

    Returns
    -------
    dict
        ``median``, ``scatter`` (standard deviation) and ``spread`` (1.48 median absolute deviations), east
        and north; ``valid``; of the valid points, the share ``wild`` off by more than a pixel, and
        ``covered`` within one and 1.96 standard deviations as stated.
    """
    try:
        found = measure(pre, post, by=by)
    except NoMatch as refusal:
        return {"refused": str(refusal)}
    use = found.valid[INSIDE]
    values, error = found.values[INSIDE][use].astype(float), found.error[INSIDE][use].astype(float)
    if not len(values):
        return {"valid": 0.0}
    middle = np.median(values, axis=0)
    away = values - (middle if truth is None else truth)
    return {
        "median": middle.tolist(),
        "scatter": values.std(0).tolist(),
        "spread": (1.4826 * np.median(np.abs(values - middle), axis=0)).tolist(),
        "valid": float(use.mean()),
        "wild": float((np.hypot(*away.T) > 1).mean()),
        "covered": covered(away, error),
    }


def covered(away: np.ndarray, error: np.ndarray) -> list[float]:
    """Share of components within each of `SIGMAS` stated standard deviations."""
    ratio = np.abs(away) / error
    return [float((ratio <= sigma).mean()) for sigma in SIGMAS]


def generated(folder: Path, count: int, seed: int) -> Iterator[Pair]:
    """Pairs of random earthquakes on the folder's textures, of all ranges of motion, 256 by 256 pixels."""
    scenes = [of_image(plane) for plane in (read(folder, n) for n in TEXTURES) if min(plane.shape) >= LEAST]
    source = Scenario(
        ground=Library(scenes), fault=Earthquakes(), ranges=RANGES, window=256, crop=256, reuse=1
    )
    for number in range(count):
        yield from source.pairs(seed, number)


def coverage(pairs: Iterator[Pair], by: str = "dislok") -> dict[str, Any]:
    """Errors and coverage on generated pairs, each with the same weight."""
    rows = []
    for pair in pairs:
        try:
            found = measure(pair.pre, pair.post, by=by)
        except NoMatch:
            continue
        use = (found.valid & pair.valid)[INSIDE]
        away = (found.values - pair.flow_pre.values)[INSIDE][use].astype(float)
        length = np.hypot(*away.T)
        rows.append(
            [*covered(away, found.error[INSIDE][use]), use.mean(), (length > 1).mean(), length.mean()]
        )
    names = ("within 1", "within 1.96", "valid", "wild", "epe")
    return {"pairs": len(rows)} | dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))


def lines(found: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Rows of a table."""
    rows = []
    for name, each in found.items():
        if "median" not in each:
            rows.append([name, each.get("refused", "nothing valid")[:60], *[""] * 4])
            continue
        words = [", ".join(f"{value:.3f}" for value in each[key]) for key in ("median", "scatter", "spread")]
        shares = f"{each['valid']:.3f}", f"{each['wild']:.4f}"
        rows.append([name, *words, *shares, " / ".join(f"{100 * value:.0f}" for value in each["covered"])])
    return rows


def main(words: list[str] | None = None) -> int:
    """Measure, print, and write the results."""
    options = parser().parse_args(words)
    folder, by = options.images, options.method
    shifted = {
        name: measured(read(folder, f"{stem}_left"), read(folder, f"{stem}_right"), (0.5, 0.0), by)
        for name, stem in SHIFTED.items()
    }
    still = {
        name: measured(read(folder, first), read(folder, second), by=by)
        for name, (first, second) in STILL.items()
    }
    head = ["pair", "median E, N", "scatter", "spread", "valid", "> 1 px", "covered %"]
    print(table("shifted by (0.5, 0) and still, px", head, lines(shifted | still)))
    result: dict[str, Any] = {"facts": machine(), "method": by, "shifted": shifted, "still": still}
    result["generated"] = coverage(generated(folder, options.pairs, options.seed), by)
    print(result["generated"])
    if by == "dislok":
        texture = read(folder, options.texture).astype(np.float32)
        result["cost"] = flow_cost.report(*flow_cost.faulted(texture, 5.0, np.random.default_rng(0)))
        print(result["cost"])
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m bench.flow_checks", description=__doc__)
    result.add_argument("images", type=Path, help="folder of images")
    result.add_argument("--method", choices=("dislok", "scarp"), default="dislok", help="engine or network")
    result.add_argument("--pairs", type=int, default=24, help="generated pairs")
    result.add_argument("--seed", type=int, default=2026, help="of the generated pairs")
    result.add_argument("--texture", default="s2p_trip_01", help="image whose speed is measured")
    result.add_argument("--json", type=Path, help="also write everything to this file")
    return result


if __name__ == "__main__":
    raise SystemExit(main())
