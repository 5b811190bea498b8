"""Records looked at before training: sound ones pass, and each fault is found, counted and placed."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from odtool.dataset import label_map
from odtool.dataset.records import record_check
from odtool.dataset.records.framing import frame
from odtool.dataset.records.record_check import RecordReport

CLASSES = label_map.parse('item { id: 1 name: "cat" } item { id: 2 name: "dog" display_name: "Hund" }', Path("m"))


def picture(kind: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(stream, kind)
    return stream.getvalue()


SOUND: dict[str, list[Any]] = {
    "image/encoded": [picture()],
    "image/source_id": [b"a"],
    "image/width": [40],
    "image/height": [30],
    "image/object/bbox/xmin": [0.0, 0.5],
    "image/object/bbox/ymin": [0.0, 0.5],
    "image/object/bbox/xmax": [0.5, 1.0],
    "image/object/bbox/ymax": [0.5, 1.0],
    "image/object/class/text": [b"cat", b"dog"],
    "image/object/class/label": [1, 2],
}
KINDS = {bytes: "byteslist", int: "int64list", float: "floatlist"}


@pytest.fixture
def write(tmp_path: Path, example_message: Any) -> Callable[..., Path]:
    """Writes a record for each dict: the sound one with these keys in place of its own."""

    def make(*changes: dict[str, list[Any]], name: str = "a.tfrecord") -> Path:
        path = tmp_path / name
        with path.open("wb") as stream:
            for number, change in enumerate(changes):
                example = example_message()
                for key, values in {**SOUND, "image/source_id": [str(number).encode()], **change}.items():
                    if values:
                        getattr(example.features.feature[key], KINDS[type(values[0])]).value.extend(values)
                stream.write(frame(example.SerializeToString()))
        return path

    return make


def check(*files: Path, sample: int | None = None) -> RecordReport:
    return record_check.check_records(files, CLASSES, sample=sample)


def test_sound_records_have_no_fault(write: Callable[..., Path]) -> None:
    report = check(write({}, {}), write({}, name="b.tfrecord"))
    del report.faults["source_id_repeated"]  # both files number theirs from 0
    assert report.faults == {}
    assert (report.files, report.records, report.examined, report.objects, report.most_objects) == (2, 3, 3, 6, 2)
    assert report.classes == {"cat": 3, "dog": 3}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"image/object/bbox/xmin": [0.6, 0.5]}, "box_inverted"),
        ({"image/object/bbox/xmin": [0.5, 0.5]}, "box_zero"),
        ({"image/object/bbox/xmax": [0.5, 1.05]}, "box_outside"),
        ({"image/object/bbox/xmax": [20.0, 40.0]}, "box_far_outside"),
        ({"image/object/bbox/ymax": [0.5, float("nan")]}, "box_invalid"),
        ({"image/object/bbox/ymax": [0.5]}, "boxes_not_whole"),
        ({"image/object/class/text": [b"cat", b"cow"]}, "class_unknown"),
        ({"image/object/class/label": [1, 1]}, "label_disagrees"),
        ({"image/object/class/text": [], "image/object/class/label": [0, 1]}, "label_outside"),
        ({"image/object/class/text": [], "image/object/class/label": [1, 3]}, "label_outside"),
        ({"image/object/class/text": [], "image/object/class/label": []}, "label_missing"),
        ({"image/encoded": []}, "image_missing"),
        ({"image/encoded": [picture()[:-20]]}, "image_truncated"),
        ({"image/encoded": [picture("PNG")[:60]]}, "image_truncated"),
        ({"image/encoded": [b"GARBAGE"]}, "image_unreadable"),
        ({"image/encoded": [picture("BMP")]}, "image_format"),
        ({"image/width": [30], "image/height": [40]}, "size_disagrees"),
        ({"image/source_id": []}, "source_id_missing"),
        ({"image/source_id": [b"0"]}, "source_id_repeated"),
    ],
)
def test_a_fault_is_found_and_placed(write: Callable[..., Path], change: dict[str, list[Any]], kind: str) -> None:
    path = write({}, change, {})
    report = check(path)
    assert list(report.faults) == [kind]
    fault = report.faults[kind]
    assert fault.first.startswith(f"{path}: record 2: ")
    assert fault.count in (1, 2)
    assert fault.level == record_check.LEVELS[kind]


@pytest.mark.parametrize(
    "change",
    [
        {"image/object/class/text": []},
        {"image/object/class/label": []},
        {"image/object/class/text": [b"cat", b"Hund"]},
        {key: [] for key in SOUND if "object" in key},
        {"image/object/bbox/xmax": [0.5, 1.00001]},
        {"image/encoded": [picture("PNG")]},
    ],
)
def test_what_the_decoder_takes_is_no_fault(write: Callable[..., Path], change: dict[str, list[Any]]) -> None:
    assert check(write(change)).faults == {}


def test_masks_and_keypoints_are_counted(write: Callable[..., Path]) -> None:
    masks: dict[str, list[Any]] = {"image/object/mask": [picture("PNG")] * 2}
    report = check(write({}, masks, {**masks, "image/object/keypoint/x": [0.1, 0.2]}))
    assert report.held == {"masks": 2, "keypoints": 1}


def test_a_sample_is_spread_evenly_and_the_rest_is_only_walked(write: Callable[..., Path]) -> None:
    inverted = {"image/object/bbox/xmin": [0.6, 0.5]}
    path = write(*[{}, inverted] * 10)
    report = check(path, sample=10)
    assert (report.records, report.examined, report.complete, report.faults) == (20, 10, False, {})
    assert check(path).faults["box_inverted"].count == 10
    assert check(path, sample=1000).complete


def test_a_damaged_file_is_one_fault_and_the_others_are_read(write: Callable[..., Path], tmp_path: Path) -> None:
    whole = write({}, {})
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:-10])
    (tmp_path / "text").write_bytes(b"not records at all, but a text")
    (tmp_path / "empty").touch()
    (tmp_path / "other").write_bytes(frame(b"\xff\xff"))
    flipped = bytearray(whole.read_bytes())
    flipped[100] ^= 1
    (tmp_path / "flipped").write_bytes(flipped)
    report = check(*(tmp_path / name for name in ("cut", "text", "empty", "other", "flipped", "a.tfrecord", "gone")))
    assert {kind: fault.count for kind, fault in report.faults.items() if kind != "source_id_repeated"} == {
        "file_damaged": 3,
        "file_empty": 1,
        "not_an_example": 1,
        "record_damaged": 1,
    }
    assert "record 2 (at byte" in report.faults["file_damaged"].first
    assert report.records == 6
