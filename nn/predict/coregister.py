"""Global co-registration: the shift between two images, and smooth surfaces fitted to a displacement map."""

from __future__ import annotations

import numpy as np
from scipy import fft

from .grids import Source
from .inputs import Array, Mask, fill

ORDERS = {"none": None, "shift": 0, "ramp": 1, "quadratic": 2}
_SIDE = 1024
_PLACES = 4
_ROUNDS = 20


def phase_shift(pre: Array, post: Array) -> tuple[int, int, float]:
    """Whole-pixel shift (right, down) of `post` by phase correlation, and how its peak stands out.

    The last number is the height of the peak over the largest one elsewhere; near 1 the shift means nothing.
    """
    h, w = pre.shape
    taper = np.sin(np.pi * np.arange(h) / h)[:, None] ** 2 * np.sin(np.pi * np.arange(w) / w) ** 2
    one, two = (fft.rfft2((image - image.mean()) * taper.astype(np.float32)) for image in (pre, post))
    cross = one.conj() * two
    surface = fft.irfft2(cross / (np.abs(cross) + 1e-12), s=(h, w))
    row, column = (int(i) for i in np.unravel_index(np.argmax(surface), surface.shape))
    peak = float(surface[row, column])
    rows, columns = (np.arange(-3, 4) + at for at in (row, column))
    surface[np.ix_(rows % h, columns % w)] = 0
    right, down = ((at + n // 2) % n - n // 2 for at, n in ((column, w), (row, h)))
    return right, down, peak / max(float(surface.max()), 1e-12)


def global_shift(pre: Source, post: Source) -> tuple[int, int]:
    """Whole-pixel shift (right, down) between two images: what most of up to 16 windows over them agree on.

    (0, 0) where no window has a clear peak.
    """
    h, w = pre.grid.shape
    side = min(_SIDE, h, w)
    found = []
    for top in _starts(h, side):
        for left in _starts(w, side):
            window = slice(top, top + side), slice(left, left + side)
            (a, ga), (b, gb) = pre.read(*window), post.read(*window)
            if min(ga.mean(), gb.mean()) > 0.5:
                right, down, clear = phase_shift(fill(a, ga), fill(b, gb))
                if clear > 1.5:
                    found.append((right, down))
    if not found:
        return 0, 0
    right, down = np.median(np.array(found), axis=0)
    return round(float(right)), round(float(down))


def _starts(length: int, side: int) -> list[int]:
    many = min(_PLACES, -(-length // side))
    return sorted({round(i) for i in np.linspace(0, length - side, many)})


def basis(rows: Array, columns: Array, shape: tuple[int, int], order: int) -> Array:
    """Monomials (n, k) of the position, from -1 to 1 over the map."""
    y, x = 2 * rows / max(shape[0] - 1, 1) - 1, 2 * columns / max(shape[1] - 1, 1) - 1
    return np.stack([x**i * y**j for n in range(order + 1) for i in range(n, -1, -1) for j in [n - i]], -1)


def robust_surface(values: Array, design: Array, sigma: Array | None = None) -> Array:
    """Coefficients (k, c) of a smooth surface through values (n, c), which outliers do not pull.

    Iterated least squares with Tukey's weights, whose scale is the median deviation, from the mean of the
    middle half of the values: of two sides of a fault that are about as large, neither is taken for the
    reference.
    """
    weight = np.ones(len(values)) if sigma is None else 1 / np.maximum(sigma, 1e-3) ** 2
    coefficients = np.zeros((design.shape[1], values.shape[1]))
    ordered = np.sort(values, axis=0)[len(values) // 4 : len(values) - len(values) // 4]
    coefficients[0] = ordered.mean(axis=0)
    base = weight
    for _ in range(_ROUNDS):
        rest = np.linalg.norm(values - design @ coefficients, axis=1)
        scale = max(4.685 * 0.85 * float(np.median(rest)), 1e-6)
        weight = base * np.clip(1 - (rest / scale) ** 2, 0, None) ** 2
        root = np.sqrt(weight)[:, None]
        fresh = np.linalg.lstsq(design * root, values * root, rcond=None)[0]
        change = np.abs(fresh - coefficients).max()
        coefficients = fresh
        if change < 1e-6:
            break
    return coefficients


def surface(coefficients: Array, rows: Array, columns: Array, shape: tuple[int, int]) -> Array:
    """The surface (r, c, 2) at rows (r,) and columns (c,)."""
    order = {1: 0, 3: 1, 6: 2}[len(coefficients)]
    grid = np.meshgrid(rows, columns, indexing="ij")
    return basis(grid[0], grid[1], shape, order) @ coefficients


def deramped(
    values: Array, valid: Mask, order: int, *, stable: Mask | None = None, sigma: Array | None = None
) -> tuple[Array, Array]:
    """A displacement map less a robust polynomial surface, and the surface's coefficients.

    Parameters
    ----------
    values : ndarray, shape (h, w, 2)
    valid : ndarray of bool, shape (h, w)
    order : int
        0 takes off an offset, 1 a ramp, 2 a quadratic surface.
    stable : ndarray of bool, shape (h, w), optional
        Ground that has not moved: the surface is fitted there alone.
    sigma : ndarray, shape (h, w, 2), optional
        Standard deviations, to weigh the pixels.

    Returns
    -------
    values, coefficients : ndarray, shapes (h, w, 2), (k, 2)

    Raises
    ------
    ValueError
        If there are fewer than ten usable pixels for each coefficient.
    """
    use = valid if stable is None else valid & stable
    rows, columns = np.nonzero(use)
    many = (order + 1) * (order + 2) // 2
    if len(rows) < 10 * many:
        raise ValueError(f"a surface of order {order} needs {10 * many} usable pixels, there are {len(rows)}")
    thin = slice(None, None, max(1, len(rows) // 200_000))
    rows, columns = rows[thin], columns[thin]
    weigh = None if sigma is None else np.hypot(*np.moveaxis(sigma[rows, columns], -1, 0))
    design = basis(rows, columns, valid.shape, order)
    found = robust_surface(values[rows, columns].astype(float), design, weigh)
    h, w = valid.shape
    fitted = surface(found, np.arange(h), np.arange(w), (h, w)).astype(np.float32)
    return values - fitted, found
