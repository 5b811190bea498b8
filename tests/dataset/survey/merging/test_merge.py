"""Several formats in one folder: each image once, with the annotation that speaks of it."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.classes import parse_class_options
from odtool.dataset.images.tiles import Tiling
from odtool.dataset.inspect.inspection import InspectSettings, inspect
from odtool.dataset.prepare import Prepared, PrepareSettings, prepare
from odtool.dataset.types import Source
from odtool.errors import DataError

Boxes = Sequence[tuple[Any, ...]]
"""Class, xmin, ymin, xmax, ymax, in images of 64 x 48 pixels."""
CAT: Boxes = [("cat", 8, 12, 40, 36)]
WriteSet = Callable[..., Path]


@pytest.fixture
def write_set(tmp_path: Path, write_image: Callable[..., Path], voc_xml: Callable[..., str]) -> WriteSet:
    """write_set(images, voc={}, yolo={}, coco={}): a folder with images, and of each format the boxes by image."""

    def write(
        images: str,
        *,
        voc: dict[str, Boxes] | None = None,
        yolo: dict[str, Boxes] | None = None,
        coco: dict[str, Boxes] | None = None,
    ) -> Path:
        root = tmp_path / "set"
        for name in images.split():
            write_image(root / f"{name}.jpg", comment=name)
        for name, boxes in (voc or {}).items():
            (root / f"{name}.xml").write_text(voc_xml(f"{name}.jpg", list(boxes)))
        if yolo is not None:
            classes = sorted({label for boxes in yolo.values() for label, *_ in boxes})
            (root / "classes.txt").write_text("\n".join(classes) + "\n")
            for name, boxes in yolo.items():
                lines = [f"{classes.index(label)} {_to_fractions(*box)}" for label, *box in boxes]
                (root / f"{name}.txt").write_text("\n".join(lines))
        if coco is not None:
            (root / "coco.json").write_text(json.dumps(_to_coco(coco)))
        return root

    return write


def _to_fractions(xmin: float, ymin: float, xmax: float, ymax: float) -> str:
    numbers = ((xmin + xmax) / 128, (ymin + ymax) / 96, (xmax - xmin) / 64, (ymax - ymin) / 48)
    return " ".join(f"{number:.6f}" for number in numbers)


def _to_coco(boxes_by_image: dict[str, Boxes]) -> dict[str, Any]:
    annotations = [
        {"id": 0, "image_id": number, "category_id": 1, "bbox": [xmin, ymin, xmax - xmin, ymax - ymin]}
        for number, boxes in enumerate(boxes_by_image.values(), start=1)
        for _, xmin, ymin, xmax, ymax in boxes
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    images = [{"id": number, "file_name": f"{name}.jpg"} for number, name in enumerate(boxes_by_image, start=1)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}


def run(root: Path, **options: Any) -> Prepared:
    return prepare(PrepareSettings((Source(root),), root.parent / "data", val=0, workers=1, **options))


def counts(prepared: Prepared) -> dict[str, int]:
    """Problems but for those of sets as small as these."""
    return {kind: problem.count for kind, problem in prepared.summary.problems.items() if not kind.startswith("class_")}


def images_and_objects(prepared: Prepared) -> tuple[int, int, int]:
    """Images, those without objects, and objects."""
    (split,) = prepared.summary.splits.values()
    return split.images, split.background_images, split.objects


def test_formats_for_different_images_are_all_read(write_set: WriteSet) -> None:
    root = write_set("a b c d e f", voc=dict.fromkeys("abcd", CAT), yolo=dict.fromkeys("ef", CAT))
    prepared = run(root)
    assert images_and_objects(prepared) == (6, 0, 6)
    assert prepared.summary.format == "yolo+voc"
    assert counts(prepared) == {}


def test_one_stray_file_of_another_format_makes_no_image_background(write_set: WriteSet) -> None:
    root = write_set("a b c d", voc=dict.fromkeys("abcd", CAT), yolo={"d": CAT})
    prepared = run(root, strict=True)
    assert images_and_objects(prepared) == (4, 0, 4)
    assert counts(prepared) == {"annotation_agrees": 1}
    assert prepared.first["annotation_agrees"].file == root / "d.txt"


def test_an_image_that_no_file_speaks_of_is_background_only_by_the_format_of_most(write_set: WriteSet) -> None:
    prepared = run(write_set("a b c bare", voc=dict.fromkeys("abc", CAT), yolo={"c": CAT}))
    assert images_and_objects(prepared) == (3, 0, 3)
    assert counts(prepared) == {"annotation_agrees": 1, "file_skipped": 1}
    assert prepared.first["file_skipped"].detail == "1 images without an annotation, such as bare.jpg"


def test_where_most_files_are_of_a_format_with_background_it_stays(write_set: WriteSet) -> None:
    prepared = run(write_set("a b c bare", voc={"c": CAT}, yolo=dict.fromkeys("abc", CAT)))
    assert images_and_objects(prepared) == (4, 1, 3)
    assert counts(prepared) == {"annotation_agrees": 1, "image_without_objects": 1}


@pytest.mark.parametrize("empty", ["voc", "yolo"])
def test_an_annotation_without_objects_yields_to_one_with_some(write_set: WriteSet, empty: str) -> None:
    said = {"voc": dict.fromkeys("abc", CAT), "yolo": dict.fromkeys("abc", CAT)}
    said[empty]["b"] = []
    prepared = run(write_set("a b c", **said))
    assert images_and_objects(prepared) == (3, 0, 3)
    assert counts(prepared) == {"annotation_agrees": 2, "annotation_empty": 1}
    assert prepared.first["annotation_empty"].file.stem == "b"
    assert prepared.first["annotation_empty"].file.suffix == {"voc": ".xml", "yolo": ".txt"}[empty]


@pytest.mark.parametrize(
    "other",
    [
        [("cat", 8, 12, 40, 30)],
        [("dog", 8, 12, 40, 36)],
        [*CAT, ("cat", 1, 1, 9, 9)],
        [("cat", 8, 12, 40, 36), ("cat", 8, 12, 39, 36)],
    ],
    ids=["box", "class", "one more", "nearly twice"],
)
def test_annotations_that_contradict_are_refused_with_both_files(write_set: WriteSet, other: Boxes) -> None:
    root = write_set("a b", voc=dict.fromkeys("ab", CAT), yolo={"a": CAT, "b": other})
    with pytest.raises(DataError) as error:
        run(root)
    assert str(root / "b.xml") in error.value.message
    assert str(root / "b.txt") in error.value.message
    assert "1 image annotated differently" in error.value.message
    assert "--format" in (error.value.hint or "")
    assert images_and_objects(run(root, format="voc")) == (2, 0, 2)


def test_inspect_counts_what_contradicts(write_set: WriteSet) -> None:
    root = write_set("a b", voc=dict.fromkeys("ab", CAT), yolo={"a": CAT, "b": [("cat", 1, 1, 9, 9)]})
    inspected = inspect(InspectSettings((Source(root),), workers=1))
    assert {item.kind: item.count for item in inspected.problems if item.check.level == "error"} == {
        "annotations_differ": 1
    }
    assert (inspected.figures.images, inspected.figures.objects) == (2, 2)


@pytest.mark.parametrize("shift", [0, 1])
def test_boxes_that_differ_by_the_first_pixels_number_are_the_same(write_set: WriteSet, shift: int) -> None:
    shifted = [("cat", 8 + shift, 12 + shift, 40, 36)]
    prepared = run(write_set("a", voc={"a": CAT}, yolo={"a": shifted}))
    assert counts(prepared) == {"annotation_agrees": 1}


def test_three_conversions_of_a_set_come_out_once(write_set: WriteSet) -> None:
    said = dict.fromkeys("abc", CAT)
    prepared = run(write_set("a b c", voc=said, yolo=said, coco=said))
    assert images_and_objects(prepared) == (3, 0, 3)
    assert counts(prepared) == {"annotation_agrees": 6}
    assert prepared.summary.format == "coco+yolo+voc"


def test_conversions_with_their_own_copies_of_the_images_come_out_once(
    write_set: WriteSet, tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    whole = tmp_path / "whole"
    for name in ("voc", "yolo", "coco"):
        shutil.move(write_set("a b c", **{name: dict.fromkeys("abc", CAT)}), whole / name)
    write_image(whole / "voc" / "d.jpg", comment="a")  # the bytes of a.jpg, and the name of no image elsewhere
    (whole / "voc" / "d.xml").write_text((whole / "voc" / "a.xml").read_text().replace("a.jpg", "d.jpg"))
    prepared = run(whole)
    assert images_and_objects(prepared) == (4, 0, 4)
    assert counts(prepared) == {"annotation_agrees": 6, "image_duplicate": 1}


def test_an_image_has_the_split_of_any_of_its_annotations(write_set: WriteSet, tmp_path: Path) -> None:
    root = write_set("a b c d", voc=dict.fromkeys("abcd", CAT))
    rows = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    (root / "train_labels.csv").write_text(rows + "".join(f"{name}.jpg,64,48,cat,8,12,40,36\n" for name in "abc"))
    (root / "test_labels.csv").write_text(rows + "d.jpg,64,48,cat,8,12,40,36\n")
    prepared = run(root)
    assert {name: split.images for name, split in prepared.summary.splits.items()} == {"train": 3, "test": 1}


def test_classes_and_changes_of_what_is_left_out_are_not_counted(write_set: WriteSet) -> None:
    said = dict.fromkeys("ab", CAT)
    prepared = run(write_set("a b", voc=said, yolo=said), chosen=parse_class_options(["cat=pet"], [], []))
    assert prepared.summary.classes == {"pet": 1}
    assert [(change.old, change.new, change.objects) for change in prepared.summary.class_changes] == [
        ("cat", "pet", 2)
    ]


def test_problems_of_an_image_are_listed_once(write_set: WriteSet, write_image: Callable[..., Path]) -> None:
    root = write_set("a b", voc=dict.fromkeys("ab", CAT), yolo=dict.fromkeys("ab", CAT))
    write_image(root / "a.jpg", mode="L", comment="a")
    prepared = run(root)
    with open(prepared.dataset.problems, encoding="utf-8", newline="") as stream:
        kinds = Counter(row["kind"] for row in csv.DictReader(stream))
    assert kinds["image_gray"] == counts(prepared)["image_gray"] == 1


@pytest.mark.parametrize("workers", [1, 3])
def test_the_result_does_not_depend_on_the_number_of_workers(
    write_set: WriteSet, read_records: Callable[[Path], Any], workers: int
) -> None:
    images = [f"i{number:03d}" for number in range(150)]
    root = write_set(" ".join(images), voc=dict.fromkeys(images[:100], CAT), yolo=dict.fromkeys(images[50:], CAT))
    out = root.parent / "data"
    prepared = prepare(PrepareSettings((Source(root),), out, val=0, workers=workers))
    assert images_and_objects(prepared) == (150, 0, 150)
    assert counts(prepared) == {"annotation_agrees": 50}
    assert sorted(read_records(out)) == [f"{name}.jpg" for name in images]


def test_annotations_of_one_format_that_agree_count_once_and_others_are_named(
    write_set: WriteSet, tmp_path: Path
) -> None:
    root = write_set("a b c", voc=dict.fromkeys("abc", CAT))
    for folder in ("images", "first", "second"):
        (root / folder).mkdir()
    for name in "abc":
        (root / f"{name}.jpg").rename(root / "images" / f"{name}.jpg")
        shutil.copy(root / f"{name}.xml", root / "second")
        (root / f"{name}.xml").rename(root / "first" / f"{name}.xml")
    (root / "second" / "b.xml").write_text((root / "first" / "b.xml").read_text().replace("cat", "dog"))
    prepared = run(root)
    assert images_and_objects(prepared) == (3, 0, 3)
    assert counts(prepared) == {"annotation_agrees": 2, "image_repeated": 1}
    repeated = prepared.first["image_repeated"]
    assert repeated.file == root / "second" / "b.xml"
    assert repeated.detail == f"b.jpg: cat at [8, 12, 40, 36] in {root / 'first' / 'b.xml'} is dog here"
    assert prepared.summary.classes == {"cat": 1}


def test_a_file_that_one_format_cannot_read_and_another_can_is_not_broken(write_set: WriteSet) -> None:
    root = write_set("a b c d", yolo=dict.fromkeys("ab", CAT))
    for name in "cd":
        (root / f"{name}.txt").write_text("cat 0.00 0 -10 8.0 12.0 40.0 36.0 -1 -1 -1 -1000 -1000 -1000 -10\n")
    prepared = run(root)
    assert prepared.summary.format == "yolo+kitti"
    assert images_and_objects(prepared) == (4, 0, 4)
    assert counts(prepared) == {}


def test_problems_of_an_image_that_cannot_be_used_are_listed_once(write_set: WriteSet) -> None:
    root = write_set("a b c", voc=dict.fromkeys("abc", CAT), yolo=dict.fromkeys("abc", CAT))
    (root / "c.jpg").write_bytes((root / "c.jpg").read_bytes()[:-2])
    prepared = run(root)
    assert images_and_objects(prepared) == (2, 0, 2)
    assert counts(prepared) == {"annotation_agrees": 2, "image_truncated": 1}


def test_tiles_of_an_image_that_another_format_annotates_are_not_said_to_be_empty(write_set: WriteSet) -> None:
    root = write_set("a b c", voc=dict.fromkeys("abc", CAT), yolo={"a": CAT})
    prepared = run(root, tiling=Tiling(32, 0, 0.05, 0.0, 0))
    assert prepared.summary.splits["train"].background_images == 0
    assert "image_without_objects" not in counts(prepared)
    assert counts(prepared)["annotation_agrees"] == 1
