"""Standing by jobs in the terminal."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import pytest

from odtool.jobs import foreground, process, record, state
from odtool.workspace import Run

FAILS_ONCE = (
    "import json, os, pathlib, signal, sys, time\n"
    "first = not pathlib.Path('failed once').exists()\n"
    "pathlib.Path('failed once').touch()\n"
    "def end(*_):\n"
    "    said = dict(state='failed', reason='lost the others', time=time.time(), pid=os.getpid(), retry=True)\n"
    "    pathlib.Path('jobs/train.outcome.json').write_text(json.dumps(said))\n"
    "    sys.exit(1)\n"
    "if first: signal.signal(signal.SIGTERM, end)\n"
    "print('ready', flush=True)\n"
    "time.sleep(3000)"
)
"""Asks to be started again at the very moment that it is to stop."""

COUNTS = (
    "import pathlib, signal, sys, time\n"
    "def note(number, _):\n"
    "    print('got', signal.Signals(number).name, flush=True)\n"
    "    if pathlib.Path('end at once').exists(): sys.exit(0)\n"
    "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, note)\n"
    "print('ready', flush=True)\n"
    "while not pathlib.Path('end').exists(): time.sleep(0.01)"
)


class Terminal:
    """Takes the output, and sends signals to this process when told words appear in it."""

    def __init__(self) -> None:
        self.output = b""
        self.said: list[str] = []
        self.reactions: list[tuple[bytes, Callable[[], object]]] = []

    def write(self, block: bytes) -> None:
        self.output += block

    def say(self, text: str) -> None:
        self.said.append(text)

    def sleep(self, _seconds: float) -> None:
        if self.reactions and self.reactions[0][0] in self.output + "\n".join(self.said).encode():
            self.reactions.pop(0)[1]()


def attend(run: Run, tasks: list[str], terminal: Terminal) -> dict[str, state.JobState]:
    with foreground.catching_signals() as received:
        return foreground.attend(run, tasks, received, write=terminal.write, say=terminal.say, sleep=terminal.sleep)


def interrupt(number: int = signal.SIGINT) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def test_the_whole_log_of_this_start_is_shown(run: Run, start: Callable) -> None:
    run.log("train").write_text("an earlier start\n")
    start("for step in range(3): print('step', step)")
    terminal = Terminal()
    assert attend(run, ["train"], terminal)["train"].state == "finished"
    assert terminal.output == b"step 0\nstep 1\nstep 2\n"


def test_two_logs_are_told_apart_by_whole_lines(run: Run, start: Callable) -> None:
    start("print('one'); print('two', end='')")
    start("print('three')", "eval")
    terminal = Terminal()
    attend(run, ["train", "eval"], terminal)
    assert sorted(terminal.output.splitlines()) == [b"eval  | three", b"train | one", b"train | two"]


@pytest.mark.parametrize(
    ("sent", "got"), [(signal.SIGINT, b"SIGINT"), (signal.SIGTERM, b"SIGTERM"), (signal.SIGHUP, b"SIGTERM")]
)
def test_signals_are_passed_on_once(run: Run, start: Callable, sent: int, got: bytes) -> None:
    (run.path / "end at once").touch()
    start(COUNTS)
    terminal = Terminal()
    terminal.reactions = [(b"ready", interrupt(sent))]
    assert attend(run, ["train"], terminal)["train"].state == "finished"
    assert terminal.output == b"ready\ngot " + got + b"\n"


def test_a_second_ctrl_c_does_not_disturb_the_saving(run: Run, start: Callable) -> None:
    start(COUNTS)
    terminal = Terminal()
    terminal.reactions = [
        (b"ready", interrupt()),
        (b"got SIGINT", interrupt()),
        (b"once more to kill it", (run.path / "end").touch),
    ]
    assert attend(run, ["train"], terminal)["train"].state == "finished"
    assert terminal.output.count(b"got") == 1


def test_a_third_ctrl_c_kills(run: Run, start: Callable) -> None:
    job = start(COUNTS)
    terminal = Terminal()
    terminal.reactions = [(b"ready", interrupt()), (b"got SIGINT", interrupt()), (b"once more", interrupt())]
    found = attend(run, ["train"], terminal)["train"]
    assert (found.state, found.reason[:17]) == ("stopped", "killed by Ctrl-C;")
    assert process.find_start_time(job.pid) is None


def test_a_job_whose_output_cannot_be_shown_is_asked_to_end(run: Run, start: Callable, until: Callable) -> None:
    (run.path / "end at once").touch()
    start(COUNTS)
    terminal = Terminal()

    def broken(_block: bytes) -> None:
        raise BrokenPipeError

    terminal.write = broken  # type: ignore[method-assign]  # a terminal whose other end is gone
    with pytest.raises(BrokenPipeError):
        attend(run, ["train"], terminal)
    until(lambda: state.read(run, "train").state == "finished")
    assert "got SIGTERM" in run.log("train").read_text()


def test_handlers_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with foreground.catching_signals() as received:
        os.kill(os.getpid(), signal.SIGHUP)
    assert received == [signal.SIGHUP]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_job_that_is_started_again_as_it_is_to_stop_is_asked_once_more(run: Run, start: Callable) -> None:
    start(FAILS_ONCE, retries=5)
    terminal = Terminal()
    terminal.reactions = [(b"ready", interrupt(signal.SIGTERM))]
    assert attend(run, ["train"], terminal)["train"].state == "stopped"
    job = record.load(run, "train")
    assert job is not None
    assert job.retried == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone lets a process adopt orphans")
def test_jobs_stay_below_the_command_while_it_stands_by(
    run: Run, start: Callable, supervisor_of: Callable, until: Callable
) -> None:
    """A scheduler without control groups knows what belongs to its job by the parents alone."""
    with foreground.catching_signals() as received:
        supervisor = supervisor_of(start(COUNTS))
        until(lambda: supervisor.ppid() == os.getpid())
        (run.path / "end").touch()
        foreground.attend(run, ["train"], received, write=lambda _: None, say=lambda _: None)
    assert os.waitpid(supervisor.pid, 0) == (supervisor.pid, 0)
    supervisor = supervisor_of(start("import time; time.sleep(3000)", "eval"))
    until(lambda: supervisor.ppid() != os.getpid() and "odtool.jobs.supervisor" not in supervisor.parent().cmdline())
