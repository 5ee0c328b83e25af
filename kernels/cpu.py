"""The decorator of every CPU kernel: Numba's options, and a cache on disk that knows all the sources."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"contract", "nsz", "arcp"},
    "nogil": True,
}


@cache
def fingerprint() -> str:
    """Digest of all Python sources of the kernels.

    Numba's cache looks at the file of the decorated function only, but the formulas live in others.
    """
    digest = hashlib.sha256()
    folder = Path(__file__).resolve().parent
    for file in sorted(folder.rglob("*.py")):
        digest.update(str(file.relative_to(folder)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a module-level function for the CPU when it is first called.

    Machine code is kept on disk between processes where a folder for it can be written, and made anew when
    any source of the kernels has changed.
    """
    try:
        dispatcher = numba.njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # no folder to keep machine code in
        return numba.njit(**OPTIONS)(function)
    dispatcher._cache._cache_file._source_stamp = fingerprint()
    return dispatcher
