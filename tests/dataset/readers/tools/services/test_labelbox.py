"""Labelbox's NDJSON, laid out as its exports are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools.services import labelbox
from odtool.dataset.types import Box, Source
from odtool.errors import DataError

BOX = {
    "feature_id": "f1",
    "name": "cat",
    "annotation_kind": "ImageBoundingBox",
    "classifications": [],
    "bounding_box": {"top": 20.0, "left": 10.0, "height": 30.0, "width": 40.0},
}
POLYGON = {
    "feature_id": "f2",
    "name": "dog",
    "annotation_kind": "ImagePolygon",
    "polygon": [{"x": 5, "y": 8}, {"x": 30, "y": 4}, {"x": 20, "y": 40}],
}
POINT = {"feature_id": "f3", "name": "nose", "annotation_kind": "ImagePoint", "point": {"x": 5, "y": 5}}


def label(*objects: Any, **details: Any) -> dict[str, Any]:
    return {"label_kind": "Default", "label_details": details, "annotations": {"objects": list(objects)}}


def row(name: str, *labels: Any) -> dict[str, Any]:
    return {
        "data_row": {"id": "clx", "external_id": name, "row_data": f"https://storage.example.com/x/{name}?sig=a%2Fb"},
        "media_attributes": {"width": 64, "height": 48, "mime_type": "image/jpeg"},
        "projects": {"clp": {"name": "p", "labels": list(labels), "project_details": {"ontology_id": "o"}}},
    }


def parse(*labels: Any) -> tuple[list[tuple[str, Box]] | None, list[tuple[str, str]]]:
    where = Line(Path("export.ndjson"), 3)
    entry = labelbox.parse(row("a.jpg", *labels), where)
    return None if entry is None else [(item.label, item.box) for item in entry.objects], where.problems


def test_boxes_and_polygons_are_read_and_the_rest_is_told(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        write_image(tmp_path / name)
    rows = [row("a.jpg", label(BOX, POLYGON, POINT)), row("b.jpg", label()), row("c.jpg")]
    (tmp_path / "export.ndjson").write_text("\n".join(map(json.dumps, rows)))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "labelbox"
    images, problems = found(choice.reader.read, Source(tmp_path, masks=True))
    assert [(item.label, item.box) for item in images[0].objects] == [
        ("cat", Box(10, 20, 50, 50)),
        ("dog", Box(5, 4, 30, 40)),
    ]
    assert [item.outline is not None for item in images[0].objects] == [False, True]
    assert [(image.path.name, image.declared_size) for image in images] == [("a.jpg", (64, 48)), ("b.jpg", (64, 48))]
    assert [(problem.kind, problem.detail) for problem in problems] == [
        ("shape_skipped", "line 1: object 3 (nose): ImagePoint"),
        ("annotation_missing", "line 3: c.jpg has not been labelled"),
        ("file_skipped", "1 images that no annotation names, such as c.jpg"),
    ]


def test_of_several_labels_the_benchmark_counts_else_the_newest() -> None:
    old, new = label(BOX, updated_at="2024-01-01"), label(POLYGON, updated_at="2024-02-01")
    assert parse(new, old)[0] == [("dog", Box(5, 4, 30, 40))]
    reference = label(BOX, updated_at="2023-01-01", is_benchmark_reference=True)
    boxes, problems = parse(reference, new)
    assert boxes == [("cat", Box(10, 20, 50, 50))]
    assert [kind for kind, _ in problems] == ["annotation_superseded"]


def test_what_was_skipped_is_not_annotated() -> None:
    skipped = label(BOX) | {"performance_details": {"skipped": True}}
    assert parse(skipped) == (None, [("annotation_missing", "line 3: a.jpg has not been labelled")])


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (BOX | {"bounding_box": {"top": 1}}, "box_missing"),
        (BOX | {"name": ""}, "label_missing"),
        ({"annotation_kind": "ImageSegmentationMask", "mask": {"url": "https://x"}, "name": "cat"}, "shape_skipped"),
    ],
)
def test_what_cannot_be_used_is_told(item: Any, kind: str) -> None:
    boxes, problems = parse(label(item))
    assert (boxes, [kind for kind, _ in problems]) == ([], [kind])


@pytest.mark.parametrize("item", [{"data_row": {}, "projects": {}}, {"data_row": 1, "projects": {}}])
def test_what_is_not_labelboxs_is_refused(item: Any) -> None:
    with pytest.raises(DataError, match=r"export\.ndjson:3: "):
        labelbox.parse(item, Line(Path("export.ndjson"), 3))
