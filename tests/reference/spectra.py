"""Spectra of sources in layered half-spaces: waves of `layers.py`, summed over directions and wavenumbers.

Directions are summed by discrete Fourier transforms, wavenumbers by Gauss's rule along a path above the
poles. Another path and another rule give the same to 12 digits.

Elements of a source: moment xx, yy, zz, xy, xz, yz (N m), then force x, y, z (N), with z up.
"""

from typing import NamedTuple

import layers
import numpy as np
from mpmath import inf, mp, mpc, mpf
from scipy.special import jv

ANGLES = 16
ELEMENTS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
SIGN = np.array([1.0, 1.0, 1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0])  # of elements when z turns
UNIT = np.array([1e-15] * 6 + [1e-12] * 3)  # to metres, from km, GPa, N m and N
STEP = mpf(10) ** -20


def rotations():
    """(angles, 3, 3): axes along a wave, across it, down; and (angles, 8, 9): elements in these axes."""
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    turn = np.zeros((ANGLES, 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 0, 1], turn[:, 1, 0] = np.sin(angle), -np.sin(angle)
    turn[:, 2, 2] = 1.0
    seen = np.zeros((ANGLES, 8, 9))
    for n, (i, j) in enumerate(ELEMENTS):
        tensor = np.zeros((3, 3))
        tensor[i, j] = tensor[j, i] = 1.0
        turned = turn @ tensor @ turn.transpose(0, 2, 1)
        for row, (a, b) in ((2, (0, 0)), (3, (0, 2)), (4, (2, 2)), (6, (0, 1)), (7, (1, 2))):
            seen[:, row, n] = turned[:, a, b]
    seen[:, [0, 5, 1], 6:] = turn
    return angle, turn, seen


def waves(responses, k):
    """Displacement (3) by element (9) of plane waves by order of angle, and derivatives with x, y, depth.

    From (nodes, 2, 3, 8) to (ANGLES, nodes, 4, 3, 9).
    """
    angle, turn, seen = rotations()
    field = np.einsum("aic,ndij,aje->andce", turn, responses, seen)
    ik = -1j * k[None, :, None, None]
    with_x, with_y = (ik * part(angle)[:, None, None, None] * field[:, :, 0] for part in (np.cos, np.sin))
    return np.fft.fft(np.stack([field[:, :, 0], with_x, with_y, field[:, :, 1]], axis=2), axis=0) / ANGLES


def summed(orders, k, weights, r, theta):
    """The sum over waves at a place: (4, 3, 9)."""
    total = 0.0
    for n in range(-4, 5):
        bessel = jv(abs(n), k * r) * (-1 if n < 0 and n % 2 else 1)
        total = total + 1j**n * np.exp(1j * n * theta) * np.tensordot(weights * k * bessel, orders[n], axes=1)
    return total / (2 * np.pi)


class Rule(NamedTuple):
    """How wavenumbers are chosen: points of a panel, its phase, the height of the path in 1/distance."""

    points: int
    phase: float
    height: float


FIRST, SECOND = Rule(20, 20.0, 1.0), Rule(24, 22.0, 1.5)
DECAY = 40.0  # of the shortest way at the last wavenumber


def path(rule, stack, receiver, depth, distance, omega):
    """Nodes and weights: above the poles, whose wavenumbers are below those of the slowest waves, then real.

    Static fields have poles to the left of zero, no closer than one over the thickness of the layers.
    """
    slowest = min(min(v for v in layer[1:3] if v) for layer in stack)
    fastest = 1.5 * abs(omega) / slowest
    last = DECAY / abs(depth - receiver) + fastest
    panel = rule.phase / max(distance, 2 * depth, 2 * receiver)
    parts = []
    if omega:
        height = rule.height * min(1 / max(distance, 1.0), fastest)
        count = max(int(np.ceil(fastest / min(panel, 2.0 * height))), 4)
        parts.append((np.linspace(0.0, fastest, count + 1), height))
    edges = [fastest]
    while edges[-1] < last:
        near = 0.6 * edges[-1] if omega else max(edges[-1], 1 / (1 + sum(layer[0] for layer in stack[:-1])))
        edges.append(min(edges[-1] + min(panel, near), last))
    nodes, weights = zip(*(panels(rule, *part) for part in (*parts, (np.array(edges), 0.0))), strict=True)
    return np.concatenate(nodes), np.concatenate(weights)


def panels(rule, edges, height):
    """Gauss's nodes and weights on panels, along an arch of a sine."""
    x, w = np.polynomial.legendre.leggauss(rule.points)
    half = 0.5 * np.diff(edges)[:, None]
    t = edges[:-1, None] + half * (1 + x)
    width = edges[-1] - edges[0]
    turn = np.pi * (t - edges[0]) / width
    slope = 1 + 1j * height * np.pi / width * np.cos(turn)
    return (t + 1j * height * np.sin(turn)).ravel(), (half * w * slope).ravel()


def spectra(stack, receiver, depth, places, omega, rule=FIRST, response=layers.response):
    """Displacement of impulses of moment (m per N m) and force (m per N), with its slopes.

    `places` are rows of x, y (km) from the source. Returns (places, 4, 3, 9): the motion and its derivatives
    with the source's x, y and depth (per km); east, north, up; elements. At frequency zero it is the static
    offset of steps.
    """
    distance = max(float(np.hypot(*place)) for place in places)
    k, weights = path(rule, stack, receiver, depth, distance, omega)
    each = [response(stack, receiver, depth, mpc(value), mpc(omega)) for value in k]
    orders = waves(np.array(each).astype(complex), k)
    found = [summed(orders, k, weights, np.hypot(*place), np.arctan2(*place[::-1])) for place in places]
    up = np.array([1.0, 1.0, -1.0])[:, None]
    return np.array(found) * up * SIGN * UNIT


def along_layers(property_, number):
    """The `response` of derivatives with a property (0 to 3: thickness, vp, vs, rho) of a layer.

    Stations at a sea floor move with it.
    """

    def slope(stack, receiver, *rest):
        floats = (property_, number) == (0, 0) and stack[0][2] == 0 and receiver == stack[0][0]
        sides = []
        for sign in (1, -1):
            moved = [[mpf(v) for v in layer] for layer in stack]
            moved[number][property_] += sign * STEP
            sides.append(layers.response(moved, moved[0][0] if floats else receiver, *rest))
        return (sides[0] - sides[1]) / (2 * STEP)

    return slope


# ------------------------------------------------------------------------------------ what is shipped

HALF = [(inf, 6.0, 3.5, 2.7)]
TWO = [(12.0, 5.8, 3.3, 2.6), (inf, 7.8, 4.4, 3.3)]
CRUST = [(5.0, 5.0, 2.9, 2.5), (15.0, 6.0, 3.46, 2.7), (inf, 8.0, 4.5, 3.3)]
SOFT = [(3.0, 5.2, 3.0, 2.5), (4.0, 3.8, 1.9, 2.2), (20.0, 6.2, 3.6, 2.8), (inf, 8.0, 4.6, 3.3)]
LOSSY = [
    (*layer, *q) for layer, q in zip(CRUST, ((200.0, 80.0), (500.0, 250.0), (1000.0, 600.0)), strict=True)
]
OCEAN = [(3.0, 1.5, 0.0, 1.03), (6.0, 5.0, 2.8, 2.6), (inf, 7.5, 4.3, 3.2)]
# name: layers, depth of the stations, depth of the source
CASES = {
    "half-space": (HALF, 0.0, 8.0),
    "half-space, stations inside": (HALF, 10.0, 6.0),
    "above the interface": (TWO, 0.0, 7.0),
    "at the interface": (TWO, 0.0, 12.0),
    "below the interface": (TWO, 0.0, 20.0),
    "crust": (CRUST, 0.0, 12.0),
    "crust, stations above the source": (CRUST, 6.0, 14.0),
    "crust, stations below the source": (CRUST, 18.0, 3.0),
    "source in a soft layer": (SOFT, 0.0, 5.0),
    "source below a soft layer": (SOFT, 4.0, 10.0),
    "crust with losses": (LOSSY, 0.0, 12.0),
    "sea floor": (OCEAN, 3.0, 10.0),
    "below the sea floor": (OCEAN, 6.0, 14.0),
}
ALONG_LAYERS = ("crust", "sea floor")
PLACES = np.array([(3.0, 4.0), (-16.0, 5.0), (20.0, -42.0)])
OMEGA = np.array([0.0, 0.004 - 0.002j, 0.3 - 0.08j, 1.2 - 0.1j])
MOMENT = np.array([1.0, -2.0, 1.5, 0.3, 0.4, -0.5])


def motions(case, rule):
    """Motion (places, 3, 9, frequencies), and slopes of `MOMENT`'s motion (places, 3, 3, frequencies)."""
    found = np.stack([spectra(*case, PLACES, omega, rule) for omega in OMEGA], axis=-1)
    return found[:, 0], np.einsum("pdcef,e->pdcf", found[:, 1:, :, :6], MOMENT)


def layer_slopes(case):
    """Derivatives of `MOMENT`'s static offset (places, 4, layers, 3)."""
    found = np.zeros((len(PLACES), 4, len(case[0]), 3))
    for row, number in np.ndindex(*found.shape[1:3]):
        if (row, number) != (0, len(case[0]) - 1) and (row, case[0][number][2]) != (2, 0.0):
            made = spectra(*case, PLACES, 0.0, response=along_layers(row, number))
            found[:, row, number] = made[:, 0, :, :6].real @ MOMENT
    return found


def make():
    """The fields of ``tests/data/spectra.npz``: as `make.py` says."""
    found = {"places": PLACES, "omega": OMEGA, "moment": MOMENT, "names": list(CASES)}
    with mp.workdps(40):
        for number, (name, case) in enumerate(CASES.items()):
            first, second = motions(case, FIRST), motions(case, SECOND)
            apart = max(relative(second[0], first[0], 1), relative(second[1], first[1], 2))
            print(f"{name}: two rules are {apart:.1e} apart", flush=True)
            found |= {f"{number}/layers": np.array(case[0], dtype=float), f"{number}/depths": case[1:]}
            found |= {f"{number}/motion": first[0][..., 1:], f"{number}/statics": first[0][..., 0].real}
            found |= {f"{number}/slopes": first[1], f"{number}/apart": apart}
            if name in ALONG_LAYERS:
                found[f"{number}/layer_slopes"] = layer_slopes(case)
    return found


def relative(got, truth, axis):
    """Largest error of any component over the length of its vector, whose components lie along an axis."""
    return float((np.abs(got - truth) / np.linalg.norm(truth, axis=axis, keepdims=True)).max())
