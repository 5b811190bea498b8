"""A run's model held against the checkpoint that its training would start from, variable by variable."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from object_detection.utils import config_util

from odtool.engine import checkpoints, model
from odtool.errors import ConfigError, first_line
from odtool.pipeline import addresses
from odtool.workspace import Run

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_NOT_THE_MODELS = ("_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter", "step", "global_step", "optimizer")
"""First parts of names in a checkpoint that are the training's own, not the model's."""

Shapes = dict[str, list[int]]
"""Shapes by the names in a checkpoint, without their common ending."""


@dataclass(frozen=True)
class Comparison:
    """What of a model a checkpoint would fill."""

    restored: tuple[str, ...]
    new: dict[str, str]
    """Variables of the model that keep their random start, each with the reason."""
    left: tuple[str, ...]
    """Variables of the checkpoint that the model has no place for or that are not asked for."""


def check_restore(run: Run) -> dict[str, Any]:
    """Builds the run's real model and says what its fine_tune_checkpoint gives it.

    Returns:
        variables and parameters (how many the model has), checkpoint (its prefix, None where the config names none),
        checkpoint_type, checkpoint_variables, restored, restored_parameters, new (name, shape and reason of each),
        left (names), error: why restoring fails, by the API's own attempt; None where it does not; and hint: what to
        do then.

    Raises:
        OdtoolError: the config cannot be read.
    """
    configs = model.read_configs(run.pipeline_config)
    detector = model.build_model(configs["model"])
    model.make_variables(detector, model.read_element_spec(configs, batch=configs["train_config"].batch_size))
    own = list_shapes(detector)
    settings = configs["train_config"]
    report: dict[str, Any] = {
        "variables": len(own),
        "parameters": _count_parameters(own, own),
        "checkpoint": settings.fine_tune_checkpoint or None,
        "error": None,
    }
    if settings.fine_tune_checkpoint:
        report.update(_compare_kind(configs, detector, own, run.path))
    return report


def _compare_kind(configs: model.Configs, detector: Any, own: Shapes, folder: Path) -> dict[str, Any]:
    settings = configs["train_config"]
    config_util.update_fine_tune_checkpoint_type(settings)
    kind = settings.fine_tune_checkpoint_type
    try:
        stored = read_stored_shapes(settings.fine_tune_checkpoint)
        requested = detector.restore_from_objects(fine_tune_checkpoint_type=kind)
    except (tf.errors.OpError, ValueError, NotImplementedError) as error:
        return {"checkpoint_type": kind, "error": f"{settings.fine_tune_checkpoint}: {first_line(error)}"}
    comparison = compare(detector, requested, stored, kind)
    failure = _try_kind(configs, detector, folder)
    return {
        "checkpoint_type": kind,
        "checkpoint_variables": len(stored),
        "restored": len(comparison.restored),
        "restored_parameters": _count_parameters(own, comparison.restored),
        "new": [{"name": name, "shape": own[name], "reason": why} for name, why in sorted(comparison.new.items())],
        "left": sorted(comparison.left),
        "error": failure.message if failure else None,
        "hint": failure.hint if failure else None,
    }


def compare(detector: Any, requested: dict[str, Any], stored: Shapes, kind: str) -> Comparison:
    """What restoring would do, by name and shape.

    Args:
        requested: what the API would fill, as `restore_from_objects` of its meta architectures gives it.
        stored: what the checkpoint holds.
        kind: the fine_tune_checkpoint_type, for the reasons.
    """
    names = {id(variable): name for name, variable in _walk_variables(tf.train.Checkpoint(**requested))}
    restored: dict[str, str] = {}
    new: dict[str, str] = {}
    for name, variable in _walk_variables(tf.train.Checkpoint(model=detector)):
        source = names.get(id(variable))
        if source is None:
            new[name] = f"not restored with fine_tune_checkpoint_type {kind}"
        elif source not in stored:
            new[name] = f"not in the checkpoint ({source})"
        elif stored[source] != variable.shape.as_list():
            new[name] = f"has shape {stored[source]} in the checkpoint"
        else:
            restored[name] = source
    return Comparison(tuple(restored), new, tuple(stored.keys() - restored.values()))


def list_shapes(detector: Any) -> Shapes:
    """The model's variables under the names that a checkpoint of a training gives them."""
    return {name: variable.shape.as_list() for name, variable in _walk_variables(tf.train.Checkpoint(model=detector))}


def read_stored_shapes(prefix: str) -> Shapes:
    """The model's variables in a checkpoint, read from its .index alone.

    Raises:
        tensorflow.errors.OpError: it cannot be read.
    """
    return {
        name.removesuffix(_VALUE): shape
        for name, shape in tf.train.list_variables(
            prefix if addresses.is_remote(prefix) else checkpoints.to_readable_prefix(Path(prefix))
        )
        if name.split("/")[0] not in _NOT_THE_MODELS and "/.OPTIMIZER_SLOT/" not in name
    }


def _walk_variables(root: Any) -> Iterator[tuple[str, Any]]:
    """Variables below an object by the names that saving gives them: by the shortest path, breadth first.

    tensorflow/python/checkpoint/graph_view.py and trackable_utils.py say so; a test holds it against what saving
    writes.
    """
    view = tf.train.TrackableView(root)
    waiting, visited = deque([("", root)]), {id(root)}
    while waiting:
        path, node = waiting.popleft()
        if isinstance(node, tf.Variable):
            yield path, node
        for name, child in view.children(node).items():
            if id(child) not in visited:
                visited.add(id(child))
                escaped = name.replace(".", "..").replace("/", ".S")
                waiting.append((f"{path}/{escaped}" if path else escaped, child))


def _try_kind(configs: model.Configs, detector: Any, folder: Path) -> ConfigError | None:
    """What keeps the API from restoring the checkpoint into the model."""
    nothing: Any = None
    trainable = model.Trainable(detector, nothing, nothing, lambda: nothing, nothing)
    try:
        model.load_fine_tune_checkpoint(configs, trainable, folder)
    except ConfigError as error:
        return error
    return None


def _count_parameters(shapes: Shapes, names: Any) -> int:
    return sum(math.prod(shapes[name]) for name in names)
