"""The API's detection model as a run's pipeline.config describes it: its variables, optimizer and checkpoint graph."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from object_detection import model_lib_v2
from object_detection.builders import optimizer_builder
from object_detection.core.standard_fields import InputDataFields
from object_detection.protos import train_pb2
from object_detection.utils import config_util, variables_helper

from odtool.engine import checkpoints
from odtool.engine.input import record_files
from odtool.engine.match import detectors
from odtool.engine.tracing import TracedFunction
from odtool.errors import ConfigError, first_line
from odtool.pipeline.text import config
from odtool.workspace import Run

log = logging.getLogger("odtool.engine")

Configs = dict[str, Any]
"""The parts of a pipeline.config under the API's own names: model, train_config, train_input_config, eval_config, …"""

Element = tuple[dict[str, Any], dict[str, Any]]
"""Features and labels of a batch, or their tf.TensorSpecs, as `object_detection.inputs` makes them."""


@dataclass(frozen=True)
class Trainable:
    """A model with all its variables made, and what a checkpoint of it holds."""

    model: Any
    """object_detection.core.model.DetectionModel."""
    optimizer: Any
    step: Any
    """tf.Variable, int64: steps done."""
    learning_rate: Callable[[], Any]
    """The rate of the next step."""
    checkpoint: Any
    """tf.train.Checkpoint with the object graph of the stock loop, so that its exporter and evaluation read it."""


def read_configs(path: Path) -> Configs:
    """The parts of a pipeline.config.

    Raises:
        ConfigError: it is missing or does not parse.
    """
    loaded = config.load(path)
    if loaded.move:
        log.info("%s", loaded.move.describe())
    return dict(config_util.create_configs_from_pipeline_proto(loaded.message))


def require_evaluation_set(configs: Configs, run: Run) -> None:
    """Raises ConfigError where the run's config names none."""
    if not configs["eval_input_configs"]:
        raise ConfigError(
            f"{run.pipeline_config} names no evaluation set (eval_input_reader)",
            "Prepare one and write the config again: odtool prepare --val 0.1, odtool configure",
        )


def read_element_spec(configs: Configs, *, batch: int) -> Element:
    """What a data set would yield, by the config alone, so that no records are needed."""
    height, width = config_util.get_spatial_image_size(config_util.get_image_resizer_config(configs["model"]))
    sides = [None if side == -1 else side for side in (height, width)]
    features = {
        InputDataFields.image: tf.TensorSpec([batch, *sides, 3], tf.float32),
        InputDataFields.true_image_shape: tf.TensorSpec([batch, 3], tf.int32),
    }
    return features, {}


def set_precision(precision: str) -> None:
    """Has the layers that are built from now on compute in this type: float32, or bfloat16.

    bfloat16 has float32's range and eight bits of precision. Only what layers compute is in it: variables, batch norm's
    statistics and, as the API casts all predictions back, losses are float32, so that checkpoints are the same.

    Raises:
        ConfigError: it is another type.
    """
    policies = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
    if precision not in policies:
        raise ConfigError(f"--precision {precision}: not one of {', '.join(policies)}", "Name one of these.")
    tf.keras.mixed_precision.set_global_policy(policies[precision])


def build_model(model_config: Any, *, is_training: bool = True) -> Any:
    """The detection model, its variables not yet made. Evaluation, too, builds it as for training, as the API does."""
    build = model_lib_v2.MODEL_BUILD_UTIL_MAP["detection_model_fn_base"]
    detector = build(model_config=model_config, is_training=is_training, add_summaries=False)
    detectors.assign_in_batches(detector)
    return detector


def build_trainable(configs: Configs, model: Any, element: Element) -> Trainable:
    """Makes every variable of model and optimizer. To be called in the strategy's scope.

    The API's loop makes them as a by-product of the first training step, which TensorFlow then has to trace a second
    time; tracing only the prediction here costs a fraction of that.

    Args:
        element: what the data set yields; only shapes and types are used.
    """
    step = tf.Variable(
        0,
        trainable=False,
        dtype=tf.int64,
        name="global_step",
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
    settings = configs["train_config"].optimizer
    optimizer, (rate,) = optimizer_builder.build(settings, global_step=step)
    make_variables(model, element)
    if settings.use_moving_average:
        optimizer.shadow_copy(model)
    # The legacy Keras optimizers, which the API uses, have no public way of making their slots early.
    optimizer._create_all_weights(model.trainable_variables)
    return Trainable(
        model=model,
        optimizer=optimizer,
        step=step,
        learning_rate=rate if callable(rate) else lambda: rate,
        checkpoint=tf.train.Checkpoint(step=step, model=model, optimizer=optimizer),
    )


@dataclass(frozen=True)
class Restorable:
    """A model for evaluation, its variables made, to be filled from one checkpoint after another."""

    checkpoint: Any
    step: Any
    averages: Any
    """The moving-average optimizer whose averages are to be evaluated, or None."""

    def restore(self, prefix: Path) -> int:
        """Fills the model; returns the checkpoint's step.

        Raises:
            ConfigError: the checkpoint is of another model.
            DamagedError: its files are not what its index says.
        """
        assert_filled(checkpoints.read_into(self.checkpoint, prefix), prefix)
        if self.averages is not None:
            # Swapped anew for each checkpoint: restoring has overwritten both sides. Directly: the public method
            # refuses the default strategy, under which one device evaluates.
            self.averages._swap_weights()
        return int(self.step.numpy())


def assert_filled(status: Any, prefix: Path) -> None:
    """Checks that restoring `prefix` has filled every variable of the model.

    Raises:
        ConfigError: the checkpoint is of another model.
    """
    try:
        status.expect_partial().assert_existing_objects_matched()
    except (AssertionError, ValueError) as error:
        raise ConfigError(
            f"{prefix} does not fit the run's pipeline.config: {first_line(error)}",
            "Use it with the config it was trained with.",
        ) from None


def build_restorable(configs: Configs, model: Any, element: Element) -> Restorable:
    """Makes the model's variables and the part of the checkpoint graph that evaluation reads."""
    if configs["eval_config"].use_moving_averages and configs["train_config"].optimizer.use_moving_average:
        trainable = build_trainable(configs, model, element)
        return Restorable(trainable.checkpoint, trainable.step, trainable.optimizer)
    step = tf.Variable(0, trainable=False, dtype=tf.int64, name="global_step")
    make_variables(model, element)
    return Restorable(tf.train.Checkpoint(step=step, model=model), step, None)


def make_variables(model: Any, element: Element) -> None:
    """Makes the model's variables by tracing one prediction, without running it or reading data."""
    features, _ = element

    def predict(images: Any, shapes: Any) -> Any:
        return tf.distribute.get_strategy().run(model.predict, args=(images, shapes))

    model._is_training = False
    tf.keras.backend.set_learning_phase(False)
    image, shape = features[InputDataFields.image], features[InputDataFields.true_image_shape]
    TracedFunction(predict).trace(image, shape)


def _exists(path: str) -> bool:
    try:
        return bool(tf.io.gfile.exists(path))
    except tf.errors.OpError as error:
        raise record_files.explain(path, error) from None


def load_fine_tune_checkpoint(configs: Configs, trainable: Trainable, run_folder: Path) -> str | None:
    """Restores what the config's fine_tune_checkpoint gives, by the API's own rules for each architecture.

    Returns:
        The checkpoint's path, or None where the config names none.

    Raises:
        ConfigError: the checkpoint is missing, of TensorFlow 1, or does not fit the model.
    """
    settings = configs["train_config"]
    path = settings.fine_tune_checkpoint
    if not path:
        return None
    if not _exists(f"{path}.index"):
        raise ConfigError(
            f"fine_tune_checkpoint {path}: there is no {Path(path).name}.index",
            "Name the checkpoint without its ending, as in …/checkpoint/ckpt-0; or: odtool configure --checkpoint none",
        )
    config_util.update_fine_tune_checkpoint_type(settings)
    kind = settings.fine_tune_checkpoint_type
    source = checkpoints.to_readable_prefix(Path(path)) if Path(path).is_absolute() else path
    try:
        variables_helper.ensure_checkpoint_supported(source, kind, str(run_folder))
        model_lib_v2.load_fine_tune_checkpoint(
            trainable.model,
            source,
            kind,
            train_pb2.CheckpointVersion.V2,
            # The variables exist; the dummy run would only make them, reading data and tracing the loss for it.
            run_model_on_dummy_input=False,
            input_dataset=None,
            unpad_groundtruth_tensors=None,
        )
    except (tf.errors.DataLossError, tf.errors.OutOfRangeError, IndexError) as error:
        raise ConfigError(
            f"fine_tune_checkpoint {path} is damaged: {first_line(error)}", "Copy or download the checkpoint again."
        ) from error
    except (
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        AssertionError,
        NotImplementedError,
        tf.errors.OpError,
    ) as error:
        raise ConfigError(
            f"fine_tune_checkpoint {path} ({kind}): {first_line(error)}",
            "Use the checkpoint of the model that the config describes, with type detection; or a classification "
            "checkpoint of its backbone with type classification.",
        ) from error
    return str(path)
