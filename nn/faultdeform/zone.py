"""Shear that is distributed beside a trace instead of stepping at it.

Field observations find that part of the motion across a fault is taken up by a belt of many small cracks.
Here a share of the step at the trace is replaced by a smooth rise over the width of the belt, at each place
by the slip of the triangle that breaks the ground there: outside the belt nothing changes, and the offset
over it is the same. This is kinematic: it says how the ground moved, not what would have made it.
"""

from __future__ import annotations

import numpy as np

from .trace import Line, Nearest

Slips = tuple[np.ndarray, np.ndarray]
"""At the pieces of a trace: that of the triangles, and that at the ground."""

BLOCK = 64
"""Points along the side of the parts of a grid that are looked at or passed over."""


class Zone:
    """Belts of shear along traces.

    Parameters
    ----------
    lines : list of ndarray, shapes (k, 2)
    slips : list of ndarray, shapes (k - 1, 3)
        Motion of the right side against the left at the pieces of each line.
    width : float
        Full width.
    part : float
        Share of the slip that is distributed.
    grounds : list of ndarray, shapes (k - 1, 3), optional
        The motion at the ground itself, which counts away from the trace; by default `slips`.
    """

    def __init__(
        self,
        lines: list[np.ndarray],
        slips: list[np.ndarray],
        width: float,
        part: float,
        grounds: list[np.ndarray] | None = None,
    ) -> None:
        self.width, self.part = width, part
        found = zip(lines, slips, grounds or slips, strict=True) if width and part else ()
        self.belts = [(Line(points), (slip, ground)) for points, slip, ground in found]

    def correction(self, places: np.ndarray) -> np.ndarray:
        """What the belts add to the displacement (n, 3) at places (n, 2)."""
        found = np.zeros((len(places), 3))
        for line, slip in self.belts:
            bound = self.width + line.lengths.max()
            near = np.isfinite(line.tree.query(places, distance_upper_bound=bound)[0])
            found[near] += self._of(line, slip, places[near])
        return found

    def _of(self, line: Line, slip: Slips, places: np.ndarray) -> np.ndarray:
        near = line.nearest(places)
        share = np.clip(near.distance / self.width + 0.5, 0.0, 1.0)
        # rises from 0 to 1 with no corner at either end
        rise = share * share * (3.0 - 2.0 * share)
        missing = rise - (near.distance >= 0.0)
        place = np.concatenate([[0.0], np.cumsum(line.lengths)])
        along = place[near.piece] + near.share * line.lengths[near.piece]
        tip = np.clip(np.minimum(along, place[-1] - along) / (0.5 * self.width), 0.0, 1.0)
        factor = np.where(near.beyond, 0.0, self.part * missing * tip)
        return factor[:, None] * self._step(line, slip, near, place)

    def _step(self, line: Line, slip: Slips, near: Nearest, place: np.ndarray) -> np.ndarray:
        """The slip (n, 3) beside places: that of the piece at the trace, smoothed along it farther away."""
        along = place[near.piece] + near.share * line.lengths[near.piece]
        middle = 0.5 * (place[1:] + place[:-1])
        smooth = np.stack([np.interp(along, middle, column) for column in slip[1].T], axis=-1)
        sharp = np.maximum(1.0 - np.abs(near.distance) / line.lengths[near.piece], 0.0)[:, None]
        return smooth + sharp * (slip[0][near.piece] - smooth)

    def add_on_grid(self, x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
        """Add the correction to the displacement (h, w, 3) on a grid."""
        for rows, columns in self._blocks(x, y):
            grid_y, grid_x = np.meshgrid(y[rows], x[columns], indexing="ij")
            places = np.column_stack([grid_x.ravel(), grid_y.ravel()])
            out[rows, columns] += self.correction(places).reshape(*grid_x.shape, 3)

    def _blocks(self, x: np.ndarray, y: np.ndarray) -> list[tuple[slice, slice]]:
        """Parts of the grid that belts may touch."""
        parts = [[slice(k, k + BLOCK) for k in range(0, len(axis), BLOCK)] for axis in (y, x)]
        found = []
        for rows in parts[0]:
            for columns in parts[1]:
                low = np.array([x[columns].min(), y[rows].min()])
                high = np.array([x[columns].max(), y[rows].max()])
                reach = 0.5 * float(np.hypot(*(high - low))) + 0.5 * self.width
                for line, _ in self.belts:
                    if line.tree.query(0.5 * (low + high))[0] <= reach + line.lengths.max():
                        found.append((rows, columns))
                        break
        return found
