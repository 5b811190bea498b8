"""Where the work is done: in this process while there is little of it, else in worker processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import connection, forkserver, resource_tracker
from typing import TypeVar

from odtool.errors import DataError

Task = TypeVar("Task")
Result = TypeVar("Result")

_AHEAD = 4
"""Tasks handed out a worker; bounds what waits in memory."""


class Crew:
    """Worker processes that start when they are first needed."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task], *, alone: int) -> Iterator[Result]:
        """Results in the order of the tasks; the first `alone` tasks are done here before workers are started.

        Raises:
            DataError: a worker was killed; else what the function raises.
        """
        waiting = iter(tasks)
        if self._pool is None:
            for task in waiting if self._count < 2 else islice(waiting, alone):
                yield function(task)
        queue: deque[Future[Result]] = deque()
        try:
            for task in waiting:
                queue.append(self._started().submit(function, task))
                if len(queue) >= _AHEAD * self._count:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        except BrokenProcessPool:
            raise DataError(
                "a worker process was killed, most likely for want of memory", "Try again with --workers 1."
            ) from None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # fork would copy threads' locks (the progress bar has a thread); forkserver is as quick and does not.
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["odtool.dataset.survey"])
            resource_tracker.ensure_running()  # it would undo the blocking, if it were started in there
            with _without_interrupts():
                forkserver.ensure_running()
            self._pool = ProcessPoolExecutor(self._count, context, initializer=_watch_parent)
        return self._pool

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


@contextmanager
def crew(count: int | None) -> Iterator[Crew]:
    """A crew of `count` workers, or of one a core that this process may use."""
    made = Crew(count or len(os.sched_getaffinity(0)))
    try:
        yield made
    finally:
        made.close()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What is started in here does not see Ctrl-C, which a terminal sends to all: the command ends its workers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch_parent() -> None:
    """Ends the worker when the command is killed; the pool's own pipe would keep it waiting for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
