"""Where the work is done: in this process while there is little of it, else in worker processes.

A process of one thread, as the command is, forks its workers at once: they have all that it has imported, and none of
what it will come to hold. A copy of a process of several could hold a lock that another thread had: there they come
from a server that imports everything again, and only when there is much to do.
"""

from __future__ import annotations

import gc
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice
from typing import Protocol, TypeVar

from odtool.dataset import worker_processes
from odtool.dataset.images import decoding_memory
from odtool.dataset.worker_processes import WorkerTeam

Task = TypeVar("Task")
Result = TypeVar("Result")

_AHEAD = 2
"""Tasks a worker has: one to do and one to go on with. The others go to whoever is free first."""
_MOST = 8
"""Tasks a worker whose answers were not taken yet, since one before them takes long; bounds what waits in memory."""


class Crew(Protocol):
    """Whoever does the work: processes of this machine, or an engine's workers (`engines/`)."""

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task], *, tasks_here: int) -> Iterator[Result]:
        """Results in the order of the tasks, whoever did them.

        Args:
            function: can be pickled, as can tasks and results.
            tasks_here: tasks that are done by the caller's own process where workers are not there yet.
        """

    def close(self) -> None:
        """Ends the workers, whatever they are at; once more does nothing."""


class LocalCrew:
    """Worker processes, forked at once or started when they are first needed.

    Args:
        lock: by which they take turns where images take much memory; see `decoding_memory`.
    """

    def __init__(self, number: int, lock: str = "") -> None:
        self._number, self._lock = number, lock
        self._team: Future[WorkerTeam] | None = None
        if number > 1 and worker_processes.may_fork():
            self._team = Future()
            self._team.set_result(WorkerTeam(worker_processes.fork_workers(number, lock)))

    def map(self, function: Callable[[Task], Result], tasks: Iterable[Task], *, tasks_here: int) -> Iterator[Result]:
        """Results in the order of the tasks.

        Where workers are not there yet, the first `tasks_here` tasks are done here before they are started, and further
        ones until they are; with 0 it waits for them.

        Raises:
            DataError: a worker was killed; else what the function raises.
        """
        pending = iter(tasks)
        if self._team is None:
            for number, task in enumerate(pending if self._number < 2 else islice(pending, tasks_here)):
                if number == 1 and self._number > 1:
                    worker_processes.start_server()
                yield function(task)
        numbers: deque[int] = deque()
        for task in pending:
            if (team := self._workers(wait=not tasks_here)) is None:
                yield function(task)
                continue
            while team.busy >= _AHEAD * self._number or len(numbers) >= _MOST * self._number:
                if numbers and team.has_answered(numbers[0]):
                    yield team.answer(numbers.popleft())
                else:
                    team.receive()
            numbers.append(team.hand_out(function, task))
        while numbers:
            yield self._workers(wait=True).answer(numbers.popleft())  # type: ignore[union-attr]  # waited for

    def _workers(self, *, wait: bool) -> WorkerTeam | None:
        """The workers, or None while they start."""
        if self._team is None:
            self._team = Future()
            # Starting the first blocks until the server has imported everything.
            threading.Thread(target=_start, args=(self._number, self._lock, self._team), daemon=True).start()
        return self._team.result() if wait or self._team.done() else None

    def close(self) -> None:
        """Ends the workers, whatever they are at; once more does nothing."""
        gc.unfreeze()
        if self._team is not None and self._team.exception() is None:
            self._team.result().close()


def _start(number: int, lock: str, team: Future[WorkerTeam]) -> None:
    try:
        team.set_result(WorkerTeam(worker_processes.serve_workers(number, lock)))
    except BaseException as error:  # whoever waits for the workers gets it
        team.set_exception(error)


@contextmanager
def open_crew(number: int | None) -> Iterator[LocalCrew]:
    """A crew of `number` workers, or of one a core that this process may use."""
    number = number or len(os.sched_getaffinity(0))
    with decoding_memory.open_lock() as lock:
        workers = LocalCrew(number, lock)
        # Here, too, images are decoded, some of them while the workers are at work.
        decoding_memory.join_crew(lock, number)
        try:
            yield workers
        finally:
            decoding_memory.join_crew("", 1)
            workers.close()
