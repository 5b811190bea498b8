"""Where the work is done: in this process while there is little of it, else in worker processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
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

_PRELOADED = ("odtool.dataset.survey", "odtool.dataset.readers", "lxml.etree", "google_crc32c")
"""What workers would else import one by one."""
_AHEAD = 4
"""Tasks handed out a worker; bounds what waits in memory."""


class Crew:
    """Worker processes that start when they are first needed."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: Future[ProcessPoolExecutor] | None = None

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task], *, alone: int) -> Iterator[Result]:
        """Results in the order of the tasks.

        The first `alone` tasks are done here before workers are started, and further ones until they are there; with
        0 it waits for them.

        Raises:
            DataError: a worker was killed; else what the function raises.
        """
        waiting = iter(tasks)
        if self._pool is None:
            for number, task in enumerate(waiting if self._count < 2 else islice(waiting, alone)):
                if number == 1 and self._count > 1:
                    _start_server()
                yield function(task)
        queue: deque[Future[Result]] = deque()
        try:
            for task in waiting:
                if (pool := self._workers(wait=not alone)) is None:
                    yield function(task)
                    continue
                queue.append(pool.submit(function, task))
                if len(queue) >= _AHEAD * self._count:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        except BrokenProcessPool:
            raise DataError(
                "a worker process was killed, most likely for want of memory", "Try again with --workers 1."
            ) from None

    def _workers(self, *, wait: bool) -> ProcessPoolExecutor | None:
        """The workers, or None while they start."""
        if self._pool is None:
            self._pool = Future()
            # Starting the first blocks until the server has imported everything.
            threading.Thread(target=_start, args=(self._count, self._pool), daemon=True).start()
        return self._pool.result() if wait or self._pool.done() else None

    def close(self) -> None:
        if self._pool is not None and self._pool.exception() is None:
            self._pool.result().shutdown(cancel_futures=True)


def _start(count: int, started: Future[ProcessPoolExecutor]) -> None:
    try:
        _start_server()
        # fork would copy threads' locks (the progress bar has a thread); forkserver is as quick and does not.
        context = multiprocessing.get_context("forkserver")
        pool = ProcessPoolExecutor(count, context, initializer=_watch_parent)
        pool.submit(os.getpid).result()
        started.set_result(pool)
    except BaseException as error:  # whoever waits for the workers gets it
        started.set_exception(error)


@contextmanager
def crew(count: int | None) -> Iterator[Crew]:
    """A crew of `count` workers, or of one a core that this process may use."""
    made = Crew(count or len(os.sched_getaffinity(0)))
    try:
        yield made
    finally:
        made.close()


def _start_server() -> None:
    """Starts the process that workers are forked from. It imports what they need while this one goes on working."""
    preloaded = list(_PRELOADED)
    if getattr(sys.modules["__main__"], "__spec__", None) is None:
        # Workers run the script that was called (bin/odtool) anew, which is nothing once this is there.
        preloaded.append("odtool.__main__")
    multiprocessing.set_forkserver_preload(preloaded)
    resource_tracker.ensure_running()  # it would undo the blocking, if it were started in there
    with _without_interrupts():
        forkserver.ensure_running()


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
