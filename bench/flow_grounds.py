"""`python -m bench.flow_grounds FOLDER`: which grounds the engine and the networks fail on, with pictures.

Some pairs with faults on each image of FOLDER; errors by image, the worst first.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from dislok.nn import pairs
from dislok.nn.predict import methods

from .flow_checks import INSIDE, LEAST, TEXTURES, read
from .report import machine, table

SIZE = 256
LIMITS = ((0.01, 1.0), (1.0, 5.0))
KNOWN = ("dislok", "scarp", "geoflownet")


def judged(pair: pairs.Pair, by: str) -> dict[str, float]:
    """Mean error, share of wild points, both of all points of the truth and of those called valid."""
    found = methods.measure(pair.pre, pair.post, by=by)
    away = np.hypot(*np.moveaxis(np.nan_to_num(found.values) - pair.flow_pre.values, -1, 0))[INSIDE]
    all_, said = pair.valid[INSIDE], (pair.valid & found.valid)[INSIDE]
    return {
        "epe": float(away[all_].mean()),
        "wild": float((away[all_] > 1).mean()),
        "valid": float(said.sum() / all_.sum()),
        "epe of valid": float(away[said].mean()) if said.any() else float("nan"),
        "wild of valid": float((away[said] > 1).mean()) if said.any() else float("nan"),
    }


def made(image: np.ndarray, count: int, seed: int) -> list[pairs.Pair]:
    """Pairs with faults on one image."""
    ground = pairs.Library([pairs.of_image(image)])
    result = []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        fault = pairs.Earthquakes().draw(rng, (SIZE, SIZE))
        moved = pairs.amplitude_in(fault, rng, LIMITS[number % len(LIMITS)])
        result.append(pairs.make_pair(ground.draw(rng, moved.right.shape), moved, rng))
    return result


def study(folder: Path, names: list[str], count: int, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Means over the pairs of each image, by method; the image that the first method likes least first."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for stem in TEXTURES:
        image = read(folder, stem)
        if min(image.shape) < LEAST:
            continue
        made_ = made(image, count, seed)
        found[stem] = {}
        for name in names:
            rows = [judged(pair, name) for pair in made_]
            found[stem][name] = {key: float(np.nanmean([row[key] for row in rows])) for key in rows[0]}
        print(stem, {name: round(each["epe"], 4) for name, each in found[stem].items()}, flush=True)
    return dict(sorted(found.items(), key=lambda one: -one[1][names[0]]["epe"]))


def draw(folder: Path, worst: list[str], name: str, seed: int, file: Path) -> None:
    """Both images of a pair on each of the worst grounds, and the error."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(worst), 8.4), layout="constrained")
    axes = figure.subplots(3, len(worst))
    for column, stem in enumerate(worst):
        pair = made(read(folder, stem), 1, seed)[0]
        found = methods.measure(pair.pre, pair.post, by=name)
        away = np.hypot(*np.moveaxis(np.nan_to_num(found.values) - pair.flow_pre.values, -1, 0))
        low, high = np.nanpercentile(pair.pre, (1, 99))
        for row, image in enumerate((pair.pre, pair.post)):
            axes[row, column].imshow(image, cmap="gray", vmin=low, vmax=high)
        shown = axes[2, column].imshow(np.where(pair.valid, away, np.nan), cmap="magma", vmin=0, vmax=0.3)
        axes[2, column].contour(~found.valid, [0.5], colors="w", linewidths=0.6)
        axes[0, column].set_title(stem, fontsize=8)
    figure.colorbar(shown, ax=axes[2, :], label="error (px)", shrink=0.8)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    for row, word in enumerate(("before", "after", "error; what is not valid is outlined")):
        axes[row, 0].set_ylabel(word, fontsize=8)
    figure.savefig(file, dpi=70)


def main(words: list[str] | None = None) -> int:
    """Measure, print, draw, and write the results."""
    options = parser().parse_args(words)
    names = options.method or list(KNOWN)
    found = study(options.images, names, options.pairs, options.seed)
    head = ["image", *(f"{name}: {key}" for name in names for key in ("epe", "> 1 px %", "valid %"))]
    lines = [
        [stem]
        + [
            word
            for name in names
            for word in (
                f"{each[name]['epe']:.3f}",
                f"{100 * each[name]['wild']:.2f}",
                f"{100 * each[name]['valid']:.0f}",
            )
        ]
        for stem, each in found.items()
    ]
    print(table("mean error (px) by image", head, lines))
    if options.figure:
        draw(options.images, options.draw or list(found)[:4], names[0], options.seed, options.figure)
    if options.json:
        options.json.write_text(json.dumps({"facts": machine(), "images": found}, indent=1) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m bench.flow_grounds", description=__doc__)
    result.add_argument("images", type=Path, help="folder of images")
    result.add_argument("--pairs", type=int, default=4, help="on each image")
    result.add_argument("--seed", type=int, default=9, help="of the pairs")
    result.add_argument("--method", action="append", choices=KNOWN, help="this one; repeatable")
    result.add_argument("--figure", type=Path, help="also draw the worst")
    result.add_argument("--draw", action="append", choices=TEXTURES, help="draw these instead")
    result.add_argument("--json", type=Path, help="also write everything to this file")
    return result


if __name__ == "__main__":
    raise SystemExit(main())
