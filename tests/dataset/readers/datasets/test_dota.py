"""DOTA's label files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.datasets import dota
from odtool.dataset.types import Box, ObjectAnnotation, Source
from odtool.errors import DataError

PATH = Path("P0001.txt")
LINE = "2753 2408 2861 2385 2888 2468 2805 2502 plane 0"
HEADER = "imagesource:GoogleEarth\ngsd:0.146343590398\n"


def parse(text: str) -> tuple[ObjectAnnotation, ...]:
    objects, problems = dota.parse(text.encode(), PATH)
    assert problems == []
    return objects


@pytest.mark.parametrize(
    "text",
    [LINE, HEADER + LINE, f"\ufeff{LINE}\r\n\r\n", LINE.replace("2753", "2753.0"), LINE[:-2], f"gsd:null\n{LINE}"],
)
def test_four_corners_are_an_upright_box(text: str) -> None:
    assert parse(text) == (ObjectAnnotation("plane", Box(2753, 2385, 2888, 2502)),)


def test_difficulty_and_classes_with_blanks() -> None:
    items = parse(f"{LINE[:-1]}1\n{LINE[:-1]}2\n{LINE.replace('plane', 'small vehicle')}")
    assert [(item.label, item.difficult) for item in items] == [
        ("plane", True),
        ("plane", True),
        ("small vehicle", False),
    ]


def test_commas_may_part_the_fields() -> None:
    (item,) = parse("10,20,60,20,60,80,10,80,small vehicle,1")
    assert (item.label, item.box, item.difficult) == ("small vehicle", Box(10, 20, 60, 80), True)


def test_headers_alone_are_background() -> None:
    assert parse(HEADER) == ()


@pytest.mark.parametrize("line", ["1 2 3 4 plane 0", "1 2 3 4 5 6 7 8", LINE.replace("2408", "x"), "plane"])
def test_a_broken_line_is_named_and_the_others_are_read(line: str) -> None:
    objects, problems = dota.parse(f"{HEADER}{line}\n{LINE}\n".encode(), PATH)
    assert [(kind, detail[:23]) for kind, detail in problems] == [("record_broken", "line 3: not a DOTA line")]
    assert len(objects) == 1


def test_the_real_set(shared_data: Path, found: Any) -> None:
    images, problems = found(dota.read, Source(shared_data / "formats/dota_dataset"))
    assert [(image.path.name, image.split, [item.label for item in image.objects]) for image in images] == [
        ("train_001.jpg", "train", ["label_0"]),
        ("train_002.jpg", "train", ["label_1"]),
        ("val_001.jpg", "val", ["label_0", "label_1"]),
    ]
    assert images[2].objects[1].box == Box(1, 2, 10, 5)
    assert problems == []


def test_of_several_versions_the_newest_is_read_and_oriented_boxes_before_horizontal_ones(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    write_image(tmp_path / "train/images/P1.png")
    write_image(tmp_path / "train/images/P2.png")
    write_image(tmp_path / "test/images/P3.png")
    for folder in ("labelTxt", "labelTxt-v1.5/DOTA-v1.5_train", "labelTxt-v1.5/DOTA-v1.5_train_hbb"):
        (tmp_path / "train" / folder).mkdir(parents=True)
        (tmp_path / "train" / folder / "P1.txt").write_text(LINE)
    images, problems = found(dota.read, Source(tmp_path))
    assert [image.source.relative_to(tmp_path).as_posix() for image in images] == [
        "train/labelTxt-v1.5/DOTA-v1.5_train/P1.txt"
    ]
    assert [image.path for image in images] == [tmp_path / "train/images/P1.png"]
    assert {(problem.kind, problem.file.relative_to(tmp_path).as_posix()) for problem in problems} == {
        ("file_skipped", "train/labelTxt"),
        ("file_skipped", "train/labelTxt-v1.5/DOTA-v1.5_train_hbb"),
        ("file_skipped", "test/images"),
        ("annotation_missing", "train/images/P2.png"),
    }


def test_equal_names_in_two_folders_with_images_of_their_own_are_two_images(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for part, names in {"a": ("P1", "P2"), "b": ("P1", "P3")}.items():
        (tmp_path / part / "labelTxt").mkdir(parents=True)
        for name in names:
            write_image(tmp_path / part / "images" / f"{name}.png")
            (tmp_path / part / "labelTxt" / f"{name}.txt").write_text(LINE)
    (tmp_path / "b" / "labelTxt-v2").mkdir()
    (tmp_path / "b" / "labelTxt-v2" / "P3.txt").write_text(LINE)
    images, problems = found(dota.read, Source(tmp_path))
    assert {(image.source.parent.name, image.path.relative_to(tmp_path).as_posix()) for image in images} == {
        ("labelTxt", "a/images/P1.png"),
        ("labelTxt", "a/images/P2.png"),
        ("labelTxt", "b/images/P1.png"),
        ("labelTxt-v2", "b/images/P3.png"),
    }
    (problem,) = problems
    assert (problem.kind, problem.file) == ("file_skipped", tmp_path / "b" / "labelTxt")
    assert problem.detail == "another file annotates the images of 1 of these"


def test_the_version_counts_where_the_folder_below_it_has_none(tmp_path: Path, found: Any) -> None:
    for version in ("v1.0", "v1.5"):
        (tmp_path / f"train/labelTxt-{version}/labelTxt").mkdir(parents=True)
        (tmp_path / f"train/labelTxt-{version}/labelTxt/P1.txt").write_text(LINE)
    images, _ = found(dota.read, Source(tmp_path))
    assert [image.source.relative_to(tmp_path).parts[1] for image in images] == ["labelTxt-v1.5"]


@given(st.data())
def test_any_text_gives_objects_or_a_data_error(mutated: Any, data: st.DataObject) -> None:
    with suppress(DataError):
        dota.parse(data.draw(mutated(f"{HEADER}{LINE}\n{LINE}\n")), PATH)
