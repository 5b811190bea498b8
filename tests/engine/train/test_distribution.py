"""Training spread over two devices, parts of one CPU, in processes of their own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from odtool import metrics
from odtool.pipeline.text import config
from odtool.workspace import Run

pytestmark = pytest.mark.slow
Engine = Callable[..., "subprocess.CompletedProcess[str]"]
GoOn = Callable[..., Run]


@pytest.fixture
def pairs(api: Any, data: Path, tmp_path: Path) -> Path:
    """Two images in turn, so that each half of a batch of four is the same: a replica's own batch norm and number of
    matches are then those of the whole batch."""
    train = data / "train-00000-of-00001.tfrecord"
    two = [record.numpy() for record in api.data.TFRecordDataset(str(train)).take(2)]
    path = tmp_path / "pairs.tfrecord"
    with api.io.TFRecordWriter(str(path)) as writer:
        for record in two * 20:
            writer.write(record)
    return path


@pytest.fixture
def go_on(trained: Run, tmp_path: Path) -> GoOn:
    """Copies of the trained run, to be trained on with batches of four records in order, without augmentation."""

    def make(name: str, records: Path, steps: int) -> Run:
        run = Run(Path(shutil.copytree(trained.path, tmp_path / name)))
        changed = config.load(run.pipeline_config)
        settings, reader = changed.message.train_config, changed.message.train_input_reader
        settings.batch_size, settings.num_steps = 4, steps
        del settings.data_augmentation_options[:]
        reader.shuffle = False
        reader.tf_record_input_reader.input_path[:] = [str(records)]
        run.pipeline_config.write_text(config.dump(changed))
        run.metrics.unlink()
        return run

    return make


def losses(run: Run) -> dict[int, float]:
    return {entry.step: entry.values["loss"] for entry in metrics.read(run.metrics) if entry.kind == "train"}


def weights(api: Any, run: Run, step: int) -> Any:
    """All of the model's, one after the other, without the optimizer's slots."""
    reader = api.train.load_checkpoint(str(run.checkpoint(step)))
    names = [name for name in sorted(reader.get_variable_to_shape_map()) if name.startswith("model/")]
    return np.concatenate([reader.get_tensor(name).ravel() for name in names if "OPTIMIZER_SLOT" not in name])


def test_two_devices_take_the_steps_of_one_and_stop_as_one_does(
    api: Any,
    go_on: GoOn,
    pairs: Path,
    engine: Engine,
    start_engine: Callable[..., subprocess.Popen[str]],
    until: Callable[..., Any],
) -> None:
    one, two = go_on("one", pairs, 6), go_on("two", pairs, 100_000)
    running = start_engine(
        "train", two.path, "--cpu-devices", 2, "--cache-memory", "auto", "--checkpoint-every", 2,
        "--keep-checkpoints", 1000,
    )  # fmt: skip
    done = engine("train", one.path)
    assert done.returncode == 0, done.stderr
    until(lambda: 6 in two.checkpoints(), by=running)
    running.send_signal(signal.SIGTERM)
    log, _ = running.communicate()
    assert running.returncode == 0, log
    assert "each batch is split among 2 devices" in log
    assert json.loads(two.outcome("train").read_text())["state"] == "stopped"
    assert losses(two)[5] == pytest.approx(losses(one)[5], rel=1e-6, abs=1e-4)
    start, way = weights(api, one, 4), weights(api, one, 6) - weights(api, one, 4)
    # Single precision, made coarser by batch norm over few and nearly equal values. A gradient that was not shared, or
    # counted twice, would be off by as much as the whole way.
    assert np.linalg.norm(weights(api, two, 6) - start - way) < 0.05 * np.linalg.norm(way)


def test_a_bad_loss_on_one_device_is_seen_and_the_records_of_all_are_named(
    api: Any, go_on: GoOn, data: Path, engine: Engine, tmp_path: Path
) -> None:
    train = data / "train-00000-of-00001.tfrecord"
    records = [record.numpy() for record in api.data.TFRecordDataset(str(train))]
    poisoned = api.train.Example.FromString(records[7])
    poisoned.features.feature["image/object/weight"].float_list.value.append(float("inf"))
    with api.io.TFRecordWriter(str(tmp_path / "poisoned.tfrecord")) as writer:
        for record in (*records[:7], poisoned.SerializeToString(), *records[8:]):
            writer.write(record)
    run = go_on("poisoned", tmp_path / "poisoned.tfrecord", 100)
    done = engine("train", run.path, "--cpu-devices", 2, "--checkpoint-every", 1)
    assert done.returncode == 1
    # The second batch of four: the first device's share was sound.
    assert "has not been finite since step 6 (the last checkpoint before it is ckpt-5)" in done.stderr
    assert "records of its batch: train-4, train-5, train-6, train-7" in done.stderr


def test_a_batch_that_the_devices_cannot_share_is_refused(go_on: GoOn, pairs: Path, engine: Engine) -> None:
    done = engine("train", go_on("odd", pairs, 6).path, "--cpu-devices", 3)
    assert done.returncode == 1
    assert "batch_size 4 cannot be split evenly across 3 devices" in done.stderr


def test_an_error_of_an_exchange_names_the_process_that_is_gone(api: Any) -> None:
    from odtool.cluster import Cluster
    from odtool.engine.train.distribution import Team

    told = "Error reported from /job:worker/task:1: The following tasks are unhealthy (stopped sending heartbeats)"
    lines = f"Graph execution error:\n\nCollective ops is aborted by: {told}:\n/job:worker/replica:0/task:1"
    error = api.errors.UnavailableError(None, None, lines)
    team = Team(None, Cluster(("a:1", "b:2", "c:3"), 0, "TF_CONFIG"))
    ending = team.explain_lost_peer(error)
    assert ending is not None
    assert (ending.state, ending.retry) == ("failed", True)
    assert ending.reason == f"worker 1 at b:2 is gone ({told})"
    assert Team(None).explain_lost_peer(error) is None
    assert team.explain_lost_peer(api.errors.ResourceExhaustedError(None, None, "OOM")) is None
