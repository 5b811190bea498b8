"""The exchange: tasks and their answers in files, on the disk that the command and the workers of an engine share.

What goes through the engine itself is but where its tasks lie: it need not bear large elements, nor give anything back.
An engine repeats what it takes for lost, so that two workers may be at the same tasks at once: each writes its answers
aside and renames them, and the command takes the file that it finds, whole and once.
"""

from __future__ import annotations

import os
import pickle
import platform
import threading
import traceback
import uuid
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from odtool import __version__, files
from odtool.dataset.images import decoding_memory
from odtool.errors import DataError

_WAVE_TASKS = 4096
"""Tasks that are handed to an engine at once, of some hundred thousand images: against these its start counts for
little."""
_WAVE_BYTES = 256 << 20
"""The same of what they take on disk."""
_LEAST_BATCHES = 512
"""Batches that a wave is parted into before they have several tasks: so many that each of many workers has some, and so
few that the milliseconds which an engine takes for one, and a disk for its file, count for little."""
_TURNS = "decoding"
"""Opens the name of the file by which the workers of one machine take turns."""


class TaskAnswer(NamedTuple):
    """What came of a task: what its function gave, or what it raised, with the traceback that pickling would lose."""

    value: Any
    error: BaseException | None = None
    traceback: str = ""


class TaskBatch(NamedTuple):
    """Some tasks of a wave, one after the other."""

    folder: str
    number: int
    """Of the batch within the wave."""
    offset: int
    """Of the first task in the wave's file."""
    lengths: tuple[int, ...]


class Wave:
    """Tasks in a folder of their own, and the answers to them as they come.

    Args:
        folder: is created.
        function: is called with each task.
    """

    def __init__(self, folder: Path, function: Callable[[Any], Any]) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._stream = open(_tasks_file(folder), "wb")  # noqa: SIM115 - closed by list_batches or discard
        pickle.dump((__version__, str(Path.cwd())), self._stream, pickle.HIGHEST_PROTOCOL)
        pickle.dump(function, self._stream, pickle.HIGHEST_PROTOCOL)
        self._start = self._stream.tell()
        self._lengths = array("Q")
        self._size = 0

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def is_full(self) -> bool:
        return len(self._lengths) >= _WAVE_TASKS or self._size >= _WAVE_BYTES

    def add(self, task: object) -> None:
        pickled = pickle.dumps(task, pickle.HIGHEST_PROTOCOL)
        self._stream.write(pickled)
        self._lengths.append(len(pickled))
        self._size += len(pickled)

    def list_batches(self) -> list[TaskBatch]:
        """All tasks in batches; from now on none is added."""
        self._stream.close()
        most = max(1, len(self) // _LEAST_BATCHES)
        batches: list[TaskBatch] = []
        offset = self._start
        for start in range(0, len(self), most):
            lengths = tuple(self._lengths[start : start + most])
            batches.append(TaskBatch(str(self.folder), len(batches), offset, lengths))
            offset += sum(lengths)
        return batches

    def take_answers(self, batch: TaskBatch) -> list[TaskAnswer] | None:
        """The answers to the tasks of a batch, None while there are none. What is taken is removed."""
        path = _answers_file(self.folder, batch.number)
        try:
            answers = pickle.loads(path.read_bytes())  # as safe as the spool: our own, in a folder of ours
        except FileNotFoundError:
            return None
        path.unlink()
        return [TaskAnswer(*answer) for answer in answers]

    def discard(self) -> None:
        """Ends it: a worker that comes to its tasks from now on finds none."""
        self._stream.close()
        _tasks_file(self.folder).unlink(missing_ok=True)
        files.remove_contested(self.folder)


def answer_batch(pickled: bytes) -> tuple[()]:
    """Runs in a worker of an engine: calls the function with each task of a batch and leaves the answers in a file.

    What the function raises is an answer. What is wrong with the worker itself is raised here, so that the engine tries
    another one.

    Raises:
        DataError: this worker does not see the command's disk, or has another odtool.
    """
    batch = TaskBatch(*pickle.loads(pickled))
    folder = Path(batch.folder)
    with _one_at_a_time, _open_tasks(folder) as stream:
        version, directory = pickle.load(stream)
        if version != __version__:
            raise DataError(f"the worker on {platform.node()} has odtool {__version__}, the command {version}")
        function = pickle.load(stream)
        stream.seek(batch.offset)
        with _as_in_command(folder, directory):
            answers = [_answer(function, stream.read(length)) for length in batch.lengths]
        path = _answers_file(folder, batch.number)
        aside = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        aside.write_bytes(pickle.dumps([tuple(answer) for answer in answers], pickle.HIGHEST_PROTOCOL))
        aside.rename(path)
    return ()


_one_at_a_time = threading.Lock()
"""An engine may have a process work with several threads, among which the working directory and turns are shared."""


def _answer(function: Callable[[Any], Any], task: bytes) -> TaskAnswer:
    try:
        return TaskAnswer(function(pickle.loads(task)))
    except Exception as error:  # the command raises it
        return TaskAnswer(None, error, "".join(traceback.format_exception(error)))


@contextmanager
def _open_tasks(folder: Path) -> Iterator[Any]:
    try:
        stream = open(_tasks_file(folder), "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise DataError(
            f"the worker on {platform.node()} cannot read {_tasks_file(folder)}: {error.strerror}",
            "Workers must see the same disk at the same paths.",
        ) from error
    with stream:
        yield stream


@contextmanager
def _as_in_command(folder: Path, directory: str) -> Iterator[None]:
    """Relative paths mean what they mean in the command, and workers of one machine take turns at large images."""
    before = str(Path.cwd())
    if before != directory:
        _enter(directory)
    turns = folder / f"{_TURNS}-{platform.node()}"
    turns.touch()
    decoding_memory.join_crew(str(turns), len(os.sched_getaffinity(0)))
    try:
        yield
    finally:
        decoding_memory.join_crew("", 1)
        if before != directory:
            os.chdir(before)


def _enter(directory: str) -> None:
    try:
        os.chdir(directory)
    except OSError as error:
        raise DataError(
            f"the worker on {platform.node()} cannot enter {directory}, where the command runs: {error.strerror}",
            "Run the command in a folder of the disk that the workers share.",
        ) from error


def _tasks_file(folder: Path) -> Path:
    return folder / "tasks"


def _answers_file(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}"
