"""Two images of the same ground before and after it moved, and the truth on both grids."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dislok import images
from dislok.arrays import ArrayLike, Record
from dislok.nn.flow import FlowMap

from .alignment import AlignedPart, Alignment
from .displacement import Displacement
from .recipe import Recipe
from .textures import Texture

BORDER = 4  # pixels that splines and a shifted grid need beyond what moves


@dataclass(frozen=True)
class Pair:
    """Two images and the displacement between them.

    Attributes
    ----------
    pre, post : ndarray, shape (h, w), float32
        NaN where nothing was recorded.
    flow_pre, flow_post : FlowMap
        The truth on the grid of the first and of the second image; valid where the ground is seen in both.
    distance : ndarray, shape (h, w), float32, or None
        Pixels from the nearest trace, on the grid of the first image, at most 16; None without traces.
    meta : dict
        Every number that was drawn.
    """

    pre: np.ndarray
    post: np.ndarray
    flow_pre: FlowMap
    flow_post: FlowMap
    distance: np.ndarray | None
    meta: Record

    @property
    def valid(self) -> np.ndarray:
        """Where the truth on the grid of the first image can be used, (h, w), bool."""
        return self.flow_pre.valid

    def correlation(self) -> float:
        """Correlation of the first image with the second, warped back by the truth, where both are seen."""
        back = images.warp(self.post, self.flow_pre.right, self.flow_pre.down)
        usable = self.valid & back.valid & np.isfinite(self.pre)
        return float(np.corrcoef(self.pre[usable], back.values[usable])[0, 1])


def make_pair(
    texture: Texture,
    displacement: Displacement,
    rng: np.random.Generator,
    recipe: Recipe | None = None,
    *,
    second: Texture | None = None,
    alignment: Alignment | AlignedPart | None = None,
    alignment_in_truth: bool = False,
    threads: int | None = None,
) -> Pair:
    """A pair of images of one piece of ground, at two dates, between which it has moved.

    Parameters
    ----------
    texture : Texture
        The ground at the first date, as large as the displacement's planes with their margin.
    displacement : Displacement
        On the pixels of the first image.
    rng : numpy.random.Generator
        One state of it makes one pair, bit for bit, with any number of threads.
    recipe : Recipe, optional
        What else changes; by default `Recipe()`, and with a real second date nothing.
    second : Texture, optional
        A real second date of the ground, in place of one that the recipe models: sun, cover, patches and haze
        of the recipe are not used.
    alignment : Alignment, optional
        How it lies on the first: see `dislok.nn.pairs.alignment`.
    alignment_in_truth : bool, optional
        Leave what the alignment says, but for whole pixels, in the second image, and add it to the truth.
    threads : int, optional
        Most threads.

    Returns
    -------
    Pair

    Raises
    ------
    ValueError
        If textures and displacement have different shapes, or an alignment has no second date.
    """
    if texture.shape != displacement.right.shape:
        planes = displacement.right.shape
        raise ValueError(f"texture is {texture.shape} pixels, but the displacement with its margin {planes}")
    if alignment is not None and second is None:
        raise ValueError("alignment belongs to a second date, which is not given")
    if recipe is None:
        recipe = Recipe() if second is None else replace(Recipe.plain(), resample_both=True)
    meta: Record = {
        "texture": {"kind": texture.kind, **texture.numbers},
        "displacement": dict(displacement.numbers),
        "amplitude": displacement.amplitude,
    }
    scenes, meta["ground"] = _dates(texture, second, rng, recipe)
    valid = [texture.valid, texture.valid if second is None else second.valid]
    extra = None
    if alignment is not None and alignment_in_truth:
        extra, meta["alignment"] = _rest(alignment, displacement.right.shape)
    moved = _Moved.of(displacement, recipe, rng, meta, threads, extra)
    seen = _rendered(scenes, valid, moved, alignment, recipe, rng, meta, threads)
    return _finished(seen, moved, recipe, rng, meta)


def _dates(
    texture: Texture, later: Texture | None, rng: np.random.Generator, recipe: Recipe
) -> tuple[tuple[np.ndarray, np.ndarray], Record]:
    """The ground at both dates, where it was at the first."""
    numbers: Record = {}
    if later is not None:
        if later.shape != texture.shape:
            raise ValueError(f"second is {later.shape} pixels, but texture {texture.shape}")
        return (texture.albedo, later.albedo), {"second": later.kind}
    first: ArrayLike = 1.0
    second: ArrayLike = 1.0
    if recipe.sun is not None:
        first, second, numbers["sun"] = recipe.sun.light(texture, rng)
    pre = texture.albedo * first
    spread = float(np.log(np.maximum(pre, 1e-3)).std())
    post = texture.albedo * second
    for name in ("cover", "patches", "haze"):
        part = getattr(recipe, name)
        if part is not None:
            factor, numbers[name] = part.factor(spread, texture.shape, rng)
            post = post * factor
    return (np.ascontiguousarray(pre, np.float32), np.ascontiguousarray(post, np.float32)), numbers


@dataclass(frozen=True)
class _Moved:
    """A displacement on both grids; on the second's, where it is known, and what the images show."""

    truth: Displacement
    right: np.ndarray
    down: np.ndarray
    known: np.ndarray
    shown: tuple[np.ndarray, np.ndarray]
    distances: np.ndarray

    @staticmethod
    def of(
        displacement: Displacement,
        recipe: Recipe,
        rng: np.random.Generator,
        meta: Record,
        threads: int | None,
        known: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> _Moved:
        if known is not None:  # of two real dates, whose truth it is
            right, down = (a + b for a, b in zip((displacement.right, displacement.down), known, strict=True))
            displacement = replace(displacement, right=right, down=down)
        distances = displacement.distances()
        error = recipe.misregistration
        numbers: Record = {}
        extra: tuple[ArrayLike, ArrayLike] = (0.0, 0.0)
        if error is not None:
            *extra, numbers = error.draw(displacement.right.shape, rng)  # type: ignore[assignment]
        meta["misregistration"] = numbers
        planes = (displacement.right + extra[0], displacement.down + extra[1])
        apparent = Displacement(*planes, displacement.traces, displacement.margin, displacement.numbers)
        right, down, seen = apparent.inverse(distances, threads)
        if not numbers:
            return _Moved(displacement, right, down, seen, (right, down), distances)
        if error is not None and error.in_truth:
            return _Moved(apparent, right, down, seen, (right, down), distances)
        own_right, own_down, own_seen = displacement.inverse(distances, threads)
        return _Moved(displacement, own_right, own_down, seen & own_seen, (right, down), distances)


def _rendered(
    scenes: tuple[np.ndarray, np.ndarray],
    valid: list[np.ndarray | None],
    moved: _Moved,
    alignment: Alignment | AlignedPart | None,
    recipe: Recipe,
    rng: np.random.Generator,
    meta: Record,
    threads: int | None,
) -> list[images.Warped]:
    """Both images in the window, as a perfect camera would take them."""
    margin, shape = moved.truth.margin, moved.truth.shape
    place = rng.uniform(-0.5, 0.5, 2) if recipe.resample_both else np.zeros(2)
    meta["grid"] = place.tolist()
    shift = [np.float32(a) for a in place]
    still = np.zeros(shape, np.float32)
    result = []
    for scene, mask, (right, down) in zip(scenes, valid, ((still, still), moved.shown), strict=True):
        if right is still and not recipe.resample_both and mask is None:
            inner = slice(margin, -margin or None)
            result.append(images.Warped(scene[inner, inner], np.ones(shape, bool)))
            continue
        made = images.coefficients(scene, valid=mask, threads=threads)
        back = (shift[0] - right, shift[1] - down)
        if alignment is not None and right is not still:
            back = _aligned(alignment, margin, *back)
        result.append(images.warp(made, *back, origin=(margin, margin), threads=threads))
    return result


def _rest(
    alignment: Alignment | AlignedPart, shape: tuple[int, ...]
) -> tuple[tuple[np.ndarray, np.ndarray], Record]:
    """What an alignment says at every pixel beyond whole pixels, and numbers about it."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    middle = [float(a) for a in alignment.at(np.array(0.5 * shape[1]), np.array(0.5 * shape[0]))]
    whole = [round(a) for a in middle]
    right, down = (
        (a - b).astype(np.float32) for a, b in zip(alignment.at(columns, rows), whole, strict=True)
    )
    return (right, down), {"middle": middle, "whole": whole, "in_truth": True}


def _aligned(
    alignment: Alignment | AlignedPart, margin: int, right: np.ndarray, down: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the second date shows the ground that the first one shows at displaced pixels."""
    rows, columns = np.mgrid[: right.shape[0], : right.shape[1]] + float(margin)
    more_right, more_down = alignment.at(columns + right, rows + down)
    return right + more_right, down + more_down


def _finished(
    seen: list[images.Warped], moved: _Moved, recipe: Recipe, rng: np.random.Generator, meta: Record
) -> Pair:
    """Both images as cameras and sky have them, and where the truth can be used."""
    from dislok.kernels.images.masks import landing

    taken, usable = [], []
    for date, (values, valid) in zip(("pre", "post"), seen, strict=True):
        filled = values if valid.all() else np.where(valid, values, np.float32(np.median(values[valid])))
        image, clear, meta[date] = _camera(filled, recipe, rng, date == "post")
        taken.append(np.where(valid, image, np.float32(np.nan)))
        usable.append(valid if clear is None else valid & clear)
    truth = moved.truth
    right, down = (np.ascontiguousarray(truth.inner(a)) for a in (truth.right, truth.down))
    in_post = usable[1] & moved.known
    on_pre = usable[0] & landing(in_post, right, down)
    on_post = in_post & landing(usable[0], -moved.right, -moved.down)
    flows = [
        FlowMap(np.stack([x, -y], -1), None, valid, frame)
        for x, y, valid, frame in ((right, down, on_pre, "pre"), (moved.right, moved.down, on_post, "post"))
    ]
    distance = np.abs(truth.inner(moved.distances)).min(0) if truth.traces else None
    return Pair(*taken, *flows, distance, meta)  # type: ignore[call-arg, arg-type]


def _camera(
    image: np.ndarray, recipe: Recipe, rng: np.random.Generator, second: bool
) -> tuple[np.ndarray, np.ndarray | None, Record]:
    """An image as it is recorded, which of its pixels can be used, and what was drawn."""
    numbers: Record = {}
    clear: np.ndarray | None = None
    for name in ("blur", "radiometry", "clouds", "stripes", "noise", "gaps"):
        part = getattr(recipe, name)
        if part is None or (name == "radiometry" and not second):
            continue
        image, *mask, numbers[name] = part.apply(image, rng)
        if mask and mask[0] is not None:
            clear = mask[0] if clear is None else clear & mask[0]
    return image, clear, numbers
