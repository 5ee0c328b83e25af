"""One frequency and one wavenumber: what a kernel does with the numbers of a block, step by step.

A step takes and returns flat tuples of plain numbers, as they lie in memory. Two states travel from the two
ends of the stack to the source: the one from the receiver's side is *carried* with the receiver's solutions,
the *other* one is not. Every step is compiled for a kind of number:

- `STATIC`: frequency zero, all numbers real;
- `ELASTIC`: complex frequency, real moduli;
- `LOSSY`: complex frequency and moduli (attenuation).

At `order` 1 every number is followed by its derivative along a direction in the space of layer properties.
"""

from __future__ import annotations

from dislok.kernels.names import Number
from dislok.kernels.scalar import ZERO, exp, real, scalar

from .complexes import Complex, flat, jets, pack, unpack
from .formula import (
    Medium,
    carry_minors,
    carry_sh,
    carry_vector,
    free_surface,
    half_space,
    largest,
    layer,
    moved_deeper,
    moved_deeper_sh,
    receiver_vectors,
    response_rows,
    response_sh,
    sea_floor,
    shear_minors,
    shear_vector,
    slowness,
)

STATIC, ELASTIC, LOSSY = 0, 1, 2
# ends of the stack
SURFACE, SEA_FLOOR, HALF_SPACE = 0, 1, 2
# steps of a state
CROSS, RECEIVER, SOURCE = 0, 1, 2

# A row of the table of places (layers, half-space, ocean, receiver, sources) at one frequency. The state that
# arrives is in the sheared coordinates of `mu_carried` or `mu_other`.
PLACE = (
    "thickness",
    "inverse_sigma_re",
    "inverse_sigma_im",
    "inverse_mu_re",
    "inverse_mu_im",
    "mu_re",
    "mu_im",
    "w_re",
    "w_im",
    "mu_carried_re",
    "mu_carried_im",
    "mu_other_re",
    "mu_other_im",
)
# Complex numbers of the states; the carried one ends with two real logarithms of scale.
CARRIED_NUMBERS = 5 + 4 + 4 + 3
OTHER_NUMBERS = 5 + 2

# Columns of the result, in groups by the order of the Bessel function that multiplies them; the groups of 0
# and 2 overlap in U_hh. P and M are V + W and V - W. Sources: F0, F1 are the vertical and the horizontal
# force, zz, hh, 1, 2 the parts of the moment tensor.
COLUMNS = (
    *("U_F0", "P_F1", "U_zz", "P_1", "U_hh", "M_1", "M_F1"),
    *("V_F0", "U_F1", "V_zz", "V_hh", "U_1", "P_2"),
    "M_2",
)
FORCE_COLUMNS = tuple(name for name in COLUMNS if "F" in name)
GROUPS = {0: COLUMNS[:5], 1: COLUMNS[7:13], 2: COLUMNS[4:7], 3: COLUMNS[13:]}


def carried_rows(kind: int, order: int) -> int:
    """Plain numbers in a carried state."""
    return (1 + order) * (CARRIED_NUMBERS * (1 if kind == STATIC else 2) + 2)


def other_rows(kind: int, order: int) -> int:
    """Plain numbers in the other state."""
    return (1 + order) * OTHER_NUMBERS * (1 if kind == STATIC else 2)


def kept_columns(force: bool) -> list[str]:
    """The columns that are computed, with those of single forces or without."""
    return [c for c in COLUMNS if force or c not in FORCE_COLUMNS]


def result_rows(kind: int, order: int, force: bool) -> int:
    """Plain numbers in the kept columns and their derivatives with the source's depth."""
    return (1 + order) * len(kept_columns(force)) * 2 * (1 if kind == STATIC else 2)


class Place:
    """A row of the table, as the formulas want it."""

    def __init__(self, kind: int, order: int, numbers: Number) -> None:
        row = dict(zip(PLACE, jets(numbers, order), strict=True))

        def complex_number(name: str, is_real: bool) -> Complex:
            return Complex(row[name + "_re"], ZERO if is_real else row[name + "_im"])

        elastic = kind != LOSSY
        w = Complex(ZERO) if kind == STATIC else complex_number("w", False)
        self.medium = Medium(
            complex_number("inverse_sigma", elastic),
            complex_number("inverse_mu", elastic),
            complex_number("mu", elastic),
            w,
        )
        self.thickness = row["thickness"]
        self.mu_carried = complex_number("mu_carried", elastic)
        self.mu_other = complex_number("mu_other", elastic)


class Carried:
    """The state from the receiver's side: minors, the receiver's two solutions, SH, logarithms of scale."""

    def __init__(self, kind: int, order: int, numbers: Number) -> None:
        logs = 2 * (1 + order)
        z = unpack(numbers[:-logs], kind == STATIC, order)
        self.minors, self.u, self.v, self.sh, self.receiver = z[:5], z[5:9], z[9:13], z[13:15], z[15]
        self.log_psv, self.log_sh = jets(numbers[-logs:], order)

    def packed(self, kind: int, order: int) -> tuple[Number, ...]:
        """The state as plain numbers."""
        z = [*self.minors, *self.u, *self.v, *self.sh, self.receiver]
        return (*pack(z, kind == STATIC, order), *flat([self.log_psv, self.log_sh], order))

    def scaled(self, factor: Number) -> None:
        """Multiply everything by a plain number, which cancels in the response."""
        self.minors = [z * factor for z in self.minors]
        self.u, self.v = [z * factor for z in self.u], [z * factor for z in self.v]


def _end(kind: int, k: Complex, place: Place, end: int) -> tuple[list[Complex], list[Complex]]:
    """Minors and (W, T) at an end of the stack, sheared with the modulus zero but at the half-space."""
    if end == HALF_SPACE:
        return half_space(place.medium, k)
    if end == SEA_FLOOR:
        return sea_floor(k, place.medium.inverse_sigma, place.medium.w, place.thickness)
    return free_surface(k)


@scalar
def start_carried(kind, order, end, k, place):
    """The carried state at an end of the stack: `SURFACE`, `SEA_FLOOR` or `HALF_SPACE`."""
    minors, sh = _end(kind, Complex(k), Place(kind, order, place), end)
    vectors = [Complex(ZERO, ZERO)] * 8
    logs = flat([ZERO, ZERO], order)
    return (*pack([*minors, *vectors, *sh, Complex(ZERO, ZERO)], kind == STATIC, order), *logs)


@scalar
def start_other(kind, order, end, k, place):
    """The other state at an end of the stack."""
    minors, sh = _end(kind, Complex(k), Place(kind, order, place), end)
    return pack([*minors, *sh], kind == STATIC, order)


@scalar
def cross_carried(kind, order, sign, state, k, place):
    """The carried state on the other side of a layer, upward (`sign` 1) or downward (-1)."""
    state, place, k = Carried(kind, order, state), Place(kind, order, place), Complex(k)
    vectors, minors, gap = layer(place.medium, k, place.thickness, sign)
    z, w = slowness(place.medium, k), place.medium.w
    shear = k * (place.mu_carried - place.medium.mu) * 2.0
    state.minors = carry_minors(minors, z, k, w, shear_minors(shear, state.minors))
    state.u = carry_vector(vectors, k, w, shear_vector(shear, state.u))
    state.v = carry_vector(vectors, k, w, shear_vector(shear, state.v))
    state.sh, decay = carry_sh(place.medium, z.zs, k, place.thickness, sign, state.sh)
    state.log_psv, state.log_sh = state.log_psv - gap, state.log_sh - decay
    state.scaled(1.0 / real(largest(state.minors)))
    return state.packed(kind, order)


@scalar
def cross_other(kind, order, sign, state, k, place):
    """The other state on the other side of a layer."""
    numbers = unpack(state, kind == STATIC, order)
    place, k = Place(kind, order, place), Complex(k)
    _, minors, _ = layer(place.medium, k, place.thickness, sign)
    z, w = slowness(place.medium, k), place.medium.w
    shear = k * (place.mu_other - place.medium.mu) * 2.0
    psv = carry_minors(minors, z, k, w, shear_minors(shear, numbers[:5]))
    sh, _ = carry_sh(place.medium, z.zs, k, place.thickness, sign, numbers[5:])
    size = 1.0 / real(largest(psv))
    return pack([*(m * size for m in psv), *sh], kind == STATIC, order)


@scalar
def meet_receiver(kind, order, sign, state, k, place):
    """The carried state at the receiver, where the receiver's solutions begin."""
    state, place, k = Carried(kind, order, state), Place(kind, order, place), Complex(k)
    shear = k * place.mu_carried * 2.0
    state.u, state.v = receiver_vectors(shear_minors(shear, state.minors))
    state.u, state.v = shear_vector(-shear, state.u), shear_vector(-shear, state.v)
    state.receiver = state.sh[0]
    state.log_psv, state.log_sh = ZERO, ZERO
    return state.packed(kind, order)


@scalar
def meet_source(kind, order, force, side, carried, other, k, place):
    """The kept columns and their derivatives with the source's depth, from the two states at the source.

    `force` is 1 where the columns of single forces are wanted, else 0; `side` is 1 for a receiver above the
    source, -1 for one below.
    """
    state, place, k = Carried(kind, order, carried), Place(kind, order, place), Complex(k)
    numbers = unpack(other, kind == STATIC, order)
    medium, mu = place.medium, place.medium.mu
    below = shear_minors(k * (place.mu_other - mu) * 2.0, numbers[:5])
    shear = k * (place.mu_carried - mu) * 2.0
    above = shear_minors(shear, state.minors)
    scale_psv, scale_sh = side * exp(state.log_psv), side * exp(state.log_sh)
    to_u, to_v = (
        [z * scale_psv for z in response_rows(above, below, shear_vector(shear, vector), mu, k)]
        for vector in (state.u, state.v)
    )
    to_w = [z * scale_sh for z in response_sh(state.sh, numbers[5:], state.receiver)]
    deeper = (moved_deeper(medium, k, to_u), moved_deeper(medium, k, to_v), moved_deeper_sh(medium, k, to_w))
    kept = [COLUMNS.index(name) for name in kept_columns(bool(force))]
    both = columns(medium, k, to_u, to_v, to_w), columns(medium, k, *deeper)
    return pack([each[n] for each in both for n in kept], kind == STATIC, order)


def columns(
    medium: Medium, k: Complex, to_u: list[Complex], to_v: list[Complex], to_w: list[Complex]
) -> list[Complex]:
    """`COLUMNS`: U, V + W and V - W for the jumps of the elementary sources."""
    dilation = k * (1.0 - medium.mu * medium.inverse_sigma * 2.0)

    def basis(row: list[Complex]) -> tuple[Complex, Complex, Complex]:
        zz = medium.inverse_sigma * row[0] - dilation * row[3]
        return zz, k * row[3] * 0.5, medium.inverse_mu * row[1]

    u_zz, u_hh, u_1 = basis(to_u)
    v_zz, v_hh, v_1 = basis(to_v)
    w_1, w_2, w_force = medium.inverse_mu * to_w[0], k * to_w[1] * 0.5, -to_w[1]
    v_force = -to_v[3]
    return [
        *(-to_u[2], v_force + w_force, u_zz, v_1 + w_1, u_hh, v_1 - w_1, v_force - w_force),
        *(-to_v[2], -to_u[3], v_zz, v_hh, u_1, v_hh + w_2),
        v_hh - w_2,
    ]
