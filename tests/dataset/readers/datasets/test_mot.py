"""MOTChallenge, laid out as MOT17 and as CVAT's export are."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.datasets import mot
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.types import Box, Source

NAMES = dict(enumerate(mot.CLASSES))
GT = "1,1,912,484,97,109,1,1,1\n1,2,1338,418,167,379,0,8,0.5\n3,1,912,484,97,109,1,1,0.9\n"


def parse(text: str, names: dict[int, str] = NAMES) -> tuple[dict[int, list[tuple[str, Box]]], list[tuple[str, str]]]:
    sequence = mot.parse(io.BytesIO(text.encode()), Path("gt.txt"), names, Overflow())
    objects = {frame: [(item.label, item.box) for item in items] for frame, items in sequence.objects}
    empty: dict[int, list[tuple[str, Box]]] = {frame: [] for frame in sequence.frames}
    return empty | objects, list(sequence.problems)


def test_boxes_that_do_not_count_are_told() -> None:
    box = ("pedestrian", Box(912, 484, 1009, 593))
    assert parse(GT) == ({1: [box], 3: [box]}, [("object_ignored", "line 2: distractor")])


@pytest.mark.parametrize(
    "line", ["1,-1,5,6,7,8,1,-1,-1,-1", "1,1,5,6,7,8,1,3.2,-4.1,0", "1 1 5 6 7 8 1", "1,1,5,6,7,8,1,-1,1"]
)
def test_where_no_class_is_given_it_is_a_pedestrian(line: str) -> None:
    assert parse(line) == ({1: [("pedestrian", Box(5, 6, 12, 14))]}, [])


@pytest.mark.parametrize(
    ("line", "kind", "says"),
    [
        ("1,1,5,6,7,8,1,13,1", "class_undefined", "line 1: class 13 has no name"),
        ("x,1,5,6,7,8,1,1,1", "record_broken", "line 1: not a MOTChallenge line"),
        ("1,1,5,6,7", "record_broken", "line 1: not a MOTChallenge line"),
    ],
)
def test_a_broken_line_is_told_and_the_others_are_read(line: str, kind: str, says: str) -> None:
    objects, problems = parse(f"{line}\n{GT}")
    assert sum(map(len, objects.values())) == 2
    assert problems[0][0] == kind
    assert problems[0][1].startswith(says)


def test_frames_without_boxes_are_background_and_splits_are_folders(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    root = tmp_path / "MOT17" / "train" / "MOT17-02-FRCNN"
    for frame in range(1, 5):
        write_image(root / "img1" / f"{frame:06d}.jpg")
        write_image(tmp_path / "MOT17/test/MOT17-01-FRCNN/img1" / f"{frame:06d}.jpg")
    for name, text in (("gt/gt.txt", GT), ("det/det.txt", "1,-1,1,2,3,4,0.9,-1,-1,-1\n")):
        (root / name).parent.mkdir()
        (root / name).write_text(text)
    (root / "seqinfo.ini").write_text("[Sequence]\nname=MOT17-02-FRCNN\nimDir=img1\nframeRate=30\nseqLength=4\n")
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "mot"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert [(image.path.name, image.split, len(image.objects)) for image in images] == [
        ("000001.jpg", "train", 1),
        ("000002.jpg", "train", 0),
        ("000003.jpg", "train", 1),
        ("000004.jpg", "train", 0),
    ]
    assert all(image.path.exists() for image in images)
    assert [problem.kind for problem in problems] == ["object_ignored"]


def test_an_export_of_cvat_has_its_own_classes_and_images_in_their_order(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for frame in range(3):
        write_image(tmp_path / "img1" / f"frame_{frame:06d}.jpg")
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt/gt.txt").write_text("1,1,1,2,3,4,1,2,1.0\n3,1,1,2,3,4,1,1,1.0\n")
    (tmp_path / "gt/labels.txt").write_text("cat\ndog\n")
    images, _ = found(mot.read, Source(tmp_path))
    assert [(image.path.name, [item.label for item in image.objects]) for image in images] == [
        ("frame_000000.jpg", ["dog"]),
        ("frame_000001.jpg", []),
        ("frame_000002.jpg", ["cat"]),
    ]


def test_a_frame_without_an_image_is_named(tmp_path: Path, found: Any) -> None:
    (tmp_path / "s/gt").mkdir(parents=True)
    (tmp_path / "s/gt/gt.txt").write_text("7,1,1,2,3,4,1,1,1.0\n")
    ((image,), _) = found(mot.read, Source(tmp_path))
    assert image.path == tmp_path / "s/img1/000007.jpg"


def test_a_frame_that_lost_its_boxes_is_no_background(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for frame in range(1, 4):
        write_image(tmp_path / "img1" / f"{frame:06d}.jpg")
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt/gt.txt").write_text(
        "1,1,1,2,3,4,1,99,1\n2,1,1,2,3,4,1,1,1\n2,2,1,2,3,4,1,1,1\n2,1,x,2,3,4,1,1,1\n3,1,x,2,3,4,1,1,1\n"
    )
    images, problems = found(mot.read, Source(tmp_path))
    assert [(image.path.name, len(image.objects)) for image in images] == [("000002.jpg", 2)]
    assert [problem.kind for problem in problems] == ["class_undefined", "record_broken", "record_broken"]
