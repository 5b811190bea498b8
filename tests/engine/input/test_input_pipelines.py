"""The input pipelines' memory stays within bounds, and they end when they are to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.pipeline.text import messages
from odtool.workspace import Run


@pytest.fixture
def reader(data: Path) -> Any:
    made = messages.messages().TrainEvalPipelineConfig().train_input_reader
    made.tf_record_input_reader.input_path.append(str(data / "train-00000-of-00001.tfrecord"))
    return made


def records(data: Path) -> list[Path]:
    return [data / "train-00000-of-00001.tfrecord"]


def test_the_shuffle_buffer_holds_no_more_bytes_than_its_budget(reader: Any, data: Path) -> None:
    from odtool.engine.input import input_pipelines

    mean = records(data)[0].stat().st_size // 12
    input_pipelines.bound_memory(reader, records(data), budget=100 * mean)
    assert 95 <= reader.shuffle_buffer_size <= 105
    assert reader.num_readers == input_pipelines.MAX_READERS


def test_a_buffer_that_fits_is_left_as_configured(reader: Any, data: Path) -> None:
    from odtool.engine.input import input_pipelines

    input_pipelines.bound_memory(reader, records(data), budget=10**12)
    assert reader.shuffle_buffer_size == 2048


def test_one_record_larger_than_the_budget_still_trains(reader: Any, data: Path) -> None:
    from odtool.engine.input import input_pipelines

    input_pipelines.bound_memory(reader, records(data), budget=1)
    assert reader.shuffle_buffer_size == 1


def test_nothing_is_tuned_while_it_runs(api: Any, new_run: Callable[..., Run]) -> None:
    """The thread that does it does not end when it is told to (`_untuned`)."""
    from odtool.engine import model
    from odtool.engine.input import input_pipelines

    configs = model.read_configs(new_run().pipeline_config)
    detector = model.build_model(configs["model"])
    training = input_pipelines.build_training_data(configs, detector, api.distribute.get_strategy())
    (reader,) = configs["eval_input_configs"]
    for data in (training, input_pipelines.build_evaluation_data(configs, reader, detector, sample=1)):
        assert data.options().autotune.enabled is False
        assert data.options().threading.max_intra_op_parallelism == 1
