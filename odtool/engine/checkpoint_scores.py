"""What a run's metrics say of its checkpoints: which are scored or skipped, which is the best, how many to keep."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from odtool import files, metrics, state_files
from odtool.metrics import Metric


def find_scored(entries: Sequence[Metric], *, sample: int | None = None) -> set[str]:
    """Names of the run's own checkpoints that have been evaluated, without those that a later start trained again.

    Args:
        sample: count only evaluations over 1 of this many images.
    """
    return {
        str(entry.values.get("checkpoint"))
        for entry in metrics.current_course(entries)
        if entry.kind == "eval" and sample in (None, entry.values.get("sample_1_of_n"))
    }


def find_skipped(entries: Sequence[Metric]) -> set[str]:
    """Names of checkpoints that an evaluation of the latest only has passed over."""
    return {str(entry.values.get("checkpoint")) for entry in metrics.current_course(entries) if entry.kind == "skip"}


def find_best(entries: Sequence[Metric]) -> Metric | None:
    """The newest line of the best evaluation, without those that a later start trained again."""
    return next((entry for entry in reversed(metrics.current_course(entries)) if entry.kind == "best"), None)


def count_since_best(entries: Sequence[Metric]) -> int:
    """How many checkpoints later than the best have been evaluated."""
    best = find_best(entries)
    if best is None:
        return 0
    course = metrics.current_course(entries)
    return len({entry.step for entry in course if entry.kind == "eval" and entry.step > best.step})


def find_score(entries: Sequence[Metric], step: int, name: str) -> float | None:
    """A metric in the newest evaluation of a step; None where it is not there, or there was nothing to find."""
    for entry in reversed(metrics.current_course(entries)):
        if entry.kind == "eval" and entry.step == step:
            return entry.number(name)
    return None


def find_keep_count(entries: Sequence[Metric]) -> int | None:
    """How many checkpoints the newest start of training was asked to keep."""
    starts = [entry for entry in entries if entry.kind == "start"]
    number = starts[-1].values.get("keep_checkpoints") if starts else None
    return number if isinstance(number, int) else None


def write_best(path: Path, step: int, values: Mapping[str, Any]) -> None:
    """best/metrics.json: when and what the checkpoint beside it has scored."""
    content = {"step": step, "time": time.time(), **metrics.to_json(values)}
    files.write_atomically(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_best(path: Path) -> Metric | None:
    """What `write_best` wrote, as the line of the best evaluation; None where it cannot be read."""
    try:
        content = state_files.read_object(path)
        step, written = content.pop("step"), content.pop("time")
        scores = state_files.build(dict[str, float | None], content.pop("metrics"))
    except (OSError, ValueError, KeyError):
        return None
    return metrics.build("best", step, written, {**scores, **content})
