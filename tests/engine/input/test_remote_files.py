"""Records, label maps and checkpoints at addresses, on file systems that every TensorFlow has: ram:// and file://."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool import metrics
from odtool.errors import DataError
from odtool.pipeline.text import config
from odtool.workspace import Run

Engine = Callable[..., "subprocess.CompletedProcess[str]"]


def copy_to_memory(api: Any, folder: Path, address: str) -> str:
    api.io.gfile.makedirs(address)
    for path in folder.iterdir():
        if path.is_file():
            api.io.gfile.copy(str(path), f"{address}/{path.name}", overwrite=True)
    return address


def move_data(run: Run, data: Path, address: str) -> Any:
    """The run's config names its records and label map by an address."""
    run.pipeline_config.write_text(run.pipeline_config.read_text().replace(str(data), address))
    return config.load(run.pipeline_config).message


@pytest.fixture
def in_memory(api: Any, data: Path, trained: Run) -> Any:
    """A config whose records and label map lie in the memory of this process, and its folder there."""
    return move_data(trained, data, copy_to_memory(api, data, f"ram://bucket/{trained.path.parent.name}"))


@pytest.mark.slow
def test_records_and_maps_are_found_and_fetched_by_tensorflow(in_memory: Any, tmp_path: Path, api: Any) -> None:
    from odtool.engine.input import record_files

    reader = in_memory.train_input_reader
    (file,) = record_files.require_files(reader)
    assert file.startswith("ram://bucket/")
    assert file.endswith("train-00000-of-00001.tfrecord")
    assert "square" in record_files.copy_label_map(reader.label_map_path).read_text()
    for sample, count in ((5, 5), (None, 12)):
        fetched = record_files.fetch(reader, tmp_path / str(count), sample)
        (copy,) = fetched["files"]
        assert sum(1 for _ in api.data.TFRecordDataset(copy)) == count
        assert "square" in Path(fetched["label_map"]).read_text()
    reader.tf_record_input_reader.input_path[:] = ["ram://bucket/none-*"]
    with pytest.raises(DataError, match="no file matches ram://bucket/none"):
        record_files.require_files(reader)
    reader.tf_record_input_reader.input_path[:] = ["s3://bucket/train-*"]
    with pytest.raises(
        DataError, match=r"s3://bucket/train-.*: this TensorFlow has no file system for it; it has .*ram"
    ):
        record_files.require_files(reader)
    reader.label_map_path = "hdfs://node/label_map.pbtxt"
    with pytest.raises(DataError, match="no file system"):
        record_files.copy_label_map(reader.label_map_path)


@pytest.mark.slow
def test_training_and_evaluation_data_are_read_from_memory_and_a_checkpoint_by_its_address(
    api: Any, in_memory: Any, trained: Run
) -> None:
    from odtool.engine import model
    from odtool.engine.evaluate.evaluation import evaluate
    from odtool.engine.input import input_pipelines
    from odtool.engine.outcome import StopSignal

    # The API asks whether the prefix is a folder, which a file system in memory says of any beginning of a name.
    address = f"file://{trained.path}"
    settings = config.load(trained.pipeline_config)
    settings.message.train_config.fine_tune_checkpoint = f"{address}/ckpt-4"
    settings.message.train_config.fine_tune_checkpoint_type = "full"
    trained.pipeline_config.write_text(config.dump(settings))
    configs = model.read_configs(trained.pipeline_config)
    detector = model.build_model(configs["model"])
    strategy = api.distribute.get_strategy()
    data = input_pipelines.build_training_data(configs, detector, strategy)
    features, _ = next(iter(data))
    assert features["image"].shape[0] == 2
    evaluate(trained, which="latest", sample=1, stop=StopSignal())
    assert [entry.values["images"] for entry in metrics.read(trained.metrics) if entry.kind == "eval"] == [6]
    from odtool.engine.restore_check import check_restore

    report = check_restore(trained)
    assert (report["error"], report.get("restored")) == (None, report["variables"])


@pytest.mark.slow
def test_the_commands_read_addresses_through_the_engine(
    engine: Engine, data: Path, trained: Run, tmp_path: Path
) -> None:
    """file:// is an address to odtool as any other, and the one that several processes share here."""
    from odtool.api.model.check import check

    trained = Run(Path(shutil.copytree(trained.path, tmp_path / "train" / "small")))
    move_data(trained, data, f"file://{data}")
    settings = config.load(trained.pipeline_config)
    settings.message.train_config.num_steps = 5
    trained.pipeline_config.write_text(config.dump(settings))
    findings = {finding.subject: finding for finding in check(trained).findings}
    assert findings["train data"].message.startswith("12 records in 1 file; all looked at")
    assert "remote files were fetched" in findings["train data"].message
    assert {finding.level for finding in findings.values()} <= {"ok", "warning"}
    done = engine("train", trained.path)
    assert done.returncode == 0, done.stderr
    done = engine("eval", trained.path, "--checkpoint", "latest")
    assert done.returncode == 0, done.stderr
    assert json.loads(trained.outcome("train").read_text())["state"] == "finished"
    assert [entry.step for entry in metrics.read(trained.metrics) if entry.kind == "eval"] == [5]
