"""Images at displaced pixels: against analytic images, SciPy's splines, and their own symmetries."""

import numpy as np
import pytest
from scipy import ndimage

from dislok import images

F32, F64 = np.float32, np.float64
SHAPE = (96, 130)
#: Largest difference from SciPy's splines, as a part of the image's range.
SAME = {F32: 2e-6, F64: 2e-12}


class Waves:
    """An image that is known everywhere: waves of all directions, none shorter than `shortest` pixels."""

    def __init__(self, rng, shortest, count=60):
        length, turn = 1 / rng.uniform(1 / 64, 1 / shortest, count), rng.uniform(0, 2 * np.pi, count)
        self.k = 2 * np.pi / length * np.array([np.cos(turn), np.sin(turn)])
        self.phase, self.size = rng.uniform(0, 2 * np.pi, count), rng.normal(size=count)

    def __call__(self, row, column):
        return sum(
            a * np.sin(ky * row + kx * column + p)
            for a, ky, kx, p in zip(self.size, *self.k, self.phase, strict=True)
        )

    def slope(self):
        """Root mean square of the derivative along an axis."""
        return np.sqrt((self.size**2 * (self.k**2).sum(0)).sum() / 4)


def grid(shape=SHAPE):
    return np.mgrid[: shape[0], : shape[1]].astype(F64)


def random_field(rng, size, shape=SHAPE):
    return rng.uniform(-size, size, (2, *shape))


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("order", [3, 5])
def test_agrees_with_scipy(rng, order, dtype):
    image = rng.uniform(0, 60000, SHAPE).astype(dtype)
    right, down = random_field(rng, 9).astype(dtype)
    got, valid = images.warp(image, right, down, order=order)
    rows, columns = grid()
    at = rows + down, columns + right
    want = ndimage.map_coordinates(image.astype(F64), at, order=order, mode="mirror")
    inside = (at[0] >= 0) & (at[0] <= SHAPE[0] - 1) & (at[1] >= 0) & (at[1] <= SHAPE[1] - 1)
    np.testing.assert_array_equal(valid, inside)
    assert 0.7 < valid.mean() < 1
    assert got.dtype == dtype
    assert np.abs(got - want)[valid].max() <= SAME[dtype] * np.ptp(image)


@pytest.mark.parametrize("amplitude", [0.5, 5.0, 15.0, 50.0])
@pytest.mark.parametrize(("order", "shortest", "bound"), [(5, 3.0, 0.01), (5, 4.0, 2e-3), (3, 5.0, 0.01)])
def test_is_exact_to_a_hundredth_of_a_pixel(rng, amplitude, order, shortest, bound):
    """The root-mean-square error of the values over that of the slope is the error in pixels."""
    waves, shape = Waves(rng, shortest), (256, 256)
    rows, columns = grid(shape)
    right, down = (amplitude * np.sin(rows / 41 + columns / 57 + p) for p in (0.3, 1.9))
    got, valid = images.warp(waves(rows, columns).astype(F32), right, down, order=order)
    inner = valid & (np.minimum.reduce([rows + down, 255 - rows - down]) > 12)
    inner &= np.minimum.reduce([columns + right, 255 - columns - right]) > 12
    error = (got - waves(rows + down, columns + right))[inner]
    assert inner.mean() > 0.4
    assert np.sqrt((error**2).mean()) / waves.slope() < bound


@pytest.mark.parametrize("order", [3, 5])
def test_whole_pixels_are_the_pixels(rng, order):
    image = rng.normal(size=SHAPE)
    got, valid = images.warp(image, np.full(SHAPE, 3.0), np.full(SHAPE, -2.0), order=order)
    np.testing.assert_allclose(got[2:, :-3], image[:-2, 3:], rtol=0, atol=1e-12)
    assert valid[2:, :-3].all() and not valid[:2].any() and not valid[:, -3:].any()


def test_a_constant_stays_one(rng):
    got, valid = images.warp(np.full(SHAPE, 7.0), *random_field(rng, 3))
    np.testing.assert_allclose(got, 7.0, rtol=1e-12)


def test_large_places_lose_no_digits(rng):
    """A fraction of a pixel far from the corner is what it is beside it, in float32."""
    tile = rng.normal(size=(64, 64)).astype(F32)
    wide = np.tile(tile, (1, 200))
    shift = np.full((64, 64), 0.3, F32)
    near = images.warp(wide, shift, shift, origin=(0, 64)).values
    far = images.warp(wide, shift, shift, origin=(0, 64 * 190)).values
    np.testing.assert_allclose(near, far, atol=2e-6)


def test_windows_are_parts_of_the_whole(rng):
    image = rng.normal(size=SHAPE)
    right, down = random_field(rng, 20)
    whole = images.warp(image, right, down)
    made = images.coefficients(image)
    part = images.warp(made, right[10:30, 40:90], down[10:30, 40:90], origin=(10, 40))
    for a, b in zip(part, whole, strict=True):
        np.testing.assert_array_equal(a, b[10:30, 40:90])


@pytest.mark.parametrize("order", [3, 5])
def test_threads_change_nothing(rng, order):
    image = rng.normal(size=SHAPE).astype(F32)
    fields = random_field(rng, 5).astype(F32)
    cot = rng.normal(size=SHAPE).astype(F32)
    one, two = (
        (*images.slopes(image, *fields, order=order, threads=n),)
        + (images.adjoint(cot, *fields, SHAPE, order=order, threads=n),)
        for n in (1, 2)
    )
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("order", [3, 5])
def test_pixels_that_cannot_be_used(rng, order):
    """None near one is valid, and far away nothing shows what was there."""
    image = rng.normal(size=SHAPE)
    known = np.ones(SHAPE, bool)
    known[40:44, 60] = False
    still = np.zeros(SHAPE)
    got, valid = images.warp(np.where(known, image, np.nan), still + 0.25, still, order=order)
    also, _ = images.warp(np.where(known, image, 1e6), still + 0.25, still, order=order, valid=known)
    np.testing.assert_array_equal(got, also)
    before = (order - 1) // 2
    wrong = np.zeros(SHAPE, bool)
    wrong[40 - before - 1 : 44 + before, 60 - before - 1 : 61 + before] = True
    wrong[:, -1] = True
    np.testing.assert_array_equal(valid, ~wrong)
    clean = images.warp(image, still + 0.25, still, order=order).values
    assert np.abs(got - clean)[valid].max() < 0.15
    assert np.abs(got - clean)[:, :40].max() < 1e-5


def test_outside_is_the_nearest_edge(rng):
    image = rng.normal(size=SHAPE)
    got = images.slopes(image, np.full(SHAPE, 500.0), np.zeros(SHAPE))
    np.testing.assert_allclose(got.values, np.repeat(image[:, -1:], SHAPE[1], 1), atol=1e-12)
    assert not got.valid.any()
    assert np.abs(got.by_right).max() < 1e-12


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_displacements_that_lead_nowhere(rng, bad):
    image = rng.normal(size=SHAPE)
    right, down = np.zeros(SHAPE), np.zeros(SHAPE)
    right[5, 6] = bad
    got, valid = images.warp(image, right, down)
    assert not valid[5, 6] and valid.sum() == valid.size - 1
    assert np.isnan(got[5, 6]) == (not bad == 1e30)
    assert np.isfinite(images.adjoint(image, right, down, SHAPE)).all()


def test_an_image_without_valid_pixels():
    got, valid = images.warp(np.full(SHAPE, np.nan), np.zeros(SHAPE), np.zeros(SHAPE))
    assert not valid.any() and np.isnan(got).all()


@pytest.mark.parametrize("order", [3, 5])
def test_slopes_are_differences(rng, order):
    image, step = rng.normal(size=SHAPE), 1e-5
    right, down = random_field(rng, 4)
    got = images.slopes(image, right, down, order=order)
    made = images.coefficients(image, order)
    for slope, (x, y) in ((got.by_right, (step, 0)), (got.by_down, (0, step))):
        ahead, behind = (images.warp(made, right + s * x, down + s * y) for s in (1, -1))
        both = ahead.valid & behind.valid
        difference = (ahead.values - behind.values) / (2 * step)
        assert np.abs(difference - slope)[both].max() < 1e-8


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("order", [3, 5])
@pytest.mark.parametrize("shape", [SHAPE, (4, 5), (17, 64)])
def test_adjoint(rng, order, dtype, shape):
    image, cot = rng.normal(size=(2, *shape)).astype(dtype)
    fields = random_field(rng, 6, shape).astype(dtype)
    values = images.warp(image, *fields, order=order).values
    back = images.adjoint(cot, *fields, shape, order=order)
    a, b = (values * cot).sum(dtype=F64), (image * back).sum(dtype=F64)
    assert abs(a - b) < (2e-5 if dtype == F32 else 1e-12) * np.abs(values * cot).sum()


def test_images_are_mirrored_by_their_edges(rng):
    """Turning an image turns the result: no axis and no direction is special."""
    image, (right, down) = rng.normal(size=SHAPE), random_field(rng, 5)
    want = images.warp(image, right, down)
    turned = images.warp(image.T, down.T, right.T)
    np.testing.assert_allclose(turned.values.T, want.values, atol=1e-11)
    flipped = images.warp(image[:, ::-1], -right[:, ::-1], down[:, ::-1])
    np.testing.assert_allclose(flipped.values[:, ::-1], want.values, atol=1e-11)


def test_several_images(rng):
    stack = rng.normal(size=(3, 2, 20, 30))
    right, down = random_field(rng, 3, (20, 30))
    got = images.warp(stack, right, down)
    assert got.values.shape == got.valid.shape == stack.shape
    np.testing.assert_array_equal(got.values[2, 1], images.warp(stack[2, 1], right, down).values)
    back = images.adjoint(stack, right, down, (20, 30))
    np.testing.assert_array_equal(back[1, 0], images.adjoint(stack[1, 0], right, down, (20, 30)))


@pytest.mark.parametrize(
    ("given", "becomes"),
    [(np.uint8, F32), (np.uint16, F32), (np.int32, F64), (np.float16, F32), (F64, F64)],
)
def test_numbers(given, becomes):
    image = np.arange(30).reshape(5, 6).astype(given)
    got = images.warp(image, np.zeros((5, 6)), np.zeros((5, 6))).values
    assert got.dtype == becomes
    np.testing.assert_allclose(got, image, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"image": np.zeros((3, 9))}, ValueError, "4 by 4 or more, got shape \\(3, 9\\)"),
        ({"image": np.zeros((9, 9), complex)}, TypeError, "image must hold real numbers"),
        ({"right": np.zeros((9, 8))}, ValueError, "right has shape \\(9, 8\\), but down \\(9, 9\\)"),
        ({"right": np.zeros(9)}, ValueError, "right must be \\(..., h, w\\)"),
        ({"down": np.zeros((9, 9), bool)}, TypeError, "down must hold real numbers"),
        ({"order": 4}, ValueError, "order is 4; choose 5"),
        ({"valid": np.ones((9, 9))}, TypeError, "valid must be boolean"),
        ({"valid": np.ones((9, 8), bool)}, ValueError, "valid has shape"),
        ({"origin": (0.5, 0)}, ValueError, "origin must be two integers"),
        ({"threads": 0}, ValueError, "threads must be between"),
        ({"image": np.zeros((2, 9, 9)), "right": np.zeros((3, 9, 9)), "down": np.zeros((3, 9, 9))},
         ValueError, "do not fit"),
    ],
)  # fmt: skip
def test_errors(change, error, words):
    given = {"image": np.zeros((9, 9)), "right": np.zeros((9, 9)), "down": np.zeros((9, 9))} | change
    with pytest.raises(error, match=words):
        images.warp(**given)


def test_coefficients_know_their_order_and_mask():
    made, zero = images.coefficients(np.zeros((9, 9)), 3), np.zeros((9, 9))
    assert made.shape == (9, 9)
    with pytest.raises(ValueError, match="of order 3"):
        images.warp(made, zero, zero, order=5)
    with pytest.raises(ValueError, match="valid= belongs to"):
        images.warp(made, zero, zero, valid=np.ones((9, 9), bool))
