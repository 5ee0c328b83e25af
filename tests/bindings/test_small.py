"""Small calls take a short way, which gives the same numbers and the same errors."""

import numpy as np
import pytest

from dislok import okada, small, tde
from dislok.kernels.okada import quick
from dislok.kernels.tde import quick as quick_triangles

FAULT = okada.Rectangle(0.0, 0.0, 2.0, 4.0, 2.0, 30.0, 40.0, 90.0, 3.0, 0.5)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Small calls have been frequent."""
    monkeypatch.setattr(small, "_calls", small.PATIENCE)


@pytest.fixture
def usual(monkeypatch):
    """What a call gives on the usual way."""

    def run(function, *given, **keywords):
        with monkeypatch.context() as patch:
            patch.setattr(small, "field", lambda *_: None)
            return function(*given, **keywords)

    return run


@pytest.fixture
def taken(monkeypatch):
    """Records whether the short way was taken to the end."""
    found, field = [], small.field
    monkeypatch.setattr(small, "field", lambda *given: (found.append(field(*given)), found[-1])[1])
    return found


def places(rng, n):
    """Near, far, and on the fault's plane."""
    obs = rng.normal(size=(n, 3)) * 10.0 ** rng.uniform(-1, 4, (n, 1))
    obs[:, 2] = -np.abs(obs[:, 2])
    return obs


SOURCES = {
    "numbers": FAULT,
    "integers": okada.Rectangle(0, 0, 2, 4, 2, 30, 40, 90, 3),
    "vectors": FAULT._replace(x=np.array([0.0, 5.0, -7.0]), dip=np.array([90.0, 0.0, 130.0])),
    "one and many": FAULT._replace(x=np.array([1.0]), slip=np.array([1.0, -2.0])),
}


@pytest.mark.parametrize("operation", ["displacement", "gradient", "strain"])
@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("n", [1, 30, 400])
def test_same_numbers(operation, name, n, rng, usual, taken):
    run, source = getattr(okada, operation), SOURCES[name]
    for obs in (places(rng, n), places(rng, n)[:, :2].copy(), places(rng, n) * (1, 1, 0)):
        for keywords in ({}, {"origin": "center"}, {"nu": 0.3}):
            want = usual(run, obs, source, **keywords)
            got = run(obs, source, **keywords)
            np.testing.assert_array_equal(got, want)
    assert all(found is not None for found in taken) and len(taken) == 9


def test_edges_are_nan_there_too(taken):
    obs = np.array([[0.0, 0.0, -2.0]])
    assert np.isnan(okada.displacement(obs, FAULT)).all() and taken[0] is not None


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"depth": -1.0}, r"source.depth\[0\] is -1.0"),
        ({"length": 0.0}, r"source.length\[0\] is 0.0"),
        ({"dip": np.nan}, r"source.dip\[0\] is nan"),
        ({"x": np.array([0.0, np.inf])}, r"source.x\[1\] is inf"),
        ({"x": np.zeros(2), "y": np.zeros(3)}, "source.y has length 3 but source.x has length 2"),
    ],
)
def test_same_errors_of_sources(changed, error, rng):
    with pytest.raises(ValueError, match=error):
        okada.displacement(places(rng, 3), FAULT._replace(**changed))


@pytest.mark.parametrize(
    ("obs", "keywords", "error"),
    [
        ([[0.0, 1.0, 2.0]], {}, r"obs\[0, 2\] is 2.0"),
        ([[0.0, np.nan, -2.0]], {}, r"obs\[0, 1\] is nan"),
        ([[0.0, 1.0]], {"nu": 0.5}, r"nu is 0.5"),
        ([[0.0, 1.0]], {"nu": np.nan}, r"nu is nan"),
        ([[0.0, 1.0]], {"origin": "middle"}, "unknown origin 'middle'"),
        ([[0.0]], {}, r"obs must have shape \(n, 3\)"),
    ],
)
def test_same_errors_of_observers_and_settings(obs, keywords, error):
    with pytest.raises(ValueError, match=error):
        okada.displacement(np.array(obs), FAULT, **keywords)


def test_what_is_not_plain_goes_the_usual_way(rng, taken):
    obs = places(rng, 4)
    point = okada.Point(0.0, 0.0, 2.0, 30.0, 40.0)
    for given in ((obs.astype(np.float32), FAULT), (obs[::2], FAULT), (obs.tolist(), FAULT), (obs, point)):
        okada.displacement(*given)
    assert taken == [None] * 4
    for keywords in ({"pairs": True}, {"threads": 1}, {"backend": "numba"}, {"out": np.empty((4, 3))}):
        okada.displacement(obs, FAULT, **keywords)
    assert len(taken) == 4
    with pytest.raises(TypeError):
        okada.displacement(obs, FAULT._replace(x=True))


def test_inputs_are_not_written_to(rng):
    obs, source = places(rng, 5), SOURCES["vectors"]
    before = obs.copy(), source.x.copy()
    okada.displacement(obs, source)
    np.testing.assert_array_equal(obs, before[0])
    np.testing.assert_array_equal(source.x, before[1])


def test_large_calls_are_left_to_threads(rng):
    assert quick.field(places(rng, 5000), np.array([FAULT]), 0.25, (0.0, 0.0), "displacement") is None


def test_few_calls_do_not_wait_for_its_code(monkeypatch, rng):
    monkeypatch.setattr(small, "_calls", 0)
    obs = places(rng, 2)
    found = [
        small.field("okada", "displacement", obs, FAULT, 0.25, "topleft") for _ in range(small.PATIENCE + 1)
    ]
    assert all(each is None for each in found[: small.PATIENCE - 1])
    assert all(each is not None for each in found[small.PATIENCE - 1 :])


# ------------------------------------------------------------------------------------------ triangles

TRIANGLES = {
    "one": np.array([[[0.0, 0.0, -1.0], [5.0, 1.0, -3.0], [2.0, 6.0, -4.0]]]),
    "at the surface": np.array([[[0.0, 0.0, 0.0], [5.0, 1.0, 0.0], [2.0, 6.0, -4.0]]]),
    "some": np.array(
        [
            [[0.0, 0.0, -1.0], [5.0, 1.0, -3.0], [2.0, 6.0, -4.0]],
            [[0.0, 0.0, -2.0], [0.0, 1.0, -2.0], [1.0, 0.0, -2.0]],
            [[3.0, 0.0, -9.0], [3.0, 4.0, -5.0], [3.0, -4.0, -5.0]],
        ]
    ),
    "narrow": np.array([[[0.0, 0.0, -1.0], [5.0, 1.0, -3.0], [2.5, 0.51, -2.0]]]),
}
SLIP = np.array([0.5, -1.0, 0.25])


@pytest.mark.parametrize("operation", ["displacement", "gradient", "strain"])
@pytest.mark.parametrize("name", TRIANGLES)
@pytest.mark.parametrize("n", [1, 30, 400])
def test_same_numbers_of_triangles(operation, name, n, rng, usual, taken):
    run, tri = getattr(tde, operation), TRIANGLES[name]
    slips = [SLIP, np.tile(SLIP, (len(tri), 1)) * np.arange(1, len(tri) + 1)[:, None]]
    for obs in (places(rng, n), places(rng, n)[:, :2].copy(), places(rng, n) * (1, 1, 0)):
        for slip in slips:
            for keywords in ({}, {"nu": 0.3}) if obs.shape[1] == 2 else ({}, {"space": "full", "nu": 0.3}):
                want = usual(run, obs, tri, slip, **keywords)
                np.testing.assert_array_equal(run(obs, tri, slip, **keywords), want)
    assert all(found is not None for found in taken) and len(taken) == 12


def test_few_observers_of_many_triangles(rng, usual, taken):
    tri = rng.normal(size=(200, 3, 3)) * 5 - (0, 0, 40)
    obs = places(rng, 3)
    want = usual(tde.displacement, obs, tri, SLIP)
    np.testing.assert_array_equal(tde.displacement(obs, tri, SLIP), want)
    assert taken[0] is not None


@pytest.mark.parametrize(
    ("obs", "tri", "slip", "keywords", "error"),
    [
        ([[0.0, 1.0, 2.0]], None, None, {}, r"obs\[0, 2\] is 2.0"),
        ([[0.0, np.nan, -2.0]], None, None, {}, r"obs\[0, 1\] is nan"),
        ([[0.0, 1.0]], None, None, {"nu": 0.5}, "nu is 0.5"),
        ([[0.0, 1.0]], None, None, {"space": "quarter"}, "unknown space 'quarter'"),
        ([[0.0, 1.0]], None, None, {"space": "full"}, r"obs must have shape \(n, 3\) in the full space"),
        ([[0.0, 1.0]], None, [0.0, np.inf, 1.0], {}, r"slip\[0, 1\] is inf"),
        ([[0.0, 1.0]], None, np.ones((2, 3)), {}, "slip must have length 1"),
        ([[0.0, 1.0]], [[[0.0, 0, 1], [1, 0, -1], [0, 1, -1]]], None, {}, r"triangles\[0, 0, 2\] is 1.0"),
        ([[0.0, 1.0]], [[[0.0, 0, -1], [1, 0, -1], [2, 0, -1]]], None, {}, r"triangles\[0\] is degenerate"),
        (
            [[0.0, 1.0]],
            [[[0.0, np.nan, -1], [1, 0, -1], [2, 0, -1]]],
            None,
            {},
            r"triangles\[0, 0, 1\] is nan",
        ),
    ],
)
def test_same_errors_of_triangles(obs, tri, slip, keywords, error):
    given = TRIANGLES["one"] if tri is None else np.array(tri), SLIP if slip is None else np.array(slip)
    with pytest.raises(ValueError, match=error):
        tde.displacement(np.array(obs), *given, **keywords)


def test_other_triangles_go_the_usual_way(rng, taken):
    obs, tri = places(rng, 4), TRIANGLES["some"]
    mesh = tri.reshape(-1, 3), np.arange(9).reshape(3, 3)
    for given in ((tri.tolist(), SLIP), (mesh, SLIP), (tri, [0.0, 1.0, 0.0])):
        tde.displacement(obs, *given)
    assert taken == [None] * 3
    assert quick_triangles.field(places(rng, 5000), tri, SLIP[None], 0.25, True, "displacement") is None
    with pytest.raises(TypeError, match="slip must be an array"):
        tde.displacement(obs, tri, None)
