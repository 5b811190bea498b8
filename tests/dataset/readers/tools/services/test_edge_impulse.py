"""Edge Impulse's labels, laid out as its uploader and its exporter have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools.services import edge_impulse
from odtool.dataset.types import Box, Source
from odtool.errors import DataError

CUBE = {"label": "cube", "x": 12, "y": 8, "width": 20, "height": 16}


def test_boxes_by_file_are_read(tmp_path: Path, write_image: Callable[..., Path], found: Any) -> None:
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name)
    text = {"version": 1, "type": "bounding-box-labels", "boundingBoxes": {"a.png": [CUBE], "b.png": []}}
    (tmp_path / "bounding_boxes.labels").write_text(json.dumps(text))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "edge_impulse"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [[(item.label, item.box) for item in image.objects] for image in images] == [
        [("cube", Box(12, 8, 32, 24))],
        [],
    ]
    assert problems == []


def test_files_of_an_export_have_their_splits(tmp_path: Path, write_image: Callable[..., Path], found: Any) -> None:
    files = []
    for category, name, boxes in (("training", "a", [CUBE]), ("testing", "a", []), ("training", "c", None)):
        write_image(tmp_path / category / f"{name}.png")
        file = {"path": f"{category}/{name}.png", "name": name, "category": category, "label": {"type": "unlabeled"}}
        files.append(file if boxes is None else file | {"boundingBoxes": boxes})
    (tmp_path / "info.labels").write_text(json.dumps({"version": 1, "files": files}))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "edge_impulse"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [(str(image.path.relative_to(tmp_path)), image.split, len(image.objects)) for image in images] == [
        ("training/a.png", "train", 1),
        ("testing/a.png", "test", 0),
    ]
    assert [problem.kind for problem in problems] == ["annotation_missing", "file_skipped"]


@pytest.mark.parametrize(("box", "kind"), [({"x": 1}, "box_missing"), (CUBE | {"label": ""}, "label_missing")])
def test_what_cannot_be_used_is_told(box: Any, kind: str) -> None:
    data = json.dumps({"boundingBoxes": {"a.png": [box]}}).encode()
    listing = edge_impulse.parse(JsonDocument.of_bytes(data, Path("a.labels"), edge_impulse.KEYS), Overflow())
    assert (next(iter(listing.entries)).objects, [problem for problem, _ in listing.problems]) == ((), [kind])


@pytest.mark.parametrize("text", ["[]", "{}", '{"files": [{}]}', '{"boundingBoxes": {"a": 1}}'])
def test_what_is_not_edge_impulses_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"a\.labels: .*not as Edge Impulse writes it"):
        edge_impulse.parse(JsonDocument.of_bytes(text.encode(), Path("a.labels"), edge_impulse.KEYS), Overflow())


def test_boxes_that_an_export_has_too_are_read_once(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    write_image(tmp_path / "training" / "a.png")
    write_image(tmp_path / "more" / "b.png")
    file = {"path": "training/a.png", "category": "training", "boundingBoxes": [CUBE]}
    (tmp_path / "info.labels").write_text(json.dumps({"version": 1, "files": [file]}))
    for folder, name in (("training", "a.png"), ("more", "b.png")):
        text = {"version": 1, "type": "bounding-box-labels", "boundingBoxes": {name: [CUBE]}}
        (tmp_path / folder / "bounding_boxes.labels").write_text(json.dumps(text))
    images, problems = found(edge_impulse.read, Source(tmp_path))
    assert [(image.path.name, image.split) for image in images] == [("a.png", "train"), ("b.png", None)]
    assert [(problem.kind, problem.file.parent.name) for problem in problems] == [("file_skipped", "training")]
