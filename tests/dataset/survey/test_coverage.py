"""Problems of a data set as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from odtool.dataset.survey import coverage
from odtool.dataset.types import AnnotatedImage

ROOT = Path("set")


def image(position: int) -> AnnotatedImage:
    return AnnotatedImage(ROOT / f"{position}.jpg", ROOT / f"{position}.xml", source_id=f"{position}")


def test_identical_images_are_named_inside_a_split_and_across_splits() -> None:
    found = list(coverage.report_duplicates([[0, 2, 3]], ["train", "train", "train", "val"], image))
    assert [(problem.kind, problem.image) for problem in found] == [("image_duplicate", "2"), ("image_straddles", "3")]
    assert found[1].detail == "3.jpg is identical to set/0.jpg (val; that one is in train)"


@pytest.mark.parametrize(
    ("images", "splits", "kinds"),
    [
        ({"": 10}, [], []),
        ({"": 9}, [], ["class_rare"]),
        ({"train": 20, "val": 1}, ["train", "val"], []),
        ({"train": 20}, ["train", "val", "test"], ["class_missing"]),
        ({"val": 20}, ["train", "val"], ["class_untrained"]),
        ({"": 20, "val": 20}, ["train", "val"], []),
        ({"val": 20}, ["val"], []),
    ],
)
def test_rare_and_missing_classes_are_named(images: Mapping[str, int], splits: list[str], kinds: list[str]) -> None:
    found = list(coverage.report_classes({"cat": images}, splits, ROOT))
    assert [problem.kind for problem in found] == kinds
    assert all("'cat'" in problem.detail for problem in found)


def test_classes_that_a_label_map_lacks_name_the_first_file() -> None:
    used = {"cat": Path("a.xml"), "dog": Path("b.xml")}
    (found,) = coverage.report_unknown_classes(used, ["cat", "bird"], Path("map.pbtxt"))
    assert (found.kind, found.file, found.detail) == ("class_unknown", Path("b.xml"), "'dog' is not in map.pbtxt")


def test_classes_that_differ_in_case_only_are_named() -> None:
    images = {name: {"": 10} for name in ("Cat", "cat", "dog")}
    (found,) = coverage.report_classes(images, [], ROOT)
    assert (found.kind, found.detail) == ("class_alike", "'Cat' and 'cat' differ only in case")


@pytest.mark.parametrize(
    ("declared", "details"),
    [
        (["train", "val", None], ["1 of 3 images are in none of its own splits"]),
        (["train", "val"], []),
        ([None, None], []),
        (["val", None], []),
    ],
)
def test_images_that_the_own_splits_leave_out_are_told_of(declared: list[str | None], details: list[str]) -> None:
    assert [problem.detail for problem in coverage.report_undeclared_splits(declared, ROOT)] == details
