"""Whole sets, read as their boxes say, in as many passes as that takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.dialects import Reading
from odtool.dataset.inspect.inspection import InspectSettings, inspect
from odtool.dataset.prepare import Prepared, PrepareSettings, prepare
from odtool.dataset.types import Source
from odtool.errors import DataError

WriteImage = Callable[..., Path]
Records = dict[str, dict[str, list[Any]]]
ReadRecords = Callable[[Path], Records]
Corners = list[tuple[float, ...]]


def run(root: Path, **options: Any) -> Prepared:
    return prepare(PrepareSettings((Source(root),), root.parent / "out", val=0, **options))


def corners(record: dict[str, list[Any]]) -> Corners:
    """Boxes in pixels of the image, rounded."""
    (width,), (height,) = record["image/width"], record["image/height"]
    sides = [record[f"image/object/bbox/{side}"] for side in ("xmin", "ymin", "xmax", "ymax")]
    scales = (width, height, width, height)
    return [
        tuple(round(value * scale, 2) for value, scale in zip(box, scales, strict=True))
        for box in zip(*sides, strict=True)
    ]


def createml(path: Path, name: str, boxes: Sequence[tuple[float, ...]]) -> None:
    annotations = [
        {"label": "cat", "coordinates": dict(zip(("x", "y", "width", "height"), box, strict=True))} for box in boxes
    ]
    path.write_text(json.dumps([{"image": name, "annotations": annotations}]))


@pytest.fixture
def two_files(tmp_path: Path, write_image: WriteImage) -> Path:
    """CreateML in two folders, by corners; of the second alone nobody could tell."""
    root = tmp_path / "set"
    for folder, name, boxes in (
        ("train", "a.png", [(10, 10, 50, 50), (5, 20, 60, 50), (30, 5, 80, 70)]),
        ("valid", "b.png", [(40, 30, 70, 40)]),
    ):
        write_image(root / folder / name, 120, 80)
        createml(root / folder / "_annotations.createml.json", name, boxes)
    return root


def test_one_convention_is_chosen_for_all_files_of_a_source(two_files: Path, read_records: ReadRecords) -> None:
    prepared = run(two_files)
    records = read_records(prepared.dataset.path)
    assert corners(records["train/a.png"]) == [(10, 10, 60, 60), (5, 20, 65, 70), (30, 5, 110, 75)]
    assert corners(records["valid/b.png"]) == [(40, 30, 110, 70)]
    assert prepared.summary.problems["coordinates_chosen"].count == 1


def test_problems_of_a_pass_that_is_made_again_are_not_listed_twice(two_files: Path) -> None:
    createml(two_files / "valid" / "_annotations.createml.json", "b.png", [(40, 30, 70, 40), (20, 10, 30, 0)])
    prepared = run(two_files)
    lines = prepared.dataset.problems.read_text().splitlines()
    kinds = sorted(line.partition(",")[0] for line in lines[1:])
    assert kinds.count("box_zero") == kinds.count("coordinates_chosen") == 1
    assert "box_outside" not in kinds
    assert prepared.summary.problems["box_zero"].count == 1


def test_inspect_says_the_same(two_files: Path) -> None:
    inspected = inspect(InspectSettings((Source(two_files),), workers=1))
    counts = {kind.kind: kind.count for kind in inspected.problems}
    assert counts["coordinates_chosen"] == 1
    assert "box_outside" not in counts


def test_the_user_decides_against_the_boxes(two_files: Path, read_records: ReadRecords) -> None:
    prepared = run(two_files, coordinates=Reading("cxcywh"))
    assert corners(read_records(prepared.dataset.path)["valid/b.png"]) == [(5, 10, 75, 50)]
    assert "coordinates_chosen" not in prepared.summary.problems


def test_a_format_whose_numbers_mean_one_thing_takes_no_coordinates(tmp_path: Path, write_image: WriteImage) -> None:
    root = tmp_path / "set"
    write_image(root / "a.png", 120, 80)
    shape = {"label": "cat", "points": [[1, 2], [30, 40]], "shape_type": "rectangle"}
    document = {"version": "5", "shapes": [shape], "imagePath": "a.png", "imageWidth": 120, "imageHeight": 80}
    (root / "a.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"--coordinates: .* can mean only one thing"):
        run(root, coordinates=Reading("xyxy"))


def test_images_turned_by_exif_are_evidence_in_either_position(
    tmp_path: Path, write_image: WriteImage, read_records: ReadRecords
) -> None:
    from PIL import Image

    root, exif = tmp_path / "set", Image.Exif()
    exif[0x0112] = 6
    write_image(root / "a.jpg", 120, 80, exif=exif)
    createml(root / "a.json", "a.jpg", [(10, 60, 60, 50), (5, 70, 60, 45), (10, 5, 65, 110)])
    prepared = run(root)
    # As a viewer shows it the image is 80 by 120, and in its stored pixels every box is turned back.
    assert corners(read_records(prepared.dataset.path)["a.jpg"])[0] == (60, 10, 110, 70)
    assert prepared.summary.problems["coordinates_chosen"].count == 1


def test_a_declared_size_that_never_was_true_scales_nothing(
    tmp_path: Path, write_image: WriteImage, read_records: ReadRecords, voc_xml: Callable[..., str]
) -> None:
    root = tmp_path / "set"
    for number, box in enumerate([(70, 10, 119, 79), (5, 5, 20, 20), (60, 20, 90, 70)]):
        write_image(root / f"{number}.png", 120, 80, comment=str(number))
        (root / f"{number}.xml").write_text(voc_xml(f"{number}.png", [("cat", *box)], (60, 40)))
    prepared = run(root)
    records = read_records(prepared.dataset.path)
    # The first and the last do not fit 60 by 40, so that the second is believed no more than they are.
    assert corners(records["1.png"]) == [(5, 5, 20, 20)]
    assert corners(records["0.png"]) == [(70, 10, 119, 79)]
    assert prepared.summary.problems["size_disagrees"].count == 3
    assert "size_scaled" not in prepared.summary.problems


def test_masks_of_a_resized_image_are_scaled(tmp_path: Path, write_image: WriteImage) -> None:
    root = tmp_path / "set"
    write_image(root / "a.png", 120, 80)
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 240, "height": 160}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "bbox": [0, 0, 240, 160],
                "segmentation": {"size": [160, 240], "counts": [0, 160 * 240]},
            }
        ],
    }
    (root / "a.json").write_text(json.dumps(document))
    prepared = run(root, masks=True)
    assert prepared.summary.problems["size_scaled"].count == 1
    assert "mask_missing" not in prepared.summary.problems


def test_an_image_that_exif_turns_may_have_been_annotated_upright_at_another_size(
    tmp_path: Path, write_image: WriteImage, read_records: ReadRecords, voc_xml: Callable[..., str]
) -> None:
    from PIL import Image

    root, exif = tmp_path / "set", Image.Exif()
    exif[0x0112] = 6
    write_image(root / "a.jpg", 120, 80, exif=exif)
    (root / "a.xml").write_text(voc_xml("a.jpg", [("cat", 20, 120, 140, 220)], (160, 240)))
    prepared = run(root)
    # Upright it is 80 by 120 and the box [10, 60, 70, 110].
    assert corners(read_records(prepared.dataset.path)["a.jpg"]) == [(60, 10, 110, 70)]
    assert {"size_scaled", "exif_annotated"} <= set(prepared.summary.problems)


def test_annotations_of_two_formats_agree_once_the_numbers_of_one_are_understood(
    tmp_path: Path, write_image: WriteImage, read_records: ReadRecords, voc_xml: Callable[..., str]
) -> None:
    root = tmp_path / "set"
    boxes = [(60, 20, 110, 70), (70, 5, 118, 55), (50, 30, 115, 75)]
    for number, box in enumerate(boxes):
        write_image(root / f"{number}.png", 120, 80, comment=str(number))
        (root / f"{number}.xml").write_text(voc_xml(f"{number}.png", [("cat", *box)], (120, 80)))
    document = {
        "images": [{"id": number, "file_name": f"{number}.png"} for number in range(3)],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "bbox": list(box)} for number, box in enumerate(boxes)
        ],
    }
    (root / "a.json").write_text(json.dumps(document))
    prepared = run(root)
    problems = prepared.summary.problems
    assert (problems["annotation_agrees"].count, problems["coordinates_chosen"].count) == (3, 1)
    assert "annotations_differ" not in problems
    assert sorted(box for record in read_records(prepared.dataset.path).values() for box in corners(record)) == sorted(
        boxes
    )
