"""A run with real processes in it, none of which outlives its test."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from odtool import locks
from odtool.jobs import launcher, record, state
from odtool.workspace import TASKS, Run

Start = Callable[..., record.JobRecord]
Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run in a folder with a space and brackets in its name."""
    folder = tmp_path / "my work [1]" / "train" / "run one"
    folder.mkdir(parents=True)
    return Run(folder)


@pytest.fixture
def start(run: Run, until: Until) -> Iterator[Start]:
    """Starts Python code as a task of the run."""

    def start_code(code: str, task: str = "train", **options: object) -> record.JobRecord:
        settings = {"directory": run.path, "environment": {}, **options}
        return launcher.start(run, task, [sys.executable, "-c", code], **settings)  # type: ignore[arg-type]  # options as given

    yield start_code
    for task in TASKS:
        job = record.load(run, task)
        if job is not None and state.is_alive(job):
            assert job.pid is not None
            os.kill(job.pid, signal.SIGKILL)
        until(lambda task=task: not locks.is_held(run.job_lock(task)))


@pytest.fixture
def supervisor_of() -> Callable[[record.JobRecord], psutil.Process]:
    """The process that waits for a job."""

    def find(job: record.JobRecord) -> psutil.Process:
        parent = psutil.Process(job.pid).parent()
        assert parent is not None
        assert "odtool.jobs.supervisor" in parent.cmdline()
        return parent

    return find
