"""Output manifests of SageMaker Ground Truth, laid out as Amazon's documentation has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools.services import sagemaker
from odtool.dataset.types import Box, Source
from odtool.errors import DataError

ECHO: dict[str, Any] = {
    "source-ref": "s3://bucket/images/IMG_1186.png",
    "bounding-box": {
        "image_size": [{"width": 640, "height": 480, "depth": 3}],
        "annotations": [
            {"class_id": 1, "top": 251, "left": 399, "width": 155, "height": 101},
            {"class_id": 0, "top": 65, "left": 86, "width": 220, "height": 334},
        ],
    },
    "bounding-box-metadata": {
        "objects": [{"confidence": 1}, {"confidence": 1}],
        "class-map": {"0": "Echo", "1": "Echo Dot"},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2013-11-18T02:53:27",
        "job-name": "my job",
    },
}
EMPTY = ECHO | {
    "source-ref": "s3://bucket/images/b.png",
    "bounding-box": {"image_size": [{"width": 64, "height": 48, "depth": 3}], "annotations": []},
}


def line() -> Line:
    return Line(Path("output.manifest"), 7)


@pytest.mark.parametrize("name", ["output.manifest", "manifest.json", "train.jsonl"])
def test_a_manifest_is_read_box_for_box(
    tmp_path: Path, write_image: Callable[..., Path], found: Any, name: str
) -> None:
    write_image(tmp_path / "images" / "IMG_1186.png", 640, 480)
    write_image(tmp_path / "images" / "b.png")
    unlabelled = {"source-ref": "s3://bucket/images/c.png"}
    (tmp_path / name).write_text("\n".join(map(json.dumps, [unlabelled, EMPTY, ECHO])))
    for path in (tmp_path, tmp_path / name):
        (choice,) = choose(Source(path))
        assert choice.name == "sagemaker"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [image.path.name for image in images] == ["b.png", "IMG_1186.png"]
    assert images[0].objects == ()
    assert [(item.label, item.box) for item in images[1].objects] == [
        ("Echo Dot", Box(399, 251, 554, 352)),
        ("Echo", Box(86, 65, 306, 399)),
    ]
    assert images[1].declared_size == (640, 480)
    assert [problem.kind for problem in problems] == ["annotation_missing"]


def test_of_a_job_that_adjusts_another_the_boxes_of_the_newest_count() -> None:
    adjusted = json.loads(json.dumps(ECHO))
    adjusted["better"] = {"annotations": [{"class_id": 0, "top": 1, "left": 2, "width": 3, "height": 4}]}
    adjusted["better-metadata"] = {"class-map": {"0": "Echo"}, "creation-date": "2014-01-01T00:00:00"}
    for row in (adjusted, dict(reversed(adjusted.items()))):
        where = line()
        entry = sagemaker.parse(row, where)
        assert entry is not None
        assert [item.box for item in entry.objects] == [Box(2, 1, 5, 5)]
        assert where.problems[0][0] == "annotation_superseded"
        assert "bounding-box, better" in where.problems[0][1]


@pytest.mark.parametrize("class_map", [{"0": "Echo"}, {}, None])
def test_a_class_without_a_name_is_refused(class_map: Any) -> None:
    row = ECHO | {"bounding-box-metadata": {"class-map": class_map}}
    with pytest.raises(DataError, match=r"output\.manifest:7: annotation 1 of 'bounding-box' has class_id 1, which"):
        sagemaker.parse(row, line())


def test_what_is_not_usable_is_told_with_its_line() -> None:
    where = line()
    entry = sagemaker.parse(ECHO | {"bounding-box": {"annotations": [{"class_id": 0}]}}, where)
    assert entry is not None
    assert entry.objects == ()
    assert where.problems == [
        ("box_missing", "line 7: annotation 1 of 'bounding-box' has no left, top, width and height")
    ]
    with pytest.raises(DataError, match="no source-ref"):
        sagemaker.parse({"source-ref": 3}, where)


def test_a_manifest_that_goes_into_a_job_has_no_boxes_yet(tmp_path: Path) -> None:
    (tmp_path / "input.manifest").write_text('{"source-ref": "s3://bucket/a.png"}\n')
    assert sagemaker.detect(tmp_path) is None
