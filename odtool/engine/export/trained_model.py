"""What is exported: a run's model filled from one checkpoint, with its config, label map and records."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tensorflow as tf
from tf_keras.src.saving.legacy.saved_model.utils import keras_option_scope

from odtool import temporary_folders
from odtool.dataset import label_map
from odtool.detection import best_thresholds
from odtool.engine import checkpoints, model
from odtool.engine.input.record_files import copy_label_map, find_files
from odtool.errors import DataError, first_line
from odtool.pipeline.text import config
from odtool.workspace import Run

T = TypeVar("T")
log = logging.getLogger("odtool.engine")


@dataclass(frozen=True)
class TrainedModel:
    """A model that is to be exported, loaded."""

    run: Run
    checkpoint: str
    """Its name, as ckpt-300."""
    step: int | None
    """Steps it was trained for; None where it does not say, as those of the model zoo."""
    config: config.PipelineConfig
    configs: model.Configs
    labels: dict[int, str]
    """Class names by the ids of the label map."""
    label_map: Path
    thresholds: dict[str, float]
    """The best score of each class by its name; empty where odtool report has not found them for this checkpoint."""
    detector: Any
    """object_detection.core.model.DetectionModel, for inference, its variables those that evaluation would score."""


def load(run: Run, prefix: Path) -> TrainedModel:
    """Builds the run's model and fills it.

    Where the config evaluates moving averages, these are what is exported: the model that was scored.

    Raises:
        ConfigError: the config cannot be read, or the checkpoint is of another model.
        DataError: the label map cannot be used.
    """
    loaded = config.load(run.pipeline_config)
    configs = model.read_configs(run.pipeline_config)
    detector = model.build_model(configs["model"], is_training=False)
    element = model.read_element_spec(configs, batch=1)
    if configs["eval_config"].use_moving_averages and configs["train_config"].optimizer.use_moving_average:
        model.build_restorable(configs, detector, element).restore(prefix)
    else:
        model.make_variables(detector, element)
        status = checkpoints.read_into(tf.train.Checkpoint(model=detector), prefix)
        model.assert_filled(status, prefix)
    names, path = _load_labels(configs)
    found = best_thresholds.read(prefix)
    thresholds = found.by_label if found else {}
    return TrainedModel(run, prefix.name, _read_step(prefix), loaded, configs, names, path, thresholds, detector)


def _read_step(prefix: Path) -> int | None:
    try:
        return checkpoints.read_steps_done(prefix)
    except tf.errors.NotFoundError:
        return None


def _load_labels(configs: model.Configs) -> tuple[dict[int, str], Path]:
    readers = [*configs["eval_input_configs"], configs["train_input_config"]]
    name = next((reader.label_map_path for reader in readers if reader.label_map_path), "")
    path = copy_label_map(name)
    if not name:
        raise DataError("the pipeline.config names no label map", "Set train_input_reader.label_map_path.")
    return label_map.labels(path), path


@contextmanager
def writing_stock_checkpoint(source: TrainedModel) -> Iterator[str]:
    """A folder in which the API's exporters find this checkpoint and no other: they take the newest one of a folder."""
    with temporary_folders.make() as folder:
        checkpoint = tf.train.Checkpoint(model=source.detector)
        checkpoint.save_counter.assign_add(1)
        checkpoint.write(f"{folder}/ckpt-0")
        (folder / "checkpoint").write_text('model_checkpoint_path: "ckpt-0"\n')
        yield str(folder)


def find_records(source: TrainedModel, *, training: bool) -> list[str]:
    """Files of the run's training or evaluation records; an empty list where the config names none that exist."""
    readers = [source.configs["train_input_config"]] if training else source.configs["eval_input_configs"][:1]
    return sorted(find_files(*readers))


def run_exporter(source: TrainedModel, build: Callable[[], T]) -> T:
    """Calls an exporter of the API, where what the result does not need is left out.

    Keras would trace every layer once more to save it as a layer of its own; nothing calls these, and a SavedModel of
    a small SSD is 4.4 MB in place of 7.0 without them and loads in a fraction of the time. And AutoGraph rewrites
    nothing of the model unless it has to, as in `engine.tracing` and for its reasons; the exporters' tf.functions ask
    for AutoGraph themselves, so the model's methods are marked instead.
    """
    kind = type(source.detector)
    own = {name: vars(kind).get(name) for name in ("preprocess", "predict", "postprocess")}
    try:
        for name in own:
            setattr(kind, name, tf.autograph.experimental.do_not_convert(getattr(kind, name)))
        with keras_option_scope(save_traces=False):
            return build()
    except tf.errors.OperatorNotAllowedInGraphError as error:
        log.info("tracing with AutoGraph: %s", first_line(error))
    finally:
        for name, method in own.items():
            if method is None:
                delattr(kind, name)
            else:
                setattr(kind, name, method)
    with keras_option_scope(save_traces=False):
        return build()
