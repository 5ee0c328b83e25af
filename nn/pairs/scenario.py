"""Pairs without end: a seed and a number make a group of training crops, the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, Protocol

import numpy as np

from dislok.arrays import Record

from .dates import Dated, TwoDates
from .displacement import BAND, RANGES, Displacement, ScrewFault, amplitude_in
from .distributions import Choice
from .pair import Pair, make_pair
from .procedural import AnyGround, Maker
from .recipe import Recipe
from .textures import Shape, Texture
from .turns import WAYS, turned_plane


class Fault(Protocol):
    """Anything that draws displacement."""

    def draw(self, rng: np.random.Generator, shape: Shape, margin: int) -> Displacement:
        """One of this window and margin."""
        ...


class Crop(NamedTuple):
    """A piece of a pair.

    Attributes
    ----------
    pre, post : ndarray, shape (n, n), float32
        Both images; where nothing was recorded they have their median.
    flow : ndarray, shape (2, n, n), float32
        East and north displacement in pixels on the grid of `pre`.
    valid : ndarray, shape (n, n), bool
        Where the truth can be used.
    distance : ndarray, shape (n, n), float32
        Pixels from the nearest trace, at most 16.
    amplitude : float
        Largest displacement in the window that the crop was cut from.
    number : int
        Of the crop in the scenario.
    """

    pre: np.ndarray
    post: np.ndarray
    flow: np.ndarray
    valid: np.ndarray
    distance: np.ndarray
    amplitude: float
    number: int


@dataclass(frozen=True)
class Scenario:
    """What pairs are made of, and how they are cut.

    Attributes
    ----------
    ground : Maker or TwoDates
        Draws textures: `AnyGround()` or another, or a `Library` of images; `TwoDates` draws real second dates
        too, and the parts of `recipe` that would model them are not used.
    fault : Fault
        Draws displacement.
    ranges : sequence of (low, high), or None
        Amplitudes in pixels, one of which is drawn for each pair; None keeps what the fault gives.
    weights : sequence of float, optional
        How often each of them is drawn.
    law : {"uniform", "log"}
        How amplitudes are distributed between the two.
    recipe : Recipe
        What else differs between both dates.
    crop, window : int
        Pixels of a crop, and of the window that is cut into crops; the window is a multiple of the crop.
    margin : int
        Pixels around the window, more than the largest displacement.
    reuse : int
        Pairs that are made of one piece of ground, each of it turned or mirrored, with another fault and
        another second date; 1 ... 64. Ground is dear, and a network sees few of the pairs twice.
    same_fault : bool
        Whether these pairs share their fault too, turned and mirrored in other ways than the ground, each
        with an amplitude of its own. Of `Earthquakes`, whose maps cost more than pairs, this makes many
        pairs, as the published data set does.
    """

    ground: Maker | TwoDates = AnyGround()
    fault: Fault = ScrewFault()
    ranges: Sequence[tuple[float, float]] | None = RANGES
    weights: Sequence[float] | None = None
    law: str = "uniform"
    recipe: Recipe = Recipe()
    crop: int = 256
    window: int = 512
    margin: int = 56
    reuse: int = 4
    same_fault: bool = False

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises
        ------
        ValueError
            That names the first that does not fit.
        """
        if self.crop < 8 or self.window < self.crop or self.window % self.crop:
            raise ValueError(
                f"window is {self.window}; it must be a multiple of crop, {self.crop}, at least 8"
            )
        if not 1 <= self.reuse <= WAYS**2:
            raise ValueError(f"reuse is {self.reuse}; ground and fault can be turned in {WAYS**2} ways")
        for low, high in self.ranges or ():
            if not 0 < low <= high or high + 5 > self.margin:
                bounds = f"positive, in order, and 5 below the margin, {self.margin}"
                raise ValueError(f"ranges has ({low}, {high}); both must be {bounds}")
        if self.ranges is not None:
            Choice(tuple(self.ranges), self.weights)

    @property
    def crops_of_pair(self) -> int:
        """Crops that a window is cut into."""
        return (self.window // self.crop) ** 2

    @property
    def crops_of_group(self) -> int:
        """Crops that one call of `group` makes."""
        return self.reuse * self.crops_of_pair

    def pairs(self, seed: int, number: int, *, skip: int = 0, threads: int | None = 1) -> Iterator[Pair]:
        """The pairs of a group, which share their ground.

        Parameters
        ----------
        seed, number : int
            Of the data set, and of the group in it.
        skip : int, optional
            Pairs at the beginning that are left out; the others are the same.
        threads : int, optional
            Most threads; one by default, because data are made by many processes.
        """
        size = self.window + 2 * self.margin
        source = np.random.default_rng([seed, number])
        ground = self.ground.draw(source, (size, size))
        turns = source.permutation(WAYS)
        shared = self._fault(source) if self.same_fault else None
        for k in range(skip, self.reuse):
            rng = np.random.default_rng([seed, number, k])
            # all 64 pairs of ways differ
            moved = shared.turned((k + k // WAYS) % WAYS) if shared else self._fault(rng)
            if self.ranges is not None:
                limits = Choice(tuple(self.ranges), self.weights).draw(rng)
                moved = amplitude_in(moved, rng, limits, self.law)
            yield _pair(ground, int(turns[k % WAYS]), moved, rng, self.recipe, threads)

    def _fault(self, rng: np.random.Generator) -> Displacement:
        return self.fault.draw(rng, (self.window, self.window), self.margin)

    def group(self, seed: int, number: int, *, skip: int = 0, threads: int | None = 1) -> Iterator[Crop]:
        """The crops of a group of pairs, in order, without the first `skip`; see `pairs`."""
        whole, part = divmod(skip, self.crops_of_pair)
        index = number * self.crops_of_group + whole * self.crops_of_pair
        for pair in self.pairs(seed, number, skip=whole, threads=threads):
            for k in range(part, self.crops_of_pair):
                row, column = divmod(k, self.window // self.crop)
                corner = row * self.crop, column * self.crop
                yield crop_of(pair, index + k, corner, (self.crop, self.crop))
            index, part = index + self.crops_of_pair, 0

    def to_dict(self) -> Record:
        """Words that tell this scenario from another: for checkpoints and records."""
        return {field.name: repr(getattr(self, field.name)) for field in fields(self)}


def crop_of(pair: Pair, index: int, corner: Shape = (0, 0), shape: Shape | None = None) -> Crop:
    """A piece of a pair, from its upper left pixel on; all of it without a shape."""
    h, w = pair.pre.shape if shape is None else shape
    part = (..., slice(corner[0], corner[0] + h), slice(corner[1], corner[1] + w))
    images = [finite(image[part]) for image in (pair.pre, pair.post)]
    flow = np.moveaxis(pair.flow_pre.values, -1, 0)[part]
    far = np.full((h, w), BAND, np.float32)
    distance = far if pair.distance is None else pair.distance[part]
    planes = (np.ascontiguousarray(a) for a in (*images, flow, pair.valid[part], distance))
    pre, post, truth, valid, distance = planes
    return Crop(pre, post, truth, valid, distance, pair.meta["amplitude"], index)


def finite(image: np.ndarray) -> np.ndarray:
    """The image with its median, or 0 where there is none, for what is not a number."""
    known = np.isfinite(image)
    if known.all():
        return image
    return np.where(known, image, np.median(image[known]) if known.any() else np.float32(0))


def turned(ground: Texture, way: int) -> Texture:
    """A square piece of ground, turned by quarters and mirrored: 8 ways."""
    height, valid = (None if a is None else turned_plane(a, way) for a in (ground.height, ground.valid))
    return Texture(turned_plane(ground.albedo, way), height, valid, ground.kind, ground.numbers)


def _pair(
    ground: Texture | Dated,
    way: int,
    moved: Displacement,
    rng: np.random.Generator,
    recipe: Recipe,
    threads: int | None,
) -> Pair:
    """A pair of ground that is turned in this way, at one date or two."""
    if isinstance(ground, Texture):
        return make_pair(turned(ground, way), moved, rng, recipe, threads=threads)
    return make_pair(
        turned(ground.first, way),
        moved,
        rng,
        recipe,
        second=turned(ground.second, way),
        alignment=ground.alignment.turned(way),
        alignment_in_truth=ground.in_truth,
        threads=threads,
    )
