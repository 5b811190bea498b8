"""Starting jobs: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from odtool import locks
from odtool.errors import JobError
from odtool.jobs import launcher, record, state
from odtool.workspace import Run

WAIT = "import time; time.sleep(3000)"


def test_output_of_the_command_is_appended_to_the_log(run: Run, start: Callable, until: Callable) -> None:
    run.log("train").write_text("before\n")
    job = start("import sys; print('out', flush=True); print('err', file=sys.stderr)")
    until(lambda: state.read(run, "train").state == "finished")
    assert run.log("train").read_text() == "before\nout\nerr\n"
    assert job.log_offset == len("before\n")


def test_a_started_job_is_recorded_with_its_pid_before_start_returns(run: Run, start: Callable) -> None:
    job = start(WAIT)
    assert state.read(run, "train") == state.JobState("running", job.pid, job.started)
    assert psutil.Process(job.pid).cmdline() == list(job.argv)


def test_the_command_runs_in_its_folder_with_its_environment_and_priority(
    run: Run, start: Callable, until: Callable, tmp_path: Path
) -> None:
    code = "import os; print(os.getcwd(), os.environ['CUDA_VISIBLE_DEVICES'], os.nice(0), os.getsid(0) == os.getpid())"
    start(code, directory=tmp_path, environment={"CUDA_VISIBLE_DEVICES": "-1"}, nice=7)
    until(lambda: state.read(run, "train").state == "finished")
    assert run.log("train").read_text() == f"{tmp_path} -1 {os.nice(0) + 7} True\n"


def test_starting_what_already_runs_is_refused_and_names_the_pid(run: Run, start: Callable) -> None:
    job = start(WAIT)
    with pytest.raises(JobError, match=rf"already running \(pid {job.pid}\)"):
        start(WAIT)
    assert record.load(run, "train") == job


def test_two_tasks_of_a_run_go_on_at_once(run: Run, start: Callable) -> None:
    start(WAIT, "train")
    start(WAIT, "eval")
    assert [state.read(run, task).state for task in ("train", "eval")] == ["running", "running"]


def test_of_many_starts_at_once_one_wins(run: Run, start: Callable) -> None:
    won, refused = [], []
    together = threading.Barrier(4)

    def attempt() -> None:
        together.wait()
        try:
            won.append(start(WAIT))
        except JobError as error:
            refused.append(error.message)

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 3)
    assert state.read(run, "train").pid == won[0].pid


def test_a_task_can_be_started_again_after_kill_9(
    run: Run, start: Callable, supervisor_of: Callable, until: Callable
) -> None:
    first = start(WAIT)
    supervisor_of(first).kill()
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: not locks.is_held(run.job_lock("train")))
    second = start(WAIT)
    assert state.read(run, "train").pid == second.pid != first.pid


def test_the_lock_is_held_by_the_command_after_its_supervisor_was_killed(
    run: Run, start: Callable, supervisor_of: Callable
) -> None:
    supervisor = supervisor_of(start(WAIT))
    supervisor.kill()
    psutil.wait_procs([supervisor])
    assert locks.is_held(run.job_lock("train"))
    with pytest.raises(JobError, match="already running"):
        start(WAIT)


def test_output_goes_on_after_the_supervisor_was_killed(
    run: Run, start: Callable, supervisor_of: Callable, until: Callable
) -> None:
    code = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\nprint('still here')"
    supervisor = supervisor_of(start(code))
    supervisor.kill()
    psutil.wait_procs([supervisor])
    (run.path / "go").touch()
    until(lambda: run.log("train").read_text() == "still here\n")


def test_a_command_that_does_not_exist_fails_with_the_reason(run: Run, until: Callable) -> None:
    with pytest.raises(JobError, match=r"could not be started: FileNotFoundError.*'/no/such/program'"):
        launcher.start(run, "train", ["/no/such/program"], directory=run.path, environment={})
    until(lambda: state.read(run, "train").state == "failed")
    assert (
        "FileNotFoundError: [Errno 2] No such file or directory: '/no/such/program'" in state.read(run, "train").reason
    )


def test_a_folder_that_does_not_exist_is_no_started_job(run: Run, until: Callable) -> None:
    with pytest.raises(JobError, match=r"could not be started: FileNotFoundError.*'/no/such/folder'"):
        launcher.start(run, "train", ["true"], directory=Path("/no/such/folder"), environment={})
    until(lambda: state.read(run, "train").state == "failed")


def test_a_job_whose_launcher_is_gone_runs_all_the_same(run: Run, until: Callable) -> None:
    nobody, ready = os.pipe()
    os.close(nobody)
    lock = locks.acquire(run.job_lock("train"))
    assert lock is not None
    argv = (sys.executable, "-c", "print('ran')")
    record.save(
        run, "train", record.JobRecord(argv=argv, directory=str(run.path), started=1.0, log_offset=0, machine="here")
    )
    with run.log("train").open("ab") as log:
        subprocess.run(
            [sys.executable, "-m", "odtool.jobs.supervisor", str(run.path), "train", str(ready)],
            stdout=log,
            stderr=log,
            pass_fds=(lock, ready),
            check=True,
        )
    os.close(lock)
    os.close(ready)
    until(lambda: not locks.is_held(run.job_lock("train")))
    assert run.log("train").read_text() == "ran\n"
    assert state.read(run, "train").state == "finished"


def test_a_job_outlives_the_terminal_it_was_started_from(run: Run, until: Callable) -> None:
    import pty

    code = (
        "import sys; from pathlib import Path; from odtool.jobs import launcher; from odtool.workspace import Run\n"
        f"folder = Path({str(run.path)!r})\n"
        "argv = [sys.executable, '-c', 'import time; time.sleep(3000)']\n"
        "launcher.start(Run(folder), 'train', argv, directory=folder, environment={})\n"
        "print('started', flush=True); input()"
    )
    terminal, inside = pty.openpty()
    shell = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n{code}"],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    )
    os.close(inside)
    said = b""
    while b"started" not in said:
        said += os.read(terminal, 1024)
    os.close(terminal)
    assert shell.wait() in (-signal.SIGHUP, 1)
    job = record.load(run, "train")
    assert job is not None
    assert state.read(run, "train").state == "running"
    os.kill(job.pid or 0, signal.SIGHUP)
    os.kill(psutil.Process(job.pid).ppid(), signal.SIGHUP)
    assert state.read(run, "train").state == "running"
    os.kill(job.pid or 0, signal.SIGKILL)
    until(lambda: state.read(run, "train").state == "failed")


def test_a_signal_to_the_supervisor_reaches_the_command(
    run: Run, start: Callable, supervisor_of: Callable, until: Callable
) -> None:
    job = start(WAIT)
    until(lambda: "time.sleep" in " ".join(psutil.Process(job.pid).cmdline()))
    supervisor_of(job).terminate()
    until(lambda: state.read(run, "train").state == "stopped")


def test_the_supervisor_is_light() -> None:
    code = (
        "import sys, odtool.jobs.supervisor\n"
        "print(sorted({'tensorflow', 'numpy', 'rich', 'typer', 'google.protobuf', 'psutil'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
