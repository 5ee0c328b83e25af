"""The decorator of every CPU kernel: Numba's options, and a cache on disk that knows all the sources."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import config
from numba.core.caching import IndexDataCacheFile

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"contract", "nsz", "arcp"},
    "nogil": True,
}
FOLDER = Path(__file__).resolve().parent
_IMPORT = re.compile(r"^(?:from|import)\s+(dislok\.kernels|\.)([\w.]*)(?:\s+import\s+(.*))?", re.MULTILINE)


@cache
def imports(file: Path) -> frozenset[Path]:
    """The files of the kernels that a file of theirs imports at its top level."""
    found = set()
    for root, dotted, names in _IMPORT.findall(file.read_text()):
        base = file.parent if root == "." else FOLDER
        place = base.joinpath(*dotted.strip(".").split(".")) if dotted.strip(".") else base
        candidates = [place.with_suffix(".py"), place / "__init__.py"]
        candidates += [place / f"{name}.py" for name in re.findall(r"\w+", names)]
        found |= {each for each in candidates if each.is_file()}
    return frozenset(found)


@cache
def fingerprint(file: Path) -> str:
    """Digest of a source file and of all sources of the kernels that it builds on.

    Numba's cache looks at the file of the decorated function only, but the formulas live in others.
    """
    known, new = set(), {file, Path(__file__).resolve(), *(FOLDER / "scalar").glob("*.py")}
    while new:
        known |= new
        new = {each for source in new for each in imports(source)} - known
    digest = hashlib.sha256()
    for source in sorted(known):
        digest.update(str(source.relative_to(FOLDER)).encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a module-level function for the CPU when it is first called.

    Machine code is kept on disk between processes where a folder for it can be written, and made anew when
    a source that it is made from has changed. Installations with the same sources share it where
    NUMBA_CACHE_DIR is set.
    """
    try:
        dispatcher = numba.njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # no folder to keep machine code in
        return numba.njit(**OPTIONS)(function)
    keep(dispatcher, Path(function.__code__.co_filename).resolve())
    return dispatcher


def keep(dispatcher: Any, file: Path) -> None:
    """Stamp the machine code that a dispatcher keeps with all of the sources behind `file`."""
    cache = dispatcher._cache
    place = cache.cache_path
    if config.CACHE_DIR:
        place = os.path.join(config.CACHE_DIR, "dislok", file.parent.name)
        os.makedirs(place, exist_ok=True)
    cache._cache_file = IndexDataCacheFile(place, cache._impl.filename_base, fingerprint(file))
