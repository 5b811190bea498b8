"""Settings that train, and hardly as meant: told by configure and check, and never refused."""

from __future__ import annotations

from collections.abc import Iterator

from odtool.errors import ConfigError
from odtool.pipeline.text import config
from odtool.pipeline.text.config import PipelineConfig

_IGNORED = {
    "freeze_variables": "Every variable is trained.",
    "update_trainable_variables": "Every variable is trained.",
    "bias_grad_multiplier": "Biases learn at the learning rate itself.",
    "keep_checkpoint_every_n_hours": "odtool train --keep-checkpoints says how many are kept.",
}
"""Fields of TrainConfig that nothing of model_lib_v2 reads, with what holds in their place."""


def find(loaded: PipelineConfig) -> Iterator[ConfigError]:
    """Every one of them, with the fields and the mend."""
    settings = loaded.message.train_config
    yield from _length_of_cosine(loaded)
    for field, _ in settings.ListFields():
        if what := _IGNORED.get(field.name):
            yield ConfigError(f"train_config.{field.name} has no effect: the API reads it on TensorFlow 1 only", what)
    if loaded.message.model.WhichOneof("model") == "center_net" and not settings.fine_tune_checkpoint:
        extractor = loaded.message.model.center_net.feature_extractor
        if extractor.type.startswith("mobilenet_v2") and extractor.depth_multiplier == 1:
            yield ConfigError(
                f"{extractor.type} starts from random weights: the API would download ImageNet's, and odtool does not",
                "Give it a checkpoint: odtool configure --checkpoint PATH",
            )


def _length_of_cosine(loaded: PipelineConfig) -> Iterator[ConfigError]:
    settings, optimizer = loaded.message.train_config, config.optimizer(loaded)
    if optimizer is None or not optimizer.learning_rate.HasField("cosine_decay_learning_rate"):
        return
    schedule, steps = optimizer.learning_rate.cosine_decay_learning_rate, settings.num_steps
    kind = settings.optimizer.WhichOneof("optimizer")
    path = f"train_config.optimizer.{kind}.learning_rate.cosine_decay_learning_rate.total_steps"
    mend = f"--set {path}={steps}; --steps sets both"
    if schedule.total_steps < steps:
        yield ConfigError(f"the learning rate is 0 from step {schedule.total_steps:,} of {steps:,} on", mend)
    elif schedule.warmup_steps >= steps:
        told = f"all {steps:,} steps are of the warm-up, which has {schedule.warmup_steps:,}"
        yield ConfigError(told, f"--steps {steps} brings the whole schedule along")
    elif schedule.total_steps > steps:
        yield ConfigError(f"training ends at step {steps:,} of a schedule of {schedule.total_steps:,}", mend)
