"""KITTI's label files."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.common.streams.overflow import Overflow
from odtool.dataset.readers.datasets.kitti import kitti, kitti_tracking
from odtool.dataset.types import Box, ObjectAnnotation, Source
from odtool.errors import DataError

PATH = Path("000001.txt")
CAR = "Car 0.00 0 1.85 387.63 181.54 423.81 203.12 1.67 1.87 3.69 -16.53 2.39 58.49 1.57"
DONT_CARE = "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10"


def parse(text: str) -> kitti.KittiFile:
    return kitti.parse(text.encode(), PATH)


@pytest.mark.parametrize("line", [CAR, f"{CAR} 0.93", f"\ufeff{CAR}\r\n\r\n", CAR.replace(" ", "\t")])
def test_fifteen_or_sixteen_fields_are_an_object(line: str) -> None:
    assert parse(line).objects == (ObjectAnnotation("Car", Box(387.63, 181.54, 423.81, 203.12)),)


def test_truncation_is_a_share_and_occlusion_three_is_unknown() -> None:
    lines = [CAR, CAR.replace("0.00 0", "0.35 1"), CAR.replace("0.00 0", "1 2"), CAR.replace("0.00 0", "0 3")]
    assert [(item.truncated, item.occluded) for item in parse("\n".join(lines)).objects] == [
        (False, False),
        (True, True),
        (True, True),
        (False, False),
    ]


def test_regions_not_to_care_about_are_left_out_and_counted() -> None:
    parsed = parse(f"{CAR}\n{DONT_CARE}\n{DONT_CARE}\n")
    assert len(parsed.objects) == 1
    assert parsed.problems == (("object_ignored", "line 2: DontCare"), ("object_ignored", "line 3: DontCare"))


def test_a_class_may_have_blanks_and_an_empty_file_is_background() -> None:
    assert parse(CAR.replace("Car", "big red car")).objects[0].label == "big red car"
    assert parse("\n").objects == ()


@pytest.mark.parametrize("line", [CAR[:-5], f"{CAR} 1 1", CAR.replace("387.63", "x"), CAR[4:], "Car"])
def test_a_broken_line_is_named_and_the_others_are_read(line: str, fault: Any) -> None:
    text = f"{CAR}\n{line}\n{CAR}\n"
    assert "000001.txt:2: not a KITTI line" in fault(lambda _: parse(text), PATH)
    assert len(parse(text).objects) == 2


def test_a_missing_image_is_not_taken_from_the_other_split(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for name in ("training/image_2/000000.png", "testing/image_2/000000.png", "testing/image_2/000001.png"):
        write_image(tmp_path / name)
    (tmp_path / "training/label_2").mkdir()
    for number in range(2):
        (tmp_path / f"training/label_2/00000{number}.txt").write_text(CAR)
    images, _ = found(kitti.read, Source(tmp_path))
    assert [image.path for image in images] == [tmp_path / f"training/image_2/00000{number}.png" for number in range(2)]
    assert [image.path.exists() for image in images] == [True, False]


def test_the_real_set(shared_data: Path, found: Any) -> None:
    images, problems = found(kitti.read, Source(shared_data / "formats/kitti_dataset/kitti_detection"))
    assert [(image.path.name, image.split, [item.label for item in image.objects]) for image in images] == [
        ("000030_10.png", "train", ["Truck", "Van"]),
        ("000030_11.png", "train", ["Van", "Van", "Van"]),
    ]
    assert problems == []


def test_left_images_go_with_their_labels_and_the_test_split_has_none(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for folder in ("training/image_3", "training/image_2", "testing/image_2"):
        write_image(tmp_path / folder / "000001.png")
    (tmp_path / "training/label_2").mkdir()
    (tmp_path / "training/label_2/000001.txt").write_text(CAR)
    (tmp_path / "training/label_2/000002.txt").write_text("")
    (tmp_path / "training/calib").mkdir()
    (tmp_path / "training/calib/000001.txt").write_text("P0: 7.0e+02 0 6.0e+02 0 0 7.0e+02 1.8e+02 0 0 0 1 0\n")
    images, problems = found(kitti.read, Source(tmp_path))
    assert [image.path.relative_to(tmp_path).as_posix() for image in images] == [
        "training/image_2/000001.png",
        "training/image_2/000002.png",  # reported as missing by whoever opens it
    ]
    assert [problem.file.relative_to(tmp_path).as_posix() for problem in problems] == [
        "testing/image_2",
        "training/image_3",
    ]
    (one,) = found(kitti.read, Source(tmp_path / "training/label_2/000001.txt"))[0]
    assert one.path == tmp_path / "training/image_2/000001.png"


def test_tracking_files_are_read_by_sequence_and_frame(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for sequence in ("0000", "0001"):
        for frame in range(3):
            write_image(tmp_path / f"training/image_02/{sequence}/{frame:06d}.png")
    (tmp_path / "training/label_02").mkdir()
    (tmp_path / "training/label_02/0001.txt").write_text(f"0 0 {CAR}\n0 -1 {DONT_CARE}\n2 1 {CAR}\n2 2 {CAR}\n")
    assert kitti.detect(tmp_path)
    images, problems = found(kitti.read, Source(tmp_path))
    assert [(image.path.relative_to(tmp_path).as_posix(), len(image.objects)) for image in images] == [
        ("training/image_02/0001/000000.png", 1),
        ("training/image_02/0001/000001.png", 0),
        ("training/image_02/0001/000002.png", 2),
    ]
    assert images[0].objects == (ObjectAnnotation("Car", Box(387.63, 181.54, 423.81, 203.12)),)
    assert [(problem.kind, problem.file.name) for problem in problems] == [
        ("object_ignored", "0001.txt"),
        ("file_skipped", "0000"),
    ]


def test_a_broken_line_of_a_tracking_file_is_named() -> None:
    sequence = kitti_tracking.parse(io.BytesIO(f"0 0 {CAR}\n{CAR}\n0 1 {CAR}\n".encode()), PATH, Overflow())
    assert [(frame, len(objects)) for frame, objects in sequence.objects] == [(0, 2)]
    assert [(kind, detail[:39]) for kind, detail in sequence.problems] == [
        ("record_broken", "line 2: not a KITTI tracking line (a fr"),
    ]


@pytest.mark.parametrize(("testing", "split"), [(True, "val"), (False, "test")])
def test_image_sets_decide_the_splits(
    tmp_path: Path, write_image: Callable[..., Path], found: Any, testing: bool, split: str
) -> None:
    (tmp_path / "training/label_2").mkdir(parents=True)
    for name in ("1", "2", "3"):
        write_image(tmp_path / f"training/image_2/{name}.png")
        (tmp_path / f"training/label_2/{name}.txt").write_text(CAR)
    if testing:
        write_image(tmp_path / "testing/image_2/2.png")
    (tmp_path / "ImageSets").mkdir()
    for name, listed in {"train": "1", "val": "2", "trainval": "1\n2", "test": "2"}.items():
        (tmp_path / "ImageSets" / f"{name}.txt").write_text(listed)
    images, problems = found(kitti.read, Source(tmp_path))
    assert [(image.path.stem, image.split) for image in images] == [("1", "train"), ("2", split)]
    assert [problem.file.name for problem in problems if problem.kind == "not_in_split"] == ["3.txt"]


@given(st.data())
def test_any_tracking_text_gives_frames_or_a_data_error(mutated: Any, data: st.DataObject) -> None:
    with suppress(DataError):
        text = data.draw(mutated(f"0 0 {CAR}\n0 -1 {DONT_CARE}\n2 1 {CAR} 0.5\n"))
        kitti_tracking.parse(io.BytesIO(text), PATH, Overflow())


@given(st.data())
def test_any_text_gives_objects_or_a_data_error(mutated: Any, data: st.DataObject) -> None:
    with suppress(DataError):
        kitti.parse(data.draw(mutated(f"{CAR}\n{DONT_CARE}\n{CAR} 0.5\n")), PATH)
