"""Products with a linear operator of SciPy as differentiable functions of torch tensors."""

# pyright: reportIncompatibleMethodOverride=false, reportPrivateImportUsage=false, reportPrivateUsage=false

from __future__ import annotations

import torch
from scipy.sparse.linalg import LinearOperator
from torch import Tensor
from torch.autograd import Function

from .functions import Batch, Context, Dims, Found, Given
from .kernels import older_vmap_level


class Product(Function):
    """An operator, or its transpose, times a vector: its derivative is the other of the two."""

    @staticmethod
    def forward(operator: LinearOperator, transposed: bool, vector: Tensor) -> Tensor:
        return _one_by_one(older_vmap_level(), operator, transposed, vector)

    @staticmethod
    def setup_context(ctx: Context, inputs: Given, output: Given) -> None:
        ctx.operator, ctx.transposed, _ = inputs

    @staticmethod
    def backward(ctx: Context, cot: Tensor) -> Found:
        return None, None, product(ctx.operator, not ctx.transposed, cot)

    @staticmethod
    def jvp(ctx: Context, _: None, __: None, tangent: Tensor) -> Tensor:
        return product(ctx.operator, ctx.transposed, tangent)

    @staticmethod
    def vmap(
        info: Batch, in_dims: Dims, operator: LinearOperator, transposed: bool, vectors: Tensor
    ) -> Found:
        axis = in_dims[2]
        assert axis is not None
        rows = [product(operator, transposed, row) for row in vectors.movedim(axis, 0)]
        return torch.stack(rows), 0


def _one_by_one(level: int, operator: LinearOperator, transposed: bool, vector: Tensor) -> Tensor:
    """The product of each member of a batch of torch's older vmap, whose tensors reach `forward`."""
    if not level:
        values = vector.detach().numpy()
        return torch.from_numpy(operator.rmatvec(values) if transposed else operator.matvec(values))
    batch = torch._remove_batch_dim(vector, level, 1, 0)
    found = [_one_by_one(level - 1, operator, transposed, member) for member in batch]
    return found[0] if len(found) == 1 else torch._add_batch_dim(torch.stack(found), 0, level)


def product(operator: LinearOperator, transposed: bool, vector: Tensor) -> Tensor:
    """`operator`, or its transpose, times a vector; differentiable to any order, forwards and backwards.

    Parameters
    ----------
    operator : LinearOperator, shape (n, m)
        Real.
    transposed : bool
    vector : Tensor on the CPU, shape (m,), or (n,) if transposed
        Of the operator's dtype.

    Raises
    ------
    TypeError
        If the tensor is on a device or has another dtype.
    """
    if vector.device.type != "cpu":
        raise TypeError(f"the vector is on {vector.device}; the operator works on the CPU")
    if str(vector.dtype) != f"torch.{operator.dtype}":
        raise TypeError(f"the vector is {vector.dtype}, but the operator is {operator.dtype}")
    result: Tensor = Product.apply(operator, transposed, vector)
    return result
