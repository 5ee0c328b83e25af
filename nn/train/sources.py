"""Sources of samples: pairs made on the fly, or a bank of pairs with what the engine says of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dislok.nn import pairs
from dislok.nn.geoflownet.inputs import MOVES, SCALES, Planes, features
from dislok.nn.geoflownet.normalise import NORMALISATIONS
from dislok.nn.pairs import Pair, Texture
from dislok.nn.train.config import Config, Data
from dislok.nn.train.samples import (
    NEAR,
    Sample,
    generator,
    ranges_at,
    turn_of,
    turned,
    turned_vectors,
    window,
    with_noise,
)

PROCEDURAL = 0.4  # share of grounds that are made from nothing where there are images
DATED = 0.15  # share of grounds with a real second date where there are some
APART = 0.55  # least correlation of two dates that can be used
RAGGED = 0.2  # pixels: most spread of how two dates lie on one another
TRIES = 50
FAULTS = {"screw": pairs.ScrewFault, "earthquakes": pairs.Earthquakes}
MARGIN = 56  # pixels around a pair, out of which ground can move into it
VARIANTS = 2  # of each pair of a bank


def source(config: Config) -> MadePairs | Bank:
    """The source that a configuration asks for."""
    return Bank(config) if config.data.kind == "bank" else MadePairs(config)


class Grounds(NamedTuple):
    """What grounds are cut from: images, and images of two dates."""

    images: list[np.ndarray]
    dates: pairs.TwoDates | None = None

    @classmethod
    def read(cls, data: Data, size: int) -> Grounds:
        """Those that a configuration names, for pairs of a size.

        Raises
        ------
        ValueError
            If no window of the dates can be used.
        """
        planes = size + 2 * MARGIN
        found = [window for first, second in data.dates for window in _windows(first, second, planes)]
        return cls(read_textures(data.textures), pairs.TwoDates(found) if data.dates else None)


def _windows(first: str, second: str, size: int) -> Iterator[pairs.DateWindow]:
    from dislok import raster

    dates = raster.read(first), raster.read(second)
    step = max(1, size // 5)
    return pairs.windows(*dates, size, step=step, correlation=APART, spread=RAGGED, empty=0.05)


def texture_of(
    images: list[np.ndarray], shape: tuple[int, int], rng: np.random.Generator
) -> tuple[Texture, str]:
    """Ground of a size: part of an image, turned at random, or made from nothing; and which it was."""
    if images and rng.random() >= PROCEDURAL:
        for _ in range(TRIES):
            number = int(rng.integers(len(images)))
            part = images[number][window(images[number].shape, shape[0], rng)]
            if part.shape == shape and np.isfinite(part).all() and (part <= 0).mean() < 0.05:
                part = turned(part, int(rng.integers(4)), bool(rng.random() < 0.5))
                return pairs.of_image(np.ascontiguousarray(part)), f"image {number}"
    return pairs.AnyGround().draw(rng, shape), "procedural"


def draw_pair(
    size: int,
    limits: tuple[float, float],
    grounds: Grounds,
    rng: np.random.Generator,
    faults: str = "screw",
) -> tuple[Pair, str]:
    """A pair of a size whose largest motion lies between two limits (pixels), and its kind of ground."""
    fault = FAULTS[faults]().draw(rng, (size, size), MARGIN)
    moved = pairs.amplitude_in(fault, rng, limits)
    if grounds.dates is not None and rng.random() < DATED:
        both = grounds.dates.draw(rng, moved.right.shape)
        made = pairs.make_pair(
            both.first, moved, rng, second=both.second, alignment=both.alignment, threads=1
        )
        return made, "two dates"
    ground, kind = texture_of(grounds.images, moved.right.shape, rng)
    return pairs.make_pair(ground, moved, rng, threads=1), kind


def read_textures(names: tuple[str, ...]) -> list[np.ndarray]:
    """Images that grounds are cut from; NaN where they hold nothing."""
    from dislok import raster

    read = [raster.read(name) for name in names]
    return [np.where(each.valid, each.values, np.nan).astype(np.float32) for each in read]


class MadePairs:
    """Pairs that are made when they are asked for, cropped and normalised.

    Parameters
    ----------
    config : Config
        ``data`` says what grounds, which ranges, how many distinct pairs; ``schedule.stages`` which ranges
        when.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.size = max(config.data.window, config.data.crop)
        self.grounds = Grounds.read(config.data, self.size)
        self._kept = lru_cache(maxsize=None)(self._halved)

    def sample(self, index: int, *, validation: bool = False) -> Sample:
        """The sample of a number: a pair by its number in the data set, a crop by its number in the run."""
        data = self.config.data
        number = index % data.count if data.count and not validation else index
        limits = ranges_at(index, self.config) if not validation else len(data.ranges)
        whole = (
            self._kept(number, limits)
            if data.keep and not validation
            else self._whole(number, limits, validation)
        )
        own = generator(data.seed, 2 + int(validation), index)
        part = window(whole.weight.shape, data.crop, own)
        cut = Sample(*(np.asarray(each[..., part[0], part[1]], np.float32) for each in whole))
        return cut if validation else _varied(cut, self.config, own)

    def _whole(self, number: int, ranges: int, validation: bool) -> Sample:
        """A pair of a number, all of it; images are normalised as a whole, not by part."""
        data = self.config.data
        rng = generator(data.seed, int(validation), number)
        limits = data.ranges[int(rng.integers(ranges))]
        pair, _ = draw_pair(self.size, limits, self.grounds, rng, data.faults)
        normalised = NORMALISATIONS[data.normalisation]
        planes = [normalised(image, np.isfinite(image)) for image in (pair.pre, pair.post)]
        truth = np.stack((pair.flow_pre.right, pair.flow_pre.down))
        weight = pair.valid.astype(np.float32)
        if pair.distance is not None:
            weight *= 1 + self.config.loss.near * (pair.distance <= NEAR)
        return Sample(np.stack(planes), np.where(pair.valid, truth, 0), weight)

    def _halved(self, number: int, ranges: int) -> Sample:
        return Sample(*(each.astype(np.float16) for each in self._whole(number, ranges, False)))


def _varied(sample: Sample, config: Config, rng: np.random.Generator) -> Sample:
    """A sample turned at random, with noise where the images are known."""
    quarters, mirrored = turn_of(config, rng)
    known = sample.images != 0
    planes = np.stack([with_noise(plane, config.data.noise, rng) for plane in sample.images]) * known
    return Sample(
        np.ascontiguousarray(turned(planes, quarters, mirrored), np.float32),
        np.ascontiguousarray(turned_vectors(sample.truth, quarters, mirrored), np.float32),
        np.ascontiguousarray(turned(sample.weight, quarters, mirrored), np.float32),
    )


class Bank:
    """Pairs with the engine's result, kept in a folder by `dislok.nn.train.bank.build`.

    A sample is a window of one of them, turned. Each pair is seen in `VARIANTS` ways, which are prepared
    once: as the engine left it, and with noise, contrast reversed or not, a part of the engine's error
    taken away, so that a network sees the beginning and the end of its own work.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        names = sorted(Path(config.data.folder).glob("pair-*.npz"))
        # Every tenth pair is kept for validation.
        self.files = {False: [n for n in names if not _held(n)], True: [n for n in names if _held(n)]}
        if not all(self.files.values()):
            raise ValueError(f"data.folder {config.data.folder} holds too few pairs: {len(names)}")
        self._prepared = lru_cache(maxsize=None)(self._prepare)

    def sample(self, index: int, *, validation: bool = False) -> Sample:
        """The sample of a number; for validation as the engine left it."""
        files, size = self.files[validation], self.config.data.crop
        rng = generator(self.config.data.seed, int(validation), index)
        if validation:
            kept = self._prepare(files[index % len(files)], 0)
            return _cut(kept, window(kept.weight.shape, size, rng), 0, False)
        place = int(rng.integers(len(files)))
        kept = self._prepared(files[place], int(rng.integers(VARIANTS)))
        part = _passed(kept, size, rng) if rng.random() < 0.5 else window(kept.weight.shape, size, rng)
        return _cut(kept, part, *turn_of(self.config, rng))

    def _prepare(self, path: Path, variant: int) -> Sample:
        """All of a pair, in half precision, which is enough for what a network sees."""
        from dislok.store import read_arrays

        kept = read_arrays(path)
        rng = generator(self.config.data.seed, 3 + variant, int(path.stem.partition("-")[2]))
        sign, closer, noise = (1, 1.0, 0.0) if not variant else _luck(rng, self.config.data.noise)
        missed = np.where(kept["valid"], kept["truth"] - kept["field"], 0)
        start = kept["field"] + (1 - closer) * missed
        pre, post = (
            Planes(with_noise(sign * kept[name].astype(np.float32), noise, rng), kept[f"seen_{name}"])
            for name in ("pre", "post")
        )
        seen = features(pre, post, *np.ascontiguousarray(start, np.float32))
        change = closer * missed
        weight = kept["valid"] * (1 + self.config.loss.near * (kept["distance"] <= NEAR))
        return Sample(seen.astype(np.float16), change.astype(np.float32), weight.astype(np.float32))


def _luck(rng: np.random.Generator, most: float) -> tuple[int, float, float]:
    """Sign of the contrast, share of the engine's error that is left, most noise."""
    sign = -1 if rng.random() < 0.5 else 1
    closer = float(rng.random()) if rng.random() < 0.6 else 1.0
    return sign, closer, most * float(rng.random() < 0.5)


def _passed(kept: Sample, size: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """A square that holds one of the pixels that weigh most, those near the fault."""
    heaviest = np.argwhere(kept.weight == kept.weight.max())
    place = heaviest[int(rng.integers(len(heaviest)))] - rng.integers(0, size, 2)
    first = [
        int(np.clip(at, 0, max(0, length - size)))
        for at, length in zip(place, kept.weight.shape, strict=True)
    ]
    return slice(first[0], first[0] + size), slice(first[1], first[1] + size)


def _cut(kept: Sample, part: tuple[slice, slice], quarters: int, mirrored: bool) -> Sample:
    seen, change = kept.images[:, part[0], part[1]], kept.truth[:, part[0], part[1]]
    return turned_sample(seen.astype(np.float32), change, kept.weight[part], quarters, mirrored)


def turned_sample(
    seen: np.ndarray, change: np.ndarray, weight: np.ndarray, quarters: int, mirrored: bool
) -> Sample:
    """A sample of features and the right change, turned as a whole."""
    features_turned = np.ascontiguousarray(turned(seen, quarters, mirrored), np.float32)
    first = 2 * len(SCALES)
    places = [first, *(len(seen) - 3 * MOVES + 3 * move for move in range(MOVES))]
    for place in places:
        features_turned[place : place + 2] = turned_vectors(seen[place : place + 2], quarters, mirrored)
    return Sample(
        features_turned,
        np.ascontiguousarray(turned_vectors(change, quarters, mirrored), np.float32),
        np.ascontiguousarray(turned(weight, quarters, mirrored), np.float32),
    )


def _held(path: Path) -> bool:
    return int(path.stem.partition("-")[2]) % 10 == 9
