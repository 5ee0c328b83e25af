"""Squares turned by quarters and mirrored, in eight ways: planes, vectors and places in them."""

from __future__ import annotations

import numpy as np

WAYS = 8


def turned_plane(plane: np.ndarray, way: int) -> np.ndarray:
    """A square plane (n, n), transposed where `way` has a four, then turned by ``way & 3`` quarters."""
    return np.ascontiguousarray(np.rot90(plane.T if way & 4 else plane, way & 3))


def matrix(way: int) -> np.ndarray:
    """Matrix (2, 2) from (column, row) about the middle in the turned square to those in the first one.

    Its transpose turns vectors (right, down) of the first square, and places in it, the other way.
    """
    quarter, mirror = np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    turn = np.linalg.matrix_power(quarter, way & 3)
    return mirror @ turn if way & 4 else turn


def turned_vectors(right: np.ndarray, down: np.ndarray, way: int) -> tuple[np.ndarray, np.ndarray]:
    """Planes of vectors: where they lie and where they point."""
    planes = [turned_plane(a, way) for a in (right, down)]
    first, second = (sum(c * p for c, p in zip(row, planes, strict=True) if c) for row in matrix(way).T)
    return tuple(np.ascontiguousarray(a, right.dtype) for a in (first, second))  # type: ignore[return-value]


def turned_places(places: np.ndarray, size: int, way: int) -> np.ndarray:
    """Places (m, 2), columns and rows, in a square of so many pixels."""
    middle = 0.5 * (size - 1)
    return (places - middle) @ matrix(way) + middle
