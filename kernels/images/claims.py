"""Pixels of the second image claimed by pixels of the first: where two claim one, one of them is hidden."""

from __future__ import annotations

import numpy as np

from ..cpu import kernel

# Pixels this near to each other may claim the same pixel: the ground was squeezed, not hidden.
NEAR = 2


@kernel
def target(field, r, c):
    """Row and column of the nearest pixel that shows what pixel (r, c) shows; a row of -1 if outside."""
    height, width = field.shape[1], field.shape[2]
    y, x = r + field[1, r, c], c + field[0, r, c]
    if not (y > -0.5 and x > -0.5 and y < height - 0.5 and x < width - 0.5):
        return -1, -1
    return int(np.floor(y + 0.5)), int(np.floor(x + 0.5))


@kernel
def claim(field, rho, owner):
    """Flat index of the pixel with the best correlation that moves to each pixel; `owner` starts at -1."""
    height, width = rho.shape
    for r in range(height):
        for c in range(width):
            y, x = target(field, r, c)
            if y < 0:
                continue
            held = owner[y, x]
            if held < 0 or rho[r, c] > rho[held // width, held % width]:
                owner[y, x] = r * width + c


@kernel
def hidden(field, owner, free):
    """Clear `free` where a far pixel has the better claim."""
    height, width = owner.shape
    for r in range(height):
        for c in range(width):
            y, x = target(field, r, c)
            if y < 0:
                free[r, c] = False
                continue
            held = owner[y, x]
            if abs(held // width - r) > NEAR or abs(held % width - c) > NEAR:
                free[r, c] = False
