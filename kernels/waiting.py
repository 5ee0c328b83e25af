"""Waiting for compilers, which run in threads of their own: interrupts end the wait, terminals are told."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, InvalidStateError
from typing import Any

NOTICE = "dislok: compiling kernels for this processor; they are kept for the next time\n"
PATIENCE = 1.0  # seconds

_running: dict[Hashable, Future] = {}
_guard = threading.Lock()


class Group:
    """Threads that give up together."""

    def __init__(self) -> None:
        self.guard, self.futures, self.over = threading.Lock(), set[Future](), False

    def add(self, future: Future) -> None:
        """Let a piece of work end when the others do."""
        with self.guard:
            if self.over:
                _fail(future)
            self.futures.add(future)

    def give_up(self) -> None:
        """End all waits, those to come too."""
        with self.guard:
            self.over = True
            for future in self.futures:
                _fail(future)


class Here(threading.local):
    """What the current thread is: a compiler's own, one of the threads that share a call, or neither."""

    working = False
    group: Group | None = None


class GivenUp(Exception):
    """Another thread of the same call has failed."""


here = Here()


def _fail(future: Future) -> None:
    with contextlib.suppress(InvalidStateError):
        future.set_exception(GivenUp("another thread of this call has ended"))


def interruptible(key: Hashable, work: Callable[[], Any]) -> Any:
    """The result of `work`, done in a thread of its own.

    Who is interrupted stops waiting at once. The work goes on, and the next call with the same key waits for
    it. Work that such work asks for is done on the spot.
    """
    if here.working:
        return work()
    with _guard:
        running = _running.get(key)
        if running is None:
            running = _running[key] = Future()
            threading.Thread(
                target=_do, args=(key, work, running), name="dislok compiler", daemon=True
            ).start()
    mine: Future = Future()
    if here.group is not None:
        here.group.add(mine)
    running.add_done_callback(lambda done: _pass_on(done, mine))
    return mine.result()


def _do(key: Hashable, work: Callable[[], Any], future: Future) -> None:
    here.working = True
    found: list[Any] = []
    error: BaseException | None = None
    try:
        found.append(work())
    except BaseException as problem:
        error = problem
    with _guard:
        del _running[key]
    if error is None:
        future.set_result(found[0])
    else:
        future.set_exception(error)


def _pass_on(done: Future, to: Future) -> None:
    error = done.exception()
    with contextlib.suppress(InvalidStateError):  # its call has given up
        if error is None:
            to.set_result(done.result())
        else:
            to.set_exception(error)


class Progress:
    """Tells the user of a terminal, once in a process, that compilers have been running for a second."""

    spent, told, begun = 0.0, False, 0.0
    depth = 0
    timer: threading.Timer | None = None

    @classmethod
    def begin(cls) -> None:
        """A compiler starts; they nest."""
        cls.depth += 1
        if cls.depth == 1 and not cls.told and sys.stderr is not None and sys.stderr.isatty():
            cls.begun = time.monotonic()
            cls.timer = threading.Timer(max(PATIENCE - cls.spent, 0.0), cls.tell)
            cls.timer.daemon = True
            cls.timer.start()

    @classmethod
    def end(cls) -> None:
        """A compiler has done its work."""
        cls.depth = max(cls.depth - 1, 0)
        if cls.depth == 0 and cls.timer is not None:
            cls.timer.cancel()
            cls.timer, cls.spent = None, cls.spent + time.monotonic() - cls.begun

    @classmethod
    def tell(cls) -> None:
        """Say it, unless it has been said."""
        if not cls.told:
            cls.told = True
            sys.stderr.write(NOTICE)
            sys.stderr.flush()
