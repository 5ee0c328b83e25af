"""Threads of CPU kernels: Python threads over compiled code that runs without the interpreter's lock."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numba

_pool: ThreadPoolExecutor | None = None
_pool_owner: tuple[int, int] = (0, 0)


def default_threads() -> int:
    """Number of threads that a call may use: Numba's setting."""
    return int(numba.get_num_threads())


def executor(threads: int) -> ThreadPoolExecutor:
    """The pool of worker threads, made anew after a fork."""
    global _pool, _pool_owner
    owner = (os.getpid(), threads)
    if _pool is None or _pool_owner != owner:
        _pool, _pool_owner = ThreadPoolExecutor(threads, thread_name_prefix="dislok"), owner
    return _pool
