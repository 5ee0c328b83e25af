"""Work on a displacement map before it is interpreted: reference, stripes, outliers, smoothing.

All functions take displacement ``(h, w, 2)`` and a mask of where it can be used, and give new arrays;
`process` applies them to a file of `dislok flow`. Ramps are taken off by
`dislok.nn.predict.coregister.deramped`.

References
----------
Chambolle, A. and Pock, T. (2011). A first-order primal-dual algorithm for convex problems with applications
to imaging. J. Math. Imaging Vis. 40, 120-145.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from dislok import raster

from .inputs import Array, Mask

_BAND = 512


def referenced(values: Array, valid: Mask, stable: Mask) -> tuple[Array, Array]:
    """The map less its median over ground at rest, and that median (2,).

    Raises
    ------
    ValueError
        If no valid pixel is at rest.
    """
    use = valid & stable
    if not use.any():
        raise ValueError("stable: no valid pixel of the map lies on ground at rest")
    offset = np.median(values[use], axis=0)
    return values - offset.astype(values.dtype), offset


def destriped(values: Array, valid: Mask, *, width: int = 101, rounds: int = 2) -> Array:
    """The map without stripes along rows and along columns, as push-broom sensors leave them.

    A stripe is what a row (then a column) has more than the running median over `width` of them, in the
    median over the places along it: broader motion stays, and so do steps that cross the rows.
    A step that runs along rows or columns is not told from stripes within half of `width`.
    """
    out = np.where(valid[..., None], values, np.nan).astype(np.float32)
    for _ in range(rounds):
        for axis in (0, 1):
            turned = out if axis == 0 else out.swapaxes(0, 1)
            turned -= np.stack([_stripes(turned[..., k], width) for k in range(2)], -1)[:, None]
    return np.where(valid[..., None], out, values)


def _stripes(plane: Array, width: int) -> Array:
    """What each row has more than its neighbours; at most 512 columns are looked at."""
    chosen = plane[:, :: max(1, plane.shape[1] // 512)]
    rest = [column - _running(column, width) for column in chosen.T]
    table = np.stack(rest, -1)
    empty = np.isnan(table).all(axis=1)
    table[empty] = 0
    return np.asarray(np.nanmedian(table, axis=1))


def _running(line: Array, width: int) -> Array:
    known = np.flatnonzero(np.isfinite(line))
    if not known.size:
        return np.zeros_like(line)
    filled = np.interp(np.arange(line.size), known, line[known])
    return ndimage.median_filter(filled, min(width, 2 * (line.size // 2) - 1), mode="nearest")


def outliers(values: Array, valid: Mask, k: float, *, side: int = 9) -> Mask:
    """Valid pixels farther than `k` robust deviations from the median of their window, in either component.

    The deviation is that of all valid pixels from the medians of their windows (1.4826 times its median), or
    that of the pixel's own window where it is larger: broken ground is not an outlier of calm ground.
    """
    bad = np.zeros(valid.shape, bool)
    if not valid.any():
        return bad
    for component in np.moveaxis(values, -1, 0):
        middle = windowed_median(component, valid, side)
        away = np.where(valid, np.abs(component - middle), np.nan)
        whole = 1.4826 * np.nanmedian(away)
        local = 1.4826 * windowed_median(away, valid, side)
        bad |= away > k * np.fmax(local, max(float(whole), 1e-6))
    return bad & valid


def windowed_median(plane: Array, valid: Mask, side: int) -> Array:
    """Median of the valid pixels of a square window around each pixel; NaN where there is none."""
    reach = side // 2
    filled = np.pad(np.where(valid, plane, np.nan).astype(np.float32), reach, constant_values=np.nan)
    out = np.empty(plane.shape, np.float32)
    step = max(1, (1 << 22) // (plane.shape[1] * side * side))
    for first in range(0, plane.shape[0], step):
        part = filled[first : first + step + 2 * reach]
        rows = part.shape[0] - 2 * reach
        stack = np.stack(
            [part[i : i + rows, j : j + plane.shape[1]] for i in range(side) for j in range(side)]
        )
        stack.sort(axis=0)
        count = np.isfinite(stack).sum(axis=0)
        low, high = (
            np.take_along_axis(stack, at[None], 0)[0] for at in (np.maximum(count - 1, 0) // 2, count // 2)
        )
        high = np.where(count % 2 == 0, high, low)
        out[first : first + rows] = np.where(count > 0, (low + high) / 2, np.nan)
    return out


def median_filtered(values: Array, valid: Mask, side: int) -> Array:
    """Each component replaced by the median of its window: edges stay where they are, single pixels go."""
    planes = [windowed_median(component, valid, side) for component in np.moveaxis(values, -1, 0)]
    return np.where(valid[..., None], np.stack(planes, -1), values).astype(np.float32)


def total_variation(
    values: Array, valid: Mask, strength: float, *, sigma: Array | None = None, rounds: int = 200
) -> Array:
    """The map smoothed by weighted total variation of both components together: steps stay, noise goes.

    Minimises ``strength ∫ |∇u| + ½ ∫ w |u - values|²`` with w the inverse variance, one on average, and |∇u|
    over both components, so that their steps fall in one place (Chambolle & Pock 2011, algorithm 1). Pixels
    that are not valid weigh nothing and are filled by the smoothness.
    """
    weight = valid.astype(np.float32)
    if sigma is not None:
        inverse = 1 / np.maximum(np.sum(sigma.astype(np.float32) ** 2, axis=-1), 1e-6)
        usable = valid & np.isfinite(inverse)
        weight = np.where(usable, inverse / inverse[usable].mean(), 0).astype(np.float32)
    data = np.moveaxis(np.where(valid[..., None], values, 0), -1, 0).astype(np.float32)
    u, p, bar = data.copy(), np.zeros((2, *data.shape), np.float32), data.copy()
    tau = eta = np.float32(1 / np.sqrt(8))
    for _ in range(rounds):
        p = _ball(p + eta * _gradient(bar), strength)
        fresh = (u + tau * _divergence(p) + tau * weight * data) / (1 + tau * weight)
        bar = 2 * fresh - u
        u = fresh
    return np.moveaxis(u, 0, -1)


def _gradient(u: Array) -> Array:
    out = np.zeros((2, *u.shape), np.float32)
    out[0, :, :-1] = u[:, 1:] - u[:, :-1]
    out[1, :, :, :-1] = u[:, :, 1:] - u[:, :, :-1]
    return out


def _divergence(p: Array) -> Array:
    out = np.zeros(p.shape[1:], np.float32)
    out[:, :-1] += p[0, :, :-1]
    out[:, 1:] -= p[0, :, :-1]
    out[:, :, :-1] += p[1, :, :, :-1]
    out[:, :, 1:] -= p[1, :, :, :-1]
    return out


def _ball(p: Array, radius: float) -> Array:
    length = np.sqrt((p * p).sum(axis=(0, 1)))
    return p / np.maximum(1, length / max(radius, 1e-12))


@dataclass(frozen=True)
class Steps:
    """What `process` does, in this order."""

    stable: Path | None = None
    destripe: bool = False
    outliers: float | None = None
    median: int | None = None
    smooth: float | None = None

    def check(self) -> None:
        """Raise ValueError where a number makes no sense."""
        if self.median is not None and (self.median < 3 or self.median % 2 == 0):
            raise ValueError(f"median: expected an odd number of pixels from 3, got {self.median}")
        for name in ("outliers", "smooth"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}: expected a number > 0, got {value}")


def process(path: Path, steps: Steps) -> None:
    """Post-process a file of `dislok flow`; what was done is added to its tags.

    The standard deviations stay those of the measurement.
    """
    steps.check()
    with raster.opened(path) as data:
        profile, tags = data.profile, data.tags()
        layers = data.read()
        names, units = data.descriptions, data.units
    stable = None if steps.stable is None else _mask(steps.stable, layers.shape[1:])
    pixels = np.moveaxis(layers[:2], 0, -1)
    fresh, valid = apply(pixels, layers[7] > 0.5, steps, stable, np.moveaxis(layers[4:6], 0, -1))
    _rescale(layers, np.moveaxis(fresh, -1, 0))
    layers[7] = valid
    tags["POST_PROCESSING"] = repr(steps)
    _rewrite(path, layers, profile, tags, names, units)


def apply(
    values: Array, valid: Mask, steps: Steps, stable: Mask | None, sigma: Array | None
) -> tuple[Array, Mask]:
    """Displacement and validity after the steps."""
    if stable is not None:
        values, _ = referenced(values, valid, stable)
    if steps.destripe:
        values = destriped(values, valid)
    if steps.outliers is not None:
        valid = valid & ~outliers(values, valid, steps.outliers)
    if steps.median is not None:
        values = median_filtered(values, valid, steps.median)
    if steps.smooth is not None:
        known = sigma if sigma is not None and np.isfinite(sigma[valid]).all() else None
        values = np.where(valid[..., None], total_variation(values, valid, steps.smooth, sigma=known), values)
    return values, valid


def _rescale(layers: Array, fresh: Array) -> None:
    """Put new pixels into the bands, and the same change into those in metres."""
    ratio = [_slope(layers[2 + k], layers[:2]) for k in range(2)]
    layers[:2] = fresh
    for k in range(2):
        layers[2 + k] = ratio[k][0] * fresh[0] + ratio[k][1] * fresh[1]


def _slope(metres: Array, pixels: Array) -> Array:
    """Metres of a pixel east and north, row by row (2, h, 1), by least squares."""
    a, b = np.nan_to_num(pixels.astype(float))
    m = np.nan_to_num(metres.astype(float))
    aa, ab, bb = ((x * y).sum(axis=1) + 1e-12 for x, y in ((a, a), (a, b), (b, b)))
    am, bm = (a * m).sum(axis=1), (b * m).sum(axis=1)
    determinant = np.maximum(aa * bb - ab * ab, 1e-20)
    found = np.stack([(bb * am - ab * bm) / determinant, (aa * bm - ab * am) / determinant])
    return found[..., None] if np.isfinite(metres).any() else np.full((2, len(a), 1), np.nan)


def _mask(path: Path, shape: tuple[int, ...]) -> Mask:
    with raster.opened(path) as data:
        mask = data.read(1) != 0
    if mask.shape != shape:
        raise ValueError(f"{path}: expected the map's shape {shape}, got {mask.shape}")
    return np.asarray(mask, bool)


def _rewrite(path: Path, layers: Array, profile: dict, tags: dict, names: tuple, units: tuple) -> None:
    from .output import as_cog

    rasterio = raster.needed()
    plain = path.with_name(f".{path.stem}.plain.tif")
    for word in ("compress", "predictor"):
        profile.pop(word, None)
    profile |= {"driver": "GTiff", "bigtiff": "IF_SAFER", "interleave": "band"}
    try:
        with rasterio.open(plain, "w", **profile) as out:
            out.write(layers)
            out.update_tags(**tags)
            for i, (name, unit) in enumerate(zip(names, units, strict=True), 1):
                out.set_band_description(i, name)
                out.set_band_unit(i, unit or "")
        as_cog(plain, path)
    finally:
        plain.unlink(missing_ok=True)
