"""dataset.json is written and read back, and garbage in its place is told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset import statistics
from odtool.dataset.statistics import ClassChange, DatasetSummary, ProblemSummary, SplitSummary
from odtool.errors import DataError
from odtool.workspace import Dataset

SPLIT = SplitSummary(2, 3, 1, 100, 2, 1.5, 0, {"a": 3}, (10, 20), (10, 20), (30, 40))
GOOD = DatasetSummary(
    classes={"a": 1},
    splits={"train": SPLIT},
    format="voc",
    sources=("images",),
    seed=0,
    odtool="1",
    created="2026-11-28T10:00:00+00:00",
    problems={"box_tiny": ProblemSummary("warning", 3, "kept")},
    class_changes=(ClassChange("b", None, 2),),
)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path)


def test_it_is_read_back_as_it_was_written(dataset: Dataset) -> None:
    dataset.summary.write_text(statistics.dump(GOOD))
    assert statistics.load(dataset) == GOOD


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("classes",), {"a": "1"}),
        (("classes", "a"), 0),
        (("classes", "a"), 10**400),
        (("classes",), []),
        (("splits",), None),
        (("splits", "train"), 5),
        (("splits", "train", "images"), -1),
        (("splits", "train", "images"), "2"),
        (("splits", "train", "mean_objects"), "x"),
        (("splits", "train", "min_size"), [1]),
        (("splits", "train", "min_size"), 7),
        (("splits", "train", "classes"), {"a": None}),
        (("problems", "box_tiny", "count"), 1.5),
        (("sources",), "images"),
        (("sources",), [["images"]]),
        (("masks",), "no"),
        (("keypoints",), -3),
        (("keypoints",), {}),
        (("class_changes",), [1]),
        (("seed",), []),
        (("format",), None),
    ],
)
def test_a_wrong_value_is_named_with_its_field(dataset: Dataset, path: tuple[str, ...], wrong: Any) -> None:
    content = json.loads(statistics.dump(GOOD))
    place = content
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = wrong
    dataset.summary.write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"dataset.json: not written by this odtool: .*{path[-1]}"):
        statistics.load(dataset)


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"null", b"\xff\xfe\x00", b"{}"])
def test_garbage_is_told(dataset: Dataset, content: bytes) -> None:
    dataset.summary.write_bytes(content)
    with pytest.raises(DataError, match="not written by this odtool"):
        statistics.load(dataset)


def test_a_pipe_is_not_waited_for(dataset: Dataset) -> None:
    os.mkfifo(dataset.summary)
    with pytest.raises(DataError, match="a named pipe, not a file"):
        statistics.load(dataset)
