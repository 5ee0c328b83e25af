"""Lines across images, the inverse of what jumps across them, and maps carried to another grid."""

import numpy as np
import pytest
from scipy import ndimage

from dislok.kernels.images.sides import Sides, inverse
from dislok.kernels.images.trace import signed_distance
from dislok.nn.flow import FlowMap

MARGIN, SIZE = 60, 128
FULL = SIZE + 2 * MARGIN


def planes():
    rows, columns = np.mgrid[:FULL, :FULL].astype(float)
    return rows, columns


def test_distance_is_that_from_a_straight_line():
    """Right of a line that runs north is east; beyond the ends it goes on."""
    rows, columns = np.mgrid[:50, :60]
    north = np.array([[20.5, 40.0], [20.5, 30.0]])
    got = signed_distance(north, (50, 60), 1e3)
    np.testing.assert_allclose(got, columns - 20.5, atol=1e-5)
    np.testing.assert_allclose(signed_distance(north[::-1], (50, 60), 1e3), 20.5 - columns, atol=1e-5)
    slanted = signed_distance(np.array([[10.0, 12.0], [40.0, 32.0]]), (50, 60), 1e3)
    want = ((rows - 12.0) * 3 - (columns - 10.0) * 2) / np.sqrt(13)
    np.testing.assert_allclose(slanted, want, atol=1e-4)


@pytest.mark.parametrize("turn", np.linspace(0, 2 * np.pi, 9))
def test_distance_from_any_line(rng, turn):
    """Its size is the distance from the nearest segment, its sign one on each side, at every azimuth."""
    along = np.linspace(-30, 30, 25)
    offset = rng.normal(size=25).cumsum()
    x = 40 + along * np.cos(turn) - offset * np.sin(turn)
    y = 35 + along * np.sin(turn) + offset * np.cos(turn)
    got = signed_distance(np.column_stack([x, y]), (70, 80), 6.0)
    a, b = np.column_stack([x, y])[:-1], np.column_stack([x, y])[1:]
    rows, columns = np.mgrid[:70, :80]
    p = np.stack([columns, rows], -1)[:, :, None]
    t = np.clip(((p - a) * (b - a)).sum(-1) / ((b - a) ** 2).sum(-1), 0, 1)
    distance = np.linalg.norm(p - a - t[..., None] * (b - a), axis=-1).min(-1)
    beside = np.abs((columns - 40) * np.cos(turn) + (rows - 35) * np.sin(turn)) < 24
    np.testing.assert_allclose(np.abs(got)[beside], np.minimum(distance, 6.0)[beside], atol=1e-4)
    along_here = (columns - 40) * np.cos(turn) + (rows - 35) * np.sin(turn)
    across = (rows - 35) * np.cos(turn) - (columns - 40) * np.sin(turn)
    right = across > np.interp(along_here, along, offset)
    np.testing.assert_array_equal(got[beside] > 0, right[beside])


def test_fields_go_on_beyond_their_side():
    rows, columns = np.mgrid[:40, :50].astype(np.float32)
    label = (columns + 0.3 * rows > 28).astype(np.uint8)
    field = np.where(label, 2 + 0.1 * columns + 0.2 * rows, -7).astype(np.float32)
    distances = (columns + np.float32(0.3) * rows - 28)[None]
    sides = Sides(field, field, distances, reach=np.inf)
    np.testing.assert_array_equal(sides.label, label)
    assert sides.present == [0, 1]
    got = sides.field(1).copy()
    np.testing.assert_array_equal(got[..., 0], got[..., 1])
    got = got[..., 0]
    np.testing.assert_array_equal(got[label == 1], field[label == 1])
    near = (label == 0) & (columns + 0.3 * rows > 25) & (rows > 4) & (rows < 35)
    np.testing.assert_allclose(got[near], (2 + 0.1 * columns + 0.2 * rows)[near], atol=0.02)
    assert np.isfinite(got).all() and got.min() > 0


class Wall:
    """One wall's displacement, anywhere: smooth, and of this amplitude along an azimuth."""

    def __init__(self, amplitude, turn, phase):
        self.part, self.amplitude, self.phase = (np.cos(turn), np.sin(turn)), amplitude, phase

    def __call__(self, x, y):
        size = self.amplitude * (1 + 0.1 * np.sin(x / 41 + self.phase) * np.cos(y / 37))
        return size * self.part[0], size * self.part[1] + 0.02 * self.amplitude * np.sin(x / 29)


def line(turn, offset=0.0):
    """A slightly bent line through the middle, the walls' jump along it."""
    along = np.linspace(-90, 90, 60)
    across = offset + 1.5 * np.sin(along / 30)
    x = FULL / 2 + along * np.cos(turn) - across * np.sin(turn)
    y = FULL / 2 + along * np.sin(turn) + across * np.cos(turn)
    return np.column_stack([x, y])


@pytest.mark.parametrize("amplitude", [0.5, 4.0, 12.0, 45.0])
@pytest.mark.parametrize("turn", [0.0, 0.7, 2.5, 4.1])
def test_inverse_of_a_step(amplitude, turn):
    """Each pixel shows ground of one wall, which that wall's own field has moved there, to 1/1000 px."""
    rows, columns = planes()
    walls = Wall(amplitude / 2, turn, 0.3), Wall(-amplitude / 2, turn, 1.1)
    lines = signed_distance(line(turn), (FULL, FULL), 16.0)
    parts = [w(columns, rows) for w in walls]
    right, down = (np.where(lines > 0, *pair).astype(np.float32) for pair in zip(*parts, strict=True))
    u, v, known = inverse(right, down, lines[None], MARGIN, 0.05)
    assert 0.85 < known.mean()
    x, y = columns[MARGIN:-MARGIN, MARGIN:-MARGIN] - u, rows[MARGIN:-MARGIN, MARGIN:-MARGIN] - v
    errors = np.stack([np.hypot(*(a - b for a, b in zip(w(x, y), (u, v), strict=True))) for w in walls])
    assert errors.min(0)[known].max() < 1e-3
    # the wall that a pixel took is the one its ground lies on
    index = np.rint(y).astype(int).clip(0, FULL - 1), np.rint(x).astype(int).clip(0, FULL - 1)
    sure = known & (np.abs(lines[index]) > 1)
    np.testing.assert_array_equal(errors.argmin(0)[sure] == 0, lines[index][sure] > 0)


def opening(amount):
    """Two walls of a straight vertical line that move apart (or, negative, over each other)."""
    rows, columns = planes()
    trace = np.array([[FULL / 2 + 0.25, 200.0], [FULL / 2 + 0.25, 20.0]])
    lines = signed_distance(trace, (FULL, FULL), 16.0)
    right = np.where(lines > 0, amount / 2, -amount / 2).astype(np.float32)
    return inverse(right, np.zeros_like(right), lines[None], MARGIN, 0.05)


@pytest.mark.parametrize("amount", [6.0, -6.0])
def test_gaps_and_overlaps_are_not_known(amount):
    """As many columns are unknown as the walls moved apart, or over each other."""
    right, down, known = opening(amount)
    assert (~known).sum(1).tolist() == [6] * SIZE
    middle = SIZE // 2
    assert not known[:, middle - 2 : middle + 3].any() and known[:, : middle - 3].all()
    assert np.isfinite(right).all() and np.isfinite(down).all()


def test_crossing_lines_make_four_sides():
    rows, columns = planes()
    first = signed_distance(np.array([[20.0, 124.3], [230.0, 124.3]]), (FULL, FULL), 16.0)
    second = signed_distance(np.array([[123.7, 20.0], [123.7, 230.0]]), (FULL, FULL), 16.0)
    side = (first > 0) + 2 * (second > 0)
    right = np.choose(side, [1.3, -0.7, 2.2, 0.4]).astype(np.float32)
    got, _, known = inverse(right, np.zeros_like(right), np.stack([first, second]), MARGIN, 0.05)
    assert set(np.round(got[known].astype(float), 5).tolist()) == {1.3, -0.7, 2.2, 0.4}
    assert known.mean() > 0.97


def test_without_lines_it_is_a_fixed_point(rng):
    rows, columns = planes()
    wall = Wall(30.0, 0.4, 0.2)
    right, down = (np.asarray(a, np.float32) for a in wall(columns, rows))
    u, v, known = inverse(right, down, np.empty((0, FULL, FULL), np.float32), MARGIN, 0.05, 2)
    assert known.all()
    x, y = columns[MARGIN:-MARGIN, MARGIN:-MARGIN] - u, rows[MARGIN:-MARGIN, MARGIN:-MARGIN] - v
    assert np.hypot(*(a - b for a, b in zip(wall(x, y), (u, v), strict=True))).max() < 1e-3
    one = inverse(right, down, np.empty((0, FULL, FULL), np.float32), MARGIN, 0.05, 1)
    for a, b in zip(one, (u, v, known), strict=True):
        np.testing.assert_array_equal(a, b)


def flow_of(right, down, **rest):
    values = np.stack([right, -down], -1).astype(np.float32)
    return FlowMap(values, None, np.isfinite(values).all(-1), **rest)


def test_a_map_on_the_other_grid():
    """Where ground moves smoothly, the map on the grid of the second image is the inverse, to 1/100 px."""
    rows, columns = planes()
    wall = Wall(9.0, 0.9, 0.5)
    pre = flow_of(*wall(columns, rows))
    post = pre.to_post()
    assert post.frame == "post" and post.to_post() is post and pre.to_pre() is pre
    inner = slice(20, -20)
    right, down = post.right[inner, inner], post.down[inner, inner]
    assert post.valid[inner, inner].all()
    x, y = columns[inner, inner] - right, rows[inner, inner] - down
    assert np.hypot(*(a - b for a, b in zip(wall(x, y), (right, down), strict=True))).max() < 0.01
    back = post.to_pre()
    both = back.valid & pre.valid
    assert back.frame == "pre" and both[25:-25, 25:-25].all()
    assert np.abs(back.values - pre.values)[25:-25, 25:-25].max() < 0.02


@pytest.mark.parametrize("amount", [4.0, -4.0])
def test_maps_do_not_mix_the_sides_of_a_step(amount):
    """Nothing lies between the values of both sides; gaps and overlaps are not valid."""
    right = np.where(np.arange(60) >= 30, amount / 2, -amount / 2) * np.ones((40, 1))
    post = flow_of(right, np.zeros((40, 60))).to_post()
    assert set(np.unique(post.values[post.valid][:, 0]).tolist()) == {-2.0, 2.0}
    # columns 28 ... 31 are left by both sides, or reached by both
    assert (~post.valid)[:, 10:-10].sum(1).tolist() == [4] * 40


def test_errors_and_scores_travel_along(rng):
    rows, columns = np.mgrid[:40, :50].astype(np.float32)
    flow = FlowMap(
        np.full((40, 50, 2), 3.0, np.float32),
        np.stack([columns, rows], -1),
        np.ones((40, 50), bool),
        "pre",
        columns * rows,
    )
    post = flow.to_post()
    np.testing.assert_array_equal(post.valid[:37, 3:], True)
    assert not post.valid[37:].any() and not post.valid[:, :3].any()
    np.testing.assert_allclose(post.error[:37, 3:], flow.error[3:, :47], atol=1e-4)
    np.testing.assert_allclose(post.score[:37, 3:], flow.score[3:, :47], atol=1e-3)


def test_pixels_that_are_not_valid_carry_nothing():
    flow = flow_of(np.full((30, 30), 2.0), np.zeros((30, 30)))
    flow.valid[10, 10] = False
    post = flow.to_post()
    assert not post.valid[10, 12] and post.valid[10, 10] and post.valid[10, 14]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": np.zeros((4, 5))}, "values must be \\(h, w, 2\\)"),
        ({"valid": np.ones((4, 4), bool)}, "valid must have shape \\(4, 5\\)"),
        ({"valid": np.ones((4, 5))}, "valid must be an array of bool"),
        ({"error": np.zeros((4, 5))}, "error must have shape \\(4, 5, 2\\)"),
        ({"frame": "middle"}, "frame is 'middle'"),
    ],
)
def test_maps_check_their_shapes(change, words):
    given = {"values": np.zeros((4, 5, 2)), "error": None, "valid": np.ones((4, 5), bool)} | change
    with pytest.raises(ValueError, match=words):
        FlowMap(**given)
    with pytest.raises(ValueError, match="tear is 0"):
        FlowMap(np.zeros((4, 5, 2)), None, np.ones((4, 5), bool)).to_post(tear=0)


def test_walls_over_each_other_far_away():
    """Ground that comes from 40 pixels beyond a line is found there: 40 columns show two walls."""
    right, down, known = opening(-40.0)
    assert (~known).sum(1).tolist() == [40] * SIZE
    right, down, known = opening(40.0)
    assert (~known).sum(1).tolist() == [40] * SIZE


@pytest.mark.parametrize("amplitude", [1.0, 20.0])
def test_rough_fields_are_inverted_alike(rng, amplitude):
    """Strain from pixel to pixel, as a rough fault makes it: the fixed point is as exact as its bound."""
    noise = amplitude * 2e-3 * rng.normal(size=(2, FULL, FULL))
    rows, columns = planes()
    smooth = Wall(amplitude, 0.4, 0.2)(columns, rows)
    right, down = (np.asarray(a + b, np.float32) for a, b in zip(smooth, noise, strict=True))
    u, v, known = inverse(right, down, np.empty((0, FULL, FULL), np.float32), MARGIN, 0.05)
    assert known.all()
    x, y = columns[MARGIN:-MARGIN, MARGIN:-MARGIN] - u, rows[MARGIN:-MARGIN, MARGIN:-MARGIN] - v
    for plane, got in ((right, u), (down, v)):
        there = ndimage.map_coordinates(plane.astype(float), (y, x), order=1)
        # linear interpolation of the noise is itself off by about its size
        assert np.abs(there - got).max() < 6 * amplitude * 2e-3 + 2e-3
