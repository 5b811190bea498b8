"""Evaluation in processes of its own, with the real API and a small SSD."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool import locks, metrics
from odtool.pipeline.text import config
from odtool.workspace import Run

pytestmark = pytest.mark.slow
Engine = Callable[..., "subprocess.CompletedProcess[str]"]
MAP = "DetectionBoxes_Precision/mAP"


def outcome(run: Run) -> dict[str, Any]:
    return dict(json.loads(run.outcome("eval").read_text()))


def entries(run: Run, kind: str) -> list[metrics.Metric]:
    return [entry for entry in metrics.read(run.metrics) if entry.kind == kind]


def edit(run: Run, change: Callable[[Any], object]) -> None:
    made = config.load(run.pipeline_config)
    change(made.message)
    run.pipeline_config.write_text(config.dump(made))


def test_every_checkpoint_is_scored_in_order_and_evaluation_ends(api: Any, engine: Engine, trained: Run) -> None:
    done = engine("eval", trained.path)
    assert done.returncode == 0, done.stderr
    assert "ckpt-2: mAP@[.5:.95] " in done.stderr
    lines = entries(trained, "eval")
    assert [line.step for line in lines] == [2, 4]
    values = lines[-1].values
    assert (values["images"], values["sample_1_of_n"], values["checkpoint"]) == (6, 1, "ckpt-4")
    assert {f"{MAP}@.50IOU ByCategory/disc", "DetectionBoxes_PerformanceByCategory/mAP/square"} < set(values)
    assert outcome(trained)["state"] == "finished"

    best = trained.best_checkpoint()
    assert best is not None
    assert entries(trained, "best")[-1].values["checkpoint"] == f"best/{best.name}"
    assert api.train.latest_checkpoint(str(trained.best)) == str(best)

    (file,) = trained.events("eval").iterdir()
    tags = {value.tag for event in api.compat.v1.train.summary_iterator(str(file)) for value in event.summary.value}
    assert {MAP, f"{MAP}@.50IOU", "DetectionBoxes_Recall/AR@100", "Loss/total_loss", "eval_side_by_side_0_0"} < tags

    kept = json.loads(trained.best_metrics.read_text())
    assert kept["checkpoint"] == f"best/{best.name}"
    assert kept["value"] == kept["metrics"][MAP]
    assert kept["step"] == entries(trained, "best")[-1].step

    again = engine("eval", trained.path)
    assert again.returncode == 0
    assert outcome(trained)["reason"] == "every checkpoint has been scored already"
    assert [line.step for line in entries(trained, "eval")] == [2, 4]


def test_it_waits_for_training_and_ends_with_it(
    start_engine: Callable[..., subprocess.Popen[str]],
    until: Callable[..., Any],
    trained: Run,
) -> None:
    aside = trained.path.parent / "aside"
    aside.mkdir()
    for path in trained.path.glob("ckpt-4.*"):
        path.rename(aside / path.name)
    lock = locks.acquire(trained.job_lock("train"))
    assert lock is not None
    running = start_engine("eval", trained.path)
    until(lambda: len(entries(trained, "eval")) == 1, by=running)
    for path in sorted(aside.iterdir()):
        path.rename(trained.path / path.name)
    until(lambda: len(entries(trained, "eval")) == 2, by=running)
    assert running.poll() is None
    os.close(lock)
    log, _ = running.communicate()
    assert running.returncode == 0, log
    assert outcome(trained)["reason"] == "scored 2 checkpoints; training has ended"


def test_sigterm_stops_it_while_it_waits(
    start_engine: Callable[..., subprocess.Popen[str]],
    until: Callable[..., Any],
    trained: Run,
) -> None:
    lock = locks.acquire(trained.job_lock("train"))
    assert lock is not None
    running = start_engine("eval", trained.path, "--sample", 6)
    until(lambda: len(entries(trained, "eval")) == 2, by=running)
    running.send_signal(signal.SIGTERM)
    log, _ = running.communicate()
    os.close(lock)
    assert running.returncode == 0, log
    assert outcome(trained)["state"] == "stopped"
    assert [(line.values["images"], line.values["sample_1_of_n"]) for line in entries(trained, "eval")] == [(1, 6)] * 2


def test_a_sample_is_one_of_those_that_the_config_takes(engine: Engine, trained: Run) -> None:
    def every_other(message: Any) -> None:
        message.eval_input_reader[0].sample_1_of_n_examples = 2

    edit(trained, every_other)
    for sample in (1, 3):
        assert engine("eval", trained.path, "--checkpoint", "latest", "--sample", sample).returncode == 0
    assert [entry.values["images"] for entry in entries(trained, "eval")] == [3, 1]


def test_a_batch_size_that_is_asked_for_counts_and_not_the_config_s(engine: Engine, trained: Run) -> None:
    assert engine("eval", trained.path, "--checkpoint", "latest").returncode == 0

    def by_fours(message: Any) -> None:
        message.eval_config.batch_size = 4

    edit(trained, by_fours)
    assert engine("eval", trained.path, "--checkpoint", "latest", "--batch-size", 1).returncode == 0
    one, other = (entry.values for entry in entries(trained, "eval"))
    # Losses of a batch are divided by all of its matches, so that by fours they would be others.
    assert other["Loss/total_loss"] == pytest.approx(one["Loss/total_loss"], abs=1e-5)
    assert (other["images"], other[MAP]) == (6, one[MAP])


def test_the_best_by_another_metric_and_only_the_latest_of_those_that_wait(engine: Engine, trained: Run) -> None:
    for path in list(trained.path.glob("ckpt-2.*")):
        shutil.copy(path, path.with_name(path.name.replace("ckpt-2", "ckpt-1")))
    log = metrics.MetricsLog(trained.metrics)
    log.write("start", 4, {"num_steps": 4, "batch_size": 2, "keep_checkpoints": 2})
    done = engine("eval", trained.path, "--latest", "--best", "loss")
    assert done.returncode == 0, done.stderr
    assert [line.step for line in entries(trained, "eval")] == [4]
    assert [line.values["checkpoint"] for line in entries(trained, "skip")] == ["ckpt-1", "ckpt-2"]
    assert outcome(trained)["reason"] == "scored 1 checkpoint, skipped 2; training has ended"
    assert list(trained.checkpoints()) == [2, 4]
    (best,) = entries(trained, "best")
    assert best.values["metric"] == "Loss/total_loss"

    done = engine("eval", trained.path, "--best", "loss")
    assert [line.step for line in entries(trained, "eval")] == [4, 2]
    losses = {line.step: line.values["Loss/total_loss"] for line in entries(trained, "eval")}
    assert entries(trained, "best")[-1].step == min(losses, key=lambda step: losses[step])

    unknown = "DetectionBoxes_Precision/mAP99"
    refused = engine("eval", trained.path, "--best", unknown, "--checkpoint", "ckpt-2")
    assert refused.returncode == 1
    assert f"--best {unknown}: the evaluation gives no such metric; it gives DetectionB" in outcome(trained)["reason"]


def test_what_training_left_to_be_scored_is_pruned_at_the_end(engine: Engine, trained: Run) -> None:
    log = metrics.MetricsLog(trained.metrics)
    log.write("start", 4, {"num_steps": 4, "batch_size": 2, "keep_checkpoints": 1})
    done = engine("eval", trained.path)
    assert done.returncode == 0, done.stderr
    assert [line.step for line in entries(trained, "eval")] == [2, 4]
    assert list(trained.checkpoints()) == [4]


def test_a_failing_batch_is_a_failure(api: Any, engine: Engine, trained: Run, data: Path) -> None:
    records = [record.numpy() for record in api.data.TFRecordDataset(str(data / "val-00000-of-00001.tfrecord"))]
    example = api.train.Example.FromString(records[3])
    example.features.feature["image/encoded"].bytes_list.value[0] = b"no image"
    broken = trained.path / "broken.tfrecord"
    with api.io.TFRecordWriter(str(broken)) as writer:
        for record in (*records[:3], example.SerializeToString(), *records[4:]):
            writer.write(record)
    edit(trained, lambda message: message.eval_input_reader[0].tf_record_input_reader.ClearField("input_path"))
    edit(trained, lambda message: message.eval_input_reader[0].tf_record_input_reader.input_path.append(str(broken)))
    done = engine("eval", trained.path)
    assert done.returncode == 1
    assert outcome(trained)["state"] == "failed"
    assert entries(trained, "eval") == []


def test_several_sets_are_scored_and_absent_classes_named(api: Any, engine: Engine, trained: Run, data: Path) -> None:
    def add_set(message: Any) -> None:
        second = message.eval_input_reader.add()
        second.CopyFrom(message.eval_input_reader[0])
        second.name = "train"
        second.tf_record_input_reader.input_path[:] = [str(data / "train-00000-of-00001.tfrecord")]
        (trained.path / "map.pbtxt").write_text(
            "\n".join(f"item {{ id: {i} name: '{name}' }}" for i, name in enumerate(("disc", "square", "ring"), 1))
        )
        second.label_map_path = str(trained.path / "map.pbtxt")

    edit(trained, add_set)
    done = engine("eval", trained.path, "--checkpoint", "ckpt-2")
    assert done.returncode == 0, done.stderr
    (line,) = entries(trained, "eval")
    assert line.step == 2
    assert line.values["images"] == 18
    assert {MAP, f"train/{MAP}"} < set(line.values)
    assert line.values["train/DetectionBoxes_PerformanceByCategory/mAP/ring"] is None
    assert "not in the evaluation set train and so not part of its mAP: ring" in done.stderr
    assert (trained.events("eval") / "train").is_dir()


@pytest.mark.parametrize("which", ["all", "ckpt-99"])
def test_nothing_to_score_is_an_error(new_run: Callable[..., Run], engine: Engine, which: str) -> None:
    run = new_run()
    done = engine("eval", run.path, "--checkpoint", which)
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_of_the_stock_loop_is_scored_though_its_files_are_numbered_by_saves(engine: Engine, trained: Run) -> None:
    for path in sorted(trained.path.glob("ckpt-4.*")):
        path.rename(path.with_name(path.name.replace("ckpt-4", "ckpt-3")))
    done = engine("eval", trained.path)
    assert done.returncode == 0, done.stderr
    assert [(line.step, line.values["checkpoint"]) for line in entries(trained, "eval")] == [
        (2, "ckpt-2"),
        (4, "ckpt-3"),
    ]


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(("images", "seconds", "told"), [(30, 10.0, "3.0 images/s"), (30, 900.0, "30.0 s per image")])
def test_a_slow_evaluation_tells_seconds_an_image(images: int, seconds: float, told: str) -> None:
    from odtool.engine.evaluate import score_book

    assert score_book._format_pace(images, seconds) == told
