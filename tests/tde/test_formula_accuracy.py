"""Errors of the formula against high precision, by category, in plain Python."""

import numpy as np
import pytest

from . import plain

# Normwise relative errors that are allowed: (median, largest) of displacement and of its gradient.
# Measured worst cases lie a factor of 3 to 10 below; `near_edge_vertex` is singular by nature: its observers
# are 1e-9 to 1e-1 of a side away from a side, where the rounding of coordinates moves the result that much.
F64 = {
    "generic": (1e-14, 3e-13, 1e-14, 3e-13),
    "surface_obs": (1e-14, 1e-12, 1e-14, 2e-13),
    "vertical_axis": (1e-14, 3e-13, 1e-14, 5e-13),
    "vertical_general": (1e-14, 2e-13, 1e-14, 2e-13),
    "vertical_side": (1e-14, 5e-13, 1e-14, 5e-13),
    "near_vertical_side": (1e-14, 5e-13, 1e-14, 5e-13),
    "horizontal_side": (1e-14, 2e-12, 1e-14, 1e-12),
    "horizontal": (1e-14, 2e-12, 1e-14, 1e-12),
    "near_horizontal": (1e-14, 1e-12, 1e-14, 1e-12),
    "in_plane_outside": (2e-14, 5e-12, 1e-14, 3e-13),
    "edge_extension": (1e-14, 1e-12, 1e-14, 2e-13),
    "on_plane_interior": (1e-15, 5e-15, 3e-15, 5e-14),
    "near_plane_inside": (1e-15, 1e-14, 3e-15, 1e-13),
    "surface_touching": (5e-15, 5e-13, 5e-15, 5e-12),
    "far": (1e-14, 1e-11, 2e-14, 5e-12),
    "tiny": (5e-15, 2e-12, 5e-15, 4e-12),
    "sliver": (5e-15, 5e-11, 5e-15, 3e-11),
    "large_offset": (1e-14, 1e-12, 1e-14, 1e-12),
    "unit_scale": (1e-14, 1e-13, 1e-14, 5e-13),
    "near_edge_vertex": (1e-13, 5e-7, 5e-13, 1e-6),
}
# In float32 beside the float64 formula at the rounded input; NaN means on a side within the rounding.
F32 = {name: (3e-6, 3e-4, 3e-6, 3e-4) for name in F64} | {
    "in_plane_outside": (5e-6, 1e-3, 5e-6, 3e-4),
    # the rounded coordinates are that close to sides and planes
    "on_plane_interior": (np.inf, np.inf, 3e-6, 1e-4),
    "near_plane_inside": (1e-6, np.inf, 3e-6, 1e-4),
    "near_edge_vertex": (np.inf, np.inf, np.inf, np.inf),
    "surface_touching": (3e-6, np.inf, 3e-6, np.inf),
}


def inputs(reference, half):
    """Observers, triangles, slips, nu, truth as rows of level "gradient", categories; regular pairs."""
    given, ok = reference["tde_in"], reference["tde_flag"] == 0
    truth = reference["tde_hs_truth" if half else "tde_fs_truth"].copy()
    truth[:, 3:] = truth[:, 3:].reshape(-1, 3, 3).transpose(0, 2, 1).reshape(-1, 9)
    category = np.array([str(name) for name in reference["tde_catnames"]])[reference["tde_cat"]]
    tri = given[:, 3:12].reshape(-1, 3, 3)
    return [x[ok] for x in (given[:, :3], tri, given[:, 12:15], given[:, 15], truth, category)]


def check(got, truth, category, bounds):
    for name, allowed in bounds.items():
        mine = category == name
        assert mine.any()
        for part, (median, largest) in ((slice(0, 3), allowed[:2]), (slice(3, 12), allowed[2:])):
            error = plain.relative(got[mine, part], truth[mine, part])
            error = np.where(np.isnan(error), np.inf, error)
            assert np.median(error) <= median, (name, part, np.median(error))
            assert error.max() <= largest, (name, part, error.max())


@pytest.mark.parametrize("half", [0, 1])
def test_matches_high_precision(reference, half):
    obs, tri, slip, nu, truth, category = inputs(reference, half)
    check(plain.field("gradient", half, obs, tri, slip, nu), truth, category, F64)


@pytest.mark.parametrize("half", [0, 1])
def test_single_precision(reference, half):
    given = [x.astype(np.float32).astype(float) for x in inputs(reference, half)[:4]]
    category = inputs(reference, half)[5]
    truth = plain.field("gradient", half, *given)
    check(plain.field("gradient", half, *given, dtype="float32"), truth, category, F32)


@pytest.mark.parametrize("half", [0, 1])
def test_sides_and_vertices_are_nan(reference, half):
    given = reference["tde_in"][reference["tde_flag"] == 1]
    tri = given[:, 3:12].reshape(-1, 3, 3)
    assert np.isnan(plain.field("gradient", half, given[:, :3], tri, given[:, 12:15], given[:, 15])).all()


@pytest.mark.parametrize(
    "name", ["simple", "complex", "halfspace", "halfspace_horizontal", "fullspace_horizontal"]
)
def test_matches_the_authors_code(shared_reference, name):
    """Nikkhoo & Walter's MATLAB code; its own rounding is 3e-12 of the largest value."""
    obs = shared_reference[f"matlab_{name}_obs"]
    tri = np.broadcast_to(shared_reference[f"matlab_{name}_tri"], (len(obs), 3, 3))
    slip = np.broadcast_to(shared_reference[f"matlab_{name}_slip"], (len(obs), 3))
    half = int(str(shared_reference[f"matlab_{name}_kind"]).upper() == "HS")
    got = plain.field("gradient", half, obs, tri, slip, float(shared_reference[f"matlab_{name}_nu"]))
    truth = shared_reference[f"matlab_{name}_disp"]
    known = np.isfinite(truth).all(axis=1) & np.isfinite(got).all(axis=1)
    assert known.mean() > 0.9
    error = np.abs(got[known, :3] - truth[known])
    assert np.quantile(error, 0.99) < 1e-11 * np.abs(truth[known]).max()


def test_jacobian_with_the_vertices(reference):
    """At a fixed Burgers vector and through the Burgers vector; and with Poisson's ratio."""
    given, truth = reference["tdejac_in"], reference["tdejac_jac"]
    obs, tri, slip, nu = given[:, :3], given[:, 3:12].reshape(-1, 3, 3), given[:, 12:15], given[:, 15]
    rows = plain.near("first", 1, obs, tri, slip, nu)
    by_vertex = np.zeros((len(given), 3, 9))
    order = np.argsort(-tri[:, :, 2], axis=1, kind="stable")
    for k in range(3):
        for i in range(3):
            place = 3 * order[:, k] + i
            by_vertex[np.arange(len(given)), :, place] = rows[
                :, [3 + 3 * k + i, 12 + 3 * k + i, 21 + 3 * k + i]
            ]
    slopes = burgers_slopes(tri, slip) * plain.rows_of(tri, slip)[:, 33, None, None]
    by_vertex += np.einsum("nij,njq->niq", rows[:, 33:42].reshape(-1, 3, 3), slopes)
    assert plain.relative(by_vertex.reshape(-1, 27), truth[:, :3, 3:12].reshape(-1, 27)).max() < 2e-14
    assert plain.relative(rows[:, 42:], truth[:, :3, 15]).max() < 1e-13


def burgers_slopes(tri, slip):
    """Derivatives of the Burgers vector with the vertices, by steps in the complex plane."""
    slopes = np.zeros((len(tri), 3, 9))
    for q in range(9):
        p = tri.astype(complex)
        p.reshape(-1, 9)[:, q] += 1e-30j
        normal = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
        normal /= np.sqrt(np.sum(normal * normal, axis=1))[:, None]
        strike = np.stack([-normal[:, 1], normal[:, 0], 0 * normal[:, 0]], axis=1)
        strike /= np.sqrt(np.sum(strike * strike, axis=1))[:, None]
        b = strike * slip[:, :1] + np.cross(normal, strike) * slip[:, 1:2] + normal * slip[:, 2:]
        slopes[:, :, q] = b.imag / 1e-30
    return slopes
