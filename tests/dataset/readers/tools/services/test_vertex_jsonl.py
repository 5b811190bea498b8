"""Vertex AI's JSON Lines, laid out as Google's schema has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools.services import vertex_jsonl
from odtool.dataset.types import Box, Source
from odtool.errors import DataError


def row(name: str, use: str, *items: Any) -> dict[str, Any]:
    return {
        "imageGcsUri": f"gs://bucket/photos/{name}",
        "boundingBoxAnnotations": list(items),
        "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": use},
    }


def item(**corners: float) -> dict[str, Any]:
    return {"displayName": "Tomato", **corners, "annotationResourceLabels": {"env": "prod"}}


def test_boxes_are_fractions_and_the_use_is_the_split(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        write_image(tmp_path / "photos" / name)
    rows = [
        row("a.jpg", "training", item(xMin=0.3, yMin=0.25, xMax=0.7, yMax=0.75)),
        row("b.jpg", "validation", item(xMax=0.5, yMax=0.5)),
        {"imageGcsUri": "gs://bucket/photos/c.jpg", "dataItemResourceLabels": {"ml_use": "test"}},
    ]
    (tmp_path / "import.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "vertex_jsonl"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert problems == []
    assert [(image.path.name, image.split, image.unit) for image in images] == [
        ("a.jpg", "train", "fraction"),
        ("b.jpg", "val", "fraction"),
        ("c.jpg", "test", "fraction"),
    ]
    assert [[(each.label, each.box) for each in image.objects] for image in images] == [
        [("Tomato", Box(0.3, 0.25, 0.7, 0.75))],
        [("Tomato", Box(0, 0, 0.5, 0.5))],
        [],
    ]


@pytest.mark.parametrize(
    ("each", "kind"), [(item(xMin=0.1), "box_missing"), (item(xMax=1, yMax=1) | {"displayName": ""}, "label_missing")]
)
def test_what_cannot_be_used_is_told(each: Any, kind: str) -> None:
    where = Line(Path("a.jsonl"), 2)
    assert vertex_jsonl.parse(row("a.jpg", "training", each), where).objects == ()
    assert [problem[0] for problem in where.problems] == [kind]


@pytest.mark.parametrize("each", [{}, {"imageGcsUri": " "}, {"imageGcsUri": "a", "boundingBoxAnnotations": 1}])
def test_what_is_not_vertex_ais_is_refused(each: Any) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl:2: "):
        vertex_jsonl.parse(each, Line(Path("a.jsonl"), 2))
