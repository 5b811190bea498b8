"""FiftyOne's JSON, laid out as its exporters write it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools import fiftyone
from odtool.dataset.types import Box, Source
from odtool.errors import DataError


def detection(label: str, box: Any, **more: Any) -> dict[str, Any]:
    return {"_id": {"$oid": "6"}, "_cls": "Detection", "attributes": {}, "label": label, "bounding_box": box, **more}


def detections(*items: Any) -> dict[str, Any]:
    return {"_cls": "Detections", "detections": list(items)}


CAT = detection("cat", [0.25, 0.5, 0.5, 0.25], iscrowd=1)


def sample(name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"_cls": "ImageMetadata", "size_bytes": 1, "mime_type": "image/jpeg", "width": 64, "height": 48}
    return {"filepath": f"data/{name}", "tags": ["validation"], "_media_type": "image", "metadata": metadata, **fields}


def parse(**fields: Any) -> tuple[list[Any] | None, list[str]]:
    line = Line(Path("samples.json"), 1)
    entry = fiftyone.parse(sample("a.jpg", **fields), line)
    return None if entry is None else [(item.label, item.box) for item in entry.objects], [k for k, _ in line.problems]


def test_a_dataset_is_read_with_its_tags_as_splits(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        write_image(tmp_path / "data" / name)
    predictions = detections(detection("dog", [0, 0, 1, 1], confidence=0.9))
    samples = [
        sample("a.jpg", ground_truth=detections(CAT), predictions=predictions, uniqueness=0.5),
        sample("b.jpg", ground_truth=detections()),
        sample("c.jpg", ground_truth=None),
    ]
    (tmp_path / "samples.json").write_text(json.dumps({"samples": samples}))
    (tmp_path / "metadata.json").write_text(json.dumps({"version": "1", "media_type": "image", "sample_fields": []}))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "fiftyone"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [(image.path.name, image.split, image.declared_size) for image in images] == [
        ("a.jpg", "val", (64, 48)),
        ("b.jpg", "val", (64, 48)),
    ]
    assert [(item.label, item.box, item.is_crowd) for image in images for item in image.objects] == [
        ("cat", Box(0.25, 0.5, 0.75, 0.75), True)
    ]
    assert [problem.kind for problem in problems] == ["entry_ignored", "annotation_missing", "file_skipped"]


def test_a_field_without_confidences_is_the_truth() -> None:
    expected = [("cat", Box(0.25, 0.5, 0.75, 0.75))]
    model = detections(detection("dog", [0, 0, 1, 1], confidence=0.9))
    assert parse(model=model, labels=detections(CAT)) == (expected, ["entry_ignored"])
    assert parse(labels=detections(CAT)) == (expected, [])
    with pytest.raises(DataError, match=r"samples\.json:1: labels in the fields one, two, of which none") as error:
        parse(one=detections(CAT), two=detections(CAT))
    assert "select_fields" in error.value.hint


def test_closed_outlines_are_boxes_and_lines_are_told() -> None:
    line = {"_cls": "Polyline", "label": "road", "points": [[[0.1, 0.2], [0.5, 0.2], [0.3, 0.6]]], "closed": True}
    outlines = {"_cls": "Polylines", "polylines": [line, line | {"closed": False, "filled": False}]}
    assert parse(ground_truth=outlines) == ([("road", Box(0.1, 0.2, 0.5, 0.6))], ["shape_skipped"])


@pytest.mark.parametrize(
    ("item", "kind"), [(detection("cat", [1]), "box_missing"), (detection("", [0, 0, 1, 1]), "label_missing")]
)
def test_what_cannot_be_used_is_told(item: Any, kind: str) -> None:
    assert parse(ground_truth=detections(item)) == ([], [kind])


def test_labels_by_image_are_read_with_their_classes(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for name in ("000001", "000002"):
        write_image(tmp_path / "data" / f"{name}.jpg")
    labels = {"000001": [{"label": 1, "bounding_box": [0, 0, 0.5, 0.5]}], "000002": None}
    (tmp_path / "labels.json").write_text(json.dumps({"classes": ["cat", "dog"], "labels": labels}))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "fiftyone"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [[(item.label, item.box) for item in image.objects] for image in images] == [
        [("dog", Box(0, 0, 0.5, 0.5))],
        [],
    ]
    assert [image.path.name for image in images] == ["000001.jpg", "000002.jpg"]
    assert problems == []
    data = b'{"classes": ["a", "b"], "labels": {"x": [{"label": 2, "bounding_box": [0, 0, 1, 1]}]}}'
    with pytest.raises(DataError, match="label 2 is not among its 2 classes"):
        fiftyone.parse_labels(JsonDocument.of_bytes(data, Path("a.json"), fiftyone.KEYS), Overflow())
