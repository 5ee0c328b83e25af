"""Operations of the matching engine at a pixel, counted by its own formulas, beside the time that it takes.

Every formula is run on numbers that write down what is done to them (`counting`). How often each is evaluated
follows from the settings and, for what depends on the images, is noted during a run. Selects, loads and
bookkeeping are free here.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dislok import images
from dislok.kernels.images import sgm, smooth, spline, variational, zncc
from dislok.nn.match import Settings, carrying, match, search

from . import peak
from .counting import Recorder

LEVELS = (1.0, 1 / 4, 1 / 16)  # pixels of the levels that are refined, per pixel of the image


def flops(formula: Callable[..., Any], numbers: int) -> int:
    """Additions, multiplications, divisions and roots of a formula of so many numbers."""
    recorder = Recorder()
    found = formula(*(recorder.variable(f"x{k}") for k in range(numbers)))
    return recorder.count(found if isinstance(found, tuple | list) else [found]).flops


def warp() -> int:
    """Of an image at one place."""
    return flops(spline.between, 18) + flops(spline.taken_apart, 2)


def window(sigma: float) -> int:
    """Of a sum over a window, along both axes."""
    return 2 * 2 * (2 * len(smooth.taps(sigma)) - 1)


def refinement(how: Settings) -> dict[str, float]:
    """Of all rounds of refinement: equations, and relaxations."""
    plain = how.refine.rounds
    rounds = LEVELS[0] * (2 * plain + how.refine.relief) + LEVELS[1] * plain + LEVELS[2] * 4 * plain
    slope = flops(variational.slope, 4)
    residual = warp() + flops(variational.compared, 4)
    ties = flops(variational.east, 15) + flops(variational.south, 15) + flops(variational.inverse, 7)
    equations = residual + 6 * slope + flops(variational.data, 20) + ties
    noise = residual + 2 * slope + flops(variational.squares, 7)
    update = flops(variational.update, 20)
    shape = LEVELS[0] * how.refine.relief * 2 * flops(variational.pull, 10)
    return {
        "equations": rounds * (equations + 0.4 * noise) + shape + ties,
        "relaxation": (rounds * how.refine.sweeps + how.refine.spread) * update,
    }


def trial(how: Settings) -> int:
    """Of one hypothesis at one pixel, where all is seen."""
    three = flops(zncc.all_seen, 2) + 3 * window(how.carry.sigma)
    return warp() + three + flops(zncc.known_side, 6)


def label(how: Settings) -> int:
    """Of one whole-pixel shift at one pixel of a level, with the paths to it."""
    paths = 4 * (flops(sgm.nearest, 3) + flops(sgm.arrived, 8) + flops(sgm.summed, 2))
    return flops(sgm.product, 2) + window(how.search.sigma) + flops(sgm.nats_of, 8) + paths


def faulted(
    image: np.ndarray, slip: float, rng: np.random.Generator, noise: float = 0.02
) -> tuple[np.ndarray, np.ndarray]:
    """An image before and after a fault through its middle has slipped by so many pixels."""
    height, width = image.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    turn = 0.5
    across = (
        (rows - height / 2) * np.cos(turn) - (columns - width / 2) * np.sin(turn) + 15 * np.sin(columns / 90)
    )
    taper = np.exp(-(((columns - width / 2) / (width / 2.2)) ** 4))
    motion = slip / np.pi * np.arctan(height / 8 / (np.abs(across) + 1e-3)) * np.sign(across) * taper
    right, down = (np.float32(-motion * each) for each in (np.cos(turn), np.sin(turn)))
    post = images.warp(images.coefficients(image, 3), right, down).values
    spread = noise * image.std()
    return tuple(np.float32(each + rng.normal(0, spread, image.shape)) for each in (image, post))


@contextmanager
def noted() -> Iterator[Counter[str]]:
    """Counts hypotheses tried and shifts searched, pixel by pixel, while it is open."""
    found: Counter[str] = Counter()
    settle, winners = carrying.kernels.settle, search.sgm.winners

    def settled(new: Any, wide: Any, rim: int, score: Any, changed: np.ndarray) -> None:
        found["trials"] += int(changed[..., 4].sum())
        settle(new, wide, rim, score, changed)

    def won(total: np.ndarray, *rest: Any) -> None:
        if rest[-2] == 0:
            found["labels"] += total.size
        winners(total, *rest)

    carrying.kernels.settle, search.sgm.winners = settled, won
    try:
        yield found
    finally:
        carrying.kernels.settle, search.sgm.winners = settle, winners


def census(pre: np.ndarray, post: np.ndarray, how: Settings | None = None) -> dict[str, float]:
    """Operations at a pixel, by step."""
    how = how or Settings()
    with noted() as found:
        match(pre, post, settings=how)
    size = pre.size
    result = refinement(how)
    result["carrying"] = found["trials"] / size * trial(how)
    result["search"] = found["labels"] / size * label(how)
    return result | {"all": sum(result.values())}


def report(pre: np.ndarray, post: np.ndarray, rounds: int = 3) -> dict[str, Any]:
    """Operations, processor time and the share of a core's peak in single precision."""
    operations = census(pre, post)
    seconds = []
    for _ in range(rounds):
        begin = time.process_time()
        match(pre, post)
        seconds.append(time.process_time() - begin)
    best = peak.gigaflops(np.float32)
    rate = operations["all"] * pre.size / min(seconds) / 1e9
    return {
        "pixels": list(pre.shape),
        "operations": {name: round(value) for name, value in operations.items()},
        "nanoseconds": min(seconds) * 1e9 / pre.size,
        "megapixels": pre.size / min(seconds) / 1e6,
        "gigaflops": rate,
        "peak": best,
        "share": rate / best,
    }
