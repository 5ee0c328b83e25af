"""Data sets of earthquakes and pairs of images in files: a seed and a recipe, written out.

Every earthquake has generators of its own, made from the seed and its number: it is the same whatever was
computed before it, in whichever process. Finished earthquakes are kept with checksums; what was interrupted
goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dislok.arrays import Record
from dislok.large.blocks import Blocks, Layout
from dislok.nn.pairs import RANGES, Library, Pair, amplitude_in, make_pair
from dislok.nn.pairs import Recipe as PairRecipe
from dislok.nn.pairs.displacement import BAND
from dislok.nn.pairs.quakes import seen
from dislok.store import Place, fingerprint

from .about import as_bytes
from .earthquake import Earthquake, draw
from .recipe import Recipe
from .scaling import law
from .window import ground_of, place_windows

VERSION = 2
"""Of how numbers become earthquakes and pairs; what was kept under another one is another problem."""
MARGIN = 8
"""Pixels around a window beyond the largest amplitude."""
LARGEST = 50
"""Largest amplitude in pixels."""
TEXT = 6144
"""Bytes of JSON about an earthquake, and about each of its pairs."""


@dataclass(frozen=True)
class DataSet:
    """What a data set consists of.

    Attributes
    ----------
    n : int
        Number of earthquakes.
    seed : int
    size : int
        Pixels along a side of a window.
    windows : int
        Of each earthquake.
    place : {"trace", "grid"}
        As of `dislok.nn.faultdeform.window.place_windows`.
    amplitudes : {"one", "all", "physical"}
        One of the four published ranges for each window, drawn at random; a pair in each of them; or the
        motion in metres over the pixel.
    recipe : Recipe
        Of the earthquakes.
    pairs : dislok.nn.pairs.Recipe
        Of the images.
    images : tuple of str
        Files whose first bands are the ground; without any it is procedural.
    tolerance : float
        Of the displacement.
    """

    n: int
    seed: int = 0
    size: int = 256
    windows: int = 1
    place: str = "trace"
    amplitudes: str = "one"
    recipe: Recipe = field(default_factory=Recipe)
    pairs: PairRecipe = field(default_factory=PairRecipe)
    images: tuple[str, ...] = ()
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        for name, low in (("n", 1), ("seed", 0), ("size", 32), ("windows", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < low:
                raise ValueError(f"{name} must be an integer of at least {low}, got {value!r}")
        if self.amplitudes not in ("one", "all", "physical"):
            raise ValueError(f'amplitudes must be "one", "all" or "physical", got {self.amplitudes!r}')
        place_windows(_NOWHERE, np.random.default_rng(0), self.windows, 1, 1.0, self.place)

    @property
    def samples(self) -> int:
        """Pairs of each earthquake."""
        return self.windows * (len(RANGES) if self.amplitudes == "all" else 1)

    @property
    def problem(self) -> str:
        """Fingerprint of everything that the values depend on."""
        contents = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in self.images]
        return fingerprint("faultdeform", VERSION, asdict(replace(self, images=())), contents)

    def check(self) -> None:
        """Read the images, and see that windows can be cut from them.

        Raises
        ------
        FileNotFoundError, ValueError
            About an image that cannot be used.
        """
        ground = ground_of(self.images)
        if isinstance(ground, Library):
            side = self.size + 2 * (LARGEST + MARGIN)
            ground.check((side, side))

    def earthquake(self, k: int) -> Earthquake:
        """Earthquake number k."""
        return draw(np.random.default_rng([self.seed, k]), self.recipe)

    def pairs_of(
        self, k: int, earthquake: Earthquake | None = None, threads: int | None = None
    ) -> Iterator[tuple[Pair, np.ndarray, Record]]:
        """The pairs of earthquake k, the vertical motion (m) in each, and what else is known."""
        earthquake, pixel = earthquake or self.earthquake(k), self.recipe.pixel
        start = np.random.default_rng([self.seed, k, 1])
        middles = place_windows(earthquake, start, self.windows, self.size, pixel, self.place)
        for w, middle in enumerate(middles):
            rng = np.random.default_rng([self.seed, k, 2, w])
            moved, up = seen(
                earthquake,
                1e3 * pixel,
                (self.size, self.size),
                LARGEST + MARGIN,
                centre=(float(middle[0]), float(middle[1])),
                tolerance=self.tolerance,
                threads=threads,
            )
            for limits in self._limits(rng):
                scaled = moved if limits is None else amplitude_in(moved, rng, limits)
                ground = ground_of(self.images).draw(rng, moved.right.shape)
                pair = make_pair(ground, scaled, rng, self.pairs, threads=threads)
                place = None if limits is None else RANGES.index(limits)
                yield pair, up, {"earthquake": k, "window": w, "range": place, **pair.meta}

    def _limits(self, rng: np.random.Generator) -> Iterable[tuple[float, float] | None]:
        if self.amplitudes == "physical":
            return [None]
        return RANGES if self.amplitudes == "all" else [RANGES[int(rng.integers(len(RANGES)))]]

    def block(self, k: int, threads: int | None = None) -> dict[str, np.ndarray]:
        """Everything about earthquake k as arrays with a first axis of length 1."""
        earthquake = self.earthquake(k)
        made = list(self.pairs_of(k, earthquake, threads))
        quake = {key: v for key, v in earthquake.metadata.items() if key not in _ONCE}
        told = {"earthquake": quake, "pairs": [about for _, _, about in made]}
        pairs = [pair for pair, _, _ in made]
        planes: dict[str, list[Any]] = {
            "pre": [p.pre for p in pairs],
            "post": [p.post for p in pairs],
            "flow_pre": [p.flow_pre.values.transpose(2, 0, 1) for p in pairs],
            "flow_post": [p.flow_post.values.transpose(2, 0, 1) for p in pairs],
            "valid_pre": [p.flow_pre.valid for p in pairs],
            "valid_post": [p.flow_post.valid for p in pairs],
            "up": [up for _, up, _ in made],
            "distance": [np.full(p.pre.shape, BAND) if p.distance is None else p.distance for p in pairs],
        }
        arrays = {name: np.stack(each)[None] for name, each in planes.items()}
        return {**arrays, "about": as_bytes(told, self._text)[None]}

    @property
    def _text(self) -> int:
        return TEXT * (1 + self.samples)

    def layouts(self) -> dict[str, Layout]:
        """The arrays of the Zarr group."""
        n, k, s = self.n, self.samples, self.size
        kinds: dict[str, tuple[tuple[int, ...], str]] = {
            "pre": ((), "float32"),
            "post": ((), "float32"),
            "flow_pre": ((2,), "float32"),
            "flow_post": ((2,), "float32"),
            "valid_pre": ((), "bool"),
            "valid_post": ((), "bool"),
            "up": ((), "float32"),
            "distance": ((), "float32"),
        }
        found = {
            name: Layout((n, k, *extra, s, s), (1, k, *extra, s, s), dtype)
            for name, (extra, dtype) in kinds.items()
        }
        return {**found, "about": Layout((n, self._text), (1, self._text), "uint8")}

    def create(self, path: Place) -> Blocks:
        """The Zarr group, begun or found."""
        told = {
            "faultdeform": VERSION,
            "seed": self.seed,
            "pixel": self.recipe.pixel,
            "samples": self.samples,
            "recipe": self.recipe.to_dict(),
            "law_source": law(self.recipe.law).source,
            "units": "flow: east, north in pixels; distance (of a trace): pixels; up: m; lengths: km",
        }
        try:
            return Blocks.create(path, self.problem, self.layouts(), axes=1, attributes=told)
        except ValueError as error:
            text = f"{error}: a data set goes on only with the same numbers, seed and recipe"
            raise ValueError(text) from error


_ONCE = ("recipe", "law_source", "dislok")
"""What the group knows, once for all earthquakes."""


class _Nowhere:
    """Stands for an earthquake where only numbers are checked."""

    trace = (np.zeros((2, 2)),)


_NOWHERE: Any = _Nowhere()


def write_block(data: DataSet, path: Place, k: int, threads: int | None = None) -> int:
    """Compute one earthquake and write it; for a worker of a cluster."""
    Blocks.open(path).write((k,), data.block(k, threads))
    return k


def write(
    data: DataSet,
    path: Place,
    *,
    client: Any = None,
    repair: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Blocks:
    """Write a data set to a Zarr group; what is there already is not computed again.

    Parameters
    ----------
    data : DataSet
    path : path
        Folder of the group, which every worker must be able to write to.
    client : distributed.Client, optional
        Whose workers compute; without one this process does.
    repair : bool
        Whether to read all that is there first, and to compute what is damaged again.
    progress : callable, optional
        Called as ``progress(done, total)`` before and after each earthquake.

    Raises
    ------
    FileNotFoundError, ValueError
        If the path holds another data set, or something else, or an image cannot be used.
    """
    data.check()
    blocks = data.create(path)
    if repair:
        blocks.forget(damage.block for damage in blocks.verify())
    missing = [index[0] for index in blocks.missing()]
    report = progress or (lambda done, total: None)
    done = data.n - len(missing)
    report(done, data.n)
    for _ in _computed(data, path, missing, client):
        done += 1
        report(done, data.n)
    return blocks


def _computed(data: DataSet, path: Place, missing: list[int], client: Any) -> Iterator[int]:
    if client is None:
        yield from (write_block(data, path, k) for k in missing)
        return
    from distributed import as_completed

    place = str(Path(path).resolve())
    futures = [client.submit(write_block, data, place, k, 1, pure=False) for k in missing]
    for future in as_completed(futures):
        yield future.result()
