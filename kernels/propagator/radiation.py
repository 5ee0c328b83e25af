"""From integrals to displacement: how a column and an azimuth make motion east, north and up.

With phi counted counter-clockwise from east at the source, every column of order m contributes
Re(c exp(i q phi)), |q| = m, to the vertical motion, or c exp(i (q phi + turn)) to east + i north, where
`turn` is the angle by which the axes at the station are turned against those at the source.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dislok.kernels.names import Namespace, Number

# Elements of a source: moment tensor xx, yy, zz, xy, xz, yz, then force x, y, z.
ELEMENTS = 9
# Column: whether vertical, q, and coefficients of the elements.
_MOMENT_1 = {4: 1.0, 5: 1j}
_MOMENT_2 = {0: -1.0, 1: 1.0, 3: -2j}
_FORCE_1 = {6: 1.0, 7: 1j}


def _conjugate(terms: dict[int, complex], factor: float) -> dict[int, complex]:
    return {element: factor * np.conj(c) for element, c in terms.items()}


PATTERNS: dict[tuple[int, str], tuple[bool, int, dict[int, complex]]] = {
    (0, "U_zz"): (True, 0, {2: 1.0}),
    (0, "U_hh"): (True, 0, {0: 1.0, 1: 1.0}),
    (0, "U_F0"): (True, 0, {8: 1.0}),
    (1, "U_1"): (True, 1, _conjugate(_MOMENT_1, 1.0)),
    (1, "U_F1"): (True, 1, _conjugate(_FORCE_1, 1.0)),
    (2, "U_hh"): (True, 2, _conjugate(_MOMENT_2, 1.0)),
    (1, "V_zz"): (False, 1, {2: -1.0}),
    (1, "V_hh"): (False, 1, {0: -1.0, 1: -1.0}),
    (1, "V_F0"): (False, 1, {8: -1.0}),
    (0, "P_1"): (False, 0, {e: 0.5 * c for e, c in _MOMENT_1.items()}),
    (0, "P_F1"): (False, 0, {e: 0.5 * c for e, c in _FORCE_1.items()}),
    (2, "M_1"): (False, 2, _conjugate(_MOMENT_1, -0.5)),
    (2, "M_F1"): (False, 2, _conjugate(_FORCE_1, -0.5)),
    (1, "P_2"): (False, -1, {e: 0.5 * c for e, c in _MOMENT_2.items()}),
    (3, "M_2"): (False, 3, _conjugate(_MOMENT_2, -0.5)),
}


def patterns(
    columns: Sequence[tuple[int, str]], phi: Number, turn: Number, xp: Namespace = np
) -> tuple[Number, Number, Number]:
    """Coefficients of the columns and their derivatives with phi and with turn.

    Parameters
    ----------
    columns : sequence of (int, str)
        As `integrals.names` gives them.
    phi, turn : arrays (...,)
        Radians.
    xp : module
        NumPy, or CuPy, whose arrays `phi` and `turn` are.

    Returns
    -------
    three arrays (..., 3, ELEMENTS, n_columns)
        East, north and up motion for each element of the source, per unit of each integral.
    """
    shape = (*phi.shape, 3, ELEMENTS, len(columns))
    value, by_phi, by_turn = xp.zeros(shape), xp.zeros(shape), xp.zeros(shape)
    for n, column in enumerate(columns):
        vertical, q, terms = PATTERNS[column]
        wave = xp.exp(1j * (q * phi if vertical else q * phi + turn))
        for element, c in terms.items():
            z = c * wave
            for target, turned in ((value, z), (by_phi, 1j * q * z), (by_turn, 1j * z)):
                if vertical:
                    target[..., 2, element, n] = turned.real if target is not by_turn else 0.0
                else:
                    target[..., 0, element, n] = turned.real
                    target[..., 1, element, n] = turned.imag
    return value, by_phi, by_turn
