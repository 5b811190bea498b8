"""odtool stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import psutil

from odtool.jobs import record, state
from odtool.workspace import Run


def begun(run: Run, task: str = "train") -> Callable[[], bool]:
    return lambda: "begins" in run.log(task).read_text()


def test_both_tasks_are_stopped_after_saving(odtool: Callable, job_run: Run, until: Callable, no_gpu: None) -> None:
    odtool("train", "--eval")
    until(begun(job_run))
    until(begun(job_run, "eval"))
    said = odtool("stop", "--json")
    assert said.code == 0
    assert [said.json[task]["state"] for task in ("train", "eval")] == ["stopped", "stopped"]
    assert "train saves" in job_run.log("train").read_text()


def test_one_task_can_be_stopped_alone(odtool: Callable, job_run: Run, until: Callable, no_gpu: None) -> None:
    odtool("train", "--eval")
    until(begun(job_run, "eval"))
    said = odtool("stop", "eval")
    assert (said.code, said.out) == (0, "eval  of run first: stopped: by a signal, after saving\n")
    assert state.read(job_run, "train").state == "running"


def test_stopping_nothing_is_an_error(odtool: Callable, job_run: Run) -> None:
    said = odtool("stop")
    assert said.code == 1
    assert "train and eval of run 'first': not running" in said.err


def test_a_job_that_does_not_end_is_reported_and_can_be_killed(
    odtool: Callable, job_run: Run, until: Callable, no_gpu: None
) -> None:
    odtool("train")
    until(begun(job_run))
    job = record.load(job_run, "train")
    assert job is not None
    assert job.pid is not None
    psutil.Process(job.pid).suspend()
    said = odtool("stop", "--timeout", 0.1)
    assert said.code == 1
    assert "did not end within 0.1 s" in said.err
    assert "odtool stop first --timeout 0 --kill" in said.err
    assert odtool("stop", "--timeout", 0, "--kill").code == 0
    assert state.read(job_run, "train").state == "stopped"


def test_a_dead_job_is_not_running(odtool: Callable, job_run: Run, until: Callable, no_gpu: None) -> None:
    pid = odtool("train", "--no-recover", "--json").json["train"]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: state.read(job_run, "train").state == "failed")
    assert odtool("stop").code == 1
