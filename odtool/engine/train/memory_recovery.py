"""What follows a training that ran out of memory: its config rewritten for half the batch. Needs no TensorFlow."""

from __future__ import annotations

import copy

from odtool import metrics
from odtool.errors import ConfigError
from odtool.pipeline.checks.check_list import refuse_errors
from odtool.pipeline.checks.training_length import check_learning_rate
from odtool.pipeline.configure.half_batch import halve_batch
from odtool.pipeline.text import config, diff
from odtool.pipeline.text.draft import ConfigDraft
from odtool.pipeline.text.facts import derive_facts
from odtool.workspace import Run


def recover(run: Run, cause: str, *, devices: int) -> str:
    """Rewrites the run's pipeline.config for half the batch, and notes it in metrics.jsonl.

    Args:
        cause: why it is done.
        devices: that share a batch.

    Returns:
        What was done, in one line.

    Raises:
        ConfigError: the batch cannot be halved, or the API would refuse the schedule that is left.
    """
    before = config.load(run.pipeline_config)
    draft = ConfigDraft(copy.deepcopy(before))
    # The stock loop numbers its files by saves: of a run that it began, the last start knows better.
    starts = [entry.step for entry in metrics.read(run.metrics, "start")]
    steps_done = max([*run.checkpoints(), *starts[-1:]], default=0)
    halve_batch(draft, steps_done=steps_done, devices=devices, reason="after running out of memory")
    old, new = before.message.train_config, draft.message.train_config
    summary = (
        f"batch size {old.batch_size} → {new.batch_size}, steps {old.num_steps} → {new.num_steps}, "
        f"from step {steps_done}"
    )
    changes = diff.compare(before, draft.config, draft.reasons)
    if not changes:
        raise ConfigError(f"{run.pipeline_config}: there is nothing left to reduce")
    refuse_errors(derive_facts(draft.config, run.pipeline_config), [check_learning_rate])
    config.save(draft.config, run.pipeline_config, heading=f"Changed by odtool: {summary} ({' '.join(cause.split())})")
    metrics.MetricsLog(run.metrics).write(
        "recover",
        steps_done,
        {
            "reason": cause,
            "batch_size": new.batch_size,
            "num_steps": new.num_steps,
            "changes": [change.as_json() for change in changes],
            "notes": draft.notes,
        },
    )
    return summary
