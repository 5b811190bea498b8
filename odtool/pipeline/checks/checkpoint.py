"""Checks of the checkpoint that training starts from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from odtool.errors import ConfigError
from odtool.pipeline import addresses, start_checkpoints
from odtool.pipeline.checks.finding import Finding, convert_error, report_error, report_warning
from odtool.pipeline.text.facts import ConfigFacts

_TYPES = ("classification", "detection", "full")
"""fine_tune_checkpoint_type, the same for all of the API's meta architectures (restore_from_objects)."""


def check_checkpoint_type(facts: ConfigFacts) -> Iterator[Finding]:
    train_config = facts.message.train_config
    if train_config.load_all_detection_checkpoint_vars:
        yield report_error(
            "train_config.load_all_detection_checkpoint_vars: the API refuses it on TensorFlow 2",
            "--set train_config.load_all_detection_checkpoint_vars=false; fine_tune_checkpoint_type full restores all.",
        )
    kind = train_config.fine_tune_checkpoint_type
    if train_config.fine_tune_checkpoint and kind and kind not in _TYPES:
        yield report_error(
            f"train_config.fine_tune_checkpoint_type: the API has no '{kind}'",
            f"Use detection; known are {', '.join(_TYPES)}.",
        )


def check_checkpoint_files(facts: ConfigFacts) -> Iterator[Finding]:
    train_config = facts.message.train_config
    prefix, field = train_config.fine_tune_checkpoint, "train_config.fine_tune_checkpoint"
    if not prefix or addresses.is_remote(prefix):  # of an address, the engine tells what it gives the model
        return
    try:
        complete = start_checkpoints.find(Path(prefix))
    except ConfigError as error:
        yield convert_error("checkpoint files", error, field)
        return
    if str(complete) != prefix:
        yield Finding(
            "error",
            "checkpoint files",
            f"{field}: {prefix} is not a checkpoint prefix",
            f"Use: odtool configure --checkpoint '{complete}'",
        )
    elif start_checkpoints.restores_nothing(train_config):
        yield Finding(
            "error",
            "checkpoint files",
            f"{field}_type is classification, but {prefix} is a detector's checkpoint: nothing would be restored",
            f"Set {field}_type=detection.",
        )


def check_random_backbone(facts: ConfigFacts) -> Iterator[Finding]:
    """CenterNet's MobileNet takes ImageNet's weights in the API's own loop (center_net_mobilenet_v2_*.py)."""
    if facts.meta_architecture != "center_net" or facts.message.train_config.fine_tune_checkpoint:
        return
    extractor = facts.model.feature_extractor
    if extractor.type.startswith("mobilenet_v2") and extractor.depth_multiplier == 1:
        yield report_warning(
            f"{extractor.type} starts from random weights: the API would download ImageNet's, but odtool does not",
            "Start from a checkpoint: odtool configure --checkpoint PATH",
        )
