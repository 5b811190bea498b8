"""Jobs whose log, or whose whole run, is on a disk that takes nothing more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from odtool import locks, printable
from odtool.errors import JobError
from odtool.jobs import launcher, log, state
from odtool.workspace import Run

Mounted = Callable[[Path, str], AbstractContextManager[None]]
TALKS = (
    "import os, sys\nfor number in range(2000):\n    try: os.write(2, b'x' * 99 + b'\\n')\n    except OSError: pass\n"
)


@pytest.fixture
def small_log(run: Run, tmp_path: Path, mounted: Mounted) -> Iterator[Path]:
    """The disk of 64 kB that the run's train.log is on, and nothing else of it."""
    with mounted(tmp_path / "small", "size=64k"):
        run.log("train").symlink_to(tmp_path / "small" / "train.log")
        yield tmp_path / "small"


def find_end(run: Run, until: Callable) -> state.JobState:
    until(lambda: not locks.is_held(run.job_lock("train")))
    return state.read(run, "train")


@pytest.mark.parametrize(("code", "name"), [(0, "finished"), (3, "failed")])
def test_a_job_ends_as_it_would_with_a_log(
    run: Run, start: Callable, until: Callable, small_log: Path, code: int, name: str
) -> None:
    start(f"{TALKS}sys.exit({code})")
    end = find_end(run, until)
    assert (end.state, end.exit_code) == (name, code)
    assert run.log("train").stat().st_size >= 60_000
    assert not run.reserve("train").exists()
    assert len(b"".join(log.follow(run.log("train"), 0, ended=lambda: True))) == run.log("train").stat().st_size


def test_what_should_have_made_it_smaller_may_fail_without_a_word(
    run: Run, start: Callable, until: Callable, small_log: Path
) -> None:
    told = "{'state': 'failed', 'reason': 'out of memory', 'time': 0, 'pid': os.getpid(), 'out_of_memory': True}"
    outcome = f"import json, pathlib\npathlib.Path('jobs/train.outcome.json').write_text(json.dumps({told}))\n"
    start(f"{TALKS}{outcome}sys.exit(1)", recover=["/no/such/program"])
    end = find_end(run, until)
    assert (end.state, end.exit_code) == ("failed", 1)
    assert end.reason.startswith("out of memory")


def test_a_command_that_cannot_be_run_is_an_error_without_a_log(run: Run, until: Callable, small_log: Path) -> None:
    (small_log / "train.log").write_bytes(b"x\n" * (32 << 10))
    with pytest.raises(JobError, match="train could not be started: its log does not say why"):
        launcher.start(run, "train", ["/no/such/program"], directory=run.path, environment={})
    assert find_end(run, until).state == "failed"


def test_a_job_without_an_end_on_a_disk_that_is_read_only_now_is_told_as_that(
    tmp_path: Path, until: Callable, mounted: Mounted, supervisor_of: Callable
) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=2m"):
        run = Run(disk / "train" / "one")
        run.path.mkdir(parents=True)
        command = [sys.executable, "-c", "import time; time.sleep(3000)"]
        job = launcher.start(run, "train", command, directory=run.path, environment={})
        for process in (supervisor_of(job), psutil.Process(job.pid)):
            process.kill()
        until(lambda: not locks.is_held(run.job_lock("train")))
        assert state.read(run, "train").reason == "killed together with its supervisor"
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        end = state.read(run, "train")
        assert (end.state, "is read-only, or it was killed" in end.reason) == ("lost", True)


class Disk:
    """A stream that can be full."""

    def __init__(self) -> None:
        self.text, self.is_full = "", False

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def fileno(self) -> int:
        return 7


def test_a_log_says_where_something_is_missing() -> None:
    disk = Disk()
    stream = printable.LogStream(disk)  # type: ignore[arg-type]  # as much of a stream as it takes
    stream.write("first\n")
    disk.is_full = True
    assert stream.write("second\n") == len("second\n")
    stream.write("third\n")
    disk.is_full = False
    print("fourth", file=stream, flush=True)
    assert disk.text == "first\n\n[something is missing here: this log could not be written to]\nfourth\n"
    assert stream.fileno() == 7
