"""The equations of a round of refinement against plain NumPy in double precision, and their solution."""

import numpy as np
import pytest
from scipy import ndimage

from dislok.kernels.images import assembly, spline, variational
from dislok.nn.match.planes import Level
from dislok.nn.match.refining import Refine, measured

SHAPE = (12, 14)
SETTINGS = np.array([0.03, 0.2, 0.3, 1.0], np.float32)
PRIOR = np.array([2.0, 0.05, 1.0], np.float32)
NOTHING = np.empty((3, 0, 0), np.float32)


def smooth(rng, shape=SHAPE):
    return ndimage.gaussian_filter(rng.standard_normal(shape), 1.0).astype(np.float32)


def slopes(plane):
    """Fourth order inside, along columns; rows repeat the border."""
    x = np.empty_like(plane)
    x[:, 2:-2] = (8 * (plane[:, 3:-1] - plane[:, 1:-3]) - (plane[:, 4:] - plane[:, :-4])) / 12
    wide = np.pad(plane, ((0, 0), (1, 1)), mode="edge")
    for c in (0, 1, -2, -1):
        k = c % plane.shape[1]
        x[:, k] = (wide[:, k + 2] - wide[:, k]) / 2
    tall = np.pad(plane, ((2, 2), (0, 0)), mode="edge")
    y = (8 * (tall[3:-1] - tall[1:-3]) - (tall[4:] - tall[:-4])) / 12
    return x, y


def reference(pre, seen, post, u, v, noise):
    """The data's matrices and right side, (5, h, w)."""
    rows, columns = np.mgrid[: pre.shape[0], : pre.shape[1]]
    there = rows + v, columns + u
    inside = (there[0] >= 0) & (there[0] <= pre.shape[0] - 1)
    inside &= (there[1] >= 0) & (there[1] <= pre.shape[1] - 1)
    both = seen * inside
    z = both * (ndimage.map_coordinates(post.astype(float), there, order=3, mode="mirror") - pre)
    gx, gy = slopes(pre + z / 2)
    (hxx, hxy), (_, hyy), (zx, zy) = slopes(gx), slopes(gy), slopes(z)
    unsure, nu, weight0, weight1 = SETTINGS.astype(float)
    w0 = weight0 * both / (noise[0] + unsure * (gx**2 + gy**2) + nu * z**2)
    g2 = (hxx**2 + hyy**2) / 2 + hxy**2
    w1 = weight1 * both / (noise[1] + unsure * g2 + nu * (zx**2 + zy**2) / 2)
    a11 = w0 * gx**2 + w1 * (hxx**2 + hxy**2)
    a12 = w0 * gx * gy + w1 * hxy * (hxx + hyy)
    a22 = w0 * gy**2 + w1 * (hxy**2 + hyy**2)
    q1 = a11 * u + a12 * v - w0 * gx * z - w1 * (hxx * zx + hxy * zy)
    q2 = a12 * u + a22 * v - w0 * gy * z - w1 * (hxy * zx + hyy * zy)
    return np.stack([a11, a12, a22, q1, q2])


def tied(u, v):
    """Ties (east, south) of a motion, zero beyond the border."""
    alpha, eps, tau = PRIOR.astype(float)
    wide = np.pad(np.stack([u, v]), ((0, 0), (1, 1), (1, 1)), mode="edge")

    def strength(along, across):
        g2 = (along**2).sum(0) + (across**2).sum(0) / 16
        return alpha / (np.sqrt(g2 + eps**2) * (1 + g2 / tau**2))

    here, right, below = wide[:, 1:-1, 1:-1], wide[:, 1:-1, 2:], wide[:, 2:, 1:-1]
    up, up_right, down_right = wide[:, :-2, 1:-1], wide[:, :-2, 2:], wide[:, 2:, 2:]
    left, left_below = wide[:, 1:-1, :-2], wide[:, 2:, :-2]
    east = strength(right - here, below - up + down_right - up_right)
    south = strength(below - here, right - left + down_right - left_below)
    east[:, -1], south[-1] = 0, 0
    return east, south


def laplacian(east, south):
    """The ties as a matrix over all pixels."""
    height, width = east.shape
    index, matrix = np.arange(east.size).reshape(east.shape), np.zeros((east.size,) * 2)
    for tie, one, two in ((east[:, :-1], index[:, :-1], index[:, 1:]), (south[:-1], index[:-1], index[1:])):
        for w, i, j in zip(tie.ravel(), one.ravel(), two.ravel(), strict=True):
            matrix[[i, j], [i, j]] += w
            matrix[[i, j], [j, i]] -= w
    return matrix


def plane(out, k):
    """A plane of the equations as pixels lie."""
    height, width = SHAPE
    full = np.empty(SHAPE)
    for r in range(height):
        for colour in range(2):
            full[r, (r + colour) & 1 :: 2] = out[r + 1, k, colour, 1 : 1 + width // 2]
    return full


@pytest.fixture
def problem(rng):
    pre, post, u, v = (smooth(rng) for _ in range(4))
    seen = np.ones(SHAPE, np.float32)
    seen[3:5, 6:9] = 0
    valid = np.empty((0, 0), bool)
    images = (pre, seen, spline.coefficients(post), valid)
    noise = np.stack([np.full((3, SHAPE[1]), each, np.float32) for each in (0.05, 0.02)])
    truth = reference(pre, seen, post, u.astype(float), v.astype(float), (0.05, 0.02))
    return images, u, v, noise, truth


def assembled(images, u, v, noise, spring=NOTHING, shape=NOTHING[:2], told=NOTHING):
    out = variational.room(*SHAPE)
    rows = (images, u, v, noise, SETTINGS, PRIOR, spring, shape, told, out)
    assembly.assemble(*rows, 0, 5)
    assembly.assemble(*rows, 5, SHAPE[0])
    return out


def test_equations_are_those_of_the_energy(problem):
    images, u, v, noise, truth = problem
    told = np.empty((3, *SHAPE), np.float32)
    out = assembled(images, u, v, noise, told=told)
    scale = np.abs(truth).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(told / scale[:3], truth[:3] / scale[:3], atol=2e-5)
    right = np.stack([plane(out, k) for k in (variational.B1, variational.B2)])
    np.testing.assert_allclose(right / scale[3:], truth[3:] / scale[3:], atol=5e-5)
    east, south = tied(u.astype(float), v.astype(float))
    np.testing.assert_allclose(plane(out, variational.EAST), east, rtol=1e-4)
    np.testing.assert_allclose(plane(out, variational.SOUTH), south, rtol=1e-4)
    np.testing.assert_array_equal([plane(out, variational.U), plane(out, variational.V)], [u, v])


def test_matrices_are_the_normal_equations_of_the_residuals(problem):
    """Weights aside, the matrix is J'J, so that its determinant is not negative."""
    _, _, _, _, truth = problem
    assert (truth[0] * truth[2] - truth[1] ** 2 >= -1e-12).all()


def test_relaxation_solves_the_equations_with_springs_and_a_shape(problem, rng):
    images, u, v, noise, truth = problem
    spring = np.stack([smooth(rng), smooth(rng), rng.random(SHAPE).astype(np.float32)])
    shape = np.stack([smooth(rng), smooth(rng)])
    out = assembled(images, u, v, noise, spring, shape)
    ties = laplacian(*tied(u.astype(float), v.astype(float)))
    weight = spring[2].astype(float)
    a, b, d = (np.diag(each.ravel()) for each in (truth[0] + weight, truth[1], truth[2] + weight))
    right = [
        (truth[3 + k] + weight * spring[k]).ravel() + ties @ shape[k].ravel().astype(float) for k in (0, 1)
    ]
    solved = np.linalg.solve(np.block([[a + ties, b], [b, d + ties]]), np.concatenate(right))
    for _ in range(200):
        for colour in range(2):
            variational.relax(out.ravel(), out.shape[3], colour, np.float32(1.5), 0, 4, 0, 3)
            variational.relax(out.ravel(), out.shape[3], colour, np.float32(1.5), 0, 4, 3, SHAPE[1] // 2)
            variational.relax(
                out.ravel(), out.shape[3], colour, np.float32(1.5), 4, SHAPE[0], 0, SHAPE[1] // 2
            )
    found = np.empty((2, *SHAPE), np.float32)
    variational.unpack(out, *found, 0, SHAPE[0])
    np.testing.assert_allclose(found.ravel(), solved, atol=3e-4 * np.abs(solved).max())


def test_smoothing_keeps_what_is_alike_and_is_solved_by_a_constant(rng):
    field, out = np.stack([smooth(rng), smooth(rng)]), variational.room(*SHAPE)
    assembly.smoothing(*field, PRIOR, out, 0, 7)
    assembly.smoothing(*field, PRIOR, out, 7, SHAPE[0])
    east, south = tied(*field.astype(float))
    np.testing.assert_allclose(plane(out, variational.EAST), east, rtol=1e-4)
    around = laplacian(east, south).diagonal().reshape(SHAPE)
    np.testing.assert_allclose(plane(out, variational.I11), 1 / around, rtol=1e-4)
    assert not plane(out, variational.I12).any() and not plane(out, variational.B1).any()


def test_noise_is_measured_around_each_pixel(rng):
    """White noise of two strengths, left and right: its variance, and that of its slopes."""
    size = (96, 128)
    pre = ndimage.gaussian_filter(rng.standard_normal(size), 1.5).astype(np.float32)
    strength = np.where(np.arange(size[1]) < 64, 0.05, 0.2)
    post = pre + (strength * rng.standard_normal(size)).astype(np.float32)
    one = np.ones(size, np.float32)
    found = measured(Level(pre, post, one, one), np.zeros((2, *size), np.float32), Refine().noise)
    assert found.shape == (2, 24, 128)
    for columns, truth in ((slice(0, 30), 0.05), (slice(98, 128), 0.2)):
        assert np.median(found[0][:, columns]) == pytest.approx(truth**2, rel=0.2)
        # A white plane's slope of fourth order has 2 (8² + 1) / 12² of its variance.
        assert np.median(found[1][:, columns]) == pytest.approx(130 / 144 * truth**2, rel=0.2)
