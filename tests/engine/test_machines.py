"""One training of two processes that know one another by addresses, as on two machines: real commands on loopback."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odtool import metrics
from odtool.jobs import record
from odtool.pipeline.text import config
from odtool.workspace import Run

pytestmark = pytest.mark.slow
Engine = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[[int], "subprocess.Popen[str]"]
Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def run(api: Any, data: Path, trained: Run, tmp_path: Path) -> Run:
    """The trained run, to be trained on with batches of four: each process's two are the same images."""
    path = tmp_path / "train" / "shared"
    shutil.copytree(trained.path, path)
    run = Run(path)
    train = data / "train-00000-of-00001.tfrecord"
    a, b = [record.numpy() for record in api.data.TFRecordDataset(str(train)).take(2)]
    with api.io.TFRecordWriter(str(tmp_path / "pairs.tfrecord")) as writer:
        for one in [a, a, b, b] * 20:  # of which each process reads every second one
            writer.write(one)
    changed = config.load(run.pipeline_config)
    settings, reader = changed.message.train_config, changed.message.train_input_reader
    settings.batch_size, settings.num_steps = 4, 44
    del settings.data_augmentation_options[:]
    reader.shuffle = False
    reader.tf_record_input_reader.input_path[:] = [str(tmp_path / "pairs.tfrecord")]
    run.pipeline_config.write_text(config.dump(changed))
    run.metrics.unlink()
    return run


@pytest.fixture
def start(run: Run, tmp_path: Path) -> Iterator[Start]:
    """Starts `odtool train --foreground` as one of the two processes; what is left at the end is killed."""
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, two)]
    started: list[subprocess.Popen[str]] = []

    def begin(index: int) -> subprocess.Popen[str]:
        known = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        command = [sys.executable, "-m", "odtool", "train", run.name, "--foreground", "--gpu", "cpu"]
        started.append(
            subprocess.Popen(
                [*command, "--checkpoint-every", "10", "--workspace", str(tmp_path)],
                env={**os.environ, "TF_CONFIG": json.dumps(known)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            for task in ("train", "train-worker1"):
                if (job := record.load(run, task)) is not None and job.pid is not None and job.ended is None:
                    os.kill(job.pid, signal.SIGKILL)
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def entries(run: Run, kind: str) -> list[metrics.Metric]:
    return [entry for entry in metrics.read(run.metrics) if entry.kind == kind]


def outcome(run: Run, task: str) -> dict[str, Any]:
    return dict(json.loads(run.outcome(task).read_text()))


def test_a_killed_worker_comes_back_and_all_go_on_to_the_last_step(
    run: Run, start: Start, engine: Engine, until: Until
) -> None:
    alone = Run(Path(shutil.copytree(run.path, run.path.parent.parent / "alone")))
    chief, worker = start(0), start(1)
    until(lambda: 14 in run.checkpoints(), by=chief)
    job = record.load(run, "train-worker1")
    assert job is not None
    assert job.pid is not None
    os.kill(job.pid, signal.SIGKILL)
    said, _ = worker.communicate()
    assert worker.returncode == 1
    assert "killed by SIGKILL" in said
    again = start(1)  # as a scheduler would
    said, _ = chief.communicate()
    assert chief.returncode == 0, said
    assert "worker 1 at 127.0.0.1:" in said
    assert " is gone (" in said
    worker_said, _ = again.communicate()
    assert again.returncode == 0, worker_said
    assert max(run.checkpoints()) == 44
    assert [outcome(run, task)["state"] for task in ("train", "train-worker1")] == ["finished", "finished"]
    first, second = entries(run, "start")
    assert first.step == 4
    assert second.step in run.checkpoints()
    assert second.step >= 14
    losses = [entry.values["loss"] for entry in entries(run, "train")]
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]
    # Only one process writes to the run's account.
    assert len({entry.step for entry in entries(run, "checkpoint")}) == len(entries(run, "checkpoint"))

    changed = config.load(alone.pipeline_config)
    changed.message.train_config.num_steps = 5
    alone.pipeline_config.write_text(config.dump(changed))
    assert engine("train", alone.path).returncode == 0
    (one,) = entries(alone, "train")
    assert losses[0] == pytest.approx(one.values["loss"], abs=1e-4)


def test_a_stop_of_one_process_stops_all_after_the_same_step(run: Run, start: Start, until: Until) -> None:
    changed = config.load(run.pipeline_config)
    changed.message.train_config.num_steps = 100_000
    run.pipeline_config.write_text(config.dump(changed))
    chief, worker = start(0), start(1)
    until(lambda: entries(run, "train"), by=chief)
    worker.send_signal(signal.SIGTERM)
    for process in (chief, worker):
        said, _ = process.communicate()
        assert process.returncode == os.EX_TEMPFAIL, said
    step = max(run.checkpoints())
    assert f"after step {step} of 100000" in outcome(run, "train")["reason"]
    assert outcome(run, "train")["reason"].startswith("stopped with worker 1 at 127.0.0.1:")
    assert f"stopped after step {step} of 100000" in outcome(run, "train-worker1")["reason"]
    assert [outcome(run, task)["state"] for task in ("train", "train-worker1")] == ["stopped", "stopped"]
