"""Green's matrices in blocks: dask arrays whose blocks are kernel calls, and Zarr stores that fill up.

The extra ``scale`` brings dask and Zarr. The same line runs on a laptop and, with a `distributed.Client`, on
a cluster. :func:`store` marks every block that it has written, so that an interrupted computation goes on
where it was when it is started again.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from dislok.elements import COMPONENTS, Elements
from dislok.store import fingerprint

INSTALL = 'pip install "dislok[scale]"'


def needed(name: str) -> Any:
    """Import a package of the extra ``scale``.

    Raises
    ------
    ImportError
        If it is not installed; the message has the line that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{name.partition('.')[0]} is not installed: {INSTALL}") from error


def greens(obs: Any, elements: Elements, *, of: str, chunks: Any) -> Any:
    """The Green's matrix as a dask array; see ``chunks=`` of `dislok.tde.greens`.

    Parameters
    ----------
    obs : array_like, shape (n, 3) or (n, 2)
    elements : Elements
    of : {"displacement", "gradient"}
    chunks : int or tuple
        Observers and sources of a block, as dask understands chunks: a number for both, or one for each.

    Returns
    -------
    dask array, shape (n, 3, m, b) or, of the gradient, (n, 3, 3, m, b)
    """
    da = needed("dask.array")
    if of not in COMPONENTS:
        raise ValueError(f"unknown of={of!r}; choose from 'displacement', 'gradient'")
    points, table = elements.observers(obs), elements.table
    rows, columns = da.core.normalize_chunks(chunks, (len(points), len(table)), dtype=np.float64)
    tail = (3,) if of == "displacement" else (3, 3)
    inner = "cd"[: len(tail)]
    name = f"greens-{fingerprint(points, *elements.facts, of, rows, columns)}"
    return da.blockwise(
        partial(elements.entries, of=of, **elements.options),
        f"i{inner}jb",
        da.from_array(points, chunks=(rows, -1), name=f"obs-{name}"),
        "ix",
        da.from_array(table, chunks=(columns, -1), name=f"sources-{name}"),
        "jy",
        new_axes=dict(zip(inner, tail, strict=True)) | {"b": elements.slips},
        concatenate=True,
        dtype=np.float64,
        meta=np.empty((0,) * (3 + len(tail))),
        name=name,
    )


def store(
    array: Any,
    path: str | os.PathLike[str],
    *,
    progress: Callable[[str, int, int], object] | None = None,
) -> Any:
    """Compute a dask array into a Zarr group, block by block; what is there already is not computed again.

    Parameters
    ----------
    array : dask array
        With blocks of one size, save the last along each axis. Its name tells it from other arrays: that of
        ``greens(..., chunks=...)`` follows from the inputs.
    path : path
        Folder of the group, which every worker must be able to write to. Its array ``values`` receives the
        result; ``done`` marks the finished blocks.
    progress : callable, optional
        Called as ``progress("blocks", done, total)`` before and after.

    Returns
    -------
    zarr.Array
        The array ``values``.

    Raises
    ------
    ValueError
        If the store belongs to another array, or if the blocks are not of one size.
    ImportError
        If Zarr is not installed.
    """
    zarr, dask = needed("zarr"), needed("dask")
    for axis, sizes in enumerate(array.chunks):
        if len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]:
            raise ValueError(f"blocks must have one size along an axis, got {sizes} along axis {axis}")
    place = os.fspath(path)
    group = zarr.open_group(place, mode="a")
    if "problem" not in group.attrs:
        group.create_array("values", shape=array.shape, chunks=array.chunksize, dtype=array.dtype)
        group.create_array("done", shape=array.numblocks, chunks=(1,) * array.ndim, dtype="uint8")
        group.attrs["problem"] = array.name
    if group.attrs["problem"] != array.name:
        raise ValueError(f"{place} belongs to another array; choose another place")
    missing = np.argwhere(np.asarray(group["done"][...]) == 0)
    total = int(np.prod(array.numblocks))
    report = progress or (lambda stage, done, total: None)
    report("blocks", total - len(missing), total)
    blocks = array.to_delayed()
    write = dask.delayed(_write, pure=False)
    at = [tuple(int(k) for k in index) for index in missing]
    dask.compute(*(write(blocks[index], place, _region(array, index), index) for index in at))
    report("blocks", total, total)
    return group["values"]


def _region(array: Any, index: tuple[int, ...]) -> tuple[slice, ...]:
    starts = (k * size for k, size in zip(index, array.chunksize, strict=True))
    sizes = (chunks[k] for k, chunks in zip(index, array.chunks, strict=True))
    return tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))


def _write(block: np.ndarray, path: str, region: tuple[slice, ...], index: tuple[int, ...]) -> None:
    """Write a block, then mark it: an interruption between the two only means to compute it again."""
    group: Mapping[str, Any] = importlib.import_module("zarr").open_group(path, mode="r+")
    group["values"][region] = block
    group["done"][index] = 1
