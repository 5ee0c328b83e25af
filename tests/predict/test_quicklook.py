"""The picture of a map: arrows where and as long as the motion is, and a profile that crosses the rupture."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure  # noqa: E402

from dislok.nn.predict.quicklook import _line, _typical, arrows  # noqa: E402


def step_at(column, shape=(120, 160), size=2.0):
    east = np.where(np.arange(shape[1]) < column, -size, size) * np.ones((shape[0], 1))
    return np.stack([east, np.zeros(shape)])


def test_arrows_are_medians_of_squares():
    shown = step_at(80)
    shown[0, 5, 5] = 1e4
    shown[:, :70, :30] = np.nan
    drawn = arrows(Figure().subplots(), shown, 2.0, across=16)
    east, north, hidden = (plane.reshape(12, 16) for plane in (drawn.U, drawn.V, drawn.Umask))
    assert np.all(east[:, 3:8] == -2) and np.all(east[:, 8:] == 2)
    assert hidden[:7, :3].all() and not hidden[7:, :3].any()
    assert not north[~hidden].any()
    # In the middle of squares of 10 values, two pixels each.
    assert drawn.X[0] == pytest.approx(10) and drawn.Y[-1] == pytest.approx(230)
    # The typical motion is half again as long as a square.
    assert 2.0 / drawn.scale == pytest.approx(30)


def test_nothing_to_draw_is_drawn():
    drawn = arrows(Figure().subplots(), np.full((2, 40, 40), np.nan))
    assert drawn.Umask.all()


@pytest.mark.parametrize(
    ("high", "expected"), [(0.013, 0.02), (1.0, 1.0), (3.2, 4.0), (47.0, 50.0), (0.0, 1.0)]
)
def test_lengths_of_one_digit(high, expected):
    assert _typical(np.full(100, high)) == pytest.approx(expected)


def test_the_profile_crosses_the_rupture_not_an_outlier():
    shown = step_at(90)
    shown[:, 80:] *= 0.2  # the rupture dies out southwards
    shown[1, 100, 20::7] = 50.0
    along, at = _line(shown)
    assert along == "row" and at < 80
    along, at = _line(shown.swapaxes(1, 2))
    assert along == "column" and at < 80
