"""Points of curves from metrics.jsonl."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from odtool.errors import DataError
from odtool.metrics import MetricsLog
from odtool.tracking import points
from odtool.workspace import Run


def test_figures_become_points_and_all_else_does_not(run: Run, write: Callable) -> None:
    write(10)
    block = points.read_block(run.metrics, 0)
    assert block is not None
    assert (block.begin, block.end) == (0, run.metrics.stat().st_size)
    found = [(point.name, point.value, point.step) for point in points.convert(block)]
    assert found == [("train/loss", 1.0, 10), ("eval/DetectionBoxes_Precision/mAP", 0.1, 10)]


def test_a_best_checkpoint_is_a_point(run: Run) -> None:
    MetricsLog(run.metrics).write("best", 5, {"metric": "mAP", "value": 0.5, "checkpoint": "ckpt-5"})
    block = points.read_block(run.metrics, 0)
    assert block is not None
    assert [(point.name, point.value) for point in points.convert(block)] == [("best/value", 0.5)]


def test_a_line_that_is_being_written_is_left_for_later(run: Run, write: Callable) -> None:
    write(10)
    size = run.metrics.stat().st_size
    with run.metrics.open("ab") as stream:
        stream.write(b'{"kind": "train", "step": 20, "time": 1')
    block = points.read_block(run.metrics, 0)
    assert block is not None
    assert block.end == size
    assert points.read_block(run.metrics, size) is None


def test_a_line_that_is_no_metric_is_passed_over(run: Run, write: Callable) -> None:
    run.metrics.write_bytes(b"\x00\xff garbage\n[]\n{}\n")
    MetricsLog(run.metrics).write("train", 3, {"loss": 2.0})
    block = points.read_block(run.metrics, 0)
    assert block is not None
    assert block.end == run.metrics.stat().st_size
    assert [point.value for point in points.convert(block)] == [2.0]


def test_a_block_is_bounded_and_can_end_at_an_offset(run: Run, write: Callable) -> None:
    for step in range(1, 6):
        write(step)
    first = points.read_block(run.metrics, 0, most=3)
    assert first is not None
    assert len(first.entries) == 3
    same = points.read_block(run.metrics, 0, until=first.end)
    assert same == first
    rest = points.read_block(run.metrics, first.end)
    assert rest is not None
    assert [entry.step for entry in rest.entries] == [2, 2, 3, 3, 4, 4, 5, 5]


def test_steps_that_were_taken_again_are_told_once(run: Run) -> None:
    log = MetricsLog(run.metrics)
    for kind, step, value in (("start", 0, 0), ("train", 10, 1), ("train", 20, 2), ("start", 10, 0), ("train", 20, 3)):
        log.write(kind, step, {"loss": value})
    block = points.read_block(run.metrics, 0)
    assert block is not None
    assert [(point.step, point.value) for point in points.convert(block)] == [(10, 1.0), (20, 3.0)]


def test_no_file_has_no_lines_and_a_folder_is_refused(run: Run) -> None:
    assert points.read_block(run.metrics, 0) is None
    assert points.identify(run.metrics) == ""
    run.metrics.mkdir()
    with pytest.raises(DataError, match="a folder, not a file"):
        points.read_block(run.metrics, 0)
