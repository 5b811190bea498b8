"""A run to tune, and stand-ins for the engine that score by a trial's values: one of processes, one without."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from odtool import locks
from odtool.api.data.prepare import prepare
from odtool.api.model.configure import configure
from odtool.api.tasks import engine_process
from odtool.dataset import synthetic
from odtool.jobs import process, record, shutdown
from odtool.metrics import MetricsLog
from odtool.pipeline.checks import check_list
from odtool.workspace import TASKS, Run, Workspace

ENGINE = """
import fcntl, json, math, os, pathlib, signal, sys, time
task, run = sys.argv[1], pathlib.Path(sys.argv[2])
space = run.parent.parent

def end(state, reason, code, **more):
    said = {"state": state, "reason": reason, "time": time.time(), "pid": os.getpid(), **more}
    (run / "jobs" / f"{task}.outcome.json").write_text(json.dumps(said))
    sys.exit(code)

def write(kind, step, values):
    line = json.dumps({"kind": kind, "step": step, "time": time.time(), "values": values})
    with (run / "metrics.jsonl").open("a") as stream:
        stream.write(line + "\\n")

signal.signal(signal.SIGTERM, lambda *_: end("stopped", "stopped by SIGTERM, after saving", 0))
with (run / f"{task}.starts").open("a") as stream:
    stream.write(" ".join([os.environ.get("CUDA_VISIBLE_DEVICES", ""), *sys.argv[3:]]) + "\\n")
values = json.loads((run / "trial.json").read_text())
number, values = values["number"], values["values"]
if (space / f"fail-{number}").exists() or (space / "fail").exists():
    end("failed", f"the loss is not finite, in trial {number}", 1)
def is_training():
    with (run / "jobs" / "train.lock").open() as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

if task == "eval":
    while is_training():
        time.sleep(0.01)
    end("finished", "", 0)
every = int(sys.argv[sys.argv.index("--checkpoint-every") + 1])
done = [int(path.name) for path in run.glob("done-*/*")]
write("start", max(done, default=0), {"num_steps": 40, "batch_size": 2})
for index in range(1, 5):
    while (space / "wait").exists() or (space / f"wait-{number}").exists():
        time.sleep(0.01)
    if index * every in done:
        continue
    far = abs(math.log10(values["learning_rate"] / 0.02))
    score = (1 - far / 4) * index / 4
    (run / f"done-{index}").mkdir(exist_ok=True)
    (run / f"done-{index}" / str(index * every)).touch()
    (run / f"ckpt-{index * every}.index").touch()  # an evaluation that starts afterwards asks for one
    write("eval", index * every, {"DetectionBoxes_Precision/mAP": score})
    if (space / "slow").exists():
        time.sleep(0.3)
end("finished", "", 0)
"""
"""Training writes what evaluation would, so that both are there at once; learning rates near 0.02 score best."""


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials are looked at without much waiting."""
    monkeypatch.setattr("odtool.api.run.trial_search.POLL", 0.02)


@pytest.fixture
def space(tmp_path: Path) -> Path:
    """A file of what is varied: the learning rate and the batch size."""
    path = tmp_path / "space.toml"
    path.write_text("learning_rate = {low = 0.0002, high = 0.2, log = true}\nbatch_size = [1, 2]\n")
    return path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the records of a few drawn images."""
    root = tmp_path_factory.mktemp("prepared")
    synthetic.draw(root / "drawings", images=8)
    prepare(root / "drawings", val=0.5, workspace=root)
    return root


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """The script of the stand-in."""
    script = tmp_path / "engine.py"
    script.write_text(ENGINE)
    return script


@pytest.fixture
def tuned_run(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of 40 steps in the current folder."""
    root = tmp_path / "a b"
    shutil.copytree(prepared / "data", root / "data")
    monkeypatch.chdir(root)
    return configure("demo_ssd", run="small", steps=40, batch_size=2, workspace=root).run


@pytest.fixture
def instant_run(tuned_run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same; the training of a trial is over as soon as it begins, and so is its evaluation."""

    def train(run: Run, **_options: object) -> None:
        trial = json.loads((run.path / "trial.json").read_text())
        check_list.check_run(run.pipeline_config)
        failed = Path("fail").exists() or Path(f"fail-{trial['number']}").exists()
        if failed:
            run.log("train").write_text(f"ValueError: the loss is not finite, in trial {trial['number']}\n")
        else:
            for index in range(1, 5):
                far = abs(math.log10(trial["values"].get("learning_rate", 0.02) / 0.02))
                values = {"DetectionBoxes_Precision/mAP": (1 - far / 4) * index / 4}
                MetricsLog(run.metrics).write("eval", index * 10, values)
        for task in TASKS:
            job = record.JobRecord((), "", time.time(), 0, process.identify_machine(), pid=os.getpid())
            run.jobs.mkdir(exist_ok=True)
            record.save(run, task, replace(job, ended=time.time(), exit_code=int(failed and task == "train")))

    monkeypatch.setattr("odtool.api.run.train.train", train)
    return tuned_run


@pytest.fixture
def process_run(
    tuned_run: Run, stand_in: Path, monkeypatch: pytest.MonkeyPatch, until: Callable[..., object]
) -> Iterator[Run]:
    """The same, with a process for each training and evaluation."""
    monkeypatch.setattr(engine_process, "ENGINE", (sys.executable, str(stand_in)))
    yield tuned_run
    for run in Workspace(tuned_run.path.parent.parent).runs():
        for task in TASKS:
            if (left := record.load(run, task)) is not None:
                shutdown.kill_now(run, task, left, "the test is over")
            until(lambda run=run, task=task: not locks.is_held(run.job_lock(task)))
