"""Work done here or in worker processes."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from odtool import locks
from odtool.dataset import worker_processes
from odtool.dataset.workers import open_crew
from odtool.errors import DataError

MAY_FORK = worker_processes.may_fork


@pytest.fixture(autouse=True, params=["forked", "served"])
def origin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where workers come from, which depends on the threads that the process with the tests happens to have."""
    if request.param == "served":
        monkeypatch.setattr(worker_processes, "may_fork", lambda: False)
    elif not MAY_FORK():
        pytest.skip("this process has several threads; the last test of this file starts one that has not")
    return str(request.param)


def test_little_work_starts_no_process_where_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_processes, "may_fork", lambda: False)
    with open_crew(4) as workers:
        assert set(workers.map(lambda _: os.getpid(), range(5), tasks_here=5)) == {os.getpid()}


def test_one_worker_is_this_process() -> None:
    with open_crew(1) as workers:
        assert set(workers.map(lambda _: os.getpid(), range(5), tasks_here=0)) == {os.getpid()}


def test_much_work_is_done_elsewhere_in_order() -> None:
    with open_crew(2) as workers:
        assert list(workers.map(abs, range(-50, 0), tasks_here=3)) == list(range(50, 0, -1))
        # Once they run they do everything.
        assert list(workers.map(abs, [-1], tasks_here=3)) == [1]


def test_a_worker_that_is_killed_is_an_error_a_person_understands() -> None:
    with open_crew(2) as workers, pytest.raises(DataError, match="killed"):
        list(workers.map(os._exit, [1, 1], tasks_here=0))


_OTHERS = 9
"""Tasks that one worker does while the other waits, of ten."""
_PATIENCE = 60
"""Seconds, after which the test fails as tasks are held up."""


def _weigh(number: int) -> bytes:
    if number == 3:
        raise ValueError("three is too many")
    return bytes(1_000_000)


def test_answers_and_tasks_larger_than_a_pipe_hold_nobody_up() -> None:
    with open_crew(2) as workers:
        assert sum(map(len, workers.map(_same, [bytes(1_000_000)] * 20, tasks_here=0))) == 20_000_000


def _same(value: bytes) -> bytes:
    return value


def test_a_task_that_takes_long_holds_up_neither_the_others_nor_their_order(tmp_path: Path) -> None:
    """The long task ends when the others have: those that wait behind it in its worker never would."""
    tasks = [(tmp_path, number) for number in range(11)]
    with open_crew(2) as workers:
        answers = list(workers.map(_wait_or_say, tasks, tasks_here=0))
    assert [number for number, _ in answers] == list(range(11))
    slow = answers[0][1]
    # The worker that waits had one more task in hand at the most.
    assert sum(process == slow for _, process in answers) <= 2


def _wait_or_say(task: tuple[Path, int]) -> tuple[int, int]:
    """The first task waits for all others but one; those leave a file each."""
    folder, number = task
    deadline = time.monotonic() + _PATIENCE
    if number:
        (folder / str(number)).touch()
    while not number and len(list(folder.iterdir())) < _OTHERS and time.monotonic() < deadline:
        time.sleep(0.01)
    return number, os.getpid()


def test_what_a_worker_raises_comes_in_its_turn_and_leaves_the_crew_usable() -> None:
    with open_crew(2) as workers:
        answers = workers.map(_weigh, range(8), tasks_here=0)
        assert [len(next(answers)) for _ in range(3)] == [1_000_000] * 3
        with pytest.raises(ValueError, match="three is too many") as raised:
            next(answers)
        assert "in _weigh" in str(raised.value.__cause__)
        assert list(workers.map(abs, [-5, -6], tasks_here=0)) == [5, 6]


def test_only_while_workers_are_there_is_what_they_were_forked_with_kept_from_collections(origin: str) -> None:
    with open_crew(2):
        assert (gc.get_freeze_count() > 0) == (origin == "forked")
    assert gc.get_freeze_count() == 0


PARENT = """
import os, sys, threading, time
from pathlib import Path
from odtool import locks
from odtool.dataset.workers import open_crew
if __name__ == "__main__":
    if sys.argv[1] == "served":
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    held = locks.acquire(Path(sys.argv[2]))
    with open_crew(2) as workers:
        list(workers.map(abs, range(10), tasks_here=0))
        print("ready", flush=True)
        time.sleep(60)
"""


def test_workers_end_when_the_command_is_killed_and_hold_no_lock_of_its(origin: str, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, origin, str(lock)], stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == "ready\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert children
    for child in children:
        with suppress(psutil.NoSuchProcess):  # what the server needed to start has ended
            child.suspend()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    descriptor = locks.acquire(lock)
    assert descriptor is not None
    os.close(descriptor)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.resume()
    deadline = time.monotonic() + 60
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
        assert time.monotonic() < deadline, "workers outlive the command"
        time.sleep(0.05)


PROGRAM = """
import sys, threading, time
from odtool.dataset.workers import open_crew
print("runs", flush=True)
if sys.argv[1] == "served":
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
with open_crew(2) as workers:
    print(sum(workers.map(abs, range(-100, 0), tasks_here=0)), flush=True)
"""


def test_a_program_without_a_guard_is_run_once(origin: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py"), origin]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=200)
    assert (ended.stdout, ended.returncode) == ("runs\n5050\n", 0), ended.stderr


def test_all_of_this_is_tried_where_there_is_one_thread(origin: str) -> None:
    if origin == "forked" or MAY_FORK():
        return  # this is such a process; pytest-xdist's are not
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "-k",
        "forked",
        __file__,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=own, timeout=200)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
