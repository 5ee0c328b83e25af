"""Threads of CPU kernels: Python threads over compiled code that runs without the interpreter's lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numba

from dislok.kernels.waiting import Group, here

LARGEST = 1_000_000
"""Numbers of a job: a few milliseconds."""

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


def portions(count: int, unit: int, size: int, threads: int) -> list[tuple[int, int]]:
    """Ranges that make up 0 ... `count`, each of whole units but the last: jobs for :func:`share`.

    One thread gets few, several get four each; a job is at most about a million numbers, of which each of the
    `count` has `size`, so that it can be interrupted.
    """
    least = count * size // LARGEST + 1
    pieces = max(least, 4 * threads if threads > 1 else 1)
    step = unit * max(1, -(-count // (unit * pieces)))
    return [(begin, min(begin + step, count)) for begin in range(0, count, step)]


def _settle(futures: list[Future]) -> None:
    """Wait until all have ended."""
    for future in futures:
        future.exception()


def share(work: Callable[..., None], jobs: Iterable[tuple], threads: int, give_up: Callable[[], Any]) -> None:
    """Call ``work(*job)`` for every job, in the caller's thread and in `threads` - 1 others.

    When one fails or the caller is interrupted, `give_up` is called, which should end those that run; the
    error comes when they have ended, so that nothing writes into arrays of a call that is over.
    """
    left, group = deque(jobs), Group()
    helpers = min(threads, len(left)) - 1
    if helpers < 1:
        for job in left:
            work(*job)
        return

    def end() -> None:
        left.clear()
        give_up()
        group.give_up()

    def take() -> None:
        try:
            while True:
                try:
                    job = left.popleft()
                except IndexError:
                    return
                work(*job)
        except BaseException:
            end()
            raise

    def help() -> None:
        here.group = group
        try:
            take()
        finally:
            here.group = None

    futures = [executor(threads - 1).submit(help) for _ in range(helpers)]
    try:
        take()
        _settle(futures)
    except BaseException:
        end()
        _settle(futures)
        raise
    for future in futures:
        future.result()
