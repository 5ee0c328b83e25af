"""Roughness of the slip on several faults, smooth across the edges that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from ..mesh.joined import Joined
from ..mesh.operators import roughness
from .model import SlipModel


def roughness_of(models: Sequence[SlipModel], join: bool) -> sparse.csr_array:
    """Matrix R, (r, u), of all coefficients: ``|R c|²`` is the roughness.

    Parameters
    ----------
    models : sequence of SlipModel
        The faults.
    join : bool
        Whether faults that share edges are one for the smoothing.

    Raises
    ------
    ValueError
        If faults that share edges are to be smoothed in different ways.
    """
    groups = _groups(models) if join and len(models) > 1 else [[i] for i in range(len(models))]
    ends = np.cumsum([0, *(model.size for model in models)])
    rows = []
    for group in groups:
        own = _joint([models[i] for i in group], group) if len(group) > 1 else models[group[0]].roughness()
        columns = np.concatenate([np.arange(ends[i], ends[i + 1]) for i in group])
        entries = sparse.coo_array(own)
        place = (entries.row, columns[entries.col])
        rows.append(sparse.coo_array((entries.data, place), shape=(own.shape[0], int(ends[-1]))))
    return sparse.csr_array(sparse.vstack(rows))


def _groups(models: Sequence[SlipModel]) -> list[list[int]]:
    """Numbers of the faults that hang together, in rising order."""
    owner = np.repeat(np.arange(len(models)), [model.patches.size for model in models])
    seams = owner[Joined([model.patches for model in models]).seams]
    touching = sparse.coo_array((np.ones(len(seams)), seams.T), shape=(len(models),) * 2)
    count, label = csgraph.connected_components(touching, directed=False)
    return [np.flatnonzero(label == group).tolist() for group in range(count)]


def _joint(models: Sequence[SlipModel], numbers: Sequence[int]) -> sparse.csr_array:
    """Roughness of faults that hang together."""
    first = models[0]
    for model, i in zip(models, numbers, strict=True):
        for name in ("order", "edges", "weight"):
            if getattr(model, name) != getattr(first, name):
                raise ValueError(
                    f"models[{i}] has {name} {getattr(model, name)!r} and models[{numbers[0]}], whose edge "
                    f"it shares, {getattr(first, name)!r}; give both the same, or join=False"
                )
    whole = Joined([model.patches for model in models])
    smooth: Any = roughness(whole, first.order, first.edges) * np.sqrt(first.weight)
    axes = [a for a in range(3) if any(model.directions[..., a].any() for model in models)]
    return sparse.csr_array(
        sparse.vstack([smooth @ sparse.block_diag([model.along(a) for model in models]) for a in axes])
    )
