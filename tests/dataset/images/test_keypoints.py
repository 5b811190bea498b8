"""Keypoints go the way of their boxes: from COCO and records into records that the API decodes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from odtool.dataset import statistics
from odtool.dataset.images import keypoints, repair
from odtool.dataset.images.image_file import read_header
from odtool.dataset.images.tiles import Tiling
from odtool.dataset.prepare import PrepareSettings, prepare
from odtool.dataset.records.framing import frame
from odtool.dataset.records.record_drafts import encode_keypoints
from odtool.dataset.survey import image_checks
from odtool.dataset.types import AnnotatedImage, Box, Keypoint, ObjectAnnotation, Source
from odtool.errors import DataError
from odtool.workspace import Dataset

ReadRecords = Callable[[Path], dict[str, dict[str, list[Any]]]]
KEY = "image/object/keypoint/"


@pytest.fixture
def example(example_message: Any, tmp_path: Path, write_image: Callable[..., Path]) -> Callable[..., bytes]:
    """A framed record of two cats in an image of 64x48, with more features."""
    encoded = write_image(tmp_path / "seed.jpg").read_bytes()

    def make(name: str, **more: list[Any]) -> bytes:
        message = example_message()
        values = {
            "image/encoded": [encoded],
            "image/filename": [name.encode()],
            "image/source_id": [name.encode()],
            "image/object/class/text": [b"cat", b"cat"],
            "image/object/bbox/xmin": [0.1, 0.3],
            "image/object/bbox/xmax": [0.5, 0.9],
            "image/object/bbox/ymin": [0.2, 0.4],
            "image/object/bbox/ymax": [0.6, 0.7],
            **{KEY + key: value for key, value in more.items()},
        }
        for key, value in values.items():
            kind = {bytes: "byteslist", float: "floatlist", int: "int64list"}[type(value[0])]
            getattr(message.features.feature[key], kind).value.extend(value)
        return frame(message.SerializeToString())

    return make


POINTS: dict[str, list[Any]] = {
    "x": [0.15, 0.45, 0.0, 0.35, 0.85, 0.6],
    "y": [0.25, 0.55, 0.0, 0.45, 0.65, 0.5],
    "visibility": [2, 1, 0, 2, 2, 1],
    "text": [b"nose", b"tail", b"paw"] * 2,
    "num": [2, 3],
}


@pytest.mark.parametrize("kept", [("x", "y", "visibility", "text", "num"), ("x", "y", "visibility", "num")])
def test_key_points_of_records_are_the_same_when_sharded_anew(
    tmp_path: Path, example: Callable[..., bytes], read_records: ReadRecords, kept: tuple[str, ...]
) -> None:
    points = {key: POINTS[key] for key in kept}
    (tmp_path / "a.tfrecord").write_bytes(b"".join(example(f"{number}.jpg", **points) for number in range(4)))
    prepared = prepare(
        PrepareSettings((Source(tmp_path / "a.tfrecord"),), tmp_path / "out", val=0.25, shards=2, workers=1)
    )
    for found in read_records(tmp_path / "out").values():
        for key in ("x", "y"):
            assert found[KEY + key] == pytest.approx(points[key], abs=1e-7)
        assert {key: found.get(KEY + key) for key in kept[2:]} == {key: points[key] for key in kept[2:]}
        assert (KEY + "text" in found) == ("text" in kept)
    assert "key_dropped" not in prepared.first
    assert statistics.load(Dataset(tmp_path / "out")).keypoints == 3


def test_without_visibilities_the_points_with_a_place_are_labelled(
    tmp_path: Path, example: Callable[..., bytes], read_records: ReadRecords
) -> None:
    values = {"x": [0.5, float("nan")], "y": [0.5, float("nan")]}
    (tmp_path / "a.tfrecord").write_bytes(example("a.jpg", **values))
    prepare(PrepareSettings((Source(tmp_path / "a.tfrecord"),), tmp_path / "out", val=0, workers=1))
    (found,) = read_records(tmp_path / "out").values()
    assert (found[KEY + "visibility"], found[KEY + "num"]) == ([2, 0], [1, 0])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"x": [0.1, 0.2, 0.3], "y": [0.1, 0.2, 0.3]}, "3 keypoint x values and 3 y values for 2 boxes"),
        ({"x": [0.1, 0.2], "y": [0.1]}, "2 keypoint x values and 1 y values"),
        ({"x": [0.1, 0.2], "y": [0.1, 0.2], "visibility": [2]}, "visibility has 1 values for 2 keypoints"),
    ],
)
def test_lists_that_do_not_fit_are_refused(
    tmp_path: Path, example: Callable[..., bytes], values: dict[str, list[Any]], told: str
) -> None:
    (tmp_path / "a.tfrecord").write_bytes(example("a.jpg", **values))
    with pytest.raises(DataError, match=told):
        prepare(PrepareSettings((Source(tmp_path / "a.tfrecord"),), tmp_path / "out", val=0, workers=1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_turn_with_the_pixels(tmp_path: Path, orientation: int) -> None:
    picture = Image.new("RGB", (40, 24))
    picture.paste("white", (6, 2, 7, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.png", exif=exif)
    header = read_header(tmp_path / "a.png")
    points = (Keypoint(6.5, 2.5, 2, "nose"), Keypoint(0, 0, 0, "tail"))
    item = ObjectAnnotation("cat", Box(6, 2, 7, 3), keypoints=points)
    image = AnnotatedImage(tmp_path / "a.png", tmp_path / "a.xml", (item,), declared_size=(40, 24))
    checked, _ = image_checks.check_image(image, header, image_checks.Rules(fix_images=True))
    nose, tail = checked.image.objects[0].keypoints
    assert tail == points[1]
    upright = repair.decode_pixels((tmp_path / "a.png").read_bytes(), header, fixed=True)
    assert upright.getpixel((int(nose.x), int(nose.y))) == (255, 255, 255)


def test_tiles_keep_the_points_that_they_show_and_the_others_are_counted(
    tmp_path: Path, example: Callable[..., bytes], read_records: ReadRecords
) -> None:
    (tmp_path / "a.tfrecord").write_bytes(example("a.jpg", **POINTS))
    settings = PrepareSettings((Source(tmp_path / "a.tfrecord"),), tmp_path / "out", val=0, workers=1)
    tiled = PrepareSettings(**{**vars(settings), "tiling": Tiling(48, 0, 0.1, 0.0, 0)})
    prepared = prepare(tiled)
    left = read_records(tmp_path / "out")["a.jpg@0,0"]
    # The tile is 48 pixels wide and high; the second cat's tail, at 54.4 pixels, lies outside of it.
    assert left[KEY + "visibility"] == [2, 1, 0, 2, 0, 1]
    assert left[KEY + "num"] == [2, 2]
    assert left[KEY + "x"] == pytest.approx([0.15 * 64 / 48, 0.45 * 64 / 48, 0, 0.35 * 64 / 48, 0, 0.6 * 64 / 48])
    assert prepared.first["tile_keypoints_cut"].detail.endswith("keypoints of objects in tiles of a.jpg")


def coco_set(folder: Path, write_image: Callable[..., Path], points: Any) -> Path:
    write_image(folder / "a.jpg")
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "cat", "keypoints": ["nose", "tail"]}, {"id": 2, "name": "box"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 3, 20, 30], "keypoints": points},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [30, 3, 20, 30]},
        ],
    }
    (folder / "person_keypoints.json").write_text(json.dumps(document))
    return folder


def test_cocos_key_points_are_written_when_asked_for(
    tmp_path: Path, write_image: Callable[..., Path], read_records: ReadRecords
) -> None:
    source = Source(coco_set(tmp_path / "set", write_image, [16, 12, 2, 0, 0, 0]))
    prepared = prepare(PrepareSettings((source,), tmp_path / "plain", val=0, workers=1))
    assert "keypoints_dropped" in prepared.first
    prepared = prepare(PrepareSettings((source,), tmp_path / "out", val=0, workers=1, keypoints=True))
    (found,) = read_records(tmp_path / "out").values()
    # All objects of the set have as many, as the decoder wants it.
    assert {key.removeprefix(KEY): value for key, value in found.items() if key.startswith(KEY)} == {
        "x": [0.25, 0, 0, 0],
        "y": [0.25, 0, 0, 0],
        "visibility": [2, 0, 0, 0],
        "text": [b"nose", b"tail", b"nose", b"tail"],
        "num": [1, 0],
    }
    assert "keypoints_dropped" not in prepared.first
    assert prepared.summary.keypoints == 2


@pytest.mark.parametrize("points", [[1, 2], [1, 2, 2] * 3, ["a", 2, 2], "nose"])
def test_points_that_are_not_as_coco_has_them_are_refused(
    tmp_path: Path, write_image: Callable[..., Path], points: Any
) -> None:
    source = Source(coco_set(tmp_path / "set", write_image, points))
    with pytest.raises(DataError, match=r"annotations\[0\]: keypoints are not up to 2 times x, y and visibility"):
        prepare(PrepareSettings((source,), tmp_path / "out", val=0, workers=1, keypoints=True))


def test_the_file_with_key_points_is_read_where_they_are_asked_for(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    folder = coco_set(tmp_path / "set", write_image, [16, 12, 2, 0, 0, 0])
    (folder / "instances.json").write_text((folder / "person_keypoints.json").read_text().replace('"keypoints"', '"k"'))
    prepared = prepare(PrepareSettings((Source(folder),), tmp_path / "out", val=0, workers=1, keypoints=True))
    assert prepared.summary.keypoints == 2
    assert prepared.first["file_skipped"].file.name == "instances.json"


def test_points_without_names_are_written_and_differing_numbers_told(
    tmp_path: Path, shared_data: Path, write_image: Callable[..., Path], read_records: ReadRecords
) -> None:
    nameless = Source(shared_data / "formats" / "coco_dataset" / "coco_person_keypoints")
    prepared = prepare(PrepareSettings((nameless,), tmp_path / "one", workers=1, keypoints=True))
    found = read_records(tmp_path / "one")
    assert sorted(record[KEY + "num"] for record in found.values()) == [[2], [3, 3]]
    assert all(KEY + "text" not in record for record in found.values())
    assert "keypoints_differ" not in prepared.first
    other = Source(coco_set(tmp_path / "set", write_image, [16, 12, 2, 0, 0, 0]), prefix="other/")
    prepared = prepare(PrepareSettings((nameless, other), tmp_path / "both", workers=1, keypoints=True))
    assert prepared.first["keypoints_differ"].detail == "objects with 2 and 3 keypoints"


def test_a_format_without_key_points_is_refused(tmp_path: Path, voc_set: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="--keypoints: Pascal VOC XML has no keypoints that odtool reads"):
        prepare(PrepareSettings((Source(voc_set(3)),), tmp_path / "out", keypoints=True))


def test_objects_without_points_are_filled_up() -> None:
    objects = [
        ObjectAnnotation("cat", Box(0, 0, 1, 1)),
        ObjectAnnotation("cat", Box(0, 0, 1, 1), keypoints=(Keypoint(1, 1, 2, "nose"),)),
    ]
    assert keypoints.fill_missing(objects[0].keypoints, ["nose"]) == (Keypoint(0.0, 0.0, 0, "nose"),)
    assert b"nose" in encode_keypoints(objects, 2, 2)


DECODE = """
import json, sys
from odtool.engine import compat
compat.load()
import tensorflow as tf
from object_detection.data_decoders.tf_example_decoder import TfExampleDecoder
decoder = TfExampleDecoder(num_keypoints=3)
for record in tf.data.TFRecordDataset(sys.argv[1]):
    print(json.dumps(decoder.decode(record)["groundtruth_keypoints"].numpy().tolist()))
"""


@pytest.mark.slow
def test_the_api_decodes_the_points_that_are_labelled(tmp_path: Path, example: Callable[..., bytes]) -> None:
    (tmp_path / "a.tfrecord").write_bytes(example("a.jpg", **POINTS))
    prepare(PrepareSettings((Source(tmp_path / "a.tfrecord"),), tmp_path / "out", val=0, workers=1))
    shard = str(Dataset(tmp_path / "out").shards("train")[0])
    done = subprocess.run([sys.executable, "-c", DECODE, shard], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = json.loads(done.stdout.splitlines()[-1])
    nowhere = [pytest.approx(float("nan"), nan_ok=True)] * 2
    assert first == [pytest.approx([0.25, 0.15]), pytest.approx([0.55, 0.45]), nowhere]
    assert second == [pytest.approx([0.45, 0.35]), pytest.approx([0.65, 0.85]), pytest.approx([0.5, 0.6])]
