"""Training in processes of its own, with the real API and a small SSD."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from odtool import files, metrics
from odtool.pipeline.text import config
from odtool.workspace import Run

pytestmark = pytest.mark.slow
Engine = Callable[..., "subprocess.CompletedProcess[str]"]


def outcome(run: Run, task: str = "train") -> dict[str, Any]:
    return dict(json.loads(run.outcome(task).read_text()))


def entries(run: Run, kind: str) -> list[metrics.Metric]:
    return [entry for entry in metrics.read(run.metrics) if entry.kind == kind]


def test_it_trains_exactly_the_steps_asked_for_and_saves_the_last(trained: Run) -> None:
    assert list(trained.checkpoints()) == [2, 4]
    assert outcome(trained)["state"] == "finished"
    assert [entry.step for entry in entries(trained, "checkpoint")] == [2, 4]
    assert entries(trained, "train")[-1].step == 4
    assert entries(trained, "end")[0].values == {"state": "finished"}


def test_metrics_and_log_give_loss_learning_rate_and_speed(trained: Run, training_log: str) -> None:
    (start,) = entries(trained, "start")
    assert (start.step, start.values["num_steps"], start.values["batch_size"]) == (0, 4, 2)
    values = entries(trained, "train")[-1].values
    assert values["loss"] > 0
    assert values["learning_rate"] == pytest.approx(0.01, rel=1e-3)
    assert values["steps_per_second"] > 0
    assert 0 <= values["input_wait"] <= 1
    parts = ("localization", "classification", "regularization")
    assert sum(values[f"Loss/{part}_loss"] for part in parts) == pytest.approx(values["loss"], rel=1e-4)
    assert "step 4/4, loss " in training_log
    assert "Traceback" not in training_log


def test_events_have_the_stock_tags(api: Any, trained: Run) -> None:
    (file,) = trained.events("train").iterdir()
    found = {value.tag for event in api.compat.v1.train.summary_iterator(str(file)) for value in event.summary.value}
    assert found == {
        "Loss/classification_loss",
        "Loss/localization_loss",
        "Loss/regularization_loss",
        "Loss/total_loss",
        "learning_rate",
        "steps_per_sec",
        "train_input_images",
    }


def test_the_checkpoint_file_and_the_object_graph_are_those_of_the_stock_loop(api: Any, trained: Run) -> None:
    assert api.train.latest_checkpoint(str(trained.path)) == str(trained.checkpoint(4))
    names = {name.split("/")[0] for name, _ in api.train.list_variables(str(trained.checkpoint(4)))}
    assert names == {"_CHECKPOINTABLE_OBJECT_GRAPH", "model", "optimizer", "save_counter", "step"}


def test_a_run_that_has_all_its_steps_is_finished_at_once(engine: Engine, trained: Run) -> None:
    before = trained.metrics.read_text()
    done = engine("train", trained.path)
    assert done.returncode == 0
    assert "already trained" in outcome(trained)["reason"]
    assert trained.metrics.read_text() == before


def assert_in_order(api: Any, run: Run) -> None:
    """TensorBoard sees each step once, and the learning rate is everywhere that of its step."""
    read = EventAccumulator(str(run.events("train")), size_guidance={"tensors": 0})
    read.Reload()
    rates = {event.step: float(api.make_ndarray(event.tensor_proto)) for event in read.Tensors("learning_rate")}
    steps = [event.step for event in read.Tensors("learning_rate")]
    assert steps == sorted(set(steps))
    for step, rate in rates.items():
        # The rate of the step that follows, half a cosine over 1000 steps.
        assert rate == pytest.approx(0.005 * (1 + math.cos(math.pi * min(step, 1000) / 1000)), rel=1e-4, abs=1e-9)


def test_sigterm_saves_and_after_kill_9_training_goes_on_from_the_newest_whole_checkpoint(
    api: Any,
    new_run: Callable[..., Run],
    engine: Engine,
    start_engine: Callable[..., subprocess.Popen[str]],
    until: Callable[..., Any],
) -> None:
    def set_steps(message: Any, steps: int = 100_000) -> None:
        message.train_config.num_steps = steps

    run = new_run(set_steps)
    options = ("train", run.path, "--checkpoint-every", 3, "--keep-checkpoints", 2)

    first = start_engine(*options)
    until(lambda: len(run.checkpoints()) == 2, by=first)
    first.send_signal(signal.SIGTERM)
    first.send_signal(signal.SIGINT)  # a second one while it saves
    log, _ = first.communicate()
    assert first.returncode == 0, log
    stopped_at = max(run.checkpoints())
    assert outcome(run)["state"] == "stopped"
    assert f"after step {stopped_at} of" in outcome(run)["reason"]
    assert len(run.checkpoints()) == 2

    second = start_engine(*options)
    until(lambda: max(run.checkpoints()) > stopped_at, by=second)
    second.kill()
    second.communicate()
    newest = max(run.checkpoints())
    run.path.joinpath(f"ckpt-{newest + 3}.data-00000-of-00001").write_bytes(b"torn")
    run.path.joinpath(f"ckpt-{newest + 3}_temp").mkdir(exist_ok=True)
    run.checkpoint(newest + 6).with_suffix(".index").write_bytes(b"torn")

    edited = config.load(run.pipeline_config)
    set_steps(edited.message, newest + 2)
    run.pipeline_config.write_text(config.dump(edited))
    third = engine(*options)
    assert third.returncode == 0, third.stderr
    assert_in_order(api, run)
    starts = [entry.step for entry in entries(run, "start")]
    assert starts == [0, stopped_at, newest]
    assert max(run.checkpoints()) == newest + 2
    assert not [path for path in run.path.iterdir() if path.name.startswith(f"ckpt-{newest + 3}")]
    assert not list(run.path.glob("*_temp*"))
    assert run.path.joinpath(f"ckpt-{newest + 6}.index.damaged").read_bytes() == b"torn"


def test_of_a_checkpoint_cut_short_nothing_is_believed(trained: Run, engine: Engine) -> None:
    data = trained.path / "ckpt-4.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-100_000])
    done = engine("train", trained.path, "--checkpoint-every", 2)
    assert done.returncode == 0, done.stderr
    assert "ckpt-4 is damaged and is renamed to .damaged: " in done.stdout + done.stderr
    assert [entry.step for entry in entries(trained, "start")] == [0, 2]
    assert outcome(trained)["state"] == "finished"
    assert 4 in trained.checkpoints()


def test_a_loss_that_is_not_finite_stops_training_and_names_the_step(
    new_run: Callable[..., Run], engine: Engine
) -> None:
    def explode(message: Any) -> None:
        message.train_config.num_steps = 50
        rate = message.train_config.optimizer.momentum_optimizer.learning_rate
        rate.manual_step_learning_rate.initial_learning_rate = 0.001
        rate.manual_step_learning_rate.schedule.add(step=3, learning_rate=1e30)

    run = new_run(explode)
    done = engine("train", run.path, "--checkpoint-every", 2)
    assert done.returncode == 1
    assert outcome(run)["state"] == "failed"
    # The rate of the step after step 3 wrecks the weights; the loss of the one after that shows it.
    assert "has not been finite since step 5" in outcome(run)["reason"]
    assert "error: " in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert max(run.checkpoints()) == 4
    assert entries(run, "end")[-1].values == {"state": "failed"}
    (fault,) = entries(run, "not_finite")
    assert len(fault.values["losses"]) == 4


def test_a_poisoned_record_is_among_those_named_when_its_loss_is_not_finite(
    api: Any, new_run: Callable[..., Run], engine: Engine, data: Path
) -> None:
    records = [record.numpy() for record in api.data.TFRecordDataset(str(data / "train-00000-of-00001.tfrecord"))]
    example = api.train.Example.FromString(records[6])
    example.features.feature["image/object/weight"].float_list.value.append(float("inf"))

    def poison(message: Any) -> None:
        message.train_config.num_steps = 50
        message.train_input_reader.shuffle = False
        message.train_input_reader.tf_record_input_reader.input_path[:] = [str(run.path / "poisoned.tfrecord")]

    run = new_run()
    with api.io.TFRecordWriter(str(run.path / "poisoned.tfrecord")) as writer:
        for record in (*records[:6], example.SerializeToString(), *records[7:]):
            writer.write(record)
    new_run(poison)
    done = engine("train", run.path, "--checkpoint-every", 2)
    assert done.returncode == 1
    assert "has not been finite since step 4 (the last checkpoint before it is ckpt-2)" in outcome(run)["reason"]
    assert "records of its batch: train-6, train-7" in outcome(run)["reason"]
    (fault,) = entries(run, "not_finite")
    assert (fault.step, fault.values["records"]) == (4, ["train-6", "train-7"])
    assert all(loss > 0 for loss in fault.values["losses"])
    assert len(fault.values["losses"]) == 3
    assert list(run.checkpoints()) == [2]


def test_the_deadline_saves_and_the_lack_of_improvement_finishes(
    new_run: Callable[..., Run], engine: Engine, start_engine: Callable[..., subprocess.Popen[str]], until: Callable
) -> None:
    def long(message: Any) -> None:
        message.train_config.num_steps = 100_000

    run = new_run(long)
    running = start_engine("train", run.path, "--early-stop", 2, "--checkpoint-every", 3)
    until(run.checkpoints, by=running)
    log = metrics.MetricsLog(run.metrics)
    log.write_together([("eval", 1, {}), ("best", 1, {"metric": "mAP", "value": 0.5})])
    log.write("eval", 2, {})
    log.write("eval", 3, {})
    output, _ = running.communicate()
    assert running.returncode == 0, output
    done = max(run.checkpoints())
    assert outcome(run)["state"] == "finished"
    assert outcome(run)["reason"] == (
        f"stopped early: 2 evaluations without improvement on mAP 0.5 of step 1 after step {done} of 100000"
    )
    again = engine("train", run.path, "--early-stop", 2)
    assert again.returncode == 0
    assert f"ckpt-{done} has {done} of 100000 steps" in outcome(run)["reason"]
    late = engine("train", run.path, "--deadline", time.time() - 1)
    assert late.returncode == 0
    assert (outcome(run)["state"], max(run.checkpoints())) == ("stopped", done)
    assert "the time limit was reached" in outcome(run)["reason"]


def test_a_fine_tune_checkpoint_is_restored_by_the_rules_of_its_type(
    new_run: Callable[..., Run], trained: Run, engine: Engine
) -> None:
    def from_trained(message: Any) -> None:
        message.train_config.num_steps = 1
        message.train_config.fine_tune_checkpoint = str(trained.checkpoint(4))
        message.train_config.fine_tune_checkpoint_type = "detection"

    run = new_run(from_trained)
    done = engine("train", run.path)
    assert done.returncode == 0, done.stderr
    assert f"starting from {trained.checkpoint(4)} (detection)" in done.stderr


@pytest.mark.parametrize("name", ["absent/ckpt-0", "other"])
def test_a_fine_tune_checkpoint_that_cannot_be_used_is_named(
    new_run: Callable[..., Run], engine: Engine, api: Any, name: str
) -> None:
    def from_nowhere(message: Any) -> None:
        message.train_config.fine_tune_checkpoint = str(run.path.parent / name)
        message.train_config.fine_tune_checkpoint_type = "detection"

    run = new_run()
    api.train.Checkpoint(weight=api.Variable(1.0)).write(str(run.path.parent / "other"))
    new_run(from_nowhere)
    done = engine("train", run.path)
    assert done.returncode == 1
    assert f"error: fine_tune_checkpoint {run.path.parent / name}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("share", "saved"), [(1.6, [2]), (0.6, [])])
def test_a_full_disk_ends_training_and_changes_nothing_of_its_config(
    trained: Run,
    tmp_path: Path,
    engine: Engine,
    mounted: Callable[[Path, str], AbstractContextManager[None]],
    share: float,
    saved: list[int],
) -> None:
    size = sum(path.stat().st_size for path in trained.path.glob("ckpt-4.*"))
    with mounted(tmp_path / "disk", f"size={round(size * share)}"):
        run = Run(tmp_path / "disk" / "small")
        run.path.mkdir()
        shutil.copy(trained.pipeline_config, run.pipeline_config)
        files.keep_reserve(run.reserve("train"))
        done = engine("train", run.path, "--checkpoint-every", 2)
        assert done.returncode == 1
        assert f"the disk at {tmp_path / 'disk'} is full" in done.stderr
        assert "Traceback" not in done.stderr
        written = outcome(run)
        assert (written["state"], written["out_of_memory"]) == ("failed", False)
        assert ("the last whole checkpoint is ckpt-2" if saved else "no checkpoint was saved") in written["reason"]
        assert list(run.checkpoints()) == saved
        assert run.pipeline_config.read_text() == trained.pipeline_config.read_text()


def test_missing_records_are_named(new_run: Callable[..., Run], engine: Engine) -> None:
    def elsewhere(message: Any) -> None:
        message.train_input_reader.tf_record_input_reader.input_path[:] = ["/nowhere/train-*.tfrecord"]

    run = new_run(elsewhere)
    done = engine("train", run.path)
    assert done.returncode == 1
    assert "no file matches /nowhere/train-*.tfrecord\nhint: Run odtool prepare" in done.stderr
