"""Telling of a job's end: real supervisors, and a command that takes down what it is told."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool import locks
from odtool.jobs import launcher, record
from odtool.jobs.notify import end_of_job
from odtool.metrics import MetricsLog
from odtool.workspace import Run


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """The file that the command `tell` appends each message to."""
    return tmp_path / "told.jsonl"


@pytest.fixture
def tell(told: Path) -> str:
    return f"cat >> {shlex.quote(str(told))}"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "my work" / "train" / "run one"
    folder.mkdir(parents=True)
    return Run(folder)


def begin(run: Run, code: str, notify: str, **options: Any) -> record.JobRecord:
    command = [sys.executable, "-c", code]
    return launcher.start(run, "train", command, directory=run.path, environment={}, notify=notify, **options)


def messages(told: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []


def test_the_end_is_told_with_the_newest_figures(run: Run, tell: str, told: Path, until: Callable) -> None:
    log = MetricsLog(run.metrics)
    log.write("start", 0, {"num_steps": 20})
    log.write("eval", 10, {"DetectionBoxes_Precision/mAP": 0.25, "DetectionBoxes_Recall/AR@1": -1.0})
    log.write("train", 20, {"loss": 1.5})
    begin(run, "raise SystemExit(3)", tell)
    (message,) = until(lambda: messages(told))
    assert message | {"started": 0, "time": 0} == {
        "run": "run one",
        "task": "train",
        "state": "failed",
        "exit_code": 3,
        "reason": "exit code 3",
        "step": 20,
        "metrics": {"step": 10, "DetectionBoxes_Precision/mAP": 0.25, "DetectionBoxes_Recall/AR@1": None},
        "path": str(run.path),
        "started": 0,
        "time": 0,
    }
    until(lambda: not locks.is_held(run.notify_lock("train")))
    assert "train: told 'cat'" in run.log("notify").read_text()


def test_a_job_that_was_stopped_before_any_figure_is_told_as_well(
    run: Run, tell: str, told: Path, until: Callable
) -> None:
    job = begin(run, "import time; time.sleep(3000)", tell)
    assert job.pid is not None
    os.kill(job.pid, signal.SIGTERM)
    (message,) = until(lambda: messages(told))
    assert (message["state"], message["step"], message["metrics"]) == ("stopped", None, None)


def test_starts_in_between_are_not_the_end(run: Run, tell: str, told: Path, until: Callable) -> None:
    code = (
        "import json, os, pathlib, sys, time\n"
        "marks = pathlib.Path('marks'); marks.open('a').write('x')\n"
        "again = len(marks.read_text()) < 3\n"
        "state = 'failed' if again else 'finished'\n"
        "said = dict(state=state, reason='', time=time.time(), pid=os.getpid(), retry=again)\n"
        "pathlib.Path('jobs/train.outcome.json').write_text(json.dumps(said))\n"
        "sys.exit(again)"
    )
    begin(run, code, tell, retries=5)
    until(lambda: messages(told))
    assert (run.path / "marks").read_text() == "xxx"
    until(lambda: not locks.is_held(run.notify_lock("train")))
    assert [message["state"] for message in messages(told)] == ["finished"]


def test_who_takes_long_to_be_told_holds_nothing_up(run: Run, tmp_path: Path, until: Callable) -> None:
    go_on = tmp_path / "go on"
    begin(run, "pass", f"while [ ! -e {shlex.quote(str(go_on))} ]; do sleep 0.1; done")
    until(lambda: locks.is_held(run.notify_lock("train")))
    until(lambda: not locks.is_held(run.job_lock("train")))
    begin(run, "pass", "true")  # the next start is told of, too, while the first still hangs
    until(lambda: "told 'true'" in run.log("notify").read_text())
    assert "told 'while'" not in run.log("notify").read_text()
    go_on.touch()
    end_of_job.wait(run, ["train", "eval"])
    assert "told 'while'" in run.log("notify").read_text()


def test_the_target_is_in_no_file_and_not_in_the_jobs_environment(run: Run, told: Path, until: Callable) -> None:
    code = "import json, os, pathlib; pathlib.Path('seen').write_text(json.dumps(dict(os.environ)))"
    begin(run, code, f"cat > {shlex.quote(str(told))} # a-secret")
    until(lambda: messages(told))
    until(lambda: not locks.is_held(run.notify_lock("train")))
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert [path for path in files if b"a-secret" in path.read_bytes()] == []


def test_figures_that_cannot_be_read_do_not_keep_the_end_untold(
    run: Run, tell: str, told: Path, until: Callable
) -> None:
    run.metrics.mkdir()
    started = time.time()
    begin(run, "pass", tell)
    (message,) = until(lambda: messages(told))
    assert (message["state"], message["step"], message["metrics"]) == ("finished", None, None)
    assert message["time"] >= started
