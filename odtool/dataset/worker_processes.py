"""The worker processes themselves: how they are started, what they have to do, and how each of them lives.

Each worker has a pipe of its own and shares no queue, and no lock but one that the kernel takes from a dead process:
one that is killed at any moment leaves an end of file to whoever waits for it. concurrent.futures' pool, whose workers
share their queues, can wait for ever when one is killed while another starts (seen on Python 3.11).
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from odtool.dataset.images import decoding_memory
from odtool.errors import DataError

_PRELOADED = ("odtool.dataset.survey.first_pass", "odtool.dataset.readers.registry", "lxml.etree", "google_crc32c")
"""What workers that are not forked from here would else import one by one."""
_KEPT = 8 << 20
"""Bytes of one block, a few times what a batch of records takes."""
_PATIENCE = 5.0
"""Seconds a worker has to end by itself."""


class WorkerTeam:
    """Running workers, the tasks they have and the answers that nobody took yet."""

    def __init__(self, hands: list[Hand]) -> None:
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
class Hand:
    """One worker as the command sees it."""

    process: BaseProcess
    pipe: Connection[Any, Any]
    tasks: int = 0


def may_fork() -> bool:
    """Whether this process has but one thread, of which a copy can go on by itself."""
    threads = Path("/proc/self/task")
    return threads.is_dir() and sum(1 for _ in threads.iterdir()) == 1


def fork_workers(number: int, lock: str) -> list[Hand]:
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
            hands.append(Hand(process, pipe))
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


def serve_workers(number: int, lock: str) -> list[Hand]:
    """Workers from a process of its own that has imported what they need."""
    start_server()
    context = multiprocessing.get_context("forkserver")
    hands = []
    for _ in range(number):
        pipe, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, lock, number), daemon=True)
        with theirs, _report_killed_worker(), without_script():
            process.start()
        hands.append(Hand(process, pipe))
    return hands


@contextmanager
def _report_killed_worker() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError):
        raise DataError(
            "a worker process was killed, most likely because memory ran out", "Try again with --workers 1."
        ) from None


def start_server() -> None:
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
