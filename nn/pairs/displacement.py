"""Displacement of the ground on the pixels of the first image, and the lines across which it jumps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dislok.arrays import Record

from .distributions import Choice, Distribution, Fixed, LogUniform, Uniform
from .fields import Shape
from .turns import turned_places, turned_vectors

#: Ranges of amplitudes in pixels of the published data set.
RANGES = ((0.01, 1.0), (1.0, 5.0), (5.0, 15.0), (15.0, 50.0))
BAND = 16.0  # pixels from a line within which distances are told apart
SMOOTHED = 32.0  # pixels from a trace where the variation of its slip is felt half
TOLERANCE = 0.05  # pixels: gaps and overlaps at a line that are narrower are rounding


@dataclass(frozen=True)
class Displacement:
    """Displacement on the grid of the first image, with a margin around its window.

    Attributes
    ----------
    right, down : ndarray, shape (h + 2 margin, w + 2 margin), float32
        Displacement in pixels towards higher columns and higher rows.
    traces : tuple of ndarray, shape (m, 2)
        Lines across which it jumps: columns and rows in the pixels of these planes. Each goes on straight
        beyond its ends, where nothing jumps.
    margin : int
        Pixels around the window: at least as many as the ground moves, so that the window's edges are known
        in the second image too.
    numbers : dict
        How it was made.
    """

    right: np.ndarray
    down: np.ndarray
    traces: tuple[np.ndarray, ...] = ()
    margin: int = 0
    numbers: Record = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the shapes."""
        if self.right.ndim != 2 or self.right.shape != self.down.shape:
            raise ValueError(f"right and down must be (h, w), got {self.right.shape} and {self.down.shape}")
        if min(self.right.shape) <= 2 * self.margin or self.margin < 0:
            raise ValueError(f"margin is {self.margin}, which leaves nothing of planes {self.right.shape}")
        for k, trace in enumerate(self.traces):
            if trace.ndim != 2 or trace.shape[1] != 2 or len(trace) < 2:
                raise ValueError(f"traces[{k}] must be (m, 2), m at least 2, got shape {trace.shape}")
        if len(self.traces) > 8:
            raise ValueError(f"at most 8 traces can be told apart, got {len(self.traces)}")

    @property
    def shape(self) -> Shape:
        """Rows and columns of the window."""
        return self.right.shape[0] - 2 * self.margin, self.right.shape[1] - 2 * self.margin

    @property
    def amplitude(self) -> float:
        """Largest length of the displacement in the window."""
        right, down = self.inner(self.right), self.inner(self.down)
        return float(np.sqrt((right * right + down * down).max()))

    def inner(self, plane: np.ndarray) -> np.ndarray:
        """The window of a plane (..., h, w)."""
        inner = slice(self.margin, -self.margin or None)
        return plane[..., inner, inner]

    def scaled(self, factor: float) -> Displacement:
        """All of it times a number."""
        parts = (np.float32(factor) * self.right, np.float32(factor) * self.down)
        numbers = self.numbers | {"factor": factor * self.numbers.get("factor", 1.0)}
        return Displacement(*parts, self.traces, self.margin, numbers)

    def turned(self, way: int) -> Displacement:
        """A square one, turned by quarters and mirrored, see `dislok.nn.pairs.turns`.

        Raises
        ------
        ValueError
            If it is no square.
        """
        if self.right.shape[0] != self.right.shape[1]:
            raise ValueError(f"only squares can be turned, not {self.right.shape}")
        planes = turned_vectors(self.right, self.down, way)
        traces = tuple(turned_places(np.asarray(t, float), len(self.right), way) for t in self.traces)
        return Displacement(*planes, traces, self.margin, self.numbers | {"turn": way})

    def distances(self, band: float = BAND) -> np.ndarray:
        """Distance from each trace, positive on its right hand, at most `band`: (n, h, w) with the margin."""
        from dislok.kernels.images.trace import signed_distance

        lines = [signed_distance(np.asarray(t, float), self.right.shape, band) for t in self.traces]
        return np.stack(lines) if lines else np.empty((0, *self.right.shape), np.float32)

    def inverse(
        self, distances: np.ndarray | None = None, threads: int | None = None
    ) -> tuple[np.ndarray, ...]:
        """The displacement on the grid of the second image: right, down (h, w), and where it is known.

        Each side of each trace is inverted on its own. Where the ground of no side comes to lie, in a gap, or
        that of two, it is not known; the numbers there are those of the side that is nearest.
        """
        from dislok.kernels.images.sides import inverse

        lines = self.distances() if distances is None else distances
        right, down = (np.ascontiguousarray(a, np.float32) for a in (self.right, self.down))
        return inverse(right, down, lines, self.margin, TOLERANCE, threads)


def amplitude_in(
    displacement: Displacement, rng: np.random.Generator, limits: tuple[float, float], law: str = "uniform"
) -> Displacement:
    """Scaled so that its amplitude in the window is a random one between two limits, in pixels.

    Parameters
    ----------
    displacement : Displacement
    rng : numpy.random.Generator
    limits : tuple of float
        One of `RANGES`, or another.
    law : {"uniform", "log"}, optional
        The published data set draws evenly; evenly in the logarithm favours small ones.

    Raises
    ------
    ValueError
        If the limits are not positive and in order, or if nothing moves in the window.
    """
    if law not in ("uniform", "log"):
        raise ValueError(f"law is {law!r}; choose 'uniform' or 'log'")
    if not 0 < limits[0] <= limits[1]:
        raise ValueError(f"limits are {limits}; they must be positive and in order")
    even: Distribution = Uniform(*limits) if law == "uniform" else LogUniform(*limits)
    wanted, now = even.draw(rng), displacement.amplitude
    if not now > 0:
        raise ValueError("nothing moves in the window: its displacement cannot be scaled")
    return displacement.scaled(wanted / now)


def of_metres(
    east: np.ndarray,
    north: np.ndarray,
    spacing: float,
    *,
    traces: tuple[np.ndarray, ...] = (),
    margin: int = 0,
    numbers: Record | None = None,
) -> Displacement:
    """Physical displacement (m), row 0 in the north, in pixels of `spacing` metres: amplitudes as they are.

    Raises
    ------
    ValueError
        If the spacing is not positive.
    """
    if not spacing > 0:
        raise ValueError(f"spacing is {spacing!r}; it must be a positive number of metres")
    right, down = (np.ascontiguousarray(a / spacing, np.float32) for a in (east, -north))
    return Displacement(right, down, traces, margin, {"spacing": spacing, **(numbers or {})})


@dataclass(frozen=True)
class ScrewFault:
    """A vertical strike-slip fault with a rough trace, by closed formulas.

    Quick, and good enough to begin with.

    Each wall moves along the average strike by ``slip / pi * atan(locking / |d|)``, d the distance from the
    trace: a screw dislocation in a half-space that slips from the surface to a depth (Weertman & Weertman
    1964). Slip varies along strike as a self-affine field, which is felt near the trace, and falls to zero,
    as an ellipse does, at a tip where there is one; near the trace a part of the jump can be spread over a
    zone of distributed shear.

    Attributes
    ----------
    strike : Distribution
        Degrees.
    depth : Distribution
        To which it slips, in pixels.
    roughness : Distribution
        Root mean square of the trace's offsets as a part of its length.
    hurst : Distribution
        Exponent of the trace's offsets.
    variation : Distribution
        Standard deviation of slip along strike as a part of its mean.
    zone : Distribution
        Width in pixels of distributed shear; 0: the whole jump is at the trace.
    tip : Distribution
        Whether the rupture ends in the window.
    offset : Distribution
        How far the trace passes from the middle, as a part of the window.
    """

    strike: Distribution = Uniform(0.0, 360.0)
    depth: Distribution = LogUniform(30.0, 2000.0)
    roughness: Distribution = LogUniform(1e-3, 1e-2)
    hurst: Distribution = Fixed(0.8)
    variation: Distribution = Uniform(0.0, 0.3)
    zone: Distribution = Choice((0.0, 3.0, 6.0, 12.0), (0.7, 0.1, 0.1, 0.1))
    tip: Distribution = Choice((False, True), (0.65, 0.35))
    offset: Distribution = Uniform(-0.35, 0.35)

    def draw(self, rng: np.random.Generator, shape: Shape, margin: int = 56) -> Displacement:
        """A fault through a window of `shape` pixels; its amplitude is 1 pixel or less."""
        from dislok.kernels.images.screw import screw

        names = ("strike", "depth", "roughness", "hurst", "variation", "zone", "tip", "offset")
        numbers: Record = {name: getattr(self, name).draw(rng) for name in names} | {"kind": "screw"}
        size = (shape[0] + 2 * margin, shape[1] + 2 * margin)
        direction, origin = _line(size, min(shape), numbers)
        length = 2 * int(np.hypot(*size)) + 2
        places = np.arange(length) - length / 2
        offsets = self_affine(rng, length, numbers["hurst"]) * numbers["roughness"] * length
        variation = numbers["variation"] * self_affine(rng, length, 0.8)
        end = rng.uniform(-0.3, 0.3) * min(shape) if numbers["tip"] else -np.inf
        moved = np.empty(size, np.float32)
        rest = (SMOOTHED, end, min(shape), numbers["depth"], numbers["zone"])
        screw(origin, direction, offsets, variation, *map(float, rest), moved)
        keep = slice(max(0, int(np.searchsorted(places, end)) - 1), None)
        trace = origin + places[keep, None] * direction + offsets[keep, None] * _turned(direction)
        right, down = (np.float32(part) * moved for part in direction)
        return Displacement(right, down, (trace,), margin, numbers)


def _line(size: Shape, window: int, numbers: Record) -> tuple[np.ndarray, np.ndarray]:
    """Direction of strike (column, row), and a point of the line."""
    turn = np.radians(numbers["strike"])
    direction = np.array([np.sin(turn), -np.cos(turn)])
    middle = (np.array(size[::-1]) - 1) / 2
    return direction, middle + numbers["offset"] * window * _turned(direction)


def _turned(direction: np.ndarray) -> np.ndarray:
    """To the right of a direction (column, row), as one sees it in an image."""
    return np.array([-direction[1], direction[0]])


def self_affine(rng: np.random.Generator, n: int, hurst: float) -> np.ndarray:
    """A line of n offsets with power spectral density frequency**-(1 + 2 hurst), mean 0, std 1."""
    size = 2 * n  # only half of a period: ends need not meet
    f = np.fft.rfftfreq(size)
    f[0] = np.inf
    line = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * f ** (-0.5 - hurst), size)[:n]
    line -= line.mean()
    return line / line.std()
