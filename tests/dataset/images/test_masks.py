"""Instance masks, as pycocotools draws them and as the API's decoder reads them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image
from pycocotools import mask as coco_mask

from odtool.dataset import statistics
from odtool.dataset.images import masks, repair
from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.images.tiles import Tiling
from odtool.dataset.prepare import PrepareSettings, prepare
from odtool.dataset.types import Box, Outline, Source
from odtool.errors import DataError
from odtool.workspace import Dataset

MASKS = st_numpy.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))
BOX = Box(0, 0, 1, 1)


def whole(outline: Outline, width: int, height: int) -> Any:
    return masks.draw(outline, BOX, (width, height), (0, 0, width, height))


def run_lengths(mask: Any) -> list[int]:
    """Uncompressed, as COCO writes crowds."""
    lengths, value = [0], False
    for pixel in mask.T.ravel():
        if pixel != value:
            lengths.append(0)
            value = pixel
        lengths[-1] += 1
    return lengths


@given(MASKS)
def test_run_lengths_of_both_kinds_give_the_mask(mask: Any) -> None:
    height, width = mask.shape
    compressed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    for counts in (compressed, run_lengths(mask)):
        outline = masks.parse_coco({"size": [height, width], "counts": counts})
        assert outline is not None
        assert masks.find_fault(outline, width, height) == ""
        assert np.array_equal(whole(outline, width, height), mask)


@given(MASKS, st.data())
def test_a_window_is_a_part_of_the_whole(mask: Any, data: Any) -> None:
    height, width = mask.shape
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    window = (x, y, data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y)))
    outline = Outline(counts=tuple(run_lengths(mask)), width=width, height=height)
    part = masks.draw(outline, BOX, (width, height), window)
    assert np.array_equal(part, mask[y : y + window[3], x : x + window[2]])


POINTS = st.lists(st.tuples(st.floats(-5, 70), st.floats(-5, 50)), min_size=3, max_size=8)


# Of pycocotools' own decode(), which only this test calls.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@given(st.lists(POINTS, min_size=1, max_size=3))
def test_polygons_are_drawn_as_pycocotools_draws_them(polygons: Any) -> None:
    segmentation = [[number for point in points for number in point] for points in polygons]
    outline = masks.parse_coco(segmentation)
    assert outline is not None
    expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(segmentation, 48, 64)))
    assert np.array_equal(whole(outline, 64, 48), expected.astype(bool))


def test_points_far_away_cost_no_memory() -> None:
    outline = masks.parse_coco([[0, 0, 9e8, 0, 9e8, 9e8, 0, 9e8]])
    assert outline is not None
    assert whole(outline, 64, 48).all()


@given(MASKS)
def test_the_png_is_read_back(mask: Any) -> None:
    read = np.asarray(Image.open(io.BytesIO(masks.encode_png(mask))))
    assert np.array_equal(read.astype(bool), mask)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_turns_as_the_pixels_do(orientation: int) -> None:
    mask = np.random.default_rng(orientation).random((30, 50)) < 0.5
    stream = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(stream, "PNG")
    header = ImageHeader("png", 50, 30, 1, 8, len(stream.getvalue()), orientation)
    expected = np.asarray(repair.decode_pixels(stream.getvalue(), header, fixed=True)) > 0
    outline = Outline(counts=tuple(run_lengths(mask)), width=50, height=30, turn=orientation)
    height, width = expected.shape
    assert np.array_equal(whole(outline, width, height), expected)


@pytest.mark.parametrize(
    "value",
    [
        None, [], {}, "polygon", 7, [[1, 2, 3, 4]], [[1, 2, 3, 4, 5]], [["a"] * 6], [[float("nan")] * 6], [[1e300] * 6],
        {"size": [2, 2]}, {"size": [2], "counts": []}, {"size": [0, 2], "counts": []},
        {"size": [2, 2], "counts": [-1, 5]}, {"size": [2, 2], "counts": 4}, [[True] * 6],
    ],
)  # fmt: skip
def test_what_is_no_mask_is_none(value: Any) -> None:
    assert masks.parse_coco(value) is None


@pytest.mark.parametrize("counts", ["~~", "P", "oooooooooooooooooo1", "4", (1, 2), ()])
def test_broken_run_lengths_are_told(counts: Any) -> None:
    assert masks.find_fault(Outline(counts=counts, width=3, height=3), 3, 3)
    assert "run lengths are for 3x3" in masks.find_fault(Outline(counts=(9,), width=3, height=3), 4, 3)


@pytest.fixture
def coco_set(tmp_path: Path) -> Path:
    """Two images: polygons with a hole beside each other, run lengths of both kinds, a broken one and none."""
    root = tmp_path / "coco"
    (root / "images").mkdir(parents=True)
    for number in (1, 2):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(root / "images" / f"{number}.jpg")
    disc = np.hypot(*np.mgrid[-24:24, -32:32]) < 15
    compressed = coco_mask.encode(np.asfortranarray(disc.astype(np.uint8)))["counts"].decode()
    segmentations: list[tuple[int, Any, int]] = [
        (1, [[10, 10, 30, 10, 20, 30], [40, 10, 50, 10, 50, 20, 40, 20]], 0),
        (1, {"size": [48, 64], "counts": run_lengths(disc)}, 1),
        (2, {"size": [48, 64], "counts": compressed}, 0),
        (2, {"size": [9, 9], "counts": "abc"}, 0),
        (2, None, 0),
    ]
    annotations = [
        {
            "id": number,
            "image_id": image,
            "category_id": 1,
            "bbox": [10, 10, 20 + number, 20],
            "iscrowd": crowd,
            **({} if value is None else {"segmentation": value}),
        }
        for number, (image, value, crowd) in enumerate(segmentations)
    ]
    document = {
        "images": [{"id": number, "file_name": f"{number}.jpg", "width": 64, "height": 48} for number in (1, 2)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cell"}],
    }
    (root / "annotations").mkdir()
    (root / "annotations" / "instances.json").write_text(json.dumps(document))
    return root


def test_masks_are_written_and_what_has_none_is_counted(
    coco_set: Path, tmp_path: Path, read_records: Callable[[Path], dict[str, dict[str, list[Any]]]]
) -> None:
    settings = PrepareSettings((Source(coco_set),), tmp_path / "data", val=0, masks=True)
    summary = prepare(settings).summary
    assert summary.masks
    assert statistics.load(Dataset(tmp_path / "data")).masks
    assert summary.problems["mask_missing"].count == 2
    records = read_records(tmp_path / "data")
    assert [len(records[key]["image/object/mask"]) for key in "12"] == [2, 3]
    areas = records["2"]["image/object/area"]
    drawn = [np.asarray(Image.open(io.BytesIO(data))) for data in records["2"]["image/object/mask"]]
    assert areas == [float((mask > 0).sum()) for mask in drawn]
    # The box [10, 10, 13 + 20, 20] stands for the mask that is broken.
    assert areas[1] == 23 * 20
    prepare(replace(settings, masks=False, out=tmp_path / "without"))
    assert "image/object/mask" not in read_records(tmp_path / "without")["1"]
    assert not statistics.load(Dataset(tmp_path / "without")).masks


def test_masks_follow_the_tiles(
    coco_set: Path, tmp_path: Path, read_records: Callable[[Path], dict[str, dict[str, list[Any]]]]
) -> None:
    settings = PrepareSettings((Source(coco_set),), tmp_path / "data", val=0, masks=True)
    prepare(settings)
    prepare(replace(settings, out=tmp_path / "tiled", tiling=Tiling(32, 10, 0.1, 0.0, 0)))
    complete, tiled = read_records(tmp_path / "data"), read_records(tmp_path / "tiled")
    record = tiled["2@0,0"]
    cut = np.asarray(Image.open(io.BytesIO(record["image/object/mask"][0])))
    entire = np.asarray(Image.open(io.BytesIO(complete["2"]["image/object/mask"][0])))
    assert np.array_equal(cut, entire[:32, :32])
    assert record["image/object/area"][0] == (cut > 0).sum()


def test_masks_come_back_the_same_from_records_when_they_are_split_anew(
    coco_set: Path, tmp_path: Path, read_records: Callable[[Path], dict[str, dict[str, list[Any]]]]
) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    prepare(PrepareSettings((Source(coco_set),), once, val=0, masks=True))
    summary = prepare(PrepareSettings((Source(once),), again, val=0.5, resplit=True, masks=True)).summary
    assert sorted(summary.splits) == ["train", "val"]
    assert "mask_missing" not in summary.problems
    assert "key_dropped" not in summary.problems
    found, first = read_records(again), read_records(once)
    assert {record.pop("split")[0] for record in found.values()} == {"train", "val"}
    assert found == {key: {name: value for name, value in first[key].items() if name != "split"} for key in first}


def test_a_format_without_masks_is_refused(voc_set: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Pascal VOC XML has no masks"):
        prepare(PrepareSettings((Source(voc_set(2)),), tmp_path / "data", masks=True))


DECODE = """
import sys
from odtool.engine import compat
compat.load()
import numpy, tensorflow as tf
from object_detection.data_decoders import tf_example_decoder
from object_detection.protos import input_reader_pb2
decoder = tf_example_decoder.TfExampleDecoder(
    load_instance_masks=True, instance_mask_type=input_reader_pb2.PNG_MASKS, label_map_proto_file=sys.argv[2])
for record in tf.data.TFRecordDataset(sys.argv[1]):
    found = decoder.decode(record)
    numpy.save(f"{sys.argv[3]}/{found['source_id'].numpy().decode()}", found["groundtruth_instance_masks"].numpy())
"""


@pytest.mark.slow
def test_the_apis_decoder_reads_the_masks(coco_set: Path, tmp_path: Path) -> None:
    prepare(PrepareSettings((Source(coco_set),), tmp_path / "data", val=0, masks=True))
    shard = tmp_path / "data" / "train-00000-of-00001.tfrecord"
    words = [sys.executable, "-c", DECODE, str(shard), str(tmp_path / "data" / "label_map.pbtxt"), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    disc = np.hypot(*np.mgrid[-24:24, -32:32]) < 15
    one, two = np.load(tmp_path / "1.npy"), np.load(tmp_path / "2.npy")
    assert one.shape == (2, 48, 64)
    assert np.array_equal(one[1], disc)
    assert np.array_equal(two[0], disc)
    assert set(np.unique(two)) == {0.0, 1.0}
