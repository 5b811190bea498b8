"""Lists of ImageSets: which split they put an annotation file in."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.dataset.readers.common.image_sets import ImageSets, find_image_sets, parse_listed_name
from odtool.dataset.readers.common.source_folders import walk
from odtool.dataset.types import Problem


def lists(root: Path, **names: str) -> ImageSets | None:
    for path, text in names.items():
        file = root / f"{path.replace('__', '/')}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return find_image_sets(list(walk(root)))


def test_each_year_has_its_own_lists_though_names_are_the_same(tmp_path: Path) -> None:
    sets = lists(tmp_path, y1__ImageSets__Main__train="1", y2__ImageSets__Main__val="1\n2")
    assert sets is not None
    first, second = (sets.find_lists(tmp_path / year / "Annotations", tmp_path)[0] for year in ("y1", "y2"))
    assert (first.take("1"), second.take("1")) == ("train", "val")
    assert list(sets.find_unmatched()) == [(tmp_path / "y2", "2", "val")]


def test_lists_stand_in_main_or_in_image_sets_itself(tmp_path: Path) -> None:
    sets = lists(tmp_path, a__ImageSets__Main__train="1", a__ImageSets__val="1", b__ImageSets__val="1")
    assert sets is not None
    assert sets.splits == {tmp_path / "a": {"1": "train"}, tmp_path / "b": {"1": "val"}}


def test_those_who_validate_are_not_trained_on_where_trainval_has_them_too(tmp_path: Path) -> None:
    sets = lists(tmp_path, ImageSets__Main__trainval="1\n2", ImageSets__Main__val="2")
    assert sets is not None
    assert sets.splits[tmp_path] == {"1": "train", "2": "val"}
    assert list(sets.report_overlaps()) == []


@pytest.mark.parametrize("first", ["train", "trainval"])
def test_images_that_lists_share_are_told_of(tmp_path: Path, first: str) -> None:
    sets = lists(
        tmp_path, **{f"ImageSets__{first}": "1\n2\n3"}, ImageSets__val="3" * (first == "train"), ImageSets__test="2"
    )
    assert sets is not None
    assert sets.splits[tmp_path] == {"1": "train", "2": "test", "3": "val" if first == "train" else "train"}
    detail = {
        "train": "2 in all; 3 is in lists of train and of val",
        "trainval": "1 in all; 2 is in lists of train and of test",
    }
    assert list(sets.report_overlaps()) == [Problem("lists_overlap", tmp_path / "ImageSets", detail[first])]


def test_a_name_may_have_the_folders_above_it(tmp_path: Path) -> None:
    sets = lists(tmp_path, ImageSets__Main__train="sub/1\nb/sub/2")
    assert sets is not None
    found = sets.find_lists(tmp_path / "b" / "sub", tmp_path)[0]
    assert [found.take(name) for name in "123"] == ["train", "train", None]


def test_names_of_lists_may_have_capitals(tmp_path: Path) -> None:
    found = lists(tmp_path, ImageSets__Main__Train="1", ImageSets__Main__VAL="2")
    assert found
    assert found.splits == {tmp_path: {"1": "train", "2": "val"}}


def test_lists_of_single_classes_count_where_that_is_asked_for(tmp_path: Path) -> None:
    assert lists(tmp_path, ImageSets__Main__cat_train="1 -1") is None
    found = find_image_sets(list(walk(tmp_path)), of_classes=True)
    assert found
    assert found.are_of_classes
    assert found.splits == {tmp_path: {"1": "train"}}


@pytest.mark.parametrize(
    ("line", "name"),
    [('"a b" 1', "a b"), ("a -1", "a"), ("x/a.jpg", "x/a"), ("a.xml", "a"), ("x\\a", "x/a"), ("# a", ""), ("", "")],
)
def test_what_a_line_names(line: str, name: str) -> None:
    assert parse_listed_name(line) == name


def test_a_name_that_ends_as_a_flag_does_is_kept_where_a_file_has_it(tmp_path: Path) -> None:
    folder = tmp_path / "Annotations"
    folder.mkdir()
    for name in ("im 0", "im 1", "im", "a"):
        (folder / f"{name}.XML").touch()
    sets = lists(tmp_path, ImageSets__Main__train="im 0\nim  1\nsub/im 1\na -1", ImageSets__Main__val="im 0 1")
    assert sets is not None
    assert sets.splits[tmp_path] == {"im 0": "val", "im": "train", "sub/im 1": "train", "a": "train"}


def test_what_no_folder_with_lists_stands_above_is_not_spoken_of(tmp_path: Path) -> None:
    sets = lists(tmp_path, y1__ImageSets__Main__train="1", y2__ImageSets__Main__val="1")
    assert sets is not None
    assert sets.find_lists(tmp_path / "mine", tmp_path) == []
