"""SuperAnnotate's vector JSON, laid out as its exports are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.image_lists import Listing
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools.services import superannotate
from odtool.dataset.types import Box, Source
from odtool.errors import DataError

BOX = {
    "type": "bbox",
    "classId": 101,
    "className": "cat",
    "probability": 100,
    "points": {"x1": 1.5, "y1": 2, "x2": 30, "y2": 40},
    "attributes": [],
}

TURNED = {"x1": 20, "y1": 10, "x2": 30, "y2": 20, "x3": 20, "y3": 30, "x4": 10, "y4": 20}


def document(*instances: Any, **metadata: Any) -> dict[str, Any]:
    known = {"name": "a b.jpg", "width": 64, "height": 48, "status": "Completed"}
    return {"metadata": known | metadata, "instances": list(instances), "tags": [], "comments": []}


def parse(content: Any, names: dict[int, str] | None = None) -> Listing:
    return superannotate.parse(json.dumps(content).encode(), Path("a b.jpg___objects.json"), names=names)


def read(instance: Any, names: dict[int, str] | None = None) -> tuple[list[tuple[str, Box]], list[str]]:
    listing = parse(document(instance), names)
    (entry,) = listing.entries
    return [(item.label, item.box) for item in entry.objects], [kind for kind, _ in listing.problems]


@pytest.mark.parametrize("ending", ["___objects.json", ".json"])
def test_files_of_images_are_read_with_the_classes_of_the_export(
    tmp_path: Path, write_image: Callable[..., Path], found: Any, ending: str
) -> None:
    write_image(tmp_path / "images" / "a b.jpg")
    write_image(tmp_path / "images" / "c.jpg")
    old = {"type": "polygon", "classId": 7, "points": [1, 2, 30, 2, 3, 40]}
    for name, content in (("a b.jpg", document(BOX, old)), ("c.jpg", document(name="c.jpg", status="NotStarted"))):
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"{name}{ending}").write_text(json.dumps(content))
    (tmp_path / "classes").mkdir()
    (tmp_path / "classes/classes.json").write_text(json.dumps([{"id": 7, "name": "dog", "color": "#fff"}]))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "superannotate"
    ((image,), problems) = found(choice.reader.read, Source(tmp_path, masks=True))
    assert (image.path.name, image.declared_size) == ("a b.jpg", (64, 48))
    assert [(item.label, item.box, item.outline is not None) for item in image.objects] == [
        ("cat", Box(1.5, 2, 30, 40), False),
        ("dog", Box(1, 2, 30, 40), True),
    ]
    assert [problem.kind for problem in problems] == ["annotation_missing", "file_skipped"]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ({"type": "rbbox", "points": TURNED}, Box(10, 10, 30, 30)),
        ({"type": "rotated_bbox", "points": [[20, 10], [30, 20], [20, 30], [10, 20]]}, Box(10, 10, 30, 30)),
        ({"type": "polygon", "points": {"x": [1, 30, 3], "y": [2, 2, 40]}}, Box(1, 2, 30, 40)),
        ({"type": "ellipse", "cx": 20, "cy": 20, "rx": 5, "ry": 2, "angle": 0}, Box(15, 18, 25, 22)),
        ({"type": "cuboid", "points": {"f1": {"x": 5, "y": 6}, "f2": {"x": 20, "y": 30},
                                       "r1": {"x": 8, "y": 1}, "r2": {"x": 25, "y": 22}}}, Box(5, 1, 25, 30)),
    ],
)  # fmt: skip
def test_other_shapes_are_their_envelopes(shape: Any, expected: Box) -> None:
    assert read({"className": "cat"} | shape) == ([("cat", expected)], [])


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"type": "point"}, "shape_skipped"),
        ({"type": None}, "shape_skipped"),
        ({"points": {"x1": 1}}, "box_missing"),
        ({"className": None}, "label_missing"),
    ],
)
def test_what_cannot_be_used_is_told(change: Any, kind: str) -> None:
    assert read(BOX | change) == ([], [kind])


@pytest.mark.parametrize("content", [[], {}, {"metadata": {}, "instances": 1}])
def test_what_is_not_superannotates_is_refused(content: Any) -> None:
    with pytest.raises(DataError, match="not as SuperAnnotate writes it"):
        parse(content)


def test_a_broken_instance_is_told_and_an_image_without_another_is_left_out() -> None:
    word = BOX | {"points": {"x1": "one", "y1": 2, "x2": 3, "y2": 4}}
    listing = parse(document(word, BOX, 7))
    assert [len(entry.objects) for entry in listing.entries] == [1]
    assert [kind for kind, _ in listing.problems] == ["record_broken", "record_broken"]
    assert parse(document(word)).entries == ()


def test_a_list_of_images_is_read(tmp_path: Path, write_image: Callable[..., Path], found: Any) -> None:
    for name in ("a.jpg", "b.jpg"):
        write_image(tmp_path / name)
    items = [document(BOX, name="a.jpg"), document(name="b.jpg")]
    (tmp_path / "annotations.json").write_text(json.dumps(items))
    (choice,) = choose(Source(tmp_path))
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [(image.path.name, len(image.objects)) for image in images] == [("a.jpg", 1), ("b.jpg", 0)]
    assert problems == []
    with pytest.raises(DataError, match="has an image without a name"):
        parse([document(BOX, name=None)])
