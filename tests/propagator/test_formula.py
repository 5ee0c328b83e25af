"""The formulas of a layer and of the response, in high precision and in compiled code."""

import mpmath
import numpy as np
import pytest

from dislok.kernels.propagator import formula
from dislok.kernels.propagator.complexes import Complex
from dislok.kernels.propagator.integrals import Grid, integrate, names
from dislok.kernels.propagator.stack import Layers, build
from dislok.kernels.scalar import ZERO

# Table 1 of O'Toole, Valentine & Woodhouse (2012): thickness, vp, vs, rho.
CRUST = Layers(
    np.array([0.1, 1.9, 3.0, 13.0, 14.0, np.inf]),
    np.array([3.2, 5.15, 5.5, 6.0, 6.7, 7.7]),
    np.array([2.0, 2.85, 3.2, 3.46, 3.87, 4.3]),
    np.array([2.1, 2.5, 2.6, 2.7, 2.8, 3.3]),
)
# Unscaled functions of the layer rho 2.7, vp 6, vs 3.46, h 13 at k = 0.1 rad/km, verified against matrix
# exponentials when the method was specified.
GOLDEN = {
    0.3 - 0.012j: {
        "cp": 1.703943145758e00 + 2.070542937331e-02j,
        "xs": 1.393159639228e01 + 2.296421576813e-01j,
        "e0": 2.001998790224e-01 + 2.126513802332e-03j,
        "e1": 5.132179359360e-01 + 7.645561539718e-03j,
        "e2": 8.164936114147e-02 + 3.123804767867e-04j,
        "f1": -4.711268593180e00 - 8.943507506641e-02j,
        "big_l": 8.197699777098e-02 + 1.636030090741e-03j,
    },
    0.0: {
        "e0": 2.279582096142e-01,
        "e1": 6.146208108693e-01,
        "e2": 8.554553384906e-02,
        "f1": -5.945751115265e00,
        "big_l": 1.045430107111e-01,
    },
}


def to_complex(z):
    parts = (0.0 if part is ZERO else part for part in (z.re, z.im))
    return complex(*map(float, parts))


def number(z, exact=False):
    """A `Complex` of floats or, where `exact`, of mpmath numbers."""
    z = mpmath.mpc(z) if exact else complex(z)
    return Complex(z.real, z.imag)


def medium_of(rho, vp, vs, omega, exact=False):
    w = rho * omega * omega
    return formula.Medium(
        number(1 / (rho * vp * vp), exact),
        number(1 / (rho * vs * vs), exact),
        number(rho * vs * vs, exact),
        number(w, exact) if omega else Complex(ZERO),
    )


@pytest.mark.parametrize("omega", GOLDEN)
def test_layer_has_its_golden_numbers(omega):
    medium, k = medium_of(2.7, 6.0, 3.46, omega), Complex(0.1)
    vectors, minors, gap = formula.layer(medium, k, 13.0, 1.0)
    x = formula.slowness(medium, k).mean.re * 13.0
    scale = {"vectors": np.exp(2.0 * x - gap), "minors": np.exp(2.0 * x)}
    for name, truth in GOLDEN[omega].items():
        of = "vectors" if hasattr(vectors, name) else "minors"
        got = to_complex(getattr(vectors if of == "vectors" else minors, name)) * scale[of]
        assert abs(got / truth - 1.0) < 2e-12, name


def matrix(medium, k):
    """The equations of motion of (U, V, P, S)."""
    sigma, mu, w = (
        mpmath.mpc(0) if z.re is ZERO else mpmath.mpc(z.re, z.im)
        for z in (medium.inverse_sigma, medium.mu, medium.w)
    )
    lam = 1 - 2 * mu * sigma
    g = 4 * mu * (1 - mu * sigma)
    return mpmath.matrix(
        [[0, k * lam, sigma, 0], [-k, 0, 0, 1 / mu], [-w, 0, 0, k], [0, k * k * g - w, -k * lam, 0]]
    )


@pytest.mark.parametrize("omega", [0.0, 1e-9 - 1e-9j, 0.3 - 0.012j, 3.0 - 0.05j])
@pytest.mark.parametrize("sign", [1, -1])
def test_layer_is_the_exponential_of_the_equations_of_motion(omega, sign, rng):
    with mpmath.workdps(50):
        medium, k, h = medium_of(2.7, 6.0, 3.46, omega, True), mpmath.mpf("0.37"), mpmath.mpf("4.2")
        start = [number(complex(*rng.normal(size=2)), True) for _ in range(4)]
        vectors, _, gap = formula.layer(medium, Complex(k), h, sign)
        x = formula.slowness(medium, Complex(k)).mean.re * h
        shear = Complex(k) * medium.mu * 2
        got = formula.carry_vector(vectors, Complex(k), medium.w, formula.shear_vector(-shear, start))
        got = formula.shear_vector(shear, got)
        truth = mpmath.expm(sign * h * matrix(medium, k)) * mpmath.matrix(
            [mpmath.mpc(z.re, z.im) for z in start]
        )
        scale = mpmath.exp(2 * x - gap)
        for a, b in zip(got, truth, strict=True):
            # the series of sinh(x)/x is good to double precision only
            assert abs(mpmath.mpc(a.re, 0 if a.im is ZERO else a.im) * scale - b) < 1e-15 * mpmath.norm(truth)


@pytest.mark.parametrize("omega", [0.0, 0.3 - 0.012j, 3.0 - 0.05j])
def test_minors_are_those_of_two_vectors(omega, rng):
    medium, k, h = medium_of(2.7, 6.0, 3.46, omega), Complex(0.37), 4.2
    # any two solutions whose symplectic product vanishes
    first, second = (rng.normal(size=4) + 1j * rng.normal(size=4) * bool(omega) for _ in range(2))
    second[3] = (first[3] * second[1] - first[0] * second[2] + first[2] * second[0]) / first[1]
    vectors, minors, gap = formula.layer(medium, k, h, 1.0)
    z = formula.slowness(medium, k)

    def of(a, b):
        return [a[i] * b[j] - a[j] * b[i] for i, j in ((0, 1), (0, 2), (0, 3), (1, 2), (2, 3))]

    assert (
        abs(first[1] * second[3] - first[3] * second[1] + first[0] * second[2] - first[2] * second[0]) < 1e-12
    )
    carried = [
        np.array([to_complex(c) for c in formula.carry_vector(vectors, k, medium.w, [number(c) for c in v])])
        for v in (first, second)
    ]
    direct = formula.carry_minors(minors, z, k, medium.w, [number(c) for c in of(first, second)])
    # minors are scaled by exp(-2 x), vectors by exp(-(2 x - gap)) each
    factor = np.exp(2.0 * (2.0 * z.mean.re * h - gap) - 2.0 * z.mean.re * h)
    got, truth = np.array([to_complex(c) for c in direct]), np.array(of(*carried)) * factor
    assert np.abs(got - truth).max() < 1e-13 * np.abs(truth).max()


def compiled_columns(layers, depth, k, omega, direction=None):
    """Values of every column at one wavenumber and their derivatives with depth, from the compiled kernel."""
    lanes = np.full(64, k)
    weights = np.zeros(64)
    weights[0] = 1.0
    grid = Grid(lanes, weights, np.array([64]))
    table = np.zeros((4, 2, 1, 64))
    table[:, 0, 0, 0] = 1.0  # picks the first lane
    paths = build(layers, 0.0, np.array([depth]))
    result = integrate(layers, paths, np.array([omega]), grid, [table], force=True, direction=direction)
    return {column: result[i, 0, :, 0, 0, 0] for i, column in enumerate(names(True))}


def exact_columns(layers, depth, k, omega, index=None, step=0):
    """The same in 40 digits, from exponentials of the equations of motion and linear equations.

    Above the source there are two solutions free of traction at the surface, below it two that decay; the
    jump at the source joins them. `index` (row, layer) names a property to change by `step`.
    """
    rows = [[mpmath.mpf(float(v)) for v in row] for row in layers[:4]]
    if index is not None:
        rows[index[0]][index[1]] += step
    thickness, vp, vs, rho = rows
    k, depth, w2 = mpmath.mpf(k), mpmath.mpf(depth), mpmath.mpc(omega) ** 2
    sigma = [r * a * a for r, a in zip(rho, vp, strict=True)]
    mu = [r * b * b for r, b in zip(rho, vs, strict=True)]

    def system(n):
        lam, g = 1 - 2 * mu[n] / sigma[n], 4 * mu[n] * (1 - mu[n] / sigma[n])
        w = rho[n] * w2
        return mpmath.matrix(
            [
                [0, k * lam, 1 / sigma[n], 0],
                [-k, 0, 0, 1 / mu[n]],
                [-w, 0, 0, k],
                [0, k * k * g - w, -k * lam, 0],
            ]
        ), mpmath.matrix([[0, 1 / mu[n]], [mu[n] * k * k - w, 0]])

    top, psv, sh, source = mpmath.mpf(0), mpmath.eye(4), mpmath.eye(2), None
    for n in range(len(vp)):
        bottom = top + thickness[n]
        if source is None and depth < bottom:
            to_source = [mpmath.expm(-(depth - top) * a) for a in system(n)]
            source = (to_source[0] * psv, to_source[1] * sh, n)
        if n < len(vp) - 1:
            through = [mpmath.expm(-thickness[n] * a) for a in system(n)]
            psv, sh = through[0] * psv, through[1] * sh
        top = bottom
    up_psv, up_sh, layer = source
    # from the source down to the half-space
    down_psv, down_sh = psv * up_psv**-1, sh * up_sh**-1
    last = len(vp) - 1
    a, b = system(last)
    zp = mpmath.sqrt(k * k - rho[last] * w2 / sigma[last])
    zs = mpmath.sqrt(k * k - rho[last] * w2 / mu[last])
    if layer == last:
        down_psv, down_sh = mpmath.eye(4), mpmath.eye(2)
    # the waves that decay downwards are annihilated by the left eigenvectors of those that grow
    grow = [left_eigenvector(a, -zp), left_eigenvector(a, -zs)]
    grow_sh = left_eigenvector(b, -zs)
    s1, m1 = sigma[layer], mu[layer]
    lam = 1 - 2 * m1 / s1
    jumps = {
        "zz": [1 / s1, 0, 0, -k * lam],
        "hh": [0, 0, 0, k / 2],
        "1": [0, 1 / m1, 0, 0],
        "F0": [0, 0, -1, 0],
        "F1": [0, 0, 0, -1],
    }
    jumps_sh = {"1": [1 / m1, 0], "2": [0, k / 2], "F1": [0, -1]}
    result = {}
    for name, jump in jumps.items():
        # above: b = up * (U0, V0, 0, 0); below: b - jump, which no growing wave may hold
        lines = mpmath.matrix(2, 2)
        right = mpmath.matrix(2, 1)
        for i, g in enumerate(grow):
            row = g * down_psv
            for j in range(2):
                lines[i, j] = (row * up_psv[:, j])[0]
            right[i] = (row * mpmath.matrix(jump))[0]
        u, v = mpmath.lu_solve(lines, right)
        result["U_" + name], result["V_" + name] = u, v
    for name, jump in jumps_sh.items():
        row = grow_sh * down_sh
        result["W_" + name] = (row * mpmath.matrix(jump))[0] / (row * up_sh[:, 0])[0]
    result["V_2"] = result["V_hh"]
    for name in ("1", "2", "F1"):
        w = result["W_" + name]
        result["P_" + name], result["M_" + name] = result["V_" + name] + w, result["V_" + name] - w
    return result


def left_eigenvector(a, value):
    """Row vector x with x a = value x, for the eigenvalue `value` of a small matrix."""
    n = a.rows
    shifted = (a - value * mpmath.eye(n)).T
    # fix one element and solve the others in the least-squares sense, which is exact here
    for fixed in range(n):
        others = [j for j in range(n) if j != fixed]
        lines = mpmath.matrix(n, n - 1)
        for i in range(n):
            for column, j in enumerate(others):
                lines[i, column] = shifted[i, j]
        try:
            solution = mpmath.lu_solve(lines, -shifted[:, fixed])
        except ZeroDivisionError:
            continue
        vector = mpmath.matrix(1, n)
        vector[fixed] = 1
        for column, j in enumerate(others):
            vector[j] = solution[column]
        return vector
    raise AssertionError("no eigenvector")


# the last one ends in the layer below the source: what is deeper sends nothing back
CASES = [
    (10.0, 0.1, 0.3 - 0.012j),
    (40.0, 0.05, 0.7 - 0.02j),
    (1.3, 0.8, 1.2 - 0.05j),
    (1.3, 6.0, 1.2 - 0.05j),
]


@pytest.mark.parametrize("depth, k, omega", CASES)
def test_compiled_columns_match_high_precision(depth, k, omega):
    with mpmath.workdps(60 + int(35 * k)):  # growing waves hide the others
        exact = exact_columns(CRUST, depth, k, omega)
        step = mpmath.mpf(10) ** -15
        ahead, behind = (exact_columns(CRUST, depth + s, k, omega) for s in (step, -step))
        slope = {name: complex((ahead[name] - behind[name]) / (2 * step)) for name in exact}
    got = compiled_columns(CRUST, depth, k, omega)
    for kind in ("U", "V", "P", "M"):
        largest = max(abs(complex(exact[name])) for _, name in got if name[0] == kind and "F" not in name)
        for (_, name), values in got.items():
            if name[0] == kind and "F" not in name:
                assert abs(values[0] - complex(exact[name])) < 1e-12 * largest, name
                assert abs(values[1] - slope[name]) < 1e-12 * max(abs(s) for s in slope.values()), name


@pytest.mark.parametrize("depth, k, omega", CASES[:1])
@pytest.mark.parametrize("index", [(0, 3), (1, 3), (2, 1), (3, 4), (2, 5)])
def test_derivatives_with_layers_match_high_precision(depth, k, omega, index):
    with mpmath.workdps(60):
        step = mpmath.mpf(10) ** -15
        ahead, behind = (exact_columns(CRUST, depth, k, omega, index, s) for s in (step, -step))
        slope = {name: complex((ahead[name] - behind[name]) / (2 * step)) for name in ahead}
    unit = np.zeros((4, len(CRUST.vp)))
    unit[index] = 1.0
    got = compiled_columns(CRUST, depth, k, omega, Layers(*unit))
    moment = [name for _, name in got if "F" not in name]
    largest = max(abs(slope[name]) for name in moment)
    for (_, name), values in got.items():
        if name in moment:
            assert abs(values[0] - slope[name]) < 1e-12 * largest, name


def test_results_are_continuous_towards_zero_frequency():
    still = compiled_columns(CRUST, 3.24, 0.4, 0.0)
    for tiny in (1e-7, 1e-5):
        slow = compiled_columns(CRUST, 3.24, 0.4, tiny - 1j * tiny)
        for column, values in still.items():
            assert np.abs(slow[column] - values).max() < 100.0 * tiny**2 * np.abs(values).max() + 1e-13, (
                column
            )
