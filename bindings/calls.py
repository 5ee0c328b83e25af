"""What the public functions of every family share: shapes of results, ``out=``, moduli, strain and stress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dislok.arrays import Array, Space, check_apart, checked_out, finite_number, is_tensor

COMPONENTS = {"displacement": (3,), "gradient": (3, 3)}
BLOCK = 1 << 17  # observers; displacement and gradient of a block take 13 MB in float64


def components_of(of: str) -> tuple[int, ...]:
    """Shape of what ``of=`` names at one observer; `ValueError` for an unknown name."""
    if of not in COMPONENTS:
        raise ValueError(f"unknown of={of!r}; choose from 'displacement', 'gradient'")
    return COMPONENTS[of]


def poisson(given: Any, array: Array | None, space: Space) -> Any:
    """Poisson's ratio as a float, or as a tensor where it was given as one; a float needs no array."""
    if array is not None and array.ndim:
        raise ValueError(f"nu must be a number, got shape {tuple(array.shape)}")
    if space.framework == "torch" and is_tensor(given):
        return array
    return finite_number("nu", given)


def check_poisson(nu: Any, space: Space, wait: bool = False) -> None:
    """Raise a `ValueError` if Poisson's ratio is seen to be out of range; `wait` for a device to see it."""
    seen = nu if isinstance(nu, float) else (space.fetch if wait else space.peek)(nu)
    if seen is not None and not 0.0 <= float(seen) < 0.5:
        raise ValueError(f"nu is {float(seen)!r}; Poisson's ratio must be in [0, 0.5)")


def modulus(mu: Any, space: Space) -> Any:
    """The shear modulus as a float, or as a tensor where it was given as one with tensors."""
    found: Any
    seen: Any
    if space.framework != "torch" or not is_tensor(mu):
        found = seen = finite_number("mu", mu)
    elif mu.ndim:
        raise ValueError(f"mu must be a number, got shape {tuple(mu.shape)}")
    else:
        found = space.asarray(mu)
        seen = space.peek(found)
    if seen is not None and not seen > 0:
        raise ValueError(f"mu is {float(seen)!r}; the shear modulus must be positive")
    return found


def strain_of(g: Array) -> list[Array]:
    """xx, yy, zz, xy, xz, yz of gradients (n, 9)."""
    shear = [0.5 * (g[:, i] + g[:, j]) for i, j in ((1, 3), (2, 6), (5, 7))]
    return [g[:, 0], g[:, 4], g[:, 8], *shear]


def stress_of(g: Array, mu: Any, nu: Any) -> list[Array]:
    """xx, yy, zz, xy, xz, yz of the stress that gradients (n, 9) make by Hooke's law."""
    eps = strain_of(g)
    pressure = 2.0 * mu * nu / (1.0 - 2.0 * nu) * (eps[0] + eps[1] + eps[2])
    shear = [2.0 * mu * e for e in eps]
    return [pressure + shear[0], pressure + shear[1], pressure + shear[2], *shear[3:]]


def two(out: Any) -> tuple[Array | None, Array | None]:
    """``out=`` of a function with two results, which must not share memory."""
    if out is None:
        return None, None
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise TypeError(f"out must be two arrays, of displacement and gradient, got {type(out).__name__}")
    check_apart(out[0], out[1])
    return out[0], out[1]


def deliver(space: Space, result: Array, out: Array | None) -> Array:
    """A tensor as it is, or copied to `out`; refused where gradients would be lost."""
    if out is None:
        return result
    checked_out(out, result.shape, space)
    if result.requires_grad:
        raise ValueError("out= cannot carry gradients; leave it away, or compute under torch.no_grad()")
    return out.copy_(result)


def zeros(space: Space, shape: Sequence[int], out: Array | None) -> Array:
    """The sum over nothing, where there are no observers or no sources."""
    result = space.empty(shape) if out is None else out
    result.fill(0)
    return result
