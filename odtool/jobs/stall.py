"""Whether training stands still: no line of a step for far longer than usual."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise, takewhile
from pathlib import Path
from statistics import median

from odtool import metrics

_TIMES = 10
"""A line that is this many times later than usual is not coming."""
_LEAST = 60.0
"""Seconds. Saving to a slow disk may take that long."""
_BEFORE_THE_FIRST = 900.0
"""Seconds. Until the first step libraries are loaded, and the model is built, traced and, on a GPU, compiled."""
_LOOKED_AT = 30


def measure_stall(path: Path, started: float, now: float) -> float | None:
    """Seconds since the last line of a running training, where these are too many; else None.

    Args:
        path: its metrics.jsonl.
        started: Unix time of its start, as is `now`.
    """
    lines = takewhile(lambda metric: metric.time >= started, metrics.read_backwards(path))
    own = (metric for metric in lines if metric.kind in ("start", "train", "checkpoint", "recover"))
    # A later start within the same job, after running out of memory, has to compile again.
    recent = list(islice(_take_since_start(own), _LOOKED_AT))
    silent = now - max([started, *(metric.time for metric in recent)])
    steps = [metric.time for metric in recent if metric.kind == "train"]
    usual = [later - earlier for later, earlier in pairwise(steps)]
    if not steps:
        limit = _BEFORE_THE_FIRST
    elif not usual:
        limit = _BEFORE_THE_FIRST / 3  # the second line waits for several steps of unknown length
    else:
        limit = max(_LEAST, _TIMES * median(usual))
    return silent if silent > limit else None


def _take_since_start(newest_first: Iterator[metrics.Metric]) -> Iterator[metrics.Metric]:
    for metric in newest_first:
        yield metric
        if metric.kind in ("start", "recover"):
            return
