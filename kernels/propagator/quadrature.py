"""Wavenumbers and weights that serve every distance, depth and frequency of a problem.

Near the axis the integrands have poles and branch points at k = omega / v, where v lies between the
velocities of the stack; damping (the imaginary part of omega) moves them off the axis by alpha / v. Beyond
the slowest wave they are smooth, decay like exp(-k h), h being the vertical distance of source and receiver,
and oscillate with the distance. Gauss-Legendre panels follow these lengths; trapezoids would have an error of
order dk² at k = 0, where the integrands are odd.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dislok.kernels.lanes import LANES

from .stack import Layers
from .truncation import Grid, behind_waves, whole_blocks

NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)


class Density(NamedTuple):
    """How finely to integrate: all lengths of panels and limits follow from these numbers.

    `pole`: length of panels near poles over their distance from the axis; `near`, `phase`: k r that a panel
    may span there and beyond; `decay`: largest k h; `margin`: factor on the slowest wave's wavenumber;
    `turn`: k r, beyond the waves, by which stations at the distance r see all that there is.
    """

    pole: float
    near: float
    phase: float
    decay: float
    margin: float
    turn: float

    def finer(self) -> Density:
        """Shorter panels."""
        return self._replace(pole=0.8 * self.pole, near=0.85 * self.near, phase=0.85 * self.phase)

    def longer(self) -> Density:
        """A later end of the integration."""
        return self._replace(decay=1.2 * self.decay, margin=1.05 * self.margin, turn=1.2 * self.turn)


class Extent(NamedTuple):
    """What the integrals must serve.

    The least and the largest vertical distance of source and receiver, and the largest and the least
    horizontal one (km).
    """

    nearest: float
    deepest: float
    distance: float
    closest: float = 0.0

    @property
    def trial(self) -> float:
        """The horizontal distance at which the largest wavenumbers count most."""
        return max(self.nearest, self.closest)


def slowest(layers: Layers, frequency: float) -> float:
    """The lowest wave velocity (km/s) that matters up to a frequency (Hz): thin layers do not guide waves."""
    velocity = np.where(layers.vs > 0.0, layers.vs, layers.vp)
    matters = np.append(layers.thickness[:-1] * frequency > 0.1 * velocity[:-1], True)
    return float(velocity[matters].min())


def bounds(
    layers: Layers, omega: np.ndarray, extent: Extent, density: Density
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Of every frequency the slowest wave's wavenumber and the largest; panels near poles; damping."""
    omega_max = float(np.max(omega.real))
    fast = float(np.max(layers.vs))
    slow = slowest(layers, omega_max / (2.0 * np.pi))
    edge = 0.03 if np.any(omega) else 0.0
    zone = density.margin * omega.real / slow + edge
    limits = np.maximum(
        zone,
        min(density.decay / extent.nearest, float(zone.max()) + behind_waves(density.turn, extent.closest)),
    )
    alpha = float(np.min(-omega.imag))
    return zone, limits, min(density.pole * alpha / fast, density.near / max(extent.distance, 1e-9)), alpha


def grid(layers: Layers, omega: np.ndarray, extent: Extent, density: Density) -> Grid:
    """Wavenumbers for frequencies of one imaginary part; ascending real parts are best.

    Parameters
    ----------
    layers : Layers
    omega : array (n_omega,), complex
    extent : Extent
    density : Density
    """
    zone, limits, fine, alpha = bounds(layers, omega, extent, density)
    smooth = smooth_panel(layers, extent, density)
    edges = [0.0]
    while edges[-1] < limits.max():
        at = edges[-1]
        step = smooth(at)
        edges.append(at + (min(step, fine) if at < zone.max() and alpha > 0.0 else step))
    k, weights = _panels(np.array(edges))
    turn = density.turn if limits.max() < density.decay / extent.nearest else np.inf
    return Grid(k, weights, whole_blocks(k, limits), zone, density.decay, turn, extent.closest)


def smooth_panel(layers: Layers, extent: Extent, density: Density) -> Callable[[float], float]:
    """Length of a panel at k where no pole is near: by the distance and by the depths that still reflect."""
    thickness = float(layers.tops[-1])

    def step(k: float) -> float:
        reflecting = min(2.0 * thickness, 20.0 / k) if k > 0.0 else 2.0 * thickness
        depth = min(extent.deepest, 20.0 / k) if k > 0.0 else extent.deepest
        return min(density.phase / max(extent.distance, 1e-9), 0.6 * density.phase / (depth + reflecting))

    return step


def _panels(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss nodes and weights on panels; zero weights fill the last block."""
    half = 0.5 * np.diff(edges)[:, None]
    k = (edges[:-1, None] + half * (1.0 + NODES)).ravel()
    weights = (half * WEIGHTS).ravel()
    fill = -len(k) % LANES
    return np.append(k, np.full(fill, k[-1])), np.append(weights, np.zeros(fill))
