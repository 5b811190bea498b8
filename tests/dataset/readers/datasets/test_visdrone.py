"""VisDrone, laid out as its archives are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.texts.label_texts import parse_lines
from odtool.dataset.readers.datasets import visdrone
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.types import Box, Source

PATH = Path("a.txt")


def parse(text: str) -> tuple[list[tuple[str, Box, bool, bool]], list[tuple[str, str]]]:
    objects, problems = parse_lines(text.encode(), PATH, visdrone.parse_line)
    return [(item.label, item.box, item.truncated, item.occluded) for item in objects], problems


def test_ignored_regions_and_boxes_without_a_score_are_told_and_the_others_have_their_names() -> None:
    objects, problems = parse(
        "684,8,273,116,0,0,0,0\n406,119,265,70,0,4,0,0\n255,22,119,128,1,4,0,0,\n1,3,209,78,1,11,1,2\n5,6,7,8,1,0,0,0\n"
    )
    assert objects == [("car", Box(255, 22, 374, 150), False, False), ("others", Box(1, 3, 210, 81), True, True)]
    assert problems == [
        ("object_ignored", "line 1: ignored regions"),
        ("object_ignored", "line 2: car"),
        ("object_ignored", "line 5: ignored regions"),
    ]


def test_a_broken_line_is_told_and_the_others_are_read() -> None:
    objects, problems = parse("1,2,3,4,1,4,0,0\n1,2,3,4,1,12,0,0\n1,2,3\n")
    assert len(objects) == 1
    assert [kind for kind, _ in problems] == ["record_broken", "record_broken"]
    assert problems[0][1].startswith("line 2: not a VisDrone line (left,top,width,height,score")


def test_images_lie_beside_annotations_and_empty_files_are_background(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for split in ("train", "val"):
        root = tmp_path / f"VisDrone2019-DET-{split}"
        (root / "annotations").mkdir(parents=True)
        for name, text in (("0000002_00005_d_0000014", "255,22,119,128,1,4,0,0\n"), ("empty", "")):
            write_image(root / "images" / f"{name}.jpg", 960, 540)
            (root / "annotations" / f"{name}.txt").write_text(text)
    write_image(tmp_path / "VisDrone2019-DET-val/images/extra.jpg")
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "visdrone"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [(image.path.exists(), image.split, len(image.objects)) for image in images] == [
        (True, "train", 1),
        (True, "train", 0),
        (True, "val", 1),
        (True, "val", 0),
    ]
    assert [(problem.kind, problem.file.name) for problem in problems] == [("annotation_missing", "extra.jpg")]


def test_frames_of_sequences_are_found_by_number(tmp_path: Path, write_image: Callable[..., Path], found: Any) -> None:
    for name in ("uav0000013_00000_v", "uav0000020_00406_v"):
        for frame in (1, 2, 3):
            write_image(tmp_path / "sequences" / name / f"{frame:07d}.jpg")
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"{name}.txt").write_text("1,0,593,43,174,190,0,0,0,0\n2,1,5,6,7,8,1,9,0,1\n")
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "visdrone"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [(image.path.parent.name, image.path.name, len(image.objects)) for image in images[:3]] == [
        ("uav0000013_00000_v", "0000001.jpg", 0),
        ("uav0000013_00000_v", "0000002.jpg", 1),
        ("uav0000013_00000_v", "0000003.jpg", 0),
    ]
    assert images[4].objects[0].label == "bus"
    assert all(image.path.exists() for image in images)
    assert [problem.kind for problem in problems] == ["object_ignored", "object_ignored"]


@pytest.mark.parametrize(
    "text",
    ["1,2,3,4,0.9,4,0,0\n", "1,2,3,4,1,12,0,0\n", "1 2 3 4 1 4 0 0\n", "1,2,3,4,5,6,7,8,text\n", "1,2,3,4,1,4,0,3\n"],
)
def test_other_lines_are_not_taken_for_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert visdrone.detect(tmp_path) is None


def test_other_text_beside_label_files_is_told_and_left_out(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    write_image(tmp_path / "images" / "a.jpg")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/a.txt").write_text("1,2,3,4,1,4,0,0\n")
    (tmp_path / "annotations/classes.txt").write_text("pedestrian\npeople\n")
    images, problems = found(visdrone.read, Source(tmp_path))
    assert [image.path.name for image in images] == ["a.jpg"]
    assert [(problem.kind, problem.file.name) for problem in problems] == [("file_skipped", "classes.txt")]


def test_a_frame_that_lost_its_boxes_is_no_background(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for frame in range(1, 4):
        write_image(tmp_path / "frames" / "v" / f"{frame:07d}.jpg")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/v.txt").write_text("1,0,1,2,3,4,1,4,0,0\n2,0,1,2,3,4,1,4,0,0\n3,0,1,2,3,4,1,77,0,0\n")
    images, problems = found(visdrone.read, Source(tmp_path))
    assert [(image.path, len(image.objects)) for image in images] == [
        (tmp_path / "frames/v/0000001.jpg", 1),
        (tmp_path / "frames/v/0000002.jpg", 1),
    ]
    assert [problem.kind for problem in problems] == ["record_broken"]
