"""VoTT CSV."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.common.image_lists import Listing
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tables import vott_csv
from odtool.dataset.types import AnnotatedImage, Box, Source
from odtool.errors import DataError

PATH = Path("a.csv")
HEADER = '"image","xmin","ymin","xmax","ymax","label"\n'


def parse(text: str) -> Listing:
    found = vott_csv.parse(io.BytesIO(text.encode()), PATH, Overflow())
    return Listing(tuple(found.entries), tuple(found.problems))


def test_rows_are_grouped_by_image() -> None:
    text = (
        "\ufeff"
        + HEADER
        + '"a.jpg",1.5,2,30.25,40,"cat"\r\n"b 1.jpg",5,6,7,8,"dog, big"\n\n"a.jpg",1.5,2,30.25,40,"pet"\n'
        + '"c.jpg",,,,,""\n'
    )
    found = parse(text)
    assert {entry.names[0]: [(item.label, item.box) for item in entry.objects] for entry in found.entries} == {
        "a.jpg": [("cat", Box(1.5, 2, 30.25, 40)), ("pet", Box(1.5, 2, 30.25, 40))],
        "b 1.jpg": [("dog, big", Box(5, 6, 7, 8))],
        "c.jpg": [],
    }


@pytest.mark.parametrize(
    ("corners", "unit"), [("0.1,0.2,0.9,1", "fraction"), ("0.1,0.2,1.0001,1", "fraction"), ("0.1,0.2,1.5,1", "pixel")]
)
def test_coordinates_of_about_one_at_most_are_fractions(corners: str, unit: str) -> None:
    assert parse(f'{HEADER}"a.jpg",{corners},"cat"\n').entries[0].unit == unit


def test_a_box_without_label_is_counted() -> None:
    found = parse(HEADER + '"a.jpg",1,2,3,4,""\n')
    assert [problem[0] for problem in found.problems] == ["label_missing"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER + '"a.jpg",1,2,3\n', "a.csv:2: broken CSV: 4 cells, 6 columns"),
        (HEADER + '"a.jpg",1,2,3,x,"cat"\n', "a.csv:2: broken CSV: ymax is 'x'"),
        (HEADER + '"",1,2,3,4,"cat"\n', "a.csv:2: broken CSV: no image"),
        (HEADER + '"a.jpg",1,2,3,4,"cat\n', "broken CSV"),
        ("image,label\n", "a.csv:1: no column 'xmin'"),
        ("", "a.csv:1: no column"),
    ],
)
def test_broken_csv_names_the_line(text: str, says: str, fault: Any) -> None:
    assert says in fault(lambda _: parse(text), PATH)


def test_an_export_is_detected_and_its_escaped_names_are_found(tmp_path: Path, write_image: Any) -> None:
    write_image(tmp_path / "vott-csv-export" / "a b.jpg")
    (tmp_path / "vott-csv-export" / "x-export.csv").write_text(HEADER + '"a%20b.jpg",1,2,3,4,"cat"\n')
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "vott_csv"
    (image,) = choice.reader.read(Source(tmp_path))
    assert isinstance(image, AnnotatedImage)
    assert image.path == tmp_path / "vott-csv-export" / "a b.jpg"


@given(st.text(alphabet='",\n0.5aé', max_size=60))
def test_any_text_is_a_listing_or_a_data_error(text: str) -> None:
    with suppress(DataError):
        parse(HEADER + text)
