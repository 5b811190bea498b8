"""CreateML JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.common.image_lists import Listing
from odtool.dataset.readers.common.streams.json_document import JsonDocument
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tools import createml
from odtool.dataset.types import AnnotatedImage, Box, Source
from odtool.errors import DataError

PATH = Path("a.json")


def annotation(x: float, y: float, width: float, height: float, label: Any = "cat") -> dict[str, Any]:
    return {"label": label, "coordinates": {"x": x, "y": y, "width": width, "height": height}}


def parse_bytes(data: bytes) -> Listing:
    """What a document says, in memory."""
    listing = createml.parse(JsonDocument.of_bytes(data, PATH, createml.KEYS), Overflow())
    entries = tuple(replace(entry, unit=listing.unit or entry.unit) for entry in listing.entries)
    return replace(listing, entries=entries, problems=tuple(listing.problems))


def parse(*images: Any) -> Listing:
    return parse_bytes(json.dumps(list(images)).encode())


@pytest.mark.parametrize(
    "image",
    [
        {"image": "a.jpg", "annotations": [annotation(20, 30, 10, 20)]},
        {"imagefilename": "a.jpg", "annotation": [annotation(20, 30, 10, 20)]},
        {
            "annotations": [{"coordinates": {"height": 20, "width": 10, "y": 30, "x": 20}, "label": " cat "}],
            "image": "a.jpg",
        },
    ],
)
def test_x_and_y_are_the_centre(image: Any) -> None:
    (entry,) = parse(image).entries
    assert [(item.label, item.box) for item in entry.objects] == [("cat", Box(15, 20, 25, 40))]
    assert (entry.names, entry.unit) == (("a.jpg",), "pixel")


def test_normalised_boxes_are_seen_by_the_range_of_the_whole_file() -> None:
    images = [{"image": "a.jpg", "annotations": [annotation(0.5, 0.5, 1, 0.5)]}, {"image": "b.jpg", "annotations": []}]
    assert [entry.unit for entry in parse(*images).entries] == ["fraction", "fraction"]
    images[1]["annotations"] = [annotation(0.5, 0.5, 1.00001, 0.5)]
    assert [entry.unit for entry in parse(*images).entries] == ["fraction", "fraction"]
    images[1]["annotations"] = [annotation(20, 30, 10, 20)]
    assert [entry.unit for entry in parse(*images).entries] == ["pixel", "pixel"]


def test_a_box_that_sticks_out_is_read_as_the_others() -> None:
    found = parse({"image": "a.jpg", "annotations": [annotation(2, 30, 10, 20)]})
    assert found.entries[0].objects[0].box == Box(-3, 20, 7, 40)
    assert found.problems == ()


def test_unusable_annotations_are_counted_and_an_image_without_any_is_background() -> None:
    found = parse(
        {"image": "a.jpg", "annotations": [{"label": "cat"}, annotation(20, 30, 10, 20, "")]}, {"image": "b.jpg"}
    )
    assert [kind for kind, _ in found.problems] == ["box_missing", "label_missing"]
    assert [entry.objects for entry in found.entries] == [(), ()]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[\n{", "a.json:2: broken JSON"),
        ("{}", "is not a list of images"),
        ("[{}]", "image 1 has no name"),
        ('[{"image": "a", "annotations": [1]}]', "a: annotation 1 is not an object"),
    ],
)
def test_what_is_not_create_mls_is_refused(text: str, says: str, fault: Any) -> None:
    assert says in fault(lambda _: parse_bytes(text.encode()), PATH)


@pytest.mark.parametrize("key", ["image", "imageURL", "imagefilename"])
def test_a_file_may_be_of_one_image(tmp_path: Path, key: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps({key: "a.jpg", "annotations": [annotation(20, 30, 10, 20)]}))
    assert createml.detect(tmp_path)
    (entry,) = createml.parse(
        JsonDocument.of_bytes((tmp_path / "a.json").read_bytes(), PATH, createml.KEYS), Overflow()
    ).entries
    assert (entry.names, entry.objects[0].box) == (("a.jpg",), Box(15, 20, 25, 40))


def test_an_export_with_a_file_in_each_split_is_detected(tmp_path: Path, write_image: Any) -> None:
    for split in ("train", "valid"):
        write_image(tmp_path / split / "a.jpg")
        text = json.dumps([{"image": "a.jpg", "annotations": [annotation(20, 30, 10, 20)]}])
        (tmp_path / split / "_annotations.createml.json").write_text(text)
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "createml"
    found = [item for item in choice.reader.read(Source(tmp_path)) if isinstance(item, AnnotatedImage)]
    assert [(item.path, item.split) for item in found] == [
        (tmp_path / "train" / "a.jpg", "train"),
        (tmp_path / "valid" / "a.jpg", "val"),
    ]


TEXT = json.dumps(
    [{"image": "a.jpg", "annotations": [annotation(20, 30, 10, 20)]}, {"image": "b.jpg", "annotations": []}]
)


@given(
    st.integers(0, len(TEXT)), st.integers(0, 12), st.sampled_from(["", "null", "[]", '"x"', "1e999", "{}", ",", "NaN"])
)
def test_mutated_text_is_a_listing_or_a_data_error(at: int, cut: int, put: str) -> None:
    with suppress(DataError):
        createml.parse(
            JsonDocument.of_bytes((TEXT[:at] + put + TEXT[at + cut :]).encode(), PATH, createml.KEYS), Overflow()
        )
