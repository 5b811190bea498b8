"""Where the work is done: in this process while there is little of it, else in worker processes.

Each worker has a pipe of its own and shares no queue, and no lock but one that the kernel takes from a dead process:
one that is killed at any moment leaves an end of file to whoever waits for it. concurrent.futures' pool, whose workers
share their queues, can wait for ever when one is killed while another starts (seen on Python 3.11).

A process of one thread, as the command is, forks its workers at once: they have all that it has imported, and none of
what it will come to hold. A copy of a process of several could hold a lock that another thread had: there they come
from a server that imports everything again, and only when there is much to do.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import queue
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, islice
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeAlias, TypeVar

from odtool.dataset.images import decoding_memory
from odtool.errors import DataError

Task = TypeVar("Task")
Result = TypeVar("Result")

_PRELOADED = ("odtool.dataset.survey.first_pass", "odtool.dataset.readers.registry", "lxml.etree", "google_crc32c")
"""What workers that are not forked from here would else import one by one."""
_AHEAD = 2
"""Tasks a worker has: one to do and one to go on with. The others go to whoever is free first."""
_MOST = 8
"""Tasks a worker whose answers were not taken yet, since one before them takes long; bounds what waits in memory."""
_KEPT = 8 << 20
"""Bytes of one block, a few times what a batch of records takes."""
_PATIENCE = 5.0
"""Seconds a worker has to end by itself."""


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
        self._team: Future[_Team] | None = None
        if number > 1 and _may_fork():
            self._team = Future()
            self._team.set_result(_Team(_fork_workers(number, lock)))

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
                    _start_server()
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

    def _workers(self, *, wait: bool) -> _Team | None:
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


class _Team:
    """Running workers, the tasks they have and the answers that nobody took yet."""

    def __init__(self, hands: list[_Hand]) -> None:
        self._hands = {hand.pipe: hand for hand in hands}
        self._numbers = count()
        self._answers: dict[int, _Answer] = {}

    def hand_out(self, function: Callable[[Any], Any], task: object) -> int:
        """Gives a task to the worker that has fewest. Returns the number under which its answer is to be had."""
        number = next(self._numbers)
        hand = min(self._hands.values(), key=lambda hand: hand.tasks)
        hand.tasks += 1
        with _report_killed_worker():
            hand.pipe.send((number, function, task))
        return number

    @property
    def busy(self) -> int:
        """Tasks that no worker has answered."""
        return sum(hand.tasks for hand in self._hands.values())

    def has_answered(self, number: int) -> bool:
        return number in self._answers

    def receive(self) -> None:
        """Waits for an answer, and keeps all that have come."""
        with _report_killed_worker():
            for ready in connection.wait(list(self._hands)):
                hand = self._hands[ready]  # type: ignore[index]  # it is one of them
                number, answer = hand.pipe.recv()
                hand.tasks -= 1
                self._answers[number] = answer

    def answer(self, number: int) -> Any:
        """What the function gave for the task of that number; raises what the function raised."""
        while number not in self._answers:
            self.receive()
        result, error, traceback_text = self._answers.pop(number)
        if error is not None:
            raise error from RuntimeError(f"in a worker process:\n{traceback_text}")
        return result

    def close(self) -> None:
        for hand in self._hands.values():
            hand.pipe.close()
        for hand in self._hands.values():
            hand.process.join(_PATIENCE)
            hand.process.kill()
            hand.process.join()


@dataclass
class _Hand:
    """One worker as the command sees it."""

    process: BaseProcess
    pipe: Connection[Any, Any]
    tasks: int = 0


def _may_fork() -> bool:
    """Whether this process has but one thread, of which a copy can go on by itself."""
    threads = Path("/proc/self/task")
    return threads.is_dir() and sum(1 for _ in threads.iterdir()) == 1


def _fork_workers(number: int, lock: str) -> list[_Hand]:
    """Workers that are copies of this process."""
    context = multiprocessing.get_context("fork")
    hands = []
    # What was imported is there to stay: looking through it for garbage took a fifteenth of all the time, and in the
    # workers a copy of every page of it.
    gc.freeze()
    with without_interrupts():
        for _ in range(number):
            pipe, theirs = context.Pipe()
            process = context.Process(target=_work_alone, args=(theirs, lock, number), daemon=True)
            process.start()
            theirs.close()
            hands.append(_Hand(process, pipe))
    return hands


def _work_alone(pipe: Connection[Any, Any], lock: str, number: int) -> None:
    """A forked worker's life, with nothing of what the command has open.

    A copy would keep its lock held and the other workers' pipes without an end after it was killed.
    """
    # Not by os.closerange: where a process may open a thousand million files, it can try them all.
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor > 2 and descriptor != pipe.fileno():
            with suppress(OSError):  # the one that the list was read by is closed already
                os.close(descriptor)
    _work(pipe, lock, number)


def _serve_workers(number: int, lock: str) -> list[_Hand]:
    """Workers from a process of its own that has imported what they need."""
    _start_server()
    context = multiprocessing.get_context("forkserver")
    hands = []
    for _ in range(number):
        pipe, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, lock, number), daemon=True)
        with theirs, _report_killed_worker(), without_script():
            process.start()
        hands.append(_Hand(process, pipe))
    return hands


@contextmanager
def _report_killed_worker() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError):
        raise DataError(
            "a worker process was killed, most likely because memory ran out", "Try again with --workers 1."
        ) from None


def _start(number: int, lock: str, team: Future[_Team]) -> None:
    try:
        team.set_result(_Team(_serve_workers(number, lock)))
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


def _start_server() -> None:
    """Starts the process that workers are forked from. It imports what they need while this one goes on working."""
    multiprocessing.set_forkserver_preload(list(_PRELOADED))
    resource_tracker.ensure_running()  # it would undo the blocking, if it were started in there
    with without_interrupts():
        forkserver.ensure_running()


@contextmanager
def without_script() -> Iterator[None]:
    """Workers that are started in here do not run the script that was called.

    They would, to find functions of its own, which they are never given; and a program that calls prepare at its top
    level would prepare again in each of them.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


@contextmanager
def without_interrupts() -> Iterator[None]:
    """What is started in here does not see what a terminal, or timeout, sends to all: the command ends its workers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_Answer: TypeAlias = tuple[Any, BaseException | None, str]
"""What a function gave; else what it raised, and that error's traceback, which pickling would lose."""


def _work(pipe: Connection[Any, Any], lock: str, number: int) -> None:
    """A worker's life: answers every task with its number and what came of it."""
    decoding_memory.join_crew(lock, number)
    _keep_freed_memory()
    tasks: queue.SimpleQueue[tuple[int, Callable[[Any], Any], Any]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, tasks), daemon=True).start()
    while True:
        number, function, task = tasks.get()
        try:
            answer: _Answer = function(task), None, ""
        except BaseException as error:  # the command raises it
            answer = None, error, "".join(traceback.format_exception(error))
        try:
            pipe.send((number, answer))
        except ConnectionError:  # the command has closed the pipe: it wants no answers any more
            os._exit(0)


def _keep_freed_memory() -> None:
    """Has glibc keep what is freed for what is asked for next, up to twice this size, in place of giving it back.

    It gives back what is more than twice the largest block that was freed so far, and a worker has freed none yet. Nine
    pages an image, given back after each batch of records and faulted in again, took an eighth of the worker's time.
    """
    block = bytes(_KEPT)
    del block


def _receive(pipe: Connection[Any, Any], tasks: queue.SimpleQueue[Any]) -> None:
    """Takes tasks off the pipe at once, so that the command never waits to hand one out while this waits to answer.

    The end of the pipe, closed by the command or by the kernel when it is killed, ends the worker.
    """
    try:
        while True:
            tasks.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(0)
