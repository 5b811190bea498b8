"""Ultralytics' NDJSON, laid out as its converter reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools.services import ultralytics_ndjson
from odtool.dataset.types import Box, Source
from odtool.errors import DataError

NAMES = {0: "cat", 1: "dog"}


def header(task: str = "detect", **more: Any) -> dict[str, Any]:
    return {"type": "dataset", "task": task, "name": "set", "class_names": {"0": "cat", "1": "dog"}, **more}


def image(name: str, split: str = "train", **annotations: Any) -> dict[str, Any]:
    entry = {"type": "image", "file": name, "url": f"https://host/{name}", "width": 64, "height": 48, "split": split}
    return entry | ({"annotations": annotations} if annotations else {})


def parse(**annotations: Any) -> list[tuple[str, Box]]:
    entry = ultralytics_ndjson.parse(NAMES, set(), image("a.jpg", **annotations), Line(Path("a.ndjson"), 2))
    return [(item.label, item.box) for item in entry.objects]


def test_images_of_one_name_in_two_splits_are_told_apart(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    rows = [
        header(),
        image("1.jpg", "train", boxes=[[0, 0.5, 0.5, 0.25, 0.5]]),
        image("1.jpg", "val", boxes=[[1, 0.25, 0.25, 0.5, 0.5], [2, 0.5, 0.5, 1, 1]]),
        image("2.jpg", "val"),
    ]
    for name in ("train/1", "val/1", "val/2"):
        write_image(tmp_path / "images" / f"{name}.jpg")
    (tmp_path / "set.ndjson").write_text("\n".join(map(json.dumps, rows)))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "ultralytics_ndjson"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [(str(item.path.relative_to(tmp_path)), item.split) for item in images] == [
        ("images/train/1.jpg", "train"),
        ("images/val/1.jpg", "val"),
        ("images/val/2.jpg", "val"),
    ]
    assert [[(each.label, each.box) for each in item.objects] for item in images] == [
        [("cat", Box(0.375, 0.25, 0.625, 0.75))],
        [("dog", Box(0, 0, 0.5, 0.5)), ("2", Box(0, 0, 1, 1))],
        [],
    ]
    assert [(problem.kind, problem.detail) for problem in problems] == [("class_unnamed", "class_names has no class 2")]


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"segments": [[1, 0.1, 0.1, 0.5, 0.1, 0.3, 0.6]]}, Box(0.1, 0.1, 0.5, 0.6)),
        ({"obb": [[1, 0.2, 0.1, 0.6, 0.2, 0.5, 0.6, 0.1, 0.5]]}, Box(0.1, 0.1, 0.6, 0.6)),
        ({"pose": [[1, 0.5, 0.5, 0.5, 0.5, 0.4, 0.4, 2]]}, Box(0.25, 0.25, 0.75, 0.75)),
    ],
)
def test_other_shapes_are_their_envelopes(annotations: Any, expected: Box) -> None:
    assert parse(**annotations) == [("dog", expected)]


@pytest.mark.parametrize(
    "labels", [[[0, 0.1, 0.2, 0.3]], [[0.5, 0.1, 0.2, 0.3, 0.4]], [[-1, 0.1, 0.2, 0.3, 0.4]], ["0 0.1 0.2 0.3 0.4"], 1]
)
def test_labels_that_are_no_boxes_are_refused(labels: Any) -> None:
    with pytest.raises(DataError, match=r"a\.ndjson:2: boxes "):
        parse(boxes=labels)


@pytest.mark.parametrize("task", ["classify", "depth", "semantic"])
def test_a_set_without_boxes_is_refused(task: str) -> None:
    with pytest.raises(DataError, match=f"no bounding boxes: its task is '{task}'"):
        ultralytics_ndjson.parse_header(header(task), Path("a.ndjson"))
    with pytest.raises(DataError, match=r"a\.ndjson:1: class_names"):
        ultralytics_ndjson.parse_header(header() | {"class_names": {"x": "cat"}}, Path("a.ndjson"))
    assert ultralytics_ndjson.parse_header(header() | {"class_names": ["cat", "dog"]}, Path("a.ndjson")) == NAMES
