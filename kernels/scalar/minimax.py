"""Coefficients of the elementary functions: ``python -m dislok.kernels.scalar.minimax`` prints the module.

Every function is a correction polynomial behind an exact leading term. The polynomial interpolates at
Chebyshev nodes in 60-digit arithmetic and is then polished by Remez exchanges, so no coefficient comes from
another library. Needs mpmath.
"""

from collections.abc import Callable

import mpmath as mp

from dislok.kernels.names import Number

DIGITS = 60


def remez(
    function: Callable[[Number], Number],
    weight: Callable[[Number], Number],
    low: Number,
    high: Number,
    degree: int,
) -> list[Number]:
    """Coefficients, lowest first, that minimise ``max |weight * (function - polynomial)|`` on [low, high]."""
    count = degree + 2
    middle, half = (low + high) / 2, (high - low) / 2
    nodes = [middle - half * mp.cos(mp.pi * k / (count - 1)) for k in range(count)]
    coefficients: list[Number] = []
    for _ in range(12):
        coefficients = _levelled(function, weight, nodes, degree)
        nodes = _extrema(function, weight, coefficients, low, high, count, nodes)
    return coefficients


def _levelled(function: Number, weight: Number, nodes: list[Number], degree: int) -> list[Number]:
    """Polynomial whose weighted errors at the nodes are equal and alternate."""
    matrix = mp.matrix(len(nodes), len(nodes))
    right = mp.matrix(len(nodes), 1)
    for row, x in enumerate(nodes):
        for power in range(degree + 1):
            matrix[row, power] = x**power
        matrix[row, degree + 1] = (-1) ** row / weight(x)
        right[row] = function(x)
    return list(mp.lu_solve(matrix, right))[: degree + 1]


def _extrema(
    function: Number,
    weight: Number,
    coefficients: list[Number],
    low: Number,
    high: Number,
    count: int,
    nodes: list[Number],
) -> list[Number]:
    """Places of the alternating extreme errors on a fine Chebyshev grid; the old nodes where too few."""
    size = 40 * count
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * k / size) for k in range(size + 1)]
    error = [weight(x) * (function(x) - mp.polyval(coefficients[::-1], x)) for x in grid]
    runs: list[tuple[Number, Number]] = []
    for x, e in zip(grid, error, strict=True):
        if runs and (runs[-1][1] > 0) == (e > 0):
            runs[-1] = max(runs[-1], (x, e), key=lambda item: abs(item[1]))
        else:
            runs.append((x, e))
    return [x for x, _ in runs] if len(runs) == count else nodes


def log_tail(z: Number) -> Number:
    """(log(1+f) - 2s) / (s z) with s = f / (2 + f), z = s²: 2 (atanh(s) - s) / s³."""
    if z < mp.mpf(10) ** -12:
        return mp.mpf(2) / 3 + 2 * z / 5
    s = mp.sqrt(z)
    return 2 * (mp.atanh(s) - s) / (s * z)


def atan_tail(z: Number) -> Number:
    """(atan(t) - t) / t³ with z = t²."""
    if z < mp.mpf(10) ** -12:
        return -mp.mpf(1) / 3 + z / 5
    t = mp.sqrt(z)
    return (mp.atan(t) - t) / (t * z)


def sin_tail(z: Number) -> Number:
    """(sin(t) - t) / t³ with z = t²."""
    if z < mp.mpf(10) ** -12:
        return -mp.mpf(1) / 6 + z / 120
    t = mp.sqrt(z)
    return (mp.sin(t) - t) / (t * z)


def cos_tail(z: Number) -> Number:
    """(cos(t) - 1 + t²/2) / t⁴ with z = t²."""
    if z < mp.mpf(10) ** -9:
        return mp.mpf(1) / 24 - z / 720
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / (z * z)


def exp_tail(r: Number) -> Number:
    """(exp(r) - 1 - r) / r²."""
    if abs(r) < mp.mpf(10) ** -9:
        return mp.mpf(1) / 2 + r / 6
    return (mp.exp(r) - 1 - r) / (r * r)


def _cases() -> list[tuple[str, Number, Number, Number, Number, tuple[int, int]]]:
    """Name, function, weight, interval and the degrees for float64 and float32."""
    edge = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)
    half_log2 = mp.log(2) / 2 * mp.mpf("1.0001")
    quarter = (mp.pi / 4) ** 2 * mp.mpf("1.0001")
    tiny = mp.mpf("1e-6")
    return [
        ("LOG", log_tail, lambda z: z + tiny, mp.mpf(0), edge**2 * mp.mpf("1.0001"), (6, 3)),
        ("ATAN", atan_tail, lambda z: z + tiny, mp.mpf(0), mp.mpf("0.2501"), (12, 5)),
        ("SIN", sin_tail, lambda z: z + tiny, mp.mpf(0), quarter, (5, 2)),
        ("COS", cos_tail, lambda z: z * z + tiny, mp.mpf(0), quarter, (5, 2)),
        ("EXP", exp_tail, lambda r: r * r + tiny, -half_log2, half_log2, (10, 5)),
    ]


def main() -> None:
    """Print coefficients.py."""
    mp.mp.dps = DIGITS
    print('"""Minimax coefficients, lowest power first; printed by minimax.py, not to be edited."""\n')
    for name, function, weight, low, high, degrees in _cases():
        print(f"{name} = {{")
        for bits, degree in zip((64, 32), degrees, strict=True):
            values = [float(c) for c in remez(function, weight, low, high, degree)]
            print(f"    {bits}: (")
            for value in values:
                print(f"        {value!r},")
            print("    ),")
        print("}")


if __name__ == "__main__":
    main()
