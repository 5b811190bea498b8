"""Groups that are too large for the splits asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.dataset.prepare import Prepared, PrepareSettings, prepare
from odtool.dataset.survey.grouping import Grouping
from odtool.dataset.types import Source
from odtool.errors import DataError

VocSet = Callable[..., Path]


@pytest.fixture
def grouped(voc_set: VocSet, tmp_path: Path) -> Callable[..., Prepared]:
    """grouped(expression, **options): 40 images, 00000 to 00039, prepared with these groups."""
    root = voc_set(40)

    def run(expression: str | None, **options: object) -> Prepared:
        grouping = Grouping(expression) if expression else None
        return prepare(PrepareSettings((Source(root),), tmp_path / "data", grouping=grouping, **options))  # type: ignore[arg-type]

    return run


def test_one_group_of_all_images_is_refused_where_a_split_is_asked_for(grouped: Callable[..., Prepared]) -> None:
    with pytest.raises(DataError, match="leaves no images for val") as error:
        grouped("images")
    assert "--group-by" in error.value.hint


def test_the_only_image_is_trained_on_whatever_it_is_grouped_by(voc_set: VocSet, tmp_path: Path) -> None:
    settings = PrepareSettings((Source(voc_set(1)),), tmp_path / "data", grouping=Grouping("similar"))
    assert {name: split.images for name, split in prepare(settings).summary.splits.items()} == {"train": 1}


def test_a_split_that_is_far_from_its_share_is_told(grouped: Callable[..., Prepared]) -> None:
    # Four groups of ten: a tenth of them is four images, and one group is the least.
    uneven = grouped(r"/000(\d)", val=0.1)
    assert uneven.summary.splits["val"].images == 10
    assert uneven.first["split_uneven"].detail == "val has 10 images, not 4"
    for expression, share in ((r"/000(\d)", 0.25), (r"/(0003\d)", 0.2), (None, 0.1)):
        assert "split_uneven" not in grouped(expression, val=share).summary.problems


def test_folds_that_are_far_from_equal_are_told(grouped: Callable[..., Prepared]) -> None:
    # One group of thirty and ten of one image.
    uneven = grouped(r"/000(?:[012]|(3\d))", folds=3)
    assert sorted(item.summary.splits["val"].images for item in uneven.sets) == [5, 5, 30]
    assert uneven.first["split_uneven"].detail.startswith("val of fold 1 has ")
    assert uneven.summary.problems["split_uneven"].count == 3
    assert "split_uneven" not in grouped(r"/(000\d\d)", folds=4).summary.problems


def test_a_fraction_is_not_taken_for_an_uneven_split(grouped: Callable[..., Prepared]) -> None:
    assert "split_uneven" not in grouped(None, val=0.2, fraction=0.1).summary.problems
    assert "split_uneven" not in grouped(None, folds=4, test=0.2, fraction=0.1).summary.problems
