"""VoTT JSON."""

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
from odtool.dataset.readers.tools import vott_json
from odtool.dataset.types import AnnotatedImage, Box, Deferred, Problem, Source
from odtool.errors import DataError

PATH = Path("a.json")
CORNERS = [{"x": 1, "y": 2}, {"x": 4, "y": 2}, {"x": 4, "y": 6}, {"x": 1, "y": 6}]
REGION = {
    "id": "r",
    "type": "RECTANGLE",
    "tags": ["cat"],
    "boundingBox": {"left": 1, "top": 2, "width": 3, "height": 4},
    "points": CORNERS,
}


def asset(name: str = "a.jpg", regions: Any = (REGION,), **more: Any) -> dict[str, Any]:
    fields = {
        "format": "jpg",
        "id": "0",
        "name": name,
        "path": f"file:/C:/x/{name}",
        "size": {"width": 64, "height": 48},
    }
    return {"asset": {**fields, "state": 2, "type": 1, **more}, "regions": list(regions), "version": "2.2.0"}


def parse_bytes(data: bytes) -> Listing:
    """What a document says, in memory."""
    listing = vott_json.parse(JsonDocument.of_bytes(data, PATH, vott_json.KEYS), Overflow())
    return Listing(tuple(listing.entries), tuple(listing.problems))


def parse(document: Any) -> Any:
    return parse_bytes(json.dumps(document).encode())


@pytest.mark.parametrize(
    "document", [asset(), {"name": "p", "tags": [], "assets": {"0": asset()}}, {"assets": [asset()]}]
)
def test_assets_and_exports_say_the_same(document: Any) -> None:
    (entry,) = parse(document).entries
    assert (entry.names[0], entry.size) == ("a.jpg", (64, 48))
    assert [(item.label, item.box) for item in entry.objects] == [("cat", Box(1, 2, 4, 6))]


def test_a_region_with_several_tags_is_several_objects() -> None:
    found = parse(asset(regions=[{**REGION, "tags": ["cat", "pet"]}]))
    assert [item.label for item in found.entries[0].objects] == ["cat", "pet"]
    assert [problem[0] for problem in found.problems] == ["labels_several"]


def test_a_polygon_without_a_bounding_box_becomes_its_envelope() -> None:
    found = parse(asset(regions=[{"type": "POLYGON", "tags": ["cat"], "points": CORNERS}]))
    assert found.entries[0].objects[0].box == Box(1, 2, 4, 6)


def test_unusable_regions_and_unvisited_images_are_counted() -> None:
    found = parse(
        {"assets": {"0": asset(regions=[{**REGION, "tags": 3}, {"tags": ["a"]}]), "1": asset(regions=[], state=0)}}
    )
    assert [problem[0] for problem in found.problems] == ["label_missing", "box_missing", "annotation_missing"]
    assert [entry.objects for entry in found.entries] == [()]


def test_an_image_without_regions_that_was_visited_is_background() -> None:
    assert [entry.objects for entry in parse(asset(regions=[], state=1)).entries] == [()]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"asset": {}\n,', "a.json:2: broken JSON"),
        ("[]", "a.json: is not an object"),
        ('{"assets": {"0": {"regions": []}}}', "an asset without 'asset'"),
        ('{"asset": {"id": 1}, "regions": []}', "an asset without name and path"),
        ('{"asset": {"name": "a"}, "regions": [1]}', "region 1 is not an object"),
    ],
)
def test_what_is_not_votts_is_refused(text: str, says: str, fault: Any) -> None:
    assert says in fault(lambda _: parse_bytes(text.encode()), PATH)


def test_asset_files_are_read_unless_there_is_an_export(tmp_path: Path, write_image: Any) -> None:
    write_image(tmp_path / "images" / "a b.jpg")
    (tmp_path / "0-asset.json").write_text(json.dumps(asset("a%20b.jpg")))
    source = Source(tmp_path)
    assert [choice.name for choice in choose(source)] == ["vott_json"]
    (deferred,) = vott_json.read(source)
    assert isinstance(deferred, Deferred)
    (image,) = deferred.parse(*deferred.arguments)
    assert isinstance(image, AnnotatedImage)
    assert image.path == tmp_path / "images" / "a b.jpg"
    (tmp_path / "vott-json-export").mkdir()
    (tmp_path / "vott-json-export" / "p.json").write_text(json.dumps({"assets": {"0": asset("a b.jpg")}}))
    found = list(vott_json.read(source))
    assert isinstance(found[0], Problem)
    assert found[0].kind == "file_skipped"
    assert [item.path for item in found if isinstance(item, AnnotatedImage)] == [image.path]


TEXT = json.dumps({"assets": {"0": asset()}})


@given(st.integers(0, len(TEXT)), st.integers(0, 12), st.sampled_from(["", "null", "[]", '"x"', "1e999", "{}", ","]))
def test_mutated_text_is_a_listing_or_a_data_error(at: int, cut: int, put: str) -> None:
    with suppress(DataError):
        parse_bytes((TEXT[:at] + put + TEXT[at + cut :]).encode())
