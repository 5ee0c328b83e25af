"""Green's matrices in blocks: dask arrays whose blocks are kernel calls, and Zarr stores that fill up.

The extra ``scale`` brings dask and Zarr. The same line runs on a laptop and, with a `distributed.Client`, on
a cluster. :func:`store` marks every block that it has written, so that an interrupted computation goes on
where it was when it is started again; :func:`verify` finds blocks that were damaged since.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import partial
from types import ModuleType

import numpy as np

from dislok.arrays import ArrayLike
from dislok.foreign import Object
from dislok.large.blocks import Blocks, Damage, Layout
from dislok.large.elements import COMPONENTS, Elements
from dislok.store import fingerprint

INSTALL = 'pip install "dislok[scale]"'


def needed(name: str) -> ModuleType:
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


def greens(obs: ArrayLike, elements: Elements, *, of: str, chunks: Object) -> Object:
    """The Green's matrix as a dask array; see ``chunks=`` of `dislok.tde.greens`.

    Parameters
    ----------
    obs : array_like, shape (n, 3) or (n, 2)
    elements : Elements
    of : {"displacement", "gradient", "strain", "stress"}
    chunks : int or tuple
        Observers and sources of a block, as dask understands chunks: a number for both, or one for each.

    Returns
    -------
    dask array, shape (n, 3, m, b) or, of the gradient, (n, 3, 3, m, b)
    """
    da = needed("dask.array")
    if of not in COMPONENTS:
        raise ValueError(f"unknown of={of!r}; choose from {', '.join(map(repr, COMPONENTS))}")
    points, table = elements.observers(obs), elements.table
    rows, columns = da.core.normalize_chunks(chunks, (len(points), len(table)), dtype=np.float64)
    tail = (3, 3) if of == "gradient" else (COMPONENTS[of],)
    inner = "cd"[: len(tail)]
    name = f"greens-{fingerprint(points, *elements.facts, of, elements.mu, rows, columns)}"
    return da.blockwise(
        partial(elements.entries, of=of, **elements.options_of(of)),
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
    array: Object,
    path: str | os.PathLike[str],
    *,
    repair: bool = False,
    progress: Callable[[str, int, int], object] | None = None,
) -> Object:
    """Compute a dask array into a Zarr group, block by block; what is there already is not computed again.

    Parameters
    ----------
    array : dask array
        With blocks of one size, save the last along each axis. Its name tells it from other arrays: that of
        ``greens(..., chunks=...)`` follows from the inputs.
    path : path
        Folder of the group, which every worker must be able to write to. Its array ``values`` receives the
        result; ``done`` marks the finished blocks, each with a checksum.
    repair : bool
        Whether to read all finished blocks first and to compute the damaged ones again. Blocks whose files
        have gone are computed again in any case.
    progress : callable, optional
        Called as ``progress("blocks", done, total)`` before and after.

    Returns
    -------
    zarr.Array
        The array ``values``. What was never written reads as NaN.

    Raises
    ------
    ValueError
        If the store belongs to another array, or if the blocks are not of one size.
    ImportError
        If Zarr is not installed.
    """
    needed("zarr")
    dask = needed("dask")
    for axis, sizes in enumerate(array.chunks):
        if len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]:
            raise ValueError(f"blocks must have one size along an axis, got {sizes} along axis {axis}")
    place = os.fspath(path)
    layout = Layout(array.shape, array.chunksize, str(array.dtype))
    blocks = Blocks.create(place, array.name, {"values": layout})
    if repair:
        blocks.forget(damage.block for damage in blocks.verify())
    missing = blocks.missing()
    report = progress or (lambda stage, done, total: None)
    report("blocks", blocks.total - len(missing), blocks.total)
    parts = array.to_delayed()
    write = dask.delayed(_write, pure=False)
    dask.compute(*(write(parts[index], place, index) for index in missing))
    report("blocks", blocks.total, blocks.total)
    return blocks.group["values"]


def verify(path: str | os.PathLike[str]) -> list[Damage]:
    """Read all finished blocks of a store again and compare them with their checksums.

    Parameters
    ----------
    path : path
        As of :func:`store`.

    Returns
    -------
    list of Damage
        Index of each block that is not what was written, and what is wrong; empty if all is well.
        ``store(..., repair=True)`` computes these blocks again.

    Raises
    ------
    ValueError
        If the path holds no store.
    """
    return Blocks.open(path).verify()


def _write(block: np.ndarray, path: str, index: tuple[int, ...]) -> None:
    Blocks.open(path).write(index, {"values": block})
