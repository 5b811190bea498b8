"""Check for settings that have no effect."""

from __future__ import annotations

from collections.abc import Iterator

from odtool.pipeline.checks.finding import Finding, report_warning
from odtool.pipeline.text.facts import ConfigFacts

_IGNORED = {
    "freeze_variables": "All variables are trained.",
    "update_trainable_variables": "All variables are trained.",
    "bias_grad_multiplier": "Biases are trained at the same learning rate as weights.",
    "keep_checkpoint_every_n_hours": "Use odtool train --keep-checkpoints to set how many are kept.",
}
"""Fields of TrainConfig that nothing of model_lib_v2 reads, with what holds in their place."""


def check_ignored_fields(facts: ConfigFacts) -> Iterator[Finding]:
    for field, _ in facts.message.train_config.ListFields():
        if consequence := _IGNORED.get(field.name):
            message = f"train_config.{field.name} has no effect: the API reads it on TensorFlow 1 only"
            yield report_warning(message, consequence)
    if facts.message.train_config.use_bfloat16:
        yield report_warning(
            "train_config.use_bfloat16 has no effect: the API reads it on TPUs only",
            "odtool train --precision bfloat16",
        )
    if facts.message.HasField("graph_rewriter"):
        yield report_warning(
            "graph_rewriter has no effect: the API trains for quantisation on TensorFlow 1 only",
            "Quantise afterwards: odtool export --format tflite --tflite int8",
        )
