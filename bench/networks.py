"""`python -m bench.networks`: estimates a second of each network, in processor time of one thread."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from .report import machine, table

SIZE = 512
ROUNDS = 3


def rate(work: Callable[[], object], pixels: int) -> float:
    """Estimates per second of processor time: the median over rounds after a first call."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return pixels / median(seconds)


def passes(size: int) -> dict[str, Callable[[], object]]:
    """The forward pass of each network on one pair, without reading or writing."""
    import torch

    from dislok.nn import geoflownet

    torch.set_num_threads(1)
    pair = torch.randn(1, 2, size, size).to(memory_format=torch.channels_last)
    networks = {
        f"GeoFlowNet-{letter}, width {name}": build(width).eval().to(memory_format=torch.channels_last)
        for letter, build in (("A", geoflownet.geoflownet_a), ("B", geoflownet.geoflownet_b))
        for name, width in (("1/8", 1 / 8), ("1/4", 1 / 4), ("1", 1.0))
    }

    def forward(network: torch.nn.Module) -> Callable[[], object]:
        def work() -> object:
            with torch.inference_mode():
                return network(pair)

        return work

    return {name: forward(network) for name, network in networks.items()}


def maps(size: int) -> dict[str, Callable[[], object]]:
    """The matching engine, and the shipped network on top of it, from two images to a map."""
    from scipy import ndimage

    from dislok.nn.geoflownet.apply import refine
    from dislok.nn.match import match

    rng = np.random.default_rng(1)
    post = ndimage.gaussian_filter(rng.standard_normal((size, size)), 1.2).astype(np.float32)
    pre = ndimage.shift(post, (0.4, -0.7), order=3, mode="nearest")
    found = match(pre, post)
    return {
        "matching engine": lambda: match(pre, post),
        "Scarp on its map, one pass": lambda: refine(pre, post, found, passes=1),
    }


def main(words: list[str] | None = None) -> int:
    """Measure, print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.networks", description=__doc__)
    parser.add_argument("--size", type=int, default=SIZE, help="side of the images (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    options = parser.parse_args(words)
    works = maps(options.size) | passes(options.size)
    rates = {name: rate(work, options.size**2) for name, work in works.items()}
    lines = [[name, f"{value / 1e3:.0f} k"] for name, value in rates.items()]
    print(table("networks", ["", "estimates/s of processor time"], lines))
    if options.json:
        options.json.write_text(json.dumps({"facts": machine(), "rates": rates}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
