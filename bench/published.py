"""`python -m bench.published`: what the paper on GeoFlowNet trained, at a width and for a time that fit.

Trains each network of `RUNS` whose weights are not there yet (one that was stopped goes on), then scores all
of them on the benchmark files. ``--only NAME`` trains one of them.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import flow
from .report import machine

RANGES = ((0.01, 1.0), (1.0, 5.0), (5.0, 15.0), (15.0, 50.0))
WIDTH = 1 / 8
STEPS = 4000
BATCH, CROP = 8, 128


@dataclass(frozen=True)
class Training:
    """What is varied: the network, the motions that it sees, how many pairs, how many steps."""

    architecture: str = "geoflownet_a"
    ranges: tuple[tuple[float, float], ...] = RANGES
    pairs: int = 10_000
    steps: int = STEPS


# Tables III and V and figures 9 and 10 of the paper.
RUNS = {
    "A": Training(),
    "A [.01,1]": Training(ranges=RANGES[:1], steps=STEPS // 2),
    "A [1,5]": Training(ranges=RANGES[1:2], steps=STEPS // 2),
    "A [5,15]": Training(ranges=RANGES[2:3], steps=STEPS // 2),
    "A [15,50]": Training(ranges=RANGES[3:], steps=STEPS // 2),
    "B": Training(architecture="geoflownet_b"),
    "A, 1000 pairs": Training(pairs=1_000),
}


def config(training: Training, out: Path, textures: tuple[str, ...]) -> Any:
    """The modern recipe, with what this training varies."""
    from dislok.nn.train import config as settings

    modern = settings.MODERN
    return replace(
        modern,
        network=settings.Network(training.architecture, WIDTH),
        data=replace(
            modern.data,
            textures=textures,
            crop=CROP,
            ranges=training.ranges,
            count=training.pairs,
            keep=True,
            normalisation="local",
        ),
        schedule=replace(
            modern.schedule, rate=2e-3, epochs=1, steps=training.steps, batch=BATCH, average=0.995
        ),
        run=settings.Run(str(out), checkpoint=200, validate=1000, validation=32, report=100),
    )


def train(name: str, folder: Path, textures: tuple[str, ...]) -> Path:
    """The weights of a training; trained now where they are not there."""
    import torch

    from dislok.nn.train.loop import Trainer
    from dislok.nn.train.sources import source

    torch.set_num_threads(1)
    out = folder / name.translate(str.maketrans(" ,", "__", "[]"))
    weights = out / "network.safetensors"
    if not weights.exists():
        settings = config(RUNS[name], out, textures)
        begin = time.process_time()
        Trainer(settings, source(settings), say=lambda line: print(f"{name}: {line}", flush=True)).run()
        print(f"{name}: {time.process_time() - begin:.0f} s of processor time in this run", flush=True)
    return weights


def main(words: list[str] | None = None) -> int:
    """Train what is missing, score everything."""
    options = parser().parse_args(words)
    names = options.only or list(RUNS)
    weights = {name: train(name, options.out, tuple(map(str, options.texture))) for name in names}
    result: dict[str, Any] = {"facts": machine(), "files": {}}
    for file in options.file:
        found = {
            name: flow.summary(flow.evaluate(flow.network(path), file)) for name, path in weights.items()
        }
        result["files"][file.stem] = found
        print(f"\n{file.stem}\n\n{flow.render(found, 'epe')}\n{flow.render(found, 'near')}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m bench.published", description=__doc__)
    result.add_argument("--out", type=Path, required=True, help="folder of the trainings")
    result.add_argument("--only", action="append", choices=list(RUNS), help="this one; repeatable")
    result.add_argument(
        "--texture", action="append", type=Path, default=[], help="image for grounds; repeatable"
    )
    result.add_argument("--file", action="append", type=Path, default=[], help="benchmark file; repeatable")
    result.add_argument("--json", type=Path, help="also write the scores to this file")
    return result


if __name__ == "__main__":
    raise SystemExit(main())
