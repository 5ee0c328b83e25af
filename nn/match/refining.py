"""Motion to a fraction of a pixel: what explains both images best and is smooth, except where it steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...kernels import threads
from ...kernels.images import assembly, variational
from .planes import FEW, Level, bands, blurred


@dataclass(frozen=True)
class Refine:
    """The energy and how it is lowered.

    Attributes
    ----------
    alpha : float
        Nats per pixel of motion's gradient: the Laplacian prior.
    step : float
        Gradient (px per px) above which the prior lets the motion step freely.
    unsure : float
        Variance (px²) of motion that the linear equations do not see.
    outlier : float
        How soon a residual counts as an outlier.
    brightness, gradient : float
        Weights of the two kinds of equations.
    noise : float
        Window in which the noise is measured, standard deviation in pixels.
    rounds, sweeps : int
        Warps, and relaxations in each.
    omega : float
        Over-relaxation.
    eps : float
        Gradient (px per px) below which the prior is quadratic.
    relief : int
        Warps, after those, with a prior that pulls towards the shape of what was found.
    spread, gentle : int, float
        Relaxations that smooth that shape, and the gradient (px per px) above which they smooth less.
    """

    alpha: float = 6.0
    step: float = 1.0
    unsure: float = 0.03
    outlier: float = 0.2
    brightness: float = 0.3
    gradient: float = 1.0
    noise: float = 8.0
    rounds: int = 5
    sweeps: int = 12
    omega: float = 1.85
    eps: float = 1e-3
    relief: int = 3
    spread: int = 24
    gentle: float = 0.02

    @property
    def settings(self) -> np.ndarray:
        """What the kernel needs of it for the data."""
        return np.array([self.unsure, self.outlier, self.brightness, self.gradient], np.float32)

    @property
    def prior(self) -> np.ndarray:
        """What the kernel needs of it for the ties between pixels."""
        return np.array([self.alpha, self.eps, self.step], np.float32)


@dataclass
class Solution:
    """Motion, and how much each pixel says about it.

    Attributes
    ----------
    field : ndarray, shape (2, h, w)
        Motion towards higher columns and rows, px.
    precision : ndarray, shape (3, h, w)
        Matrices of the data's equations, px⁻²: 11, 12, 22.
    """

    field: np.ndarray
    precision: np.ndarray


NOTHING = np.empty((3, 0, 0), np.float32)


def refined(
    level: Level,
    field: np.ndarray,
    how: Refine,
    held: tuple[np.ndarray, np.ndarray] | None = None,
    shape: np.ndarray | None = None,
) -> Solution:
    """Lower the energy from a start.

    `held`: a motion (2, h, w) towards which pixels are drawn, and by how much (h, w), px⁻². `shape`: a motion
    towards whose differences from pixel to pixel the prior pulls, instead of towards none.
    """
    height, width = level.shape
    out, field = variational.room(height, width), np.array(field, np.float32)
    spring = NOTHING if held is None else np.stack([*held[0], held[1]])
    towards = NOTHING[:2] if shape is None else shape
    precision = np.empty((3, height, width), np.float32)
    noise = NOTHING[:2]
    for k in range(how.rounds):
        if k % 3 == 0:
            noise = measured(level, field, how.noise)
        told = precision if k == how.rounds - 1 else NOTHING
        rows = (level.images, *field, noise, how.settings, how.prior, spring, towards, told, out)
        bands(assembly.assemble, height, *rows)
        relaxed(out, 2 * how.sweeps, np.float32(how.omega))
        bands(variational.unpack, height, out, *field)
    return Solution(field, precision)


def relieved(
    level: Level, solution: Solution, how: Refine, held: tuple[np.ndarray, np.ndarray] | None = None
) -> Solution:
    """The motion without what the prior took from it.

    A prior that pulls towards constant motion flattens what bends, by as much wherever the ground is the
    same. One that pulls towards the shape of the motion found so far takes that much less (Osher et al.
    2005). The shape is smoothed first, along both sides of a step, so that noise is no part of it.
    """
    if not how.relief:
        return solution
    again = replace(how, rounds=how.relief)
    return refined(level, solution.field, again, held, smoothed(solution.field, how))


def smoothed(field: np.ndarray, how: Refine) -> np.ndarray:
    """Motion smoothed by its own ties: across steps there are none."""
    height, width = field.shape[1:]
    out, shape = variational.room(height, width), field.copy()
    prior = np.array([1.0, how.gentle, how.step], np.float32)
    bands(assembly.smoothing, height, *shape, prior, out)
    relaxed(out, 2 * how.spread, np.float32(0.8))
    bands(variational.unpack, height, out, *shape)
    return shape


def relaxed(out: np.ndarray, sweeps: int, omega: np.float32) -> None:
    """Relaxations of alternating colours, by as many threads as rows allow; the result is that of one."""
    height = len(out) - 2
    workers = threads.default_threads()
    while workers > 1 and height // workers < max(FEW, 2 * sweeps):
        workers -= 1
    cuts = np.linspace(0, height, workers + 1).astype(int)
    jobs = [
        (out, sweeps, omega, int(a), int(b), a > 0, b < height)
        for a, b in zip(cuts[:-1], cuts[1:], strict=True)
    ]
    threads.share(variational.wave, jobs, workers, lambda: None)
    for cut in cuts[1:-1]:
        variational.mend(out, sweeps, omega, int(cut))


def measured(level: Level, field: np.ndarray, sigma: float) -> np.ndarray:
    """Local variances of the brightness and of the gradient residual, (2, rows of blocks, w)."""
    block = assembly.BLOCK
    sums = np.empty((3, *(-(-n // block) for n in level.shape)), np.float32)
    bands(assembly.residuals, sums.shape[1], level.images, *field, sums)
    # What the blocks and the lines between them add to the window is taken off.
    window = np.sqrt(sigma**2 - (block**2 - 1) / 12 - block**2 / 6) / block
    weight, bright, steep = (blurred(plane, window) for plane in sums)
    weight = np.maximum(weight, 1e-6)
    noise = np.stack([bright / weight + 1e-4, 0.5 * steep / weight + 1e-5]).astype(np.float32)
    out = np.empty((2, sums.shape[1], level.shape[1]), np.float32)
    for blocks, rows in zip(noise, out, strict=True):
        assembly.widen(blocks, rows)
    return out
