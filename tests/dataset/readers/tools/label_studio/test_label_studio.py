"""Label Studio JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.common.image_lists import Listing
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools.label_studio import label_studio
from odtool.dataset.types import AnnotatedImage, Source
from odtool.errors import DataError

PATH = Path("a.json")
SIZE = {"original_width": 200, "original_height": 100}
CAT = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["cat"]}


def result(value: dict[str, Any], kind: str = "rectanglelabels", **more: Any) -> dict[str, Any]:
    return {"id": "r", "type": kind, "from_name": "label", "to_name": "image", "value": value, **SIZE, **more}


def task(*annotations: dict[str, Any], image: str = "/data/upload/1/0a1b2c3d-a.jpg", **more: Any) -> dict[str, Any]:
    return {"id": 7, "data": {"image": image}, "annotations": list(annotations), "predictions": [], **more}


def annotation(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 1, "was_cancelled": False, "ground_truth": False, "result": list(results), **more}


def parse_bytes(data: bytes) -> Listing:
    """What a document says, in memory."""
    listing = label_studio.parse(JsonDocument.of_bytes(data, PATH), Overflow())
    return Listing(tuple(listing.entries), tuple(listing.problems))


def parse(*tasks: Any) -> Listing:
    return parse_bytes(json.dumps(list(tasks)).encode())


def kinds(listing: Listing) -> list[str]:
    return [kind for kind, _ in listing.problems]


def corners(listing: Listing) -> list[tuple[str, list[float]]]:
    return [
        (item.label, [round(value, 4) for value in (item.box.xmin, item.box.ymin, item.box.xmax, item.box.ymax)])
        for entry in listing.entries
        for item in entry.objects
    ]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (result(CAT), [0.1, 0.2, 0.4, 0.6]),
        # Turned by a right angle about (20, 20) px: 60 by 40 px hang to the left, 40 wide and 60 high.
        (result({**CAT, "rotation": 90}), [-0.1, 0.2, 0.1, 0.8]),
        (
            result({"points": [[10, 10], [50, 20], [30, 60]], "polygonlabels": ["cat"]}, "polygonlabels"),
            [0.1, 0.1, 0.5, 0.6],
        ),
        (
            result({"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "ellipselabels": ["cat"]}, "ellipselabels"),
            [0.4, 0.3, 0.6, 0.7],
        ),
    ],
)
def test_shapes_in_per_cent_become_fractions(shape: dict[str, Any], expected: list[float]) -> None:
    found = parse(task(annotation(shape)))
    assert corners(found) == [("cat", expected)]
    assert (found.entries[0].unit, found.entries[0].size) == ("fraction", (200, 100))


@pytest.mark.parametrize("asked", [True, False])
def test_a_polygon_is_a_mask_where_masks_are_asked_for(tmp_path: Path, asked: bool) -> None:
    shape = result({"points": [[10, 10], [50, 20], [30, 60]], "polygonlabels": ["cat"]}, "polygonlabels")
    (tmp_path / "a.json").write_text(json.dumps([task(annotation(shape))]))
    (image,) = label_studio.read(Source(tmp_path, masks=asked))
    assert isinstance(image, AnnotatedImage)
    outline = image.objects[0].outline
    assert (outline and outline.polygons) == (((0.1, 0.1, 0.5, 0.2, 0.3, 0.6),) if asked else None)


def test_a_shape_and_its_labels_in_two_results_are_one_object() -> None:
    bare = {key: CAT[key] for key in ("x", "y", "width", "height", "rotation")}
    found = parse(task(annotation(result(bare, "rectangle"), result({**bare, "labels": ["dog"]}, "labels"))))
    assert corners(found) == [("dog", [0.1, 0.2, 0.4, 0.6])]


def test_what_has_no_box_or_label_is_counted_and_choices_are_passed_over() -> None:
    found = parse(
        task(
            annotation(
                result({"x": 1, "y": 2, "keypointlabels": ["cat"]}, "keypointlabels"),
                result({"format": "rle", "rle": [0], "brushlabels": ["cat"]}, "brushlabels"),
                result({"choices": ["sunny"]}, "choices"),
                result({**CAT, "rectanglelabels": []}),
                result({"rectanglelabels": ["cat"]}),
                result({**CAT, "rectanglelabels": ["cat", "pet"]}),
                {"type": "relation", "from_id": "r", "to_id": "s"},
            )
        )
    )
    assert kinds(found) == ["shape_skipped", "box_missing", "box_missing", "labels_several"]
    assert [label for label, _ in corners(found)] == ["cat", "pet"]


def test_a_region_without_a_label_anywhere_is_counted() -> None:
    assert kinds(parse(task(annotation(result({**CAT, "rectanglelabels": []}))))) == ["label_missing"]


@pytest.mark.parametrize(("turn", "size"), [(0, (200, 100)), (180, (200, 100)), (90, None), (270, None)])
def test_regions_of_an_image_that_was_turned_on_the_screen_are_those_of_the_stored_one(
    turn: int, size: tuple[int, int] | None
) -> None:
    found = parse(task(annotation(result(CAT, image_rotation=turn))))
    assert corners(found) == [("cat", [0.1, 0.2, 0.4, 0.6])]
    assert found.entries[0].size == size
    told = [("image_turned", f"task 7: its image was turned by {turn} degrees on the screen")] if turn else []
    assert list(found.problems) == told


def test_the_ground_truth_else_the_newest_annotation_is_used() -> None:
    old = annotation(result({**CAT, "rectanglelabels": ["old"]}), updated_at="2024-01-01T00:00:00Z")
    new = annotation(result({**CAT, "rectanglelabels": ["new"]}), updated_at="2024-06-01T00:00:00Z")
    cancelled = annotation(result(CAT), was_cancelled=True, updated_at="2025-01-01T00:00:00Z")
    found = parse(task(new, old, cancelled, predictions=[{"result": []}]))
    assert [label for label, _ in corners(found)] == ["new"]
    assert sorted(kinds(found)) == ["annotation_superseded", "entry_ignored", "entry_ignored"]
    found = parse(task({**old, "ground_truth": True}, new))
    assert [label for label, _ in corners(found)] == ["old"]


def test_a_task_that_nobody_has_annotated_is_left_out_and_an_empty_annotation_is_background() -> None:
    found = parse(task(), task(annotation(was_cancelled=True)), task(annotation()))
    assert kinds(found) == ["annotation_missing", "entry_ignored", "annotation_missing"]
    assert [entry.objects for entry in found.entries] == [()]


@pytest.mark.parametrize(
    "document",
    [
        [{"id": 7, "data": {"photo": "a.jpg"}, "completions": [annotation(result(CAT))]}],
        {"id": 3, "task": {"id": 7, "data": {"image": "a.jpg"}}, "result": [result(CAT)], "was_cancelled": False},
        [{"image": "a.jpg", "id": 7, "label": [{**CAT, **SIZE}], "annotator": 1, "annotation_id": 1, "choice": "x"}],
    ],
)
def test_older_single_and_shortened_exports_say_the_same(document: Any) -> None:
    found = parse_bytes(json.dumps(document).encode())
    assert corners(found) == [("cat", [0.1, 0.2, 0.4, 0.6])]
    assert found.entries[0].names[0] == "a.jpg"


def test_a_shortened_export_with_several_annotations_of_an_image_keeps_the_last() -> None:
    tasks = [{"image": "a.jpg", "id": 7, "label": [{**CAT, "rectanglelabels": [name]}]} for name in ("one", "two")]
    found = parse(*tasks)
    assert [label for label, _ in corners(found)] == ["two"]
    assert kinds(found) == ["annotation_superseded"]


@pytest.mark.parametrize(
    "image",
    [
        "/data/upload/1/0a1b2c3d-a_b.jpg",
        "/data/upload/0a1b2c3d-a_b.jpg",
        "/data/local-files/?d=my%20set/images/a_b.jpg",
        "https://host.example/label/data/local-files/?d=images/a_b.jpg",
        "s3://bucket/deep/images/a_b.jpg",
        "https://host.example/x/a_b.jpg?token=1&x=2",
        "C:\\photos\\a_b.jpg",
        "http://[broken/a_b.jpg",
    ],
)
def test_the_image_is_found_however_the_task_names_it(tmp_path: Path, write_image: Any, image: str) -> None:
    write_image(tmp_path / "images" / "a_b.jpg")
    (tmp_path / "project.json").write_text(json.dumps([task(annotation(result(CAT)), image=image)]))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "label_studio"
    found = [item for item in choice.reader.read(Source(tmp_path)) if isinstance(item, AnnotatedImage)]
    assert [item.path for item in found] == [tmp_path / "images" / "a_b.jpg"]


def test_an_upload_that_kept_its_prefix_is_found_too(tmp_path: Path, write_image: Any) -> None:
    write_image(tmp_path / "images" / "0a1b2c3d-a.jpg")
    write_image(tmp_path / "images" / "a.jpg")
    (tmp_path / "project.json").write_text(json.dumps([task(annotation(result(CAT)))]))
    (found,) = label_studio.read(Source(tmp_path))
    assert isinstance(found, AnnotatedImage)
    assert found.path.name == "0a1b2c3d-a.jpg"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([1], "task 1 is not an object"),
        ([{"id": 7, "data": {"image": "a.jpg"}, "annotations": [1]}], "task 7: annotations is not a list"),
        ([task(annotation({**result({**CAT, "rotation": 5}), "original_width": None}))], "has no original_width"),
    ],
)
def test_what_is_not_label_studios_is_refused(document: Any, says: str, fault: Any) -> None:
    assert says in fault(lambda _: parse_bytes(json.dumps(document).encode()), PATH)


TEXT = json.dumps([task(annotation(result(CAT))), {"image": "a.jpg", "id": 8, "label": [{**CAT, **SIZE}]}])


@given(st.integers(0, len(TEXT)), st.integers(0, 12), st.sampled_from(["", "null", "[]", '"x"', "1e999", "{}", ","]))
def test_mutated_text_is_a_listing_or_a_data_error(at: int, cut: int, put: str) -> None:
    with suppress(DataError):
        parse_bytes((TEXT[:at] + put + TEXT[at + cut :]).encode())
