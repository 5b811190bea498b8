"""Which images --group-by keeps together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.dataset import statistics
from odtool.dataset.prepare import PrepareSettings, prepare
from odtool.dataset.survey.grouping import Grouping
from odtool.dataset.types import Source
from odtool.errors import DataError
from odtool.workspace import Dataset


@pytest.mark.parametrize(
    ("by", "path", "group"),
    [
        ("folder", "a/b/c.jpg", "a/b"),
        ("folder", "c.jpg", "."),
        (r"(video\d+)_", "a/video12_0003.jpg", "video12"),
        (r"video\d+", "a/video12_0003.jpg", "video12"),
        (r"(x)?video", "a/video12.jpg", ""),
        (r"patient(\d+)", "a/video12.jpg", None),
    ],
)
def test_the_group_of_a_path(by: str, path: str, group: str | None) -> None:
    assert Grouping(by).group(path) == group


def test_a_broken_expression_is_refused() -> None:
    with pytest.raises(DataError, match="neither 'folder', 'similar' nor a regular expression"):
        Grouping("(video")


def test_images_of_a_group_are_in_one_split_and_those_of_none_are_counted(
    voc_set: Callable[..., Path], tmp_path: Path, read_records: Callable[[Path], dict[str, dict[str, list[str]]]]
) -> None:
    settings = PrepareSettings((Source(voc_set(60)),), tmp_path / "data", val=0.3, grouping=Grouping(r"/000([0-4])"))
    summary = prepare(settings).summary
    assert summary.problems["group_unmatched"].count == 10
    splits: dict[str, set[str]] = {}
    for identity, record in read_records(tmp_path / "data").items():
        splits.setdefault(identity[-6], set()).update(record["split"])
    assert all(len(splits[group]) == 1 for group in "01234")
    assert {next(iter(found)) for found in splits.values()} == {"train", "val"}


def test_grouping_what_is_not_cut_is_refused_and_resplit_cuts(voc_set: Callable[..., Path], tmp_path: Path) -> None:
    root = voc_set(20)
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("".join(f"{number:05d}\n" for number in range(15)))
    (lists / "val.txt").write_text("".join(f"{number:05d}\n" for number in range(15, 20)))
    settings = PrepareSettings((Source(root),), tmp_path / "data", val=0.4, grouping=Grouping("folder"))
    with pytest.raises(DataError, match="has its own splits") as error:
        prepare(settings)
    assert "--resplit" in error.value.hint
    prepare(PrepareSettings((Source(root),), tmp_path / "data", val=0.4, resplit=True))
    splits = statistics.load(Dataset(tmp_path / "data")).splits
    assert {name: split.images for name, split in splits.items()} == {"train": 12, "val": 8}


def test_identical_images_are_in_one_split(
    voc_set: Callable[..., Path], tmp_path: Path, read_records: Callable[[Path], dict[str, dict[str, list[str]]]]
) -> None:
    root = voc_set(40)
    for number in range(0, 40, 2):
        data = (root / "images" / f"{number:05d}.jpg").read_bytes()
        (root / "images" / f"{number + 1:05d}.jpg").write_bytes(data)
    prepare(PrepareSettings((Source(root),), tmp_path / "data", val=0.25, test=0.25))
    records = read_records(tmp_path / "data")
    split_of = {int(identity[-9:-4]): record["split"] for identity, record in records.items()}
    assert all(split_of[number] == split_of[number + 1] for number in range(0, 40, 2))
