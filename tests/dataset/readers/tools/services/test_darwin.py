"""V7 Darwin JSON, laid out as V7's exports are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.image_lists import Listing
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools.services import darwin
from odtool.dataset.types import Box, Source
from odtool.errors import DataError

PATH = Path("a.json")
BOX = {"id": "1", "name": "cat", "bounding_box": {"h": 38.0, "w": 29.0, "x": 1.0, "y": 2.0}, "slot_names": ["0"]}
POINTS = [{"x": 5, "y": 6}, {"x": 20, "y": 6}, {"x": 5, "y": 30}]


def second(*annotations: Any, name: str = "a.jpg", path: str = "/", **slot: Any) -> dict[str, Any]:
    slots = [
        {"type": "image", "slot_name": "0", "width": 64, "height": 48, "source_files": [{"file_name": name}], **slot}
    ]
    return {
        "version": "2.0",
        "schema_ref": "https://darwin-public.s3.eu-west-1.amazonaws.com/darwin_json/2.0/schema.json",
        "item": {"name": name, "path": path, "source_info": {"dataset": {"name": "d"}}, "slots": slots},
        "annotations": list(annotations),
    }


def parse(document: Any) -> Listing:
    return darwin.parse(json.dumps(document).encode(), PATH)


def read(*annotations: Any) -> tuple[list[tuple[str, Box, bool]], list[str]]:
    listing = parse(second(*annotations))
    (entry,) = listing.entries
    boxes = [(item.label, item.box, item.outline is not None) for item in entry.objects]
    return boxes, [kind for kind, _ in listing.problems]


def test_files_of_images_are_read_with_their_folders(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for folder in ("one", "two"):
        write_image(tmp_path / "images" / folder / "a.jpg")
        file = tmp_path / "annotations" / folder / "a.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(second(BOX, path=f"/{folder}")))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "darwin"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [image.path for image in images] == [tmp_path / "images/one/a.jpg", tmp_path / "images/two/a.jpg"]
    assert [(item.label, item.box) for item in images[0].objects] == [("cat", Box(1, 2, 30, 40))]
    assert images[0].declared_size == (64, 48)
    assert problems == []


def test_version_1_is_read_too(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image(tmp_path / "a.jpg")
    image = {
        "width": 64,
        "height": 48,
        "filename": "a.jpg",
        "original_filename": "A 1.jpg",
        "path": "/",
        "url": "",
        "workview_url": "https://darwin.v7labs.com/workview?dataset=1&image=2",
    }
    polygon = {"name": "dog", "polygon": {"path": POINTS}}
    document = {"dataset": "d", "image": image, "annotations": [BOX, polygon]}
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert [choice.name for choice in choose(Source(tmp_path))] == ["darwin"]
    (entry,) = parse(document).entries
    assert entry.names == ("a.jpg", "A 1.jpg")
    assert [(item.label, item.box) for item in entry.objects] == [
        ("cat", Box(1, 2, 30, 40)),
        ("dog", Box(5, 6, 20, 30)),
    ]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ({"name": "x", "polygon": {"paths": [POINTS]}}, ("x", Box(5, 6, 20, 30), True)),
        ({"name": "x", "polygon": {"paths": [POINTS, POINTS]}, **BOX}, ("cat", Box(1, 2, 30, 40), False)),
        (
            {"name": "x", "ellipse": {"angle": 0, "center": {"x": 20, "y": 20}, "radius": {"x": 5, "y": 2}}},
            ("x", Box(15, 18, 25, 22), False),
        ),
    ],
)
def test_other_shapes_are_their_envelopes(annotation: Any, expected: Any) -> None:
    assert read(annotation) == ([expected], [])


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        ({"name": "x", "tag": {}}, "shape_skipped"),
        ({"name": "x", "keypoint": {"x": 1, "y": 2}}, "shape_skipped"),
        ({"name": "x", "bounding_box": {"x": 1}}, "box_missing"),
        (BOX | {"name": ""}, "label_missing"),
    ],
)
def test_what_cannot_be_used_is_told(annotation: Any, kind: str) -> None:
    assert read(annotation) == ([], [kind])


def test_a_video_is_no_image() -> None:
    listing = parse(second(frame_urls=["https://x/0", "https://x/1"], type="video"))
    assert (listing.entries, [kind for kind, _ in listing.problems]) == ((), ["entry_ignored"])


def test_a_broken_annotation_is_told_and_an_image_without_another_is_left_out() -> None:
    word = BOX | {"bounding_box": {"x": "one", "y": 2, "w": 3, "h": 4}}
    says = "a.jpg: annotation 1: x is 'one', not a number"
    listing = parse(second(word, BOX, 7))
    assert [len(entry.objects) for entry in listing.entries] == [1]
    assert [kind for kind, _ in listing.problems] == ["record_broken", "record_broken"]
    assert listing.problems[0][1] == says
    listing = parse(second(word))
    assert (listing.entries, listing.problems) == ((), (("record_broken", says),))


@pytest.mark.parametrize(
    "document", [[], {}, {"item": {}, "annotations": []}, {"item": {"name": "a"}, "annotations": 1}]
)
def test_what_is_not_v7s_is_refused(document: Any) -> None:
    with pytest.raises(DataError, match=r"a\.json: .*not as V7 Darwin writes it"):
        parse(document)


def test_a_list_of_images_with_slots_beside_the_item_is_read() -> None:
    slots = [{"name": "0", "width": 64, "height": 48, "source_files": [{"file_name": "a.jpg"}]}]
    items = [
        {"version": "2.0", "item": {"name": name}, "slots": slots, "annotations": [BOX]} for name in ("a.jpg", "b.jpg")
    ]
    listing = parse(items)
    assert [(entry.names[0], entry.size, len(entry.objects)) for entry in listing.entries] == [
        ("a.jpg", (64, 48), 1),
        ("b.jpg", (64, 48), 1),
    ]
