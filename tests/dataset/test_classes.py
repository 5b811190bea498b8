"""Renaming, keeping and dropping classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.dataset import classes, statistics
from odtool.dataset.classes import Changes, ClassChoice
from odtool.dataset.prepare import PrepareSettings, prepare
from odtool.dataset.statistics import ClassChange
from odtool.dataset.types import Box, ObjectAnnotation, Source
from odtool.errors import DataError
from odtool.workspace import Dataset

BOX = Box(0, 0, 1, 1)
OBJECTS = tuple(ObjectAnnotation(label, BOX) for label in ("cat", "kitty", "dog", "cow"))


def applied(chosen: ClassChoice) -> tuple[list[str], Changes]:
    changes: Changes = Counter()
    return [item.label for item in classes.apply_choice(OBJECTS, chosen, changes)], changes


def test_nothing_is_changed_without_a_choice() -> None:
    changes: Changes = Counter()
    assert classes.apply_choice(OBJECTS, ClassChoice(), changes) is OBJECTS
    assert not changes


@pytest.mark.parametrize(
    ("chosen", "labels", "expected"),
    [
        (classes.parse_class_options(["kitty=cat"], [], []), ["cat", "cat", "dog", "cow"], {("kitty", "cat"): 1}),
        (classes.parse_class_options([], ["cat, dog"], []), ["cat", "dog"], {("kitty", ""): 1, ("cow", ""): 1}),
        (classes.parse_class_options([], [], ["cat", "cow"]), ["kitty", "dog"], {("cat", ""): 1, ("cow", ""): 1}),
        (
            classes.parse_class_options(["kitty=cat"], ["cat"], []),
            ["cat", "cat"],
            {("kitty", "cat"): 1, ("dog", ""): 1, ("cow", ""): 1},
        ),
        (
            classes.parse_class_options(["dog=cat", "cat=dog"], [], []),
            ["dog", "kitty", "cat", "cow"],
            {("dog", "cat"): 1, ("cat", "dog"): 1},
        ),
    ],
)
def test_names_change_first_and_every_change_is_counted(
    chosen: ClassChoice, labels: list[str], expected: dict[tuple[str, str], int]
) -> None:
    assert applied(chosen) == (labels, expected)


@pytest.mark.parametrize(
    ("rename", "only", "drop", "says"),
    [
        (["cat"], [], [], "--rename cat: not old=new"),
        (["=cat"], [], [], "not old=new"),
        (["cat="], [], [], "not old=new"),
        (["cat=a", "cat=b"], [], [], "'cat' becomes both 'a' and 'b'"),
        ([], ["cat"], ["dog,cat"], "class 'cat' is in --only and in --drop"),
    ],
)
def test_a_choice_that_contradicts_itself_is_refused(
    rename: list[str], only: list[str], drop: list[str], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        classes.parse_class_options(rename, only, drop)


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        (classes.parse_class_options(["kity=cat"], [], []), "--rename kity: no annotation has this class"),
        (classes.parse_class_options([], ["cat", "dgo"], []), "--only dgo"),
        (classes.parse_class_options([], [], ["horse"]), "--drop horse"),
        (classes.parse_class_options(["kitty=cat"], [], ["kitty"]), "--drop kitty"),
    ],
)
def test_a_class_that_nothing_is_of_is_refused(chosen: ClassChoice, says: str) -> None:
    labels, changes = applied(chosen)
    with pytest.raises(DataError, match=says):
        classes.refuse_unknown(chosen, changes, labels)


@pytest.mark.parametrize(
    "chosen",
    [
        ClassChoice(),
        classes.parse_class_options(["kitty=cat", "cow=cow"], ["cat", "dog"], []),
        classes.parse_class_options(["kitty=cat"], [], ["cat"]),
        classes.parse_class_options(["dog=cat", "cat=dog"], [], ["cow"]),
    ],
)
def test_classes_that_are_there_are_known(chosen: ClassChoice) -> None:
    labels, changes = applied(chosen)
    classes.refuse_unknown(chosen, changes, labels)


def test_prepare_counts_what_was_renamed_and_dropped(tmp_path: Path, voc_set: Callable[..., Path]) -> None:
    settings = PrepareSettings(
        (Source(voc_set(10)),),
        tmp_path / "out",
        workers=1,
        chosen=classes.parse_class_options(["cat=pet"], ["pet"], []),
    )
    summary = prepare(settings).summary
    assert summary.classes == {"pet": 1}
    assert sum(split.objects for split in summary.splits.values()) == 5
    assert sum(split.images for split in summary.splits.values()) == 10
    assert summary.class_changes == (ClassChange("cat", "pet", 5), ClassChange("dog", None, 5))
    assert statistics.load(Dataset(tmp_path / "out")) == summary


def test_prepare_refuses_a_class_that_is_not_there(tmp_path: Path, voc_set: Callable[..., Path]) -> None:
    settings = PrepareSettings(
        (Source(voc_set(4)),), tmp_path / "out", workers=1, chosen=classes.parse_class_options([], ["cta"], [])
    )
    with pytest.raises(DataError, match="--only cta: no annotation has this class") as caught:
        prepare(settings)
    assert caught.value.hint == "Did you mean 'cat'? Classes: cat, dog."


def test_two_sources_are_merged_on_one_label_map(tmp_path: Path, voc_set: Callable[..., Path]) -> None:
    one, other = voc_set(4, "one"), voc_set(6, "other")
    records = tmp_path / "records"
    prepare(
        PrepareSettings((Source(other),), records, workers=1, chosen=classes.parse_class_options(["dog=wolf"], [], []))
    )
    merged = PrepareSettings(
        (Source(one, prefix="1-one/"), Source(records, prefix="2-records/")), tmp_path / "out", workers=1
    )
    summary = prepare(merged).summary
    assert summary.format == "voc+tfrecord"
    assert summary.classes == {"cat": 1, "dog": 2, "wolf": 3}
    assert sum(split.images for split in summary.splits.values()) == 10
