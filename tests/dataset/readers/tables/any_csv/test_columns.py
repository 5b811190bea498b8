"""What --columns may say."""

from __future__ import annotations

import pytest

from odtool.dataset.readers.tables.any_csv.columns import EXAMPLE, find_indices, parse_columns


def test_roles_and_their_other_words_are_read_from_text_and_mapping() -> None:
    expected = (
        ("file", "image_id"),
        ("class", "label"),
        ("x1", "xmin"),
        ("y1", "ymin"),
        ("x2", "xmax"),
        ("y2", "ymax"),
    )
    assert parse_columns(EXAMPLE) == expected
    words = ("image", "label", "left", "Top", "xmax", "bottom")
    assert parse_columns(dict(zip(words, dict(expected).values(), strict=True))) == expected
    assert parse_columns('file=name, "class=a, b",xywh=b=c') == (("file", "name"), ("class", "a, b"), ("xywh", "b=c"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file", "'file' is not a role and a column"),
        ("file=a,kind=b", "'kind' is none of file, class, x1"),
        ("file=a,image=b", "'file' is named twice"),
        ("file=a,xywh=", "'xywh' has no column after it"),
        ("class=a,xywh=b", "no column is named for 'file'"),
        ("file=a,class=b", "no columns are named for the box"),
        ("file=a,x1=b,y1=c,x2=d", "x1, x2, y1 are not a box: name one of x1/y1/x2/y2, x/y/w/h, cx/cy/w/h, xyxy"),
        ("file=a,xywh=b,xyxy=c", "xywh, xyxy are not a box"),
        ("file=a,x=b,y=c,x2=d,y2=e", "are not a box"),
        ('file="a', "no columns are named for the box|cannot be read"),
    ],
)
def test_what_means_nothing_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_columns(text)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["image_id", "bbox"], {"file": 0, "xywh": 1}),
        (["BBox", "Image_ID"], {"file": 1, "xywh": 0}),
        (["image_id", "IMAGE_ID", "bbox"], {"file": 0, "xywh": 2}),
        (["Image_id", "IMAGE_ID", "bbox"], None),
        (["image_id"], None),
    ],
)
def test_columns_are_found_by_name(header: list[str], expected: dict[str, int] | None) -> None:
    assert find_indices((("file", "image_id"), ("xywh", "bbox")), header) == expected


def test_columns_that_are_all_numbers_are_places() -> None:
    columns = (("file", "1"), ("xywh", "3"))
    assert find_indices(columns, ["a.jpg", "cat", "1 2 3 4"]) == {"file": 0, "xywh": 2}
    assert find_indices(columns, ["3", "2", "1"]) == {"file": 0, "xywh": 2}
    assert find_indices(columns, ["a.jpg", "cat"]) is None
