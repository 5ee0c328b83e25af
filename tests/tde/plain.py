"""The formula in plain Python, on arrays: each pair by the method that serves it, nothing compiled."""

from functools import partial

import numpy as np

from dislok.kernels.tde import pair, triangles


def columns(array, dtype):
    """The columns of an array as numbers of a formula."""
    return tuple(np.ascontiguousarray(column, dtype) for column in np.asarray(array).T)


def edges_of(tri):
    """Sides 12, 23, 13 of triangles: end minus start, shape (m, 3, 3)."""
    p1, p2, p3 = tri.transpose(1, 0, 2)
    return np.stack([p2 - p1, p3 - p2, p3 - p1], axis=1)


def rows_of(tri, slip, precise=np.float64):
    """Rows of `triangles.table`; edges and area are taken again where more precision is asked for."""
    rows, _ = triangles.table(tri, slip)
    rows = rows.astype(precise)
    if precise is not np.float64:
        edges = edges_of(rows[:, :9].reshape(-1, 3, 3))
        rows[:, 9:18] = edges.reshape(-1, 9)
        rows[:, 18:21] = np.cross(edges[:, 0], edges[:, 2]) / precise(2.0)
    return rows


def near(level, half, obs, tri, slip, nu, precise=np.float64):
    """Rows of a level by the closed form, one row a pair."""
    rows, eps = rows_of(tri, slip, precise), precise(np.finfo(precise).eps)
    nu = np.broadcast_to(precise(nu), len(rows))
    place = columns(obs, precise)
    if level == "first":
        return by_sides(pair.side_first, half, columns(rows, precise), place, nu, eps)
    return np.array(pair.near(pair.LEVELS.index(level), half, columns(rows, precise), place, nu, eps)).T


def by_sides(formula, half, *given):
    """The closed form as a sum over sides: one row a pair, from columns."""
    sides = [given[0][0] * 0 + k for k in range(3)]
    parts = [pair.SURFACE] if half == pair.SURFACE else range(half + 1)
    return sum(np.array(formula(part, *given, side)).T for part in parts for side in sides)


def lifted(level, half, obs, tri, slip, nu):
    """Rows of a level by the quadrature across narrow triangles."""
    rows = rows_of(tri, slip)
    args = columns(rows, float), columns(triangles.lifts(rows)[0], float), columns(obs, float)
    eps = np.finfo(float).eps
    index = pair.LEVELS.index(level)
    return sum(
        np.array(pair.lifted(index, half, *args, nu, eps, node, weight)).T
        for node, weight in triangles.LIFT_NODES
    )


def far(level, half, obs, tri, slip, nu, degree):
    """Rows of a level by a rule."""
    args = columns(rows_of(tri, slip), float), columns(obs, float), np.broadcast_to(nu, len(tri))
    formula = pair.first_far if level == "first" else partial(pair.far, pair.LEVELS.index(level))
    return sum(np.array(formula(half, *args, *node)).T for node in triangles.rule(degree))


def methods(obs, tri, dtype="float64"):
    """Code of the method that serves each pair."""
    rows, _ = triangles.table(tri)
    return pair.method(columns(triangles.plan(rows, dtype), float), columns(obs, float))


def field(level, half, obs, tri, slip, nu, dtype="float64"):
    """Rows of a level, each pair by the method that serves it, computed in a precision."""
    number = np.dtype(dtype).type
    rows, _ = triangles.table(tri, slip)
    lift, _ = triangles.lifts(rows)
    code = methods(obs, tri, dtype)
    rows, lift, place = columns(rows, number), columns(lift, number), columns(obs, number)
    nu, eps = np.broadcast_to(number(nu), len(tri)), number(np.finfo(number).eps)
    index = pair.LEVELS.index(level)
    with np.errstate(all="ignore"):
        out = np.array(pair.near(index, half, rows, place, nu, eps)).T
        nodes = [map(number, node) for node in triangles.LIFT_NODES]
        part = sum(np.array(pair.lifted(index, half, rows, lift, place, nu, eps, *node)).T for node in nodes)
        out = np.where((code == 1)[:, None], part, out)
        for k, degree in enumerate(triangles.REACH[dtype]):
            nodes = [map(number, node) for node in triangles.rule(degree)]
            part = sum(np.array(pair.far(index, half, rows, place, nu, *node)).T for node in nodes)
            out = np.where((code == k + 2)[:, None], part, out)
    assert out.dtype == number
    return out


def relative(got, truth):
    """Normwise relative error of each row."""
    return np.linalg.norm(got - truth, axis=1) / np.linalg.norm(truth, axis=1)
