"""What inspect finds, counts and chooses to show."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset import prepare as flow
from odtool.dataset.inspect.inspection import Inspection, InspectSettings, inspect
from odtool.dataset.types import Source
from odtool.errors import DataError

VocSet = Callable[..., Path]


def look(root: Path, **options: Any) -> Inspection:
    return inspect(InspectSettings((Source(root),), **options))


def counts(found: Inspection) -> dict[str, int]:
    return {problem.kind: problem.count for problem in found.problems}


def everything(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_raccoons_are_counted_and_four_of_them_are_there_twice(shared_data: Path) -> None:
    found = look(shared_data / "raccoon")
    figures = found.figures
    assert (figures.images, figures.objects, figures.without_objects, figures.most_objects) == (200, 217, 0, 3)
    assert figures.objects_per_image.bins["1"] == 184
    assert sum(figures.aspect_ratios.bins.values()) == sum(figures.box_sides.bins.values()) == 217
    assert sum(map(sum, figures.box_map)) == sum(figures.box_shares.bins.values()) == 217
    assert figures.classes[0].images == sum(figures.image_sizes.values()) == 200
    assert counts(found) == {"annotation_agrees": 200, "file_skipped": 2, "image_duplicate": 4, "image_gray": 3}
    assert figures.splits == {"train": 160, "test": 40}  # which the CSVs beside the XML files say
    assert {split: item.objects for split, item in figures.split_figures.items()} == {"train": 173, "test": 44}


def test_nothing_is_written(voc_set: VocSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = voc_set(6)
    monkeypatch.chdir(tmp_path)
    before = everything(tmp_path)
    look(root)
    assert everything(tmp_path) == before


def test_classes_come_with_their_share_and_the_most_frequent_first(
    voc_set: VocSet, voc_xml: Callable[..., str]
) -> None:
    root = voc_set(4)
    boxes = [("dog", 1, 2, 30, 40), ("dog", 3, 2, 30, 40), ("bird", 1, 2, 9, 9)]
    (root / "annotations" / "00001.xml").write_text(voc_xml("00001.jpg", boxes))
    classes = look(root).figures.classes
    assert [(item.name, item.objects, item.images) for item in classes] == [
        ("dog", 3, 2),
        ("cat", 2, 2),
        ("bird", 1, 1),
    ]
    assert classes[0].share == pytest.approx(0.5)


def test_the_same_problems_are_found_as_prepare_finds(
    voc_set: VocSet, tmp_path: Path, voc_xml: Callable[..., str]
) -> None:
    root = voc_set(12)
    boxes = [("cat", -5, 2, 30, 60), ("cat", 30, 40, 1, 2), ("cat", 5, 5, 5, 9), ("cat", 1, 2, 3, 4)]
    (root / "annotations" / "00000.xml").write_text(voc_xml("00000.jpg", boxes))
    (root / "images" / "00001.jpg").write_bytes((root / "images" / "00001.jpg").read_bytes()[:-40])
    ours = counts(look(root))
    prepared = flow.prepare(flow.PrepareSettings((Source(root),), tmp_path / "data"))
    theirs = {kind: problem.count for kind, problem in prepared.summary.problems.items()}
    of_images = {kind: count for kind, count in ours.items() if not kind.startswith(("class_", "image_duplicate"))}
    assert of_images == {"box_inverted": 1, "box_outside": 1, "box_zero": 1, "image_truncated": 1}
    assert of_images.items() <= theirs.items()


def test_images_with_problems_are_shown_first_and_say_which(voc_set: VocSet, voc_xml: Callable[..., str]) -> None:
    root = voc_set(30)
    (root / "annotations" / "00017.xml").write_text(voc_xml("00017.jpg", [("cat", -5, 2, 30, 40), ("cat", 1, 1, 1, 1)]))
    for number in range(30):
        path = root / "images" / f"{number:05d}.jpg"
        path.write_bytes(path.read_bytes() + bytes(number + 1))  # a trailer, so that no two are identical
    found = look(root, samples=5)
    assert found.samples[0].checked.image.name == "00017.jpg"
    assert sorted(found.samples[0].kinds) == ["box_outside", "box_zero"]
    assert [sample.kinds for sample in found.samples[1:]] == [()] * 4
    assert look(root, samples=5).samples == found.samples
    assert look(root, samples=5, seed=1).samples != found.samples


def test_missing_images_are_counted_and_refuse_nothing(voc_set: VocSet) -> None:
    root = voc_set(3)
    (root / "images" / "00001.jpg").unlink()
    found = look(root)
    assert counts(found)["image_missing"] == 1
    assert found.problems[0].kind == "image_missing"
    for path in (root / "images").iterdir():
        path.unlink()
    assert look(root).figures.images == 0


def test_links_to_one_file_are_identical_images(voc_set: VocSet) -> None:
    root = voc_set(2)
    path = root / "images" / "00001.jpg"
    path.unlink()
    os.link(root / "images" / "00000.jpg", path)
    assert counts(look(root))["image_duplicate"] == 1


def test_classes_that_a_label_map_lacks_are_counted(voc_set: VocSet, tmp_path: Path) -> None:
    given = tmp_path / "map.pbtxt"
    given.write_text("item { id: 1 name: 'dog' }")
    found = look(voc_set(2), label_map=given)
    (unknown,) = [problem for problem in found.problems if problem.kind == "class_unknown"]
    assert "'cat' is not in" in unknown.examples[0].detail


def test_prepared_records_are_read_as_well(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(20)
    flow.prepare(flow.PrepareSettings((Source(root),), tmp_path / "data", val=0.2))
    found = look(tmp_path / "data")
    assert found.choices[0][0].name == "tfrecord"
    assert (found.figures.images, found.figures.splits) == (20, {"train": 16, "val": 4})
    assert len(found.samples) == 20


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no annotations found"):
        look(tmp_path)


def test_progress_counts_the_images(voc_set: VocSet) -> None:
    reported: list[tuple[str, int | None, int]] = []

    @contextmanager
    def progress(label: str, total: int | None) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, _size: reported.append((label, total, done))

    inspect(InspectSettings((Source(voc_set(10)),)), progress=progress)
    assert reported[-1] == ("images read", None, 10)
