"""Triangles as the kernels want them: a row of numbers each, with the vertices sorted by depth."""

from __future__ import annotations

import numpy as np

# places in a row: vertices, edges, area vector, Burgers vector, unit vectors of the slip
ROW = 33


def frame(tri):
    """Unit vectors of the slip: along strike, up dip, normal.

    Nikkhoo & Walter's convention: the normal is (P2 - P1) x (P3 - P1), strike is e_z x normal, dip is
    normal x strike; of a horizontal triangle the strike is north where the normal points up, else south.

    Parameters
    ----------
    tri : array, shape (m, 3, 3)
        Vertices, east, north, up.

    Returns
    -------
    array, shape (m, 3, 3)
        Strike, dip and normal vectors, in rows.
    """
    normal = np.cross(tri[:, 1] - tri[:, 0], tri[:, 2] - tri[:, 0])
    normal = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    level = np.hypot(normal[:, 0], normal[:, 1])
    flat = level == 0.0
    safe = np.where(flat, 1.0, level)
    east = np.where(flat, 0.0, -normal[:, 1] / safe)
    north = np.where(flat, np.sign(normal[:, 2]), normal[:, 0] / safe)
    strike = np.stack([east, north, 0.0 * east], axis=1)
    return np.stack([strike, np.cross(normal, strike), normal], axis=1)


def table(tri, slip=None):
    """Rows of numbers that describe triangles to the kernels, in float64.

    Parameters
    ----------
    tri : array, shape (m, 3, 3)
        Vertices, east, north, up.
    slip : array, shape (m, 3), optional
        Strike slip, dip slip, opening; the Burgers vector is zero without.

    Returns
    -------
    rows : array, shape (m, ROW)
        Vertices sorted from the shallowest to the deepest (9), their differences 12, 23, 13 (9), the area
        vector of the sorted triangle (3), Burgers vector (3), unit vectors of the slip (9); these last
        change their sign where the sorting turned the triangle over.
    order : array of int, shape (m, 3)
        Which vertex of the caller each sorted vertex is.
    """
    tri = np.asarray(tri, float)
    axes = frame(tri)
    order = np.argsort(-tri[:, :, 2], axis=1, kind="stable")
    turned = np.take_along_axis(tri, order[:, :, None], axis=1)
    parity = np.where((order[:, 1] - order[:, 0]) % 3 == 1, 1.0, -1.0)
    p1, p2, p3 = turned.transpose(1, 0, 2)
    edges = np.stack([p2 - p1, p3 - p2, p3 - p1], axis=1)
    axes = axes * parity[:, None, None]
    b = np.zeros((len(tri), 3)) if slip is None else np.einsum("mk,mki->mi", slip, axes)
    parts = [turned, edges, 0.5 * np.cross(edges[:, 0], edges[:, 2]), b, axes]
    return np.concatenate([part.reshape(len(tri), -1) for part in parts], axis=1), order
