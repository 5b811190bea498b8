"""The metric by which the best checkpoint is chosen: its value, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping

from odtool import metrics
from odtool.detection.metric_names import SHORT
from odtool.errors import OdtoolError


def get_value(name: str, metrics_of_checkpoint: Mapping[str, float]) -> float | None:
    """The metric's value; None where it is not finite, or there was nothing to find.

    Raises:
        OdtoolError: the evaluation gives no such metric.
    """
    if name not in metrics_of_checkpoint:
        raise OdtoolError(
            f"--best {name}: the evaluation gives no such metric; it gives {', '.join(sorted(metrics_of_checkpoint))}",
            f"Name one of these, or {', '.join(SHORT)}; eval_config.metrics_set decides which there are.",
        )
    return metrics.score_or_none(metrics_of_checkpoint[name])


def is_better(name: str, new: float, old: float) -> bool:
    """Losses are better when they are lower, all else when it is higher."""
    return new < old if name.startswith("Loss/") else new > old
