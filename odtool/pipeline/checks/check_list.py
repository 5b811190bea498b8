"""The one list of checks: training refuses a run at the first error, `odtool check` shows all of its findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from odtool.errors import ConfigError
from odtool.pipeline import record_patterns
from odtool.pipeline.checks.anchor_layers import check_anchor_layers
from odtool.pipeline.checks.annotations import check_annotations
from odtool.pipeline.checks.api_gaps.center_net_gaps import (
    check_center_suppression,
    check_deepmac,
    check_keypoint_tasks,
    check_labeled_classes,
    check_mask_reader,
    check_prepared_tasks,
    check_task_losses,
)
from odtool.pipeline.checks.api_gaps.model_gaps import (
    check_anchor_coordinates,
    check_box_code,
    check_box_predictor,
    check_calibration,
    check_combined_suppression,
    check_confidences,
    check_depthwise,
    check_extractor_arguments,
    check_flags,
    check_localization_loss,
    check_mask_features,
    check_mask_head,
    check_proposal_mining,
    check_shared_weights,
    check_static_shapes,
)
from odtool.pipeline.checks.api_gaps.reader_gaps import check_context, check_multiclass_scores, check_reader_features
from odtool.pipeline.checks.augmentation import check_augmentation
from odtool.pipeline.checks.checkpoint import check_checkpoint_files, check_checkpoint_type, check_random_backbone
from odtool.pipeline.checks.classes import check_classes, describe_classes
from odtool.pipeline.checks.evaluation import check_evaluation_sets, check_metrics
from odtool.pipeline.checks.finding import MODEL_SETTINGS, Check, Finding
from odtool.pipeline.checks.ignored_fields import check_ignored_fields
from odtool.pipeline.checks.input_size import check_image_sizes, check_resizer
from odtool.pipeline.checks.model_settings import (
    check_anchors,
    check_background,
    check_extractor,
    check_losses,
    check_matching,
    check_proposals,
    check_suppression,
    check_tasks,
)
from odtool.pipeline.checks.records import check_eval_records, check_train_records
from odtool.pipeline.checks.training_length import (
    check_batch_size,
    check_learning_rate,
    check_schedule_length,
    check_steps,
)
from odtool.pipeline.text.facts import ConfigFacts, RecordReader, read_facts

CHECKS: tuple[Check, ...] = (
    check_steps,
    check_learning_rate,
    check_extractor,
    check_anchors,
    check_anchor_layers,
    check_suppression,
    check_matching,
    check_background,
    check_losses,
    check_proposals,
    check_tasks,
    check_box_predictor,
    check_box_code,
    check_localization_loss,
    check_calibration,
    check_extractor_arguments,
    check_combined_suppression,
    check_anchor_coordinates,
    check_confidences,
    check_mask_head,
    check_mask_features,
    check_depthwise,
    check_flags,
    check_proposal_mining,
    check_shared_weights,
    check_task_losses,
    check_center_suppression,
    check_deepmac,
    check_labeled_classes,
    check_prepared_tasks,
    check_resizer,
    check_augmentation,
    check_metrics,
    check_evaluation_sets,
    check_checkpoint_type,
    check_schedule_length,
    check_ignored_fields,
    check_random_backbone,
    check_batch_size,
    check_reader_features,
    check_context,
    check_multiclass_scores,
    check_train_records,
    check_eval_records,
    check_image_sizes,
    check_static_shapes,
    check_annotations,
    check_mask_reader,
    check_keypoint_tasks,
    check_checkpoint_files,
    check_classes,
)
"""In the order in which they run and are shown."""

_SUMMARIES: Mapping[str, Callable[[ConfigFacts], str]] = {
    "settings": lambda facts: f"{facts.architecture}, {facts.num_steps:,} steps",
    MODEL_SETTINGS: lambda _: "the API can build and train what they describe",
    "batch": lambda facts: _describe_batch(facts.batch_size, facts.devices),
    "train records": lambda facts: _describe_files(facts.readers[:1]),
    "eval records": lambda facts: _describe_files(facts.readers[1:]),
    "classes": describe_classes,
    "checkpoint files": lambda facts: (
        facts.message.train_config.fine_tune_checkpoint or "none is set: training starts from random weights"
    ),
}
"""Subjects in the order in which they are shown, each with its message where no check finds anything."""


def check_run(path: Path, *, devices: int = 1) -> ConfigFacts:
    """Reads a run's pipeline.config and refuses what would fail after minutes of start-up.

    Args:
        devices: how many are to share a batch.

    Raises:
        ConfigError: names the field and the file that is missing or does not fit.
    """
    facts = read_facts(path, devices=devices)
    refuse_errors(facts)
    return facts


def refuse_errors(facts: ConfigFacts, checks: Iterable[Check] = CHECKS) -> list[Finding]:
    """The warnings of the checks.

    Raises:
        ConfigError: of all errors, so that one round of changes is enough.
    """
    findings = list(_run(facts, checks))
    errors = [finding for finding in findings if finding.level == "error"]
    if len(errors) == 1:
        raise ConfigError(errors[0].message, errors[0].hint)
    if errors:
        where = f"{facts.source}: " if facts.source else ""
        others = (f"also: {error.message.removeprefix(where)}. {error.hint}" for error in errors[1:])
        hint = f"Change all {len(errors)} settings and try again."
        raise ConfigError(errors[0].message, hint, (errors[0].hint, *others))
    return findings


def list_findings(facts: ConfigFacts) -> list[Finding]:
    """All that the config and the files it names say, by subject; a subject without a finding is ok."""
    findings = list(_run(facts, CHECKS))
    order = list(_SUMMARIES)
    reported = {finding.subject for finding in findings}
    findings += [
        Finding("ok", subject, summarise(facts)) for subject, summarise in _SUMMARIES.items() if subject not in reported
    ]
    return sorted(findings, key=lambda finding: order.index(finding.subject))


def _run(facts: ConfigFacts, checks: Iterable[Check]) -> Iterator[Finding]:
    """Errors name the config's file."""
    where = f"{facts.source}: " if facts.source else ""
    for check in checks:
        for finding in check(facts):
            yield replace(finding, message=f"{where}{finding.message}") if finding.level == "error" else finding


def _describe_batch(batch_size: int, devices: int) -> str:
    return f"{batch_size} images a step" + (
        f", {batch_size // devices} on each of {devices} devices" if devices > 1 else ""
    )


def _describe_files(readers: Iterable[RecordReader]) -> str:
    return "; ".join(map(_describe_reader, readers))


def _describe_reader(reader: RecordReader) -> str:
    if reader.has_remote_records:
        return f"the engine reads {', '.join(record_patterns.list_patterns(reader.message))}"
    return f"{len(reader.files)} file{'s' if len(reader.files) > 1 else ''}, such as {reader.files[0]}"
