"""A displacement map tile by tile: each tile is measured with a halo and kept on disk when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from dislok.arrays import Record
from dislok.store import Arrays, Pieces

from .grids import Source
from .inputs import Array
from .methods import Method

Say = Callable[[str], None]
ENOUGH = 0.02


@dataclass(frozen=True)
class Tile:
    """A part of the map: the rows and columns that are kept, and those that are read for them."""

    name: str
    rows: slice
    columns: slice
    wide_rows: slice
    wide_columns: slice

    @property
    def core(self) -> tuple[slice, slice]:
        """The kept part within what is read."""
        r, c = self.wide_rows.start, self.wide_columns.start
        return (
            slice(self.rows.start - r, self.rows.stop - r),
            slice(self.columns.start - c, self.columns.stop - c),
        )


def plan(shape: tuple[int, int], side: int, halo: int, multiple: int) -> list[Tile]:
    """Tiles that cover a map; what is read begins at multiples of a number and ends at the map's border."""
    rows, columns = (list(_spans(n, side, halo, multiple)) for n in shape)
    return [
        Tile(f"tile-{i}-{j}", r, c, wide_r, wide_c)
        for i, (r, wide_r) in enumerate(rows)
        for j, (c, wide_c) in enumerate(columns)
    ]


def _spans(length: int, side: int, halo: int, multiple: int) -> Iterator[tuple[slice, slice]]:
    for first in range(0, length, side):
        last = min(first + side, length)
        begin = max(0, (first - halo) // multiple * multiple)
        yield slice(first, last), slice(begin, min(length, last + halo))


@dataclass
class Empty:
    """Tiles without a result, by the reason."""

    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str) -> None:
        """Count a tile, if there is a reason."""
        if reason:
            self.reasons[reason] = self.reasons.get(reason, 0) + 1


def measure_tiles(
    pre: Source,
    post: Source,
    shift: tuple[int, int],
    chosen: Method,
    options: Record,
    tiles: list[Tile],
    pieces: Pieces,
    say: Say,
) -> Empty:
    """Measure all tiles that are not there yet."""
    done, begin, empty = set(pieces.names()), time.monotonic(), Empty()
    left = sum(tile.name not in done for tile in tiles)
    if left < len(tiles):
        say(f"going on: {len(tiles) - left} of {len(tiles)} tiles are there already")
    count = 0
    for tile in tiles:
        work = partial(_measure, pre, post, shift, chosen, options, tile)
        found = pieces.keep(tile.name, work)
        empty.add(str(found["reason"]))
        if tile.name not in done:
            count += 1
            rest = (time.monotonic() - begin) / count * (left - count)
            say(f"tile {len(tiles) - left + count} of {len(tiles)}, {_clock(rest)} left")
    if sum(empty.reasons.values()) == len(tiles):
        raise ValueError("no displacement anywhere: " + "; ".join(empty.reasons))
    return empty


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _measure(
    pre: Source, post: Source, shift: tuple[int, int], chosen: Method, options: Record, tile: Tile
) -> Arrays:
    """Displacement, error, score and validity of a tile, (7, h, w); why there is none, if so."""
    right, down = shift
    rows, columns = tile.wide_rows, tile.wide_columns
    a, seen_a = pre.read(rows, columns)
    b, seen_b = post.read(
        slice(rows.start + down, rows.stop + down), slice(columns.start + right, columns.stop + right)
    )
    both = seen_a & seen_b
    if both.mean() < ENOUGH:
        return _nothing(tile, "the images show no ground in common there")
    try:
        found = chosen.function()(a, b, valid=both, **options)
    except ValueError as error:
        return _nothing(tile, str(error))
    moved = found.values + np.array([right, -down], np.float32)
    layers = np.full((6, *both.shape), np.nan, np.float32)
    layers[0], layers[1] = moved[..., 0], moved[..., 1]
    if found.error is not None:
        layers[2], layers[3] = found.error[..., 0], found.error[..., 1]
    if found.score is not None:
        layers[4] = found.score
    layers[5] = found.valid
    layers[:5, ~both] = np.nan
    return {"layers": layers[(slice(None), *tile.core)], "reason": np.array("")}


def _nothing(tile: Tile, reason: str) -> Arrays:
    shape = (tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start)
    layers = np.full((6, *shape), np.nan, np.float32)
    layers[5] = 0
    return {"layers": layers, "reason": np.array(reason)}


def thinned(pieces: Pieces, tiles: list[Tile], most: int = 200_000) -> tuple[Array, Array, Array]:
    """Rows, columns and displacement (n, 2) of valid pixels, spread over the map."""
    total = sum((t.rows.stop - t.rows.start) * (t.columns.stop - t.columns.start) for t in tiles)
    step = max(1, int(np.sqrt(total / most)))
    places, values = [], []
    for tile in tiles:
        layers = _kept(pieces, tile)[:, ::step, ::step]
        rows, columns = np.nonzero(layers[5] > 0)
        places.append(np.stack([rows * step + tile.rows.start, columns * step + tile.columns.start], -1))
        values.append(layers[:2, rows, columns].T)
    place = np.concatenate(places)
    return place[:, 0], place[:, 1], np.concatenate(values).astype(float)


def _kept(pieces: Pieces, tile: Tile) -> Array:
    def lost() -> Arrays:
        raise ValueError(f"{pieces.folder}: {tile.name} was removed while the map was made; run it again")

    layers: Array = pieces.keep(tile.name, lost)["layers"]
    return layers


def layers_of(pieces: Pieces, tiles: list[Tile]) -> Iterator[tuple[Tile, Array]]:
    """What was kept of every tile, (6, h, w): east, north, their errors, score, validity."""
    for tile in tiles:
        yield tile, _kept(pieces, tile)
