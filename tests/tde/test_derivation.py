"""The steps of the derivation in the documentation of the internals, each against integrals by quadrature."""

import numpy as np
import pytest
from numpy.linalg import norm
from scipy.integrate import quad


@pytest.fixture(params=range(4))
def side(request):
    """Ends of a side, the shallower first, as an observer above sees them; its length and direction."""
    rng = np.random.default_rng(request.param)
    a, b = sorted(rng.normal(size=(2, 3)), key=lambda point: -point[2])
    observer = rng.normal(size=3) + (0.0, 0.0, 4.0)
    length = norm(b - a)
    return observer - a, observer - b, length, (a - b) / length


def along(side, integrand):
    """Integral of a function of R along the side; of a complex function its real and imaginary part."""
    start, _, length, t = side

    def part(take):
        return quad(lambda s: take(integrand(start + s * t)), 0.0, length, epsabs=1e-13)[0]

    return part(np.real) + 1j * part(np.imag)


def of(side):
    """R_A, R_B, D = R_A R_B + R_A . R_B, L."""
    start, end, length, _ = side
    d = norm(start) * norm(end) + start @ end
    return norm(start), norm(end), d, np.log1p(length / d * (norm(start) + norm(end) + length))


def test_logarithm(side):
    ra, rb, d, log = of(side)
    length = side[2]
    assert log == pytest.approx(along(side, lambda r: 1.0 / norm(r)).real, rel=1e-12)
    assert (ra + rb) ** 2 - length**2 == pytest.approx(2.0 * d, rel=1e-12)
    m = np.cross(side[0], side[3])
    assert d == pytest.approx((length * norm(m)) ** 2 / (ra * rb - side[0] @ side[1]), rel=1e-9)


def test_gradient_of_the_logarithm(side):
    ra, rb, d, _ = of(side)
    g = side[2] / d * (side[0] / ra + side[1] / rb)
    for axis in range(3):
        want = along(side, lambda r, axis=axis: r[axis] / norm(r) ** 3).real
        assert g[axis] == pytest.approx(want, rel=1e-10)


def test_integral_of_the_projection(side):
    def zeta(r):
        return (r[0] + 1j * r[1]) / (norm(r) + r[2])

    start, end, _, t = side
    s, ends, log = zeta(t), (zeta(start), zeta(end)), of(side)[3]
    delta, f = ends[1] - ends[0], np.log((1 + np.conj(s) * ends[1]) / (1 + np.conj(s) * ends[0]))
    m = s**2 * (log - f) + (f - np.conj(s) * delta) / np.conj(s) ** 2 - s * delta
    assert m == pytest.approx(along(side, lambda r: zeta(r) ** 2 / norm(r)), rel=1e-9)
    d = delta / (1 + 0.5 * np.conj(s) * sum(ends))
    assert f == pytest.approx(2 * np.arctanh(0.5 * np.conj(s) * d), rel=1e-12)


def test_slopes_of_the_solid_angle():
    rng = np.random.default_rng(7)
    corners, observer, step = rng.normal(size=(3, 3)), np.array([0.3, -0.2, 3.0]), 1e-5

    def angle(x):
        p, q, r = x - corners
        a, b, c = norm(p), norm(q), norm(r)
        below = a * b * c + (p @ q) * c + (q @ r) * a + (p @ r) * b
        return 2.0 * np.arctan2(p @ np.cross(q, r), below)

    want = [(angle(observer + step * e) - angle(observer - step * e)) / (2 * step) for e in np.eye(3)]
    slopes = np.zeros(3)
    for k in range(3):
        start, end = observer - corners[k], observer - corners[(k + 1) % 3]
        t = (end - start) / norm(end - start)
        kappa = norm(end - start) / (norm(start) * norm(end) + start @ end)
        slopes += kappa * np.cross(start, t) * (1.0 / norm(start) + 1.0 / norm(end))
    np.testing.assert_allclose(np.abs(slopes), np.abs(want), rtol=1e-7)
    assert np.allclose(slopes, want, rtol=1e-7) or np.allclose(-slopes, want, rtol=1e-7)
