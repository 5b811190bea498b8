"""The tutorials' CSV."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.tables import tfod_csv
from odtool.dataset.types import AnnotatedImage, Box, ObjectAnnotation, Problem, Source
from odtool.errors import DataError

PATH = Path("a.csv")
HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


class Table(NamedTuple):
    """What a file says, in memory."""

    images: dict[str, tuple[ObjectAnnotation, ...]]
    unit: str
    splits: dict[str, str]
    problems: tuple[tuple[str, str], ...]


def read_table(text: str | bytes) -> Table:
    data = text if isinstance(text, bytes) else text.encode()
    table = tfod_csv.parse(io.BytesIO(data), PATH, Overflow())
    return Table(dict(table), table.unit, table.splits, tuple(table.problems))


def parse(text: str) -> Table:
    return read_table(text)


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "a.jpg,64,48,cat,1,2,3,4\nb.jpg,64,48,dog,5,6,7,8\na.jpg,64,48,cat,2,2,3,4\n",
        "\ufeff" + HEADER + 'a.jpg,64,48,"cat",1.0,2,3,4\r\nb.jpg,64,48,dog,5,6,7,8\r\n\r\na.jpg,64,48,cat,2,2,3,4',
        "class;Filename;XMIN;xmax;ymin;ymax\ncat;a.jpg;1;3;2;4\ndog;b.jpg;5;7;6;8\ncat;a.jpg;2;3;2;4\n",
    ],
)
def test_rows_are_grouped_by_image_in_any_order_of_columns(text: str) -> None:
    found = parse(text)
    assert {name: [(o.label, o.box) for o in objects] for name, objects in found.images.items()} == {
        "a.jpg": [("cat", Box(1, 2, 3, 4)), ("cat", Box(2, 2, 3, 4))],
        "b.jpg": [("dog", Box(5, 6, 7, 8))],
    }
    assert found.unit == "pixel"


def test_normalised_boxes_are_seen_by_the_range_of_the_whole_file() -> None:
    assert parse(HEADER + "a.jpg,64,48,cat,0.1,0.2,0.9,1\n").unit == "fraction"
    assert parse(HEADER + "a.jpg,64,48,cat,0,0,1,1\nb.jpg,64,48,cat,0,0,1,20\n").unit == "pixel"
    assert parse(HEADER + "a.jpg,64,48,cat,0.1,0.1,1.0001,0.5\n").unit == "fraction"


def test_one_bad_row_does_not_decide_for_a_long_file() -> None:
    fractions = HEADER + "a.jpg,64,48,cat,0.1,0.1,0.9,0.5\n" * 200
    assert parse(fractions + "b.jpg,64,48,cat,0.1,0.1,57,0.5\n").unit == "fraction"
    pixels = HEADER + "a.jpg,64,48,cat,1,1,30,40\n" * 10
    assert parse(pixels + "b.jpg,64,48,cat,0,0,1,1\n" * 200).unit == "pixel"


def test_a_row_with_a_name_alone_is_background() -> None:
    assert parse(HEADER + "a.jpg,64,48,,,,,\n").images == {"a.jpg": ()}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER + "a.jpg,64,48,cat,1,2,3\n", "a.csv:2: broken CSV: 7 cells, 8 columns"),
        (HEADER + "a.jpg,64,48,cat,1,2,3,4\nb.jpg,64,48,cat,x,2,3,4\n", "a.csv:3: broken CSV: xmin is 'x'"),
        (HEADER + 'a.jpg,64,48,"cat,1,2,3,4\n', "broken CSV"),
        (HEADER + ",64,48,cat,1,2,3,4\n", "a.csv:2: broken CSV: no file name"),
        ("filename,class\n", "a.csv:1: no column 'xmin'"),
        ("", "a.csv:1: no column"),
    ],
)
def test_a_broken_row_is_named_with_its_line(text: str, says: str, fault: Any) -> None:
    assert says in fault(lambda _: parse(text), PATH)


def test_a_broken_row_leaves_the_others_and_an_image_with_no_other_is_left_out() -> None:
    good = "a.jpg,64,48,cat,1,2,30,40\n"
    found = parse(f"{HEADER}{good}a.jpg,64,48,cat,x,2,3,4\nb.jpg,64,48,cat,1,2\nc.jpg,64,48,,1,2,3,4\n{good}")
    assert {name: len(objects) for name, objects in found.images.items()} == {"a.jpg": 2, "c.jpg": 0}
    assert [kind for kind, _ in found.problems] == ["record_broken", "record_broken", "label_missing"]


def test_classes_that_are_numbers_are_names_as_written() -> None:
    rows = "".join(f"a.jpg,64,48,{label},1,2,30,40\n" for label in ("20", "3.0", "007", "1e3"))
    assert [item.label for item in parse(HEADER + rows).images["a.jpg"]] == ["20", "3.0", "007", "1e3"]


@pytest.mark.parametrize(
    "header",
    [
        "image_path,x1,y1,x2,y2,class_name",
        "image_id,x_min,y_min,x_max,y_max,label",
        "path,xmin,ymin,xmax,ymax,category",
        "image,xmin,ymin,xmax,ymax,label",
    ],
)
def test_columns_may_have_the_names_that_people_give_them(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.csv").write_text(f"{header}\na.jpg,1,2,30,40,cat\n")
    assert tfod_csv.detect(tmp_path)
    assert parse((tmp_path / "a.csv").read_text()).images == {"a.jpg": (ObjectAnnotation("cat", Box(1, 2, 30, 40)),)}


def test_decimal_commas_are_read_where_semicolons_part_the_cells() -> None:
    text = (HEADER + "a.jpg,64,48,cat,1_5,2_0,3,4_25\n").replace(",", ";").replace("_", ",")
    assert parse(text).images["a.jpg"][0].box == Box(1.5, 2, 3, 4.25)


def test_text_that_is_not_utf_8_is_named_with_its_line() -> None:
    with pytest.raises(DataError, match=r"a\.csv:2: not UTF-8"):
        read_table((HEADER + "\xe9.jpg,1,1,c,1,1,1,1").encode("latin-1"))


def test_a_pair_of_files_is_a_split_and_the_file_for_all_is_left_out(shared_data: Path) -> None:
    found = list(tfod_csv.read(Source(shared_data / "raccoon")))
    images = [item for item in found if isinstance(item, AnnotatedImage)]
    assert [item.file.name for item in found if isinstance(item, Problem)] == ["raccoon_labels.csv"]
    assert {split: len([i for i in images if i.split == split]) for split in ("train", "test")} == {
        "train": 160,
        "test": 40,
    }


def test_a_file_with_other_images_beside_those_of_the_splits_is_read(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for name in ("extra", "test", "train"):
        (tmp_path / "set" / f"{name}_labels.csv").write_text(f"{HEADER}{name}.jpg,64,48,cat,1,2,3,4\n")
    found = list(tfod_csv.read(Source(tmp_path / "set")))
    assert [(item.path.name, item.split) for item in found if isinstance(item, AnnotatedImage)] == [
        ("test.jpg", "test"),
        ("train.jpg", "train"),
        ("extra.jpg", None),
    ]
    assert len(found) == 3


@given(st.text(alphabet='a.jpg,64cat"1-\n e;nif') | st.text())
def test_any_rows_give_images_or_a_data_error(text: str) -> None:
    with suppress(DataError):
        read_table((HEADER + text).encode("utf-8", "replace"))
