"""Whether training stands still."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odtool.jobs import stall


def write(path: Path, *lines: tuple[str, float]) -> Path:
    entries = [{"kind": kind, "step": 1, "time": time, "values": {}} for kind, time in lines]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


STEPS = [("start", 100.0), *(("train", 110.0 + 3 * count) for count in range(5))]
"""The last word at 122."""


@pytest.mark.parametrize(
    ("lines", "now", "found"),
    [
        (STEPS, 182, None),
        (STEPS, 183, 61),
        ([*STEPS, ("checkpoint", 150)], 183, None),
        ([*STEPS, ("eval", 150)], 183, 61),
        ([("start", 100.0), *(("train", 120.0 + 20 * count) for count in range(5))], 399, None),
        ([("start", 100.0), *(("train", 120.0 + 20 * count) for count in range(5))], 401, 201),
        ([("start", 100.0)], 999, None),
        ([("start", 100.0)], 1001, 901),
        ([*STEPS, ("recover", 130), ("start", 140)], 500, None),
        ([], 980, None),
        ([], 1000, 910),
    ],
)
def test_a_word_that_is_ten_times_late_is_a_stall(
    tmp_path: Path, lines: list[tuple[str, float]], now: float, found: float | None
) -> None:
    assert stall.measure_stall(write(tmp_path / "metrics.jsonl", *lines), 90, now) == found


def test_what_an_earlier_start_said_does_not_count(tmp_path: Path) -> None:
    assert stall.measure_stall(write(tmp_path / "metrics.jsonl", *STEPS), 150, 300) is None
