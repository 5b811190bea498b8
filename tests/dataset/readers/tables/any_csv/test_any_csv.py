"""CSV whose columns the user names, laid out as Kaggle's competitions have them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from odtool.api.requests import RequestError
from odtool.dataset.inspect.inspection import InspectSettings, inspect
from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.tables.any_csv import any_csv
from odtool.dataset.readers.tables.any_csv.columns import parse_columns
from odtool.dataset.types import Box, ObjectAnnotation, Source
from odtool.errors import DataError

Objects = list[list[tuple[str, Box]]]
PATH = Path("train.csv")


class Table(NamedTuple):
    """What a file says, in memory."""

    images: dict[str, tuple[ObjectAnnotation, ...]]
    unit: str
    splits: dict[str, str]
    problems: tuple[tuple[str, str], ...]


def read_table(text: str | bytes, columns: str) -> Table:
    data = text if isinstance(text, bytes) else text.encode()
    table = any_csv.parse(io.BytesIO(data), PATH, Overflow(), columns=parse_columns(columns))
    return Table(dict(table), table.unit, table.splits, tuple(table.problems))


def parse(text: str, columns: str) -> dict[str, list[tuple[str, Box]]]:
    table = read_table(text, columns)
    return {name: [(item.label, item.box) for item in objects] for name, objects in table.images.items()}


WHEAT = """image_id,width,height,bbox,source
b6ab77fd7,1024,1024,"[834.0, 222.0, 56.0, 36.0]",usask_1
b6ab77fd7,1024,1024,"[226.0, 548.0, 130.0, 58.0]",usask_1
b21ccd7b0,1024,1024,"[432.0, 104.0, 72.0, 80.0]",arvalis_1
"""


def test_lists_of_boxes_and_ids_without_endings_are_read(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for name in ("b6ab77fd7", "b21ccd7b0"):
        write_image(tmp_path / "train" / f"{name}.png", 1024, 1024)
    (tmp_path / "train.csv").write_text(WHEAT)
    columns = parse_columns("file=image_id,class=source,xywh=bbox,image_width=width,image_height=height")
    for path in (tmp_path, tmp_path / "train.csv"):
        source = Source(path, columns=columns)
        (choice,) = choose(source)
        assert choice.name == "csv"
        images, problems = found(choice.reader.read, source)
        assert problems == []
        assert [(image.path.name, image.declared_size, image.unit) for image in images] == [
            ("b6ab77fd7.png", (1024, 1024), "pixel"),
            ("b21ccd7b0.png", (1024, 1024), "pixel"),
        ]
        assert [[(item.label, item.box) for item in image.objects] for image in images] == [
            [("usask_1", Box(834, 222, 890, 258)), ("usask_1", Box(226, 548, 356, 606))],
            [("arvalis_1", Box(432, 104, 504, 184))],
        ]


CORNERS = "x1=l,y1=t,x2=r,y2=b"


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        (
            "patientId,x,y,width,height,Target\n00a,264,152,213,379,1\n00b,,,,,0\n",
            "file=patientId,class=Target,x=x,y=y,w=width,h=height",
            {"00a": [("1", Box(264, 152, 477, 531))], "00b": []},
        ),
        (
            "image_id,class_name,x_min,y_min,x_max,y_max\n50a,No finding,,,,\n9a5,Mass,691,375,1653,831\n",
            "file=image_id,class=class_name,x1=x_min,y1=y_min,x2=x_max,y2=y_max",
            {"50a": [], "9a5": [("Mass", Box(691, 375, 1653, 831))]},
        ),
        (
            "video,image_id,annotations\n0,0-20,\"[{'x': 559, 'y': 213, 'width': 50, 'height': 32}]\"\n0,0-21,[]\n",
            "file=image_id,xywh=annotations",
            {"0-20": [("object", Box(559, 213, 609, 245))], "0-21": []},
        ),
        (
            "id,cx,cy,w,h,label\na,0.5,0.5,0.2,0.4,cat\n",
            "file=id,class=label,cx=cx,cy=cy,w=w,h=h",
            {"a": [("cat", Box(0.4, 0.3, 0.6, 0.7))]},
        ),
        ("n;k;l;t;r;b\na;cat;1,5;2;30;40\n", f"file=n,class=k,{CORNERS}", {"a": [("cat", Box(1.5, 2, 30, 40))]}),
        (
            "a.jpg,1,2,30,40,cat\nb.jpg,5,6,7,8,dog\n",
            "file=1,class=6,x1=2,y1=3,x2=4,y2=5",
            {"a.jpg": [("cat", Box(1, 2, 30, 40))], "b.jpg": [("dog", Box(5, 6, 7, 8))]},
        ),
        (
            "n,l,t,r,b,k\na.jpg,1,2,30,40,cat\n",
            "file=1,class=6,x1=2,y1=3,x2=4,y2=5",
            {"a.jpg": [("cat", Box(1, 2, 30, 40))]},
        ),
        ("a.jpg;[1, 2, 3, 4];cat\n", "file=1,class=3,xywh=2", {"a.jpg": [("cat", Box(1, 2, 4, 6))]}),
        (
            "f,b,c\na.jpg,\"[[1,2,3,4],[5,6,7,8]]\",\"['cat', 'dog']\"\n",
            "file=f,xyxy=b,class=c",
            {"a.jpg": [("cat", Box(1, 2, 3, 4)), ("dog", Box(5, 6, 7, 8))]},
        ),
    ],
)
def test_conventions_are_what_the_user_says(
    text: str, columns: str, expected: dict[str, list[tuple[str, Box]]]
) -> None:
    read = parse(text, columns)
    assert read.keys() == expected.keys()
    for name, objects in read.items():
        assert [label for label, _ in objects] == [label for label, _ in expected[name]]
        for (_, box), (_, other) in zip(objects, expected[name], strict=True):
            assert astuple(box) == pytest.approx(astuple(other))


def test_fractions_are_seen_by_the_range_and_splits_by_their_column() -> None:
    text = "f,s,a,b,c,d\na,train,0.1,0.2,0.3,0.4\nb,validation,0,0,1,1\n"
    table = read_table(text, "file=f,split=s,x1=a,y1=b,x2=c,y2=d")
    assert (table.unit, table.splits) == ("fraction", {"a": "train", "b": "val"})
    assert table.problems == (("class_absent", "--columns names no column for the class"),)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a.jpg,cat,1,2,x,4", "line 3: broken CSV: x1 '1', y1 '2', x2 'x', y2 '4' is not a box of four numbers"),
        ("a.jpg,cat,1,,3,4", "line 3: broken CSV: x1 '1', y1 '', x2 '3', y2 '4' is not a box of four numbers"),
        ("a.jpg,cat,1,2", "line 3: broken CSV: 4 cells, 6 columns"),
        (",cat,1,2,3,4", "line 3: broken CSV: no image in column 'f'"),
    ],
)
def test_a_broken_row_is_told_and_the_others_are_read(row: str, says: str) -> None:
    text = f"f,k,a,b,c,d\nb.jpg,dog,1,2,3,4\n{row}\nc.jpg,dog,1,2,3,4\n"
    table = read_table(text, "file=f,class=k,x1=a,y1=b,x2=c,y2=d")
    assert table.problems == (("record_broken", says),)
    # What was broken is no background.
    assert {name: len(objects) for name, objects in table.images.items()} == {"b.jpg": 1, "c.jpg": 1}


def test_a_box_without_a_class_is_left_out_and_counted() -> None:
    text = "f,k,a,b,c,d\na.jpg,,1,2,3,4\na.jpg,cat,1,2,3,4\n"
    table = read_table(text, "file=f,class=k,x1=a,y1=b,x2=c,y2=d")
    assert table.problems == (("label_missing", "line 2: 1 of 1 boxes without a class"),)
    assert [item.label for item in table.images["a.jpg"]] == ["cat"]


@pytest.mark.parametrize(
    ("columns", "format_name", "says", "hint"),
    [
        (
            "file=name,xywh=box",
            "auto",
            "lacks one of the columns name, box; its first line is image_id,width",
            "xywh=bbox",
        ),
        (
            "",
            "csv",
            "needs --columns; its first line is image_id,width",
            "--columns file=image_id,class=source,xywh=bbox",
        ),
        ("file=image_id,xywh=bbox", "coco", "--columns is for --format csv", "Leave one"),
    ],
)
def test_columns_that_are_not_there_are_refused_with_an_example(
    tmp_path: Path, columns: str, format_name: str, says: str, hint: str
) -> None:
    (tmp_path / "train.csv").write_text(WHEAT)
    source = Source(tmp_path, columns=parse_columns(columns) if columns else ())
    with pytest.raises(DataError, match=says) as error:
        choose(source, format_name)
    assert hint in error.value.hint
    (tmp_path / "train.csv").unlink()
    with pytest.raises(DataError, match=r"no CSV file, as --columns needs|--columns is for"):
        choose(source, format_name)


def test_a_convention_that_no_box_fits_gives_way_to_the_one_that_all_fit(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    for number in range(5):
        write_image(tmp_path / f"{number}.jpg", comment=str(number))
    (tmp_path / "a.csv").write_text("f,b\n" + "".join(f'{number}.jpg,"[30, 25, 20, 10]"\n' for number in range(5)))
    for role, chosen in (("xyxy", 5), ("xywh", 0)):
        source = Source(tmp_path, columns=parse_columns(f"file=f,{role}=b"))
        inspected = inspect(InspectSettings((source,)))
        kinds = {problem.kind for problem in inspected.problems}
        assert ("coordinates_chosen" in kinds) == bool(chosen)
        assert {"box_inverted", "box_outside"}.isdisjoint(kinds)


def test_columns_of_the_request_are_checked_before_anything_is_read() -> None:
    from odtool.api.data.prepare import PrepareRequest

    with pytest.raises(RequestError, match="columns: no columns are named for the box"):
        PrepareRequest("absent", columns="file=a")
