"""A layered half-space as the kernels want it: a table of places, and the path of each state through them.

The stack is cut at its interfaces, at the receiver and at the sources. One of two states travels from the
receiver's end of the stack to the sources and is carried past the receiver, the other comes from the far end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dislok.kernels.lanes import LANES

from .pair import CROSS, HALF_SPACE, PLACE, RECEIVER, SEA_FLOOR, SOURCE, SURFACE

TWO_OVER_PI = 2.0 / np.pi


class Layers(NamedTuple):
    """Properties of the layers from the top, or derivatives of them along a direction; arrays (n,).

    Thickness km (the last infinite), vp and vs km/s (vs 0 in the first: ocean), rho g/cm³; qp and qs are None
    or quality factors at `omega_reference` (rad/s).
    """

    thickness: np.ndarray
    vp: np.ndarray
    vs: np.ndarray
    rho: np.ndarray
    qp: np.ndarray | None = None
    qs: np.ndarray | None = None
    omega_reference: float = 2.0 * np.pi

    @property
    def ocean(self) -> bool:
        """Whether the first layer is fluid."""
        return bool(self.vs[0] == 0.0)

    @property
    def tops(self) -> np.ndarray:
        """Depths of the tops of the layers (km)."""
        return np.concatenate([[0.0], np.cumsum(self.thickness[:-1])])


class Paths(NamedTuple):
    """Places and paths: see `build`."""

    layer: np.ndarray
    before_carried: np.ndarray
    before_other: np.ndarray
    cuts: np.ndarray
    ends: np.ndarray
    carried: np.ndarray
    other: np.ndarray
    sources: np.ndarray
    sign: float
    cut_of_source: np.ndarray
    receiver: float

    @property
    def offsets(self) -> np.ndarray:
        """Vertical distances of the sources from the receiver (km)."""
        return np.abs(self.cuts[self.cut_of_source] - self.receiver)


def build(layers: Layers, receiver: float, sources: np.ndarray) -> Paths:
    """Places and paths for sources that lie all below or all above the receiver.

    Parameters
    ----------
    layers : Layers
    receiver : float
        Depth of the receiver (km), at or below the top of the first solid layer.
    sources : array (s,)
        Distinct depths, increasing.

    Returns
    -------
    Paths
        `layer`, `before_carried`, `before_other` (p,): the layer at each place and those whose coordinates
        the states arrive in (-1: not sheared); `cuts` (c,): depths between places 0 to c - 2, which are
        pieces of layers; `ends` (2, 2): kind of the end and place of it, for the carried and the other state;
        `carried`, `other`: rows of (step, place), for `SOURCE` the number of the source; `sources` (s,):
        their places; `sign`: 1 where the carried state travels upward, else -1; `cut_of_source` (s,): the
        numbers of the sources' cuts; `receiver`: as given.
    """
    first = 1 if layers.ocean else 0
    tops = layers.tops[first:]
    cuts = np.unique(np.concatenate([tops, sources, [receiver]]))
    # A depth on an interface belongs to the layer below.
    layer = first + np.searchsorted(tops, cuts, side="right") - 1
    pieces, down = len(cuts) - 1, bool(receiver < sources[0])
    before_down = np.concatenate([[-1], layer[:-1]])
    at_sources, at_receiver = np.searchsorted(cuts, sources), int(np.searchsorted(cuts, receiver))
    # Pieces come first, then the two ends, the receiver and the sources.
    places = np.concatenate([np.arange(pieces), [0, pieces], [at_receiver], at_sources])
    inner = slice(pieces, pieces + 2)
    place_layer, downward, upward = layer[places], before_down[places], layer[places]
    upward[:pieces] = layer[1:]
    place_layer[pieces], downward[inner], upward[inner] = 0, -1, -1
    # The wave from the half-space starts in the coordinates of the half-space.
    ends = np.array([[SEA_FLOOR if layers.ocean else SURFACE, pieces], [HALF_SPACE, pieces + 1]])
    receiver_place = pieces + 2
    down_path = _path(range(len(cuts)), 0, at_receiver if down else -1, receiver_place, at_sources)
    up_path = _path(range(len(cuts) - 1, -1, -1), -1, -1 if down else at_receiver, receiver_place, at_sources)
    return Paths(
        layer=place_layer,
        before_carried=downward if down else upward,
        before_other=upward if down else downward,
        cuts=cuts,
        ends=ends if down else ends[::-1].copy(),
        carried=down_path if down else up_path,
        other=up_path if down else down_path,
        sources=receiver_place + 1 + np.arange(len(sources)),
        sign=-1.0 if down else 1.0,
        cut_of_source=at_sources,
        receiver=float(receiver),
    )


def _path(order: range, piece: int, receiver_cut: int, receiver: int, sources: np.ndarray) -> np.ndarray:
    """Steps past the cuts in this order, to the last source; the piece after cut c is c + `piece`."""
    steps = []
    left = {int(cut): number for number, cut in enumerate(sources)}
    for cut in order:
        if cut == receiver_cut:
            steps.append((RECEIVER, receiver))
        if cut in left:
            steps.append((SOURCE, left.pop(cut)))
        if not left:
            break
        steps.append((CROSS, cut + piece))
    return np.array(steps, dtype=np.int64)


def moduli(layers: Layers, omega: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """sigma and mu (GPa) of every layer at every frequency, complex, shape (n_omega, n).

    Attenuation is that of a constant quality factor, causal: M (1 + 2/(pi Q) ln(i omega / omega_reference));
    at zero frequency the moduli are those given.
    """
    sigma, mu = layers.rho * layers.vp**2, layers.rho * layers.vs**2
    return _dispersed(layers, sigma, mu, omega)


def _dispersed(
    layers: Layers, sigma: np.ndarray, mu: np.ndarray, omega: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Moduli, or derivatives of them, at every frequency."""
    safe = np.where(omega == 0.0, -1j * layers.omega_reference, omega)
    log = TWO_OVER_PI * np.log(1j * safe / layers.omega_reference)[:, None]
    lossy_p = 0.0 if layers.qp is None else log / layers.qp
    lossy_s = 0.0 if layers.qs is None else log / layers.qs
    ones = np.ones((len(omega), 1))
    return sigma * (1.0 + lossy_p) * ones, mu * (1.0 + lossy_s) * ones


def table(layers: Layers, paths: Paths, omega: np.ndarray) -> np.ndarray:
    """The numbers of `PLACE` for every place, shape (n_omega, n), places along rows of `LANES`."""
    sigma, mu = moduli(layers, omega)
    w = layers.rho * np.square(omega)[:, None]
    thickness = _thickness(layers.thickness[0], paths.cuts, len(paths.layer))
    return _rowed(_numbers(paths, thickness, 1.0 / sigma, _inverse(mu), mu, w))


def table_along(layers: Layers, direction: Layers, paths: Paths, omega: np.ndarray) -> np.ndarray:
    """`table` with every number followed by its derivative along a direction of layer properties.

    Interfaces move with the thicknesses above them; sources and the receiver stay where they are, but for a
    receiver at the sea floor.
    """
    sigma, mu = moduli(layers, omega)
    d_sigma = direction.rho * layers.vp**2 + 2.0 * layers.rho * layers.vp * direction.vp
    d_mu = direction.rho * layers.vs**2 + 2.0 * layers.rho * layers.vs * direction.vs
    d_sigma, d_mu = _dispersed(layers, d_sigma, d_mu, omega)
    dw = direction.rho * np.square(omega)[:, None]
    first = 1 if layers.ocean else 0
    moved = np.zeros(len(paths.cuts))
    moves = np.concatenate([[0.0], np.cumsum(direction.thickness[:-1])])
    moved[np.searchsorted(paths.cuts, layers.tops[first:])] = moves[first:]
    thickness = _thickness(direction.thickness[0], moved, len(paths.layer))
    slopes = _numbers(paths, thickness, -d_sigma / sigma**2, -d_mu * _inverse(mu) ** 2, d_mu, dw)
    values = table(layers, paths, omega).reshape(len(omega), -1, len(PLACE), 1, LANES)
    rows = _rowed(slopes).reshape(values.shape)
    return np.concatenate([values, rows], axis=3).reshape(len(omega), -1)


def _thickness(ocean: float, cuts: np.ndarray, places: int) -> np.ndarray:
    """Thickness of each piece; that of the ocean at the end behind the pieces."""
    result = np.zeros(places)
    result[: len(cuts) - 1] = np.diff(cuts)
    result[len(cuts) - 1] = ocean if np.isfinite(ocean) else 0.0
    return result


def _inverse(mu: np.ndarray) -> np.ndarray:
    """1/mu, and 0 in a fluid, where it is not used."""
    return np.where(mu == 0.0, 0.0, 1.0 / np.where(mu == 0.0, 1.0, mu))


def _numbers(paths, thickness, inverse_sigma, inverse_mu, mu, w):
    """The numbers of `PLACE`, shape (len(PLACE), n_omega, p), from those of every layer (n_omega, n)."""
    numbers = [np.broadcast_to(thickness, (len(w), len(thickness)))]
    for of_layer in (inverse_sigma, inverse_mu, mu, w):
        at_place = of_layer[:, paths.layer]
        numbers += [at_place.real, at_place.imag]
    for before in (paths.before_carried, paths.before_other):
        arriving = np.where(before >= 0, mu[:, before], 0.0)
        numbers += [arriving.real, arriving.imag]
    return np.stack(numbers)


def _rowed(numbers: np.ndarray) -> np.ndarray:
    """Numbers (n, n_omega, p) as the kernel loads them: (n_omega, chunks of places, n, `LANES`), flat."""
    count, n_omega, places = numbers.shape
    chunks = -(-places // LANES)
    padded = np.zeros((count, n_omega, chunks * LANES))
    padded[:, :, :places] = numbers
    ordered = padded.reshape(count, n_omega, chunks, LANES).transpose(1, 2, 0, 3)
    return np.ascontiguousarray(ordered).reshape(n_omega, -1)
