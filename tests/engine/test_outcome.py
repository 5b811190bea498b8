"""How a task ends: the outcome file and the signals that ask it to stop."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from odtool import files
from odtool.engine.outcome import (
    Ending,
    FolderWatch,
    Stopped,
    StopSignal,
    add_last_checkpoint,
    explain_failure,
    write_ending,
)
from odtool.errors import OdtoolError
from odtool.workspace import Run


@pytest.fixture
def request_() -> Iterator[StopSignal]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    made = StopSignal()
    made.listen()
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_with_nothing_to_save_a_signal_stops_at_once(request_: StopSignal, number: signal.Signals) -> None:
    with pytest.raises(Stopped, match=number.name):
        os.kill(os.getpid(), number)


def test_with_something_to_save_signals_wait_however_many(request_: StopSignal) -> None:
    request_.defer()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)
    assert request_.requested
    with pytest.raises(Stopped):
        request_.check()


def test_the_outcome_says_how_why_when_and_who(tmp_path: Path) -> None:
    run = Run(tmp_path)
    write_ending(run, "train", Ending("finished", "trained 4 steps"))
    written = json.loads(run.outcome("train").read_text())
    assert written.pop("time") > 1e9
    assert written == {
        "state": "finished",
        "reason": "trained 4 steps",
        "out_of_memory": False,
        "retry": False,
        "pid": os.getpid(),
    }


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("INTERNAL: CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        OSError("Out of memory"),
        RuntimeError("Graph error:\nOperation received an exception:Status: 1, message: could not create a primitive"),
    ],
)
def test_lack_of_memory_is_told_apart(error: Exception) -> None:
    ending = explain_failure(error)
    assert ending.out_of_memory
    assert ending.reason.startswith(f"out of memory: {type(error).__name__}")


def test_other_failures_are_not_lack_of_memory() -> None:
    assert explain_failure(ValueError("bad shape\nmore")) == Ending("failed", "ValueError: bad shape")
    # oneDNN's dnnl_invalid_arguments.
    assert not explain_failure(RuntimeError("Operation received an exception:Status: 2, message: bad")).out_of_memory


class ResourceExhaustedError(Exception):
    """By TensorFlow's name, under which it reports a full disk as well."""


def test_a_full_disk_is_not_lack_of_memory() -> None:
    ending = explain_failure(ResourceExhaustedError("/tmp/run/ckpt-4_temp/part-0; No space left on device [Op:SaveV2]"))
    assert (ending.state, ending.out_of_memory) == ("failed", False)
    assert ending.reason.startswith("the disk at ")
    assert not explain_failure(ResourceExhaustedError("quota of a cloud bucket")).out_of_memory


def test_on_a_full_disk_the_outcome_is_written_from_the_reserve(
    tmp_path: Path,
    mounted: Callable[[Path, str], AbstractContextManager[None]],
    fill: Callable[[Path], OSError],
) -> None:
    with mounted(tmp_path / "small", "size=200k"):
        run = Run(tmp_path / "small")
        files.keep_reserve(run.reserve("train"))
        fill(run.path / "large")
        with pytest.raises(OSError, match="No space"):
            files.write_atomically(run.path / "another", "x")
        write_ending(run, "train", Ending("failed", "the disk is full"))
        assert json.loads(run.outcome("train").read_text())["reason"] == "the disk is full"


def test_the_last_whole_checkpoint_is_named(tmp_path: Path) -> None:
    run = Run(tmp_path)
    ending = Ending("failed", "the disk is full")
    assert add_last_checkpoint(ending, run).reason == "the disk is full; no checkpoint was saved"
    (tmp_path / "ckpt-40.index").touch()
    assert add_last_checkpoint(ending, run).reason == "the disk is full; the last whole checkpoint is ckpt-40"


STACK = """Graph execution error:

Detected at node IteratorGetNext defined at (most recent call last):
  File "/x/loop.py", line 172, in do_step

%s
\t [[{{node IteratorGetNext}}]] [Op:__inference_do_step_22093]"""


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (STACK % "Incompatible shapes: [2] vs. [3]", "RuntimeError: Incompatible shapes: [2] vs. [3]"),
        (
            STACK % "2 root error(s) found.\n  (0) INVALID_ARGUMENT:  bad boxes\n  (1) CANCELLED",
            "INVALID_ARGUMENT:  bad boxes",
        ),
        ("Graph execution error:", "RuntimeError: Graph execution error:"),
    ],
)
def test_of_an_error_in_a_graph_the_cause_is_told_and_not_its_heading(message: str, told: str) -> None:
    assert told in explain_failure(RuntimeError(message)).reason


def test_a_record_that_is_damaged_is_said_to_be_one() -> None:
    class DataLossError(Exception):
        """By TensorFlow's name."""

    assert explain_failure(DataLossError(STACK % "corrupted record at 5183173")).reason == (
        "a record cannot be read (odtool check names it): DataLossError: corrupted record at 5183173"
    )


@pytest.mark.parametrize("renewed", [False, True])
def test_a_run_that_was_moved_is_noticed_even_where_another_has_its_name(tmp_path: Path, renewed: bool) -> None:
    run = Run(tmp_path / "run")
    run.path.mkdir()
    folder = FolderWatch(run)
    folder.check()
    run.path.rename(tmp_path / "elsewhere")
    if renewed:
        run.path.mkdir()
    with pytest.raises(OdtoolError, match=r"run was moved or deleted while it was in use"):
        folder.check()
