"""The formulas behind the shipped truth agree with each other, and the file is theirs."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


triangle = load(HERE / "triangle.py")
published = load(HERE.parent / "okada" / "published.py")
mpmath = pytest.importorskip("mpmath")
mpf = mpmath.mpf


@pytest.fixture(autouse=True)
def digits():
    with mpmath.workdps(60):
        yield


def test_two_triangles_make_a_rectangle():
    """Nikkhoo & Walter against Okada, to fifty digits."""
    dip, depth, nu = mpmath.radians(40), mpf(9), mpf("0.31")
    along, up = [mpf(1), mpf(0), mpf(0)], [mpf(0), mpmath.cos(dip), mpmath.sin(dip)]

    def at(x, y):
        return [x * a + y * u + z for a, u, z in zip(along, up, (0, 0, -depth), strict=True)]

    # seen from above, along strike (x) and up dip; strike of the triangles is that of the rectangle
    corners = at(-3, -2), at(2, -2), at(2, 1), at(-3, 1)
    place, slip = [mpf("4.3"), mpf("-2.1"), mpf("-1.7")], [mpf(1), mpf(2), mpf(-3)]
    want = published.rectangle(*place, 9, 40, -3, 2, -2, 1, slip=slip, nu=nu)
    parts = [
        triangle.half_space(place, [corners[i] for i in chosen], slip, nu)
        for chosen in ((0, 1, 2), (0, 2, 3))
    ]
    got = triangle.added(*parts)
    # a normal that points up has its strike along -x x z; slip changes sign with it or not at all
    assert max(abs(a - b) for a, b in zip(got, want, strict=True)) < 1e-30


def test_surface_is_free_of_traction():
    tri = triangle.numbers([[0.0, 0.0, -2.0], [5.0, 1.0, -4.0], [1.0, 6.0, -3.0]])
    slopes = triangle.gradient(
        triangle.half_space,
        triangle.numbers([3.0, 2.0, 0.0]),
        tri,
        triangle.numbers([1.0, 2.0, 3.0]),
        mpf("0.3"),
    )
    g = [[slopes[i][j] for j in range(3)] for i in range(3)]
    scale = max(abs(v) for row in g for v in row)
    assert abs(g[0][2] + g[2][0]) < 1e-15 * scale and abs(g[1][2] + g[2][1]) < 1e-15 * scale
    pressure = mpf("0.3") / (1 - mpf("0.6")) * (g[0][0] + g[1][1] + g[2][2])
    assert abs(pressure + g[2][2]) < 1e-15 * scale


def test_the_file_is_what_the_formulas_give(dislocations):
    with mpmath.workdps(220):
        for row in (0, 7):
            values = dislocations["tde_in"][row]
            obs, tri, slip = (triangle.numbers(values[a:b]) for a, b in ((0, 3), (3, 12), (12, 15)))
            u = triangle.half_space(obs, [tri[:3], tri[3:6], tri[6:]], slip, mpf(values[15]))
            np.testing.assert_allclose(
                [float(v) for v in u], dislocations["tde_hs_truth"][row, :3], rtol=1e-14
            )


def test_the_file_is_small(repository):
    assert (repository / "tests" / "data" / "dislocations.npz").stat().st_size < 400_000
