"""A report's detections are read as what anybody may have put into their file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from odtool.errors import DataError
from odtool.reporting import detections_file

HEADER = {"checkpoint": "ckpt-4", "step": 4, "labels": {"1": "a"}, "sets": 1, "stamp": {"x": [1, 2]}}
TRUE = {"boxes": [[1, 2, 3, 4.5]], "classes": [1], "crowd": [False], "group_of": [False], "difficult": [True]}
DETECTED = {"boxes": [[1, 2, 3, 4]], "classes": [1], "scores": [0.5]}
IMAGE = {"key": 7, "source_id": "a.jpg", "width": 9, "height": 8, "true": TRUE, "detected": DETECTED}


NOTHING = "<"
"""The run lengths of a mask of 12 pixels, none of which are the object's."""


def write(path: Path, header: dict[str, Any], *images: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, *images)))
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    empty = {**IMAGE, "key": 3, "true": {key: [] for key in TRUE}, "detected": {key: [] for key in DETECTED}}
    examination = detections_file.read(write(tmp_path / "d.jsonl", HEADER, IMAGE, empty, IMAGE))
    assert (examination.step, examination.labels, examination.repeated) == (4, {1: "a"}, 1)
    first, second = examination.images
    assert (first.key, second.key, first.truth.boxes.shape, second.truth.boxes.shape) == (3, 7, (0, 4), (1, 4))
    assert second.difficult.tolist() == [True]
    assert second.detections.scores.tolist() == [0.5]


def test_masks_are_read_where_there_are_any(tmp_path: Path) -> None:
    size = {"width": 4, "height": 3}
    masked = {**IMAGE, **size, "true": {**TRUE, "masks": ["39"]}, "detected": {**DETECTED, "masks": [NOTHING]}}
    plain = {**IMAGE, "key": 8}
    first, second = detections_file.read(write(tmp_path / "d.jsonl", HEADER, masked, plain)).images
    assert first.masks is not None
    assert first.masks[0].counts == NOTHING
    assert (second.true_masks, second.masks) == (None, None)


@pytest.mark.parametrize("masks", [["X"], ["<<"], [NOTHING, NOTHING], [], ["13"], "<", [5], ["P" * 99], [""]])
def test_masks_that_are_none_of_this_image_are_damage(tmp_path: Path, masks: Any) -> None:
    wrong = {**IMAGE, "width": 4, "height": 3, "detected": {**DETECTED, "masks": masks}}
    with pytest.raises(DataError, match="line 2: "):
        detections_file.read(write(tmp_path / "d.jsonl", HEADER, wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "7"},
        {"width": -1},
        {"source_id": 5},
        {"true": []},
        {"true": {**TRUE, "boxes": [[1, 2, 3]]}},
        {"true": {**TRUE, "boxes": [["1", "2", "3", "4"]]}},
        {"true": {**TRUE, "boxes": [[1, 2, 3, 10**400]]}},
        {"true": {**TRUE, "boxes": []}},
        {"true": {**TRUE, "crowd": [0]}},
        {"detected": {**DETECTED, "scores": ["0.5"]}},
        {"detected": {**DETECTED, "scores": [None]}},
        {"detected": {**DETECTED, "classes": [True]}},
        {"detected": {**DETECTED, "scores": [0.5, 0.5]}},
        {"detected": {**DETECTED, "scores": 0.5}},
        {"strange": 1},
    ],
)
def test_an_image_that_is_not_one_is_named_by_its_line(tmp_path: Path, wrong: dict[str, Any]) -> None:
    path = write(tmp_path / "d.jsonl", HEADER, IMAGE, {**IMAGE, **wrong})
    with pytest.raises(DataError, match=r"d.jsonl: its detections are damaged: line 3: "):
        detections_file.read(path)


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"[]\n", b"{}\n", b'{"checkpoint": "a"}\n', b"\xff\xff\n"])
def test_a_header_that_is_not_one_is_damage_and_not_fresh(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d.jsonl").write_bytes(content)
    assert not detections_file.is_fresh(tmp_path / "d.jsonl", {"stamp": {}})
    with pytest.raises(DataError, match="its detections are damaged"):
        detections_file.read(tmp_path / "d.jsonl")


def test_detections_are_fresh_where_all_they_depend_on_is_as_it_was(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", HEADER, IMAGE)
    assert detections_file.is_fresh(path, {"stamp": {"x": [1, 2]}})
    assert not detections_file.is_fresh(path, {"stamp": {"x": [1, 3]}})
    assert not detections_file.is_fresh(tmp_path / "absent", {})
