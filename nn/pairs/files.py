"""A pair in a file: numbers and plain words in an npz archive."""

from __future__ import annotations

import json
import os

from dislok.arrays import Record
from dislok.nn.flow import FlowMap

from .pair import Pair

FORMAT = "dislok pair 1"
PLANES = ("pre", "post", "flow_pre", "flow_post", "valid_pre", "valid_post")


def save(path: str | os.PathLike[str], pair: Pair) -> None:
    """Write a pair; the file appears when it is complete."""
    from dislok.store import write_arrays

    arrays: Record = {
        "format": FORMAT,
        "pre": pair.pre,
        "post": pair.post,
        "flow_pre": pair.flow_pre.values,
        "flow_post": pair.flow_post.values,
        "valid_pre": pair.flow_pre.valid,
        "valid_post": pair.flow_post.valid,
        "meta": json.dumps(pair.meta),
    }
    if pair.distance is not None:
        arrays["distance"] = pair.distance
    write_arrays(path, arrays)


def load(path: str | os.PathLike[str]) -> Pair:
    """Read a pair.

    Raises
    ------
    ValueError
        If the file is no pair, or a plane of it does not fit the others; the message names file and plane.
    """
    from dislok.store import read_arrays

    try:
        found = read_arrays(path)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} is no pair: {error}") from None
    if str(found.get("format")) != FORMAT:
        raise ValueError(
            f"{os.fspath(path)} is no pair: its format is {found.get('format')!r}, not {FORMAT!r}"
        )
    missing = [name for name in (*PLANES, "meta") if name not in found]
    if missing:
        raise ValueError(f"{os.fspath(path)} has no {missing[0]}")
    shape = found["pre"].shape
    for name in (*PLANES, "distance"):
        wanted = (*shape, 2) if name.startswith("flow") else shape
        if name in found and found[name].shape != wanted:
            raise ValueError(f"{os.fspath(path)}: {name} must be {wanted}, got {found[name].shape}")
    flows = [FlowMap(found[f"flow_{f}"], None, found[f"valid_{f}"], f) for f in ("pre", "post")]
    meta = json.loads(str(found["meta"]))
    return Pair(found["pre"], found["post"], flows[0], flows[1], found.get("distance"), meta)
