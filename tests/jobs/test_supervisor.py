"""Jobs that lacked memory and are started again by their supervisor: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from odtool import locks
from odtool.jobs import foreground, launcher, record, shutdown, state
from odtool.workspace import Run

HUNGRY = (
    "import os, pathlib, signal, sys, time\n"
    "size = pathlib.Path('size')\n"
    "print('at work with', size.read_text(), flush=True)\n"
    "if int(size.read_text()) > 2:\n"
    "    print('std::bad_alloc', flush=True)\n"
    "    os.abort()\n"
)
SMALLER = [
    sys.executable,
    "-c",
    "import pathlib, sys\n"
    "size = pathlib.Path('size')\n"
    "if size.read_text() == '1': sys.exit('fatal: it cannot be made smaller')\n"
    "size.write_text(str(int(size.read_text()) // 2))\n"
    "print('made smaller:', sys.argv[1], flush=True)\n",
]


def ended(run: Run, until: Callable) -> state.JobState:
    until(lambda: state.read(run, "train").state != "running")
    return state.read(run, "train")


def test_a_job_without_memory_is_made_smaller_and_started_again(run: Run, start: Callable, until: Callable) -> None:
    (run.path / "size").write_text("8")
    first = start(HUNGRY, recover=SMALLER)
    found = ended(run, until)
    assert (found.state, found.exit_code) == ("finished", 0)
    assert found.pid != first.pid
    job = record.load(run, "train")
    assert job is not None
    assert job.recoveries == 2
    said = run.log("train").read_text().splitlines()
    assert [line for line in said if "at work" in line] == [f"at work with {size}" for size in (8, 4, 2)]
    assert said[2] == "made smaller: ended by SIGABRT (std::bad_alloc)"


def test_after_three_times_it_has_failed(run: Run, start: Callable, until: Callable) -> None:
    (run.path / "size").write_text("64")
    start(HUNGRY, recover=SMALLER)
    found = ended(run, until)
    assert (found.state, found.exit_code) == ("failed", -signal.SIGABRT)
    assert found.reason.endswith("the batch was halved 3 times already")
    assert run.log("train").read_text().count("at work") == 4


def test_what_cannot_be_made_smaller_has_failed_with_the_reason(run: Run, start: Callable, until: Callable) -> None:
    (run.path / "size").write_text("1")
    start(HUNGRY.replace("> 2", "> 0"), recover=SMALLER)
    found = ended(run, until)
    assert found.state == "failed"
    assert "std::bad_alloc" in found.reason
    assert found.reason.endswith("fatal: it cannot be made smaller")


def test_a_recovery_command_that_does_not_exist_is_a_failure(run: Run, start: Callable, until: Callable) -> None:
    (run.path / "size").write_text("8")
    start(HUNGRY, recover=["/no/such/program"])
    assert "FileNotFoundError" in ended(run, until).reason


@pytest.mark.parametrize("recover", [[], SMALLER])
def test_other_failures_are_left_as_they_are(run: Run, start: Callable, until: Callable, recover: list[str]) -> None:
    (run.path / "size").write_text("8")
    start("raise ValueError('no')", recover=recover)
    assert ended(run, until).state == "failed"
    assert (run.path / "size").read_text() == "8"


def test_one_that_somebody_killed_is_not_started_again(run: Run, start: Callable, until: Callable) -> None:
    (run.path / "size").write_text("8")
    job = start("import time; time.sleep(3000)", recover=SMALLER)
    os.kill(job.pid, signal.SIGKILL)
    found = ended(run, until)
    assert (found.state, found.exit_code) == ("failed", -signal.SIGKILL)
    assert (run.path / "size").read_text() == "8"


def test_one_that_was_killed_by_request_is_not_started_again(run: Run, start: Callable, until: Callable) -> None:
    (run.path / "size").write_text("8")
    job = start("import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(3000)",
                recover=SMALLER)  # fmt: skip
    until(lambda: "deaf" in run.log("train").read_text())
    found = shutdown.stop(run, ["train"], timeout=0.1, kill=True)["train"]
    assert (found.state, found.pid) == ("stopped", job.pid)
    assert (run.path / "size").read_text() == "8"


def test_one_whose_supervisor_was_asked_to_end_is_not_started_again(
    run: Run, start: Callable, until: Callable, supervisor_of: Callable
) -> None:
    (run.path / "size").write_text("8")
    job = start("import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(3000)",
                recover=SMALLER)  # fmt: skip
    until(lambda: "deaf" in run.log("train").read_text())
    supervisor_of(job).terminate()
    os.kill(job.pid, signal.SIGKILL)
    assert ended(run, until).state == "failed"
    assert (run.path / "size").read_text() == "8"


def test_one_that_is_asked_to_end_while_it_is_made_smaller_is_not_started_again(
    run: Run, start: Callable, until: Callable, supervisor_of: Callable
) -> None:
    wait = "import pathlib, time\nwhile not pathlib.Path({!r}).exists(): time.sleep(0.01)\n"
    (run.path / "size").write_text("8")
    slow = [sys.executable, "-c", "print('recovering', flush=True)\n" + wait.format("go on") + SMALLER[2]]
    job = start(wait.format("begin") + HUNGRY, recover=slow)
    supervisor = supervisor_of(job)
    (run.path / "begin").touch()
    until(lambda: "recovering" in run.log("train").read_text())
    supervisor.terminate()
    (run.path / "go on").touch()
    found = ended(run, until)
    assert (found.state, found.pid) == ("failed", job.pid)
    assert run.log("train").read_text().count("at work") == 1


CRASHING = (
    "import os, pathlib, signal, time\n"
    "held = bytearray(100 * 2**20 * int(pathlib.Path('size').read_text()))\n"
    "time.sleep(1)\n"
    "os.kill(os.getpid(), signal.SIGSEGV)\n"
)


@pytest.mark.parametrize(("size", "made_smaller"), [(8, True), (1, False)])
def test_a_crash_near_the_limit_of_memory_counts_as_lack_of_it(
    run: Run, until: Callable, size: int, made_smaller: bool
) -> None:
    (run.path / "size").write_text(str(size))
    begin = (
        "import pathlib, resource, sys\n"
        "from odtool.jobs import launcher\n"
        "from odtool.workspace import Run\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))\n"
        "folder, code, *smaller = sys.argv[1:]\n"
        "launcher.start(Run(pathlib.Path(folder)), 'train', [sys.executable, '-c', code],\n"
        "               directory=folder, environment={}, recover=smaller)\n"
    )
    # In a process of its own, from which the limit is inherited.
    subprocess.run([sys.executable, "-c", begin, str(run.path), CRASHING, *SMALLER], check=True)
    assert ended(run, until).exit_code == -signal.SIGSEGV
    assert ("GB that RLIMIT_DATA allows were in use" in run.log("train").read_text()) is made_smaller
    assert (run.path / "size").read_text() == ("4" if made_smaller else "1")


TRIES = (
    "import json, os, pathlib, sys\n"
    "tries = pathlib.Path('tries')\n"
    "tries.write_text(str(int(tries.read_text()) + 1))\n"
    "told = {'state': 'failed', 'reason': 'another is gone', 'time': 0, 'pid': os.getpid(), 'retry': True}\n"
    "if tries.read_text() != '3':\n"
    "    pathlib.Path('jobs/train.outcome.json').write_text(json.dumps(told))\n"
    "    sys.exit(1)\n"
)


@pytest.mark.parametrize(("retries", "state", "tries"), [(0, "failed", 1), (1, "failed", 2), (9, "finished", 3)])
def test_one_that_asks_for_it_is_started_again_as_it_is(
    run: Run, start: Callable, until: Callable, retries: int, state: str, tries: int
) -> None:
    (run.path / "tries").write_text("0")
    start(TRIES, retries=retries)
    assert ended(run, until).state == state
    assert int((run.path / "tries").read_text()) == tries


def test_who_stands_by_sees_it_through(run: Run, start: Callable) -> None:
    (run.path / "size").write_text("8")
    start(HUNGRY, recover=SMALLER)
    output = []
    with foreground.catching_signals() as received:
        found = foreground.attend(run, ["train"], received, write=output.append, say=lambda _: None)
    assert found["train"].state == "finished"
    assert b"".join(output).count(b"at work") == 3


FULL = (
    "import json, os, pathlib, time\n"
    "try:\n"
    "    with open('large', 'wb', buffering=0) as stream:\n"
    "        while True: stream.write(bytes(4096))\n"
    "except OSError as error:\n"
    "    print('ResourceExhaustedError:', error, flush=True)\n"
    "raise SystemExit(1)\n"
)


def test_on_a_full_disk_the_end_is_recorded_and_nothing_is_made_smaller(
    tmp_path: Path, until: Callable, mounted: Callable[[Path, str], AbstractContextManager[None]]
) -> None:
    with mounted(tmp_path / "small", "size=500k"):
        run = Run(tmp_path / "small" / "train" / "full")
        run.path.mkdir(parents=True)
        command = [sys.executable, "-c", FULL]
        launcher.start(run, "train", command, directory=run.path, environment={}, recover=SMALLER)
        found = ended(run, until)
        assert (found.state, found.exit_code) == ("failed", 1)
        job = record.load(run, "train")
        assert job is not None
        assert (job.ended is not None, job.recoveries) == (True, 0)
        assert not (run.path / "size").exists()
        until(lambda: not locks.is_held(run.job_lock("train")))


def test_of_a_run_that_was_moved_nothing_is_made_anew(run: Run, start: Callable, until: Callable) -> None:
    job = start("import time; time.sleep(3000)")
    elsewhere = run.path.with_name("elsewhere")
    run.path.rename(elsewhere)
    os.kill(job.pid, signal.SIGTERM)
    until(lambda: not locks.is_held(Run(elsewhere).job_lock("train")))
    assert not run.path.exists()
    assert "how train ended is not recorded (code -15)" in Run(elsewhere).log("train").read_text()
