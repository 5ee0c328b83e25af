"""A bank of pairs with what the matching engine says of them, to train the network on top of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from dislok import store
from dislok.nn.flow import FlowMap
from dislok.nn.geoflownet.inputs import planes
from dislok.nn.pairs import Pair
from dislok.nn.train.config import Config
from dislok.nn.train.samples import generator
from dislok.nn.train.sources import Grounds, draw_pair

SIZE = 288  # pixels
SHARES = (0.38, 0.32, 0.2, 0.1)  # of the ranges, from small to large motion


def build(config: Config, say: Callable[[str], None] = lambda line: None) -> int:
    """Make the pairs of ``data.folder`` up to ``data.count``, those that are there already left alone.

    Parameters
    ----------
    config : Config
        ``data`` gives folder, count, seed, textures, dates, ranges and, if it is not 0, the window's size.
    say : callable, optional
        Told a line of progress now and then.

    Returns
    -------
    int
        Number of pairs in the folder; pairs in which the engine recognises nothing are left out.
    """
    data = config.data
    grounds = Grounds.read(data, data.window or SIZE)
    dated = () if grounds.dates is None else grounds.dates.windows
    facts = (
        data.seed,
        data.window or SIZE,
        data.ranges,
        data.faults,
        [store.fingerprint(image) for image in grounds.images],
        [store.fingerprint(each.albedo) for window in dated for each in (window.first, window.second)],
    )
    pieces = store.Pieces(Path(data.folder), store.fingerprint("bank", 1, *facts))
    for number in range(data.count):
        try:
            pieces.keep(f"pair-{number:05d}", partial(_pair, config, grounds, number))
        except ValueError as error:
            say(f"pair {number} is left out: {error}")
        if (number + 1) % 50 == 0:
            say(f"{number + 1} of {data.count} pairs")
    return len(pieces.names())


def _pair(config: Config, grounds: Grounds, number: int) -> dict[str, np.ndarray]:
    """One pair: planes of both images, the engine's field, the truth."""
    from dislok.nn.match import match

    data = config.data
    rng = generator(data.seed, 5, number)
    shares = np.array((SHARES * len(data.ranges))[: len(data.ranges)])
    limits = data.ranges[int(rng.choice(len(data.ranges), p=shares / shares.sum()))]
    pair, _ = draw_pair(data.window or SIZE, limits, grounds, rng, data.faults)
    return piece(pair, match(pair.pre, pair.post))


def piece(pair: Pair, found: FlowMap) -> dict[str, np.ndarray]:
    """The arrays that are kept of a pair and the engine's result."""
    before, after = planes(pair.pre), planes(pair.post)
    field = np.stack((found.right, found.down))
    far = np.full(pair.pre.shape, 99.0)
    return {
        "pre": before.values.astype(np.float16),
        "post": after.values.astype(np.float16),
        "seen_pre": before.valid,
        "seen_post": after.valid,
        "field": np.where(np.isfinite(field), field, 0).astype(np.float32),
        "truth": np.stack((pair.flow_pre.right, pair.flow_pre.down)),
        "valid": pair.valid & np.isfinite(field).all(0),
        "distance": (far if pair.distance is None else pair.distance).astype(np.float16),
    }
