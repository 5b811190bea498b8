"""Records as TensorFlow and the API read them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset import statistics
from odtool.dataset.images.image_file import ImageHeader, read_header
from odtool.dataset.records import record_drafts, record_writer, spool
from odtool.dataset.records.record_writer import CheckedImage, ShardPlan
from odtool.dataset.survey.examination import add_to_spool
from odtool.dataset.types import AnnotatedImage, Box, ObjectAnnotation
from odtool.errors import DataError

NUMBERS = st.floats(0, 5000, width=32)
OBJECTS = st.builds(
    ObjectAnnotation,
    label=st.sampled_from(["cat", "Hund", "собака", "a b"]),
    box=st.builds(Box, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    difficult=st.booleans(),
    truncated=st.booleans(),
    occluded=st.booleans(),
    is_crowd=st.booleans(),
    group_of=st.booleans(),
    view=st.text(max_size=5),
    area=st.none() | NUMBERS,
)
CLASSES = {"cat": 1, "Hund": 2, "собака": 300, "a b": 70_000}


@given(
    objects=st.lists(OBJECTS, max_size=5),
    width=st.integers(1, 2**31),
    encoded=st.binary(max_size=300),
    name=st.text(st.characters(exclude_characters="/\0"), min_size=1),
)
def test_an_example_parses_to_what_went_in(
    example_message: Any, objects: list[ObjectAnnotation], width: int, encoded: bytes, name: str
) -> None:
    image = AnnotatedImage(Path(name), Path("a.xml"), tuple(objects), source_id="id-1")
    checked = CheckedImage(image, ImageHeader("jpeg", width, 480, 3, 8, len(encoded)))
    feature = example_message.FromString(
        b"".join(record_drafts.complete_record(record_drafts.draft_record(checked), encoded, CLASSES))
    ).features.feature
    assert feature["image/encoded"].byteslist.value == [encoded]
    assert feature["image/key/sha256"].byteslist.value == [hashlib.sha256(encoded).hexdigest().encode()]
    assert feature["image/source_id"].byteslist.value == [b"id-1"]
    assert feature["image/width"].int64list.value == [width]
    assert feature["image/object/class/text"].byteslist.value == [item.label.encode() for item in objects]
    assert feature["image/object/class/label"].int64list.value == [CLASSES[item.label] for item in objects]
    assert feature["image/object/bbox/ymax"].floatlist.value == pytest.approx([o.box.ymax / 480 for o in objects])
    assert feature["image/object/area"].floatlist.value == pytest.approx(
        [item.box.area if item.area is None else item.area for item in objects], rel=1e-6
    )
    for flag in ("difficult", "truncated", "occluded", "is_crowd", "group_of"):
        assert feature[f"image/object/{flag}"].int64list.value == [getattr(item, flag) for item in objects]


def a_shard(tmp_path: Path, write_image: Callable[..., Path], objects: tuple[ObjectAnnotation, ...]) -> ShardPlan:
    path = write_image(tmp_path / "a.jpg", 64, 48)
    piece, both = spool.Piece(), range(2)
    for source_id in ("a", "b"):
        image = AnnotatedImage(path, path, objects, source_id=source_id)
        add_to_spool(CheckedImage(image, read_header(path)), piece)
    with spool.create_spool(tmp_path / "spool") as writer:
        writer.add(piece, both)
    index = writer.index
    shard = tmp_path / "train-00000-of-00001.tfrecord"
    return ShardPlan(shard, tmp_path / "spool", index.select_offsets(both), index.select_lengths(both), {"cat": 1})


def test_a_shard_is_a_pure_function_of_its_plan(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    plan = a_shard(tmp_path, write_image, (ObjectAnnotation("cat", Box(0, 0, 32, 24)),))
    figures = record_writer.write_shard(plan)
    first = plan.path.read_bytes()
    assert record_writer.write_shard(plan) == figures
    assert plan.path.read_bytes() == first
    summary = statistics.summarise([figures, figures])
    assert (summary.images, summary.objects, summary.bytes) == (4, 4, 2 * len(first))
    assert (summary.median_size, summary.classes, summary.background_images) == ((64, 48), {"cat": 4}, 0)


def test_an_image_that_changed_since_it_was_checked_is_refused(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    plan = a_shard(tmp_path, write_image, ())
    (tmp_path / "a.jpg").write_bytes(b"other")
    with pytest.raises(DataError, match=r"a\.jpg: changed while"):
        record_writer.write_shard(plan)


DECODE = """
import json, sys
from odtool.engine import compat
compat.load()
import tensorflow as tf
from object_detection.data_decoders.tf_example_decoder import TfExampleDecoder
decoder = TfExampleDecoder(label_map_proto_file=sys.argv[2])
found = []
for record in tf.data.TFRecordDataset(sys.argv[1]):
    fields = decoder.decode(record)
    found.append({key: value.numpy().tolist() for key, value in fields.items()
                  if key.startswith("groundtruth") and value.dtype != tf.string}
                 | {"shape": list(fields["image"].shape), "id": fields["source_id"].numpy().decode()})
print(json.dumps(found))
"""


@pytest.mark.slow
def test_the_api_decodes_what_is_written(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    objects = (
        ObjectAnnotation("cat", Box(0, 12, 32, 24), difficult=True),
        ObjectAnnotation("cat", Box(16, 0, 64, 48), is_crowd=True, area=5.0),
    )
    # The second record is said to repeat another image, which the decoder has to pass over.
    plan = replace(a_shard(tmp_path, write_image, objects), repetitions=(0, 1))
    record_writer.write_shard(plan)
    (tmp_path / "map.pbtxt").write_text("item { id: 1 name: 'cat' }")
    command = [sys.executable, "-c", DECODE, str(plan.path), str(tmp_path / "map.pbtxt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert [item["id"] for item in found] == ["a", "b"]
    assert {**found[0], "id": "b"} == found[1]
    assert found[0]["shape"] == [48, 64, 3]
    assert found[0]["groundtruth_boxes"] == [[0.25, 0.0, 0.5, 0.5], [0.0, 0.25, 1.0, 1.0]]
    assert found[0]["groundtruth_classes"] == [1, 1]
    assert found[0]["groundtruth_area"] == [32 * 12, 5.0]
    assert found[0]["groundtruth_is_crowd"] == [False, True]
    assert found[0]["groundtruth_difficult"] == [True, False]
