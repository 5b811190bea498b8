"""Records of the Object Detection API as a source."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset import label_map
from odtool.dataset.images import masks
from odtool.dataset.prepare import PrepareSettings, prepare
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.records.tfrecord import tfrecord, tfrecord_example
from odtool.dataset.readers.records.tfrecord.class_lookup import ClassLookup
from odtool.dataset.records import record_reader
from odtool.dataset.records.framing import frame
from odtool.dataset.types import AnnotatedImage, Box, Outline, Problem, Source
from odtool.errors import DataError

PATH = Path("a.record")
BOX = {
    f"image/object/bbox/{side}": [value]
    for side, value in zip(("xmin", "ymin", "xmax", "ymax"), (0.25, 0, 1, 1), strict=True)
}
MakeExample = Callable[..., bytes]


@pytest.fixture(scope="module")
def make_example(example_message: Any) -> MakeExample:
    """make_example({key: values}): the bytes of an Example; the kind of list follows from the values."""

    def make(values: dict[str, list[Any]]) -> bytes:
        message = example_message()
        for key, items in {"image/filename": [b"a.jpg"], "image/encoded": [b"JPEG"], **values}.items():
            kind = next(
                (kind for of, kind in ((bytes, "byteslist"), (float, "floatlist")) if isinstance(items[0], of)),
                "int64list",
            )
            if "bbox" in key or "area" in key or "weight" in key:
                kind = "floatlist"
            getattr(message.features.feature[key], kind).value.extend(items)
        return bytes(message.SerializeToString())

    return make


def read(path: Path) -> tuple[list[AnnotatedImage], list[Problem]]:
    found = list(tfrecord.read(Source(path)))
    return [item for item in found if isinstance(item, AnnotatedImage)], [
        item for item in found if isinstance(item, Problem)
    ]


def test_every_key_of_an_object_is_read(make_example: MakeExample) -> None:
    flags = {f"image/object/{name}": [1] for name in ("difficult", "truncated", "occluded", "is_crowd", "group_of")}
    data = make_example(
        {
            **BOX,
            **flags,
            "image/object/class/text": ["Käse".encode()],
            "image/object/class/label": [3],
            "image/object/view": [b"Left"],
            "image/object/area": [12.5],
            "image/object/weight": [0.5],
            "image/source_id": [b"17"],
            "image/height": [48],
            "image/width": [64],
        }
    )
    found = tfrecord_example.parse(data, PATH, 1, ClassLookup(None))
    (item,) = found.objects
    assert (item.label, item.box, item.view, item.area) == ("Käse", Box(0.25, 0, 1, 1), "Left", 12.5)
    assert item.weight == 0.5
    assert item.difficult
    assert item.truncated
    assert item.occluded
    assert item.is_crowd
    assert item.group_of
    assert (found.source_id, found.filename, found.size, found.unknown) == ("17", "a.jpg", (64, 48), ())
    assert found.encoded
    assert data[found.encoded[0] :][: found.encoded[1]] == b"JPEG"


@pytest.mark.parametrize(
    ("label", "names", "expected", "kinds"),
    [
        ({"image/object/class/text": [b"cat"]}, {}, ["cat"], []),
        ({"image/object/class/label": [2]}, {2: "dog"}, ["dog"], []),
        ({"image/object/class/text": [b""], "image/object/class/label": [2]}, {2: "dog"}, ["dog"], []),
        ({"image/object/class/text": [b"cat"], "image/object/class/label": [2]}, {2: "dog"}, ["cat"], []),
        ({"image/object/class/label": [2]}, {}, ["2"], ["class_unnamed"]),
        ({"image/object/class/label": [0]}, {}, [], ["label_missing"]),
        ({}, {}, [], ["label_missing"]),
    ],
)
def test_classes_come_as_text_or_id_or_both(
    tmp_path: Path,
    make_example: MakeExample,
    label: dict[str, Any],
    names: dict[int, str],
    expected: list[str],
    kinds: list[str],
) -> None:
    path = tmp_path / "map.pbtxt"
    path.write_text(label_map.dump({name: number for number, name in names.items()}))
    found = tfrecord_example.parse(make_example({**BOX, **label}), PATH, 1, ClassLookup(path if names else None))
    assert [item.label for item in found.objects] == expected
    assert [kind for kind, _ in found.problems] == kinds


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {**BOX, "image/object/bbox/xmax": [0.5, 0.5]},
            "a.record: record 7: its boxes are incomplete: 1 xmin, 1 ymin, 2 xmax",
        ),
        (
            {**BOX, "image/object/class/text": [b"a", b"b"]},
            "record 7: image/object/class/text has 2 values for 1 boxes",
        ),
    ],
)
def test_lists_that_do_not_fit_are_refused_with_the_record(
    make_example: MakeExample, values: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        tfrecord_example.parse(make_example(values), PATH, 7, ClassLookup(None))


def test_records_of_another_kind_are_refused(example_message: Any) -> None:
    message = example_message()
    message.features.feature["objects/bbox"].floatlist.value.extend([0.5])
    with pytest.raises(DataError, match="has neither image/encoded nor image/filename, but objects/bbox"):
        tfrecord_example.parse(message.SerializeToString(), PATH, 1, ClassLookup(None))


def test_shards_splits_label_map_and_missing_shards(tmp_path: Path, make_example: MakeExample) -> None:
    record = frame(make_example({**BOX, "image/object/class/label": [1], "image/object/colour": [b"red"]}))
    (tmp_path / "records").mkdir()
    for name in ("train.record-00000-of-00003", "train.record-00002-of-00003", "coco_eval.tfrecord", "events.out"):
        (tmp_path / "records" / name).write_bytes(record)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "label_map.pbtxt").write_text("item { id: 1 name: 'cat' }")
    images, problems = read(tmp_path)
    assert [image.split for image in images] == ["val", "train", "train"]
    assert {item.label for image in images for item in image.objects} == {"cat"}
    assert len({image.source_id for image in images}) == 3
    assert [problem.kind for problem in problems] == ["shard_missing", "key_dropped"]
    assert "train.record-00001-of-00003 is missing (1 of 3" in problems[0].detail
    assert (tfrecord.detect(tmp_path) or "").startswith("3 TFRecord files")


GAPS = "item { id: 1 name: 'pedestrian' } item { id: 2 name: 'cyclist' } item { id: 4 name: 'vehicle' }"
FROM_ZERO = "item { id: 0 name: 'cat' } item { id: 1 name: 'dog' } item { id: 2 name: 'fox' }"


def write_records(folder: Path, make_example: MakeExample, *, ids: list[int], texts: list[bytes], classes: str) -> None:
    """A record an object, and the label map beside them."""
    records = [
        {**BOX, "image/source_id": [str(number).encode()], "image/object/class/label": [number]} for number in ids
    ]
    for record, text in zip(records, texts, strict=False):
        record["image/object/class/text"] = [text]
    (folder / "train.record").write_bytes(b"".join(frame(make_example(record)) for record in records))
    (folder / "label_map.pbtxt").write_text(classes)


def read_labels(folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    images, problems = read(folder)
    labels = [item.label for image in images for item in image.objects]
    return labels, [(problem.kind, problem.detail) for problem in problems]


@pytest.mark.parametrize("texts", [[], [b"vehicle", b"pedestrian", b"cyclist"]])
def test_ids_with_gaps_are_read_by_the_label_map_which_is_told(
    tmp_path: Path, make_example: MakeExample, texts: list[bytes]
) -> None:
    write_records(tmp_path, make_example, ids=[4, 1, 2], texts=texts, classes=GAPS)
    told = ("label_map_renumbered", "its ids have gaps: no class has 3")
    assert read_labels(tmp_path) == (["vehicle", "pedestrian", "cyclist"], [told])


@pytest.mark.parametrize(
    ("classes", "kind"),
    [
        (FROM_ZERO, "label_map_renumbered"),
        ("item { id: 1 name: 'it's' }", "label_map_unread"),
        ("item {", "label_map_unread"),
    ],
)
def test_records_with_texts_are_read_by_them_whatever_the_label_map_holds(
    tmp_path: Path, make_example: MakeExample, classes: str, kind: str
) -> None:
    write_records(tmp_path, make_example, ids=[1, 2, 3], texts=[b"cat", b"dog", b"fox"], classes=classes)
    labels, problems = read_labels(tmp_path)
    assert (labels, [problem for problem, _ in problems]) == (["cat", "dog", "fox"], [kind])
    assert tfrecord.read_display_names(Source(tmp_path)) == {}


def test_records_that_count_from_0_as_their_label_map_does_follow_it(tmp_path: Path, make_example: MakeExample) -> None:
    write_records(tmp_path, make_example, ids=[2, 0, 1], texts=[], classes=FROM_ZERO)
    assert read_labels(tmp_path) == (
        ["fox", "cat", "dog"],
        [("label_map_renumbered", "its ids begin at 0, with 'cat'")],
    )


def test_ids_from_1_beside_a_label_map_from_0_are_not_guessed(tmp_path: Path, make_example: MakeExample) -> None:
    write_records(tmp_path, make_example, ids=[1, 2], texts=[], classes=FROM_ZERO)
    with pytest.raises(DataError) as error:
        read(tmp_path)
    assert "1 is 'dog' by the map, and 'cat' where the records count from 1" in error.value.message
    assert error.value.hint == "Give each class in the label map the id that it has in the records."


def test_a_broken_label_map_that_ids_need_is_refused(tmp_path: Path, make_example: MakeExample) -> None:
    write_records(tmp_path, make_example, ids=[1], texts=[], classes="item { id: 1 name: 'it's' }")
    with pytest.raises(DataError, match=r"label_map\.pbtxt:1: broken label map"):
        read(tmp_path)


def test_the_label_map_to_follow_names_the_ids_of_records_without_one(
    tmp_path: Path, make_example: MakeExample
) -> None:
    records, elsewhere = tmp_path / "records", tmp_path / "map.pbtxt"
    records.mkdir()
    elsewhere.write_text(GAPS)
    write_records(records, make_example, ids=[4, 1], texts=[], classes="")
    images = [item for item in tfrecord.read(Source(records, label_map=elsewhere)) if isinstance(item, AnnotatedImage)]
    assert [item.label for image in images for item in image.objects] == ["vehicle", "pedestrian"]


def test_equal_source_ids_are_told_apart_and_counted(tmp_path: Path, make_example: MakeExample) -> None:
    record = frame(make_example({"image/source_id": [b"0"]}))
    (tmp_path / "a.tfrecord").write_bytes(record * 3)
    images, problems = read(tmp_path / "a.tfrecord")
    assert [image.source_id for image in images] == ["0", "0#2", "0#3"]
    assert [problem.kind for problem in problems] == ["source_id_repeated"] * 2


def test_a_damaged_file_is_seen_by_its_name_and_named(tmp_path: Path, make_example: MakeExample) -> None:
    path = tmp_path / "train.tfrecord"
    path.write_bytes(b"garbage" + frame(make_example(BOX)))
    assert [choice.name for choice in choose(Source(path))] == ["tfrecord"]
    images, (problem,) = read(path)
    assert images == []
    assert (problem.kind, problem.file) == ("annotation_broken", path)
    assert "record 1 (at byte 0) is damaged" in problem.detail


def test_damaged_records_are_named_and_the_others_are_read(tmp_path: Path, make_example: MakeExample) -> None:
    path = tmp_path / "train.tfrecord"
    good, lame = frame(make_example(BOX)), frame(make_example({**BOX, "image/object/bbox/xmin": [0.1, 0.2]}))
    path.write_bytes(good + good[:-9] + b"changed!!" + lame + good + good[:-20])
    images, problems = read(path)
    assert len(images) == 2
    assert [(problem.kind, problem.detail[:8]) for problem in problems if problem.kind != "label_missing"] == [
        ("record_broken", "record 2"),
        ("record_broken", "record 3"),
        ("annotation_broken", "record 5"),
    ]


def test_what_odtool_wrote_comes_back_the_same_when_sharded_anew(
    tmp_path: Path, voc_set: Callable[..., Path], read_records: Callable[[Path], dict[str, dict[str, list[Any]]]]
) -> None:
    once, again = tmp_path / "once", tmp_path / "again"
    prepare(PrepareSettings((Source(voc_set(12)),), once, val=0.25, workers=1))
    prepare(PrepareSettings((Source(once),), again, shards=3, workers=1))
    assert read_records(again) == read_records(once)
    assert len(list(again.glob("train-*"))) == 3


def test_flags_and_weights_go_through_and_what_does_not_is_named(
    tmp_path: Path,
    make_example: MakeExample,
    write_image: Callable[..., Path],
    read_records: Callable[[Path], dict[str, dict[str, list[Any]]]],
) -> None:
    values = {f"image/object/{name}": [1] for name in ("difficult", "truncated", "occluded", "is_crowd", "group_of")}
    values |= {"image/object/view": [b"Left"], "image/object/area": [12.5], "image/object/weight": [0.5]}
    values |= {**BOX, "image/object/class/text": [b"cat"], "image/source_id": [b"17"]}
    encoded = {"image/encoded": [write_image(tmp_path / "a.jpg").read_bytes()]}
    masks = {"image/object/mask": [b"PNG"]}
    (tmp_path / "a.tfrecord").write_bytes(frame(make_example({**values, **encoded, **masks})))
    prepared = prepare(PrepareSettings((Source(tmp_path / "a.tfrecord"),), tmp_path / "out", val=0, workers=1))
    (found,) = read_records(tmp_path / "out").values()
    assert {key: found[key] for key in (*values, *encoded)} == {**values, **encoded}
    assert (prepared.first["key_dropped"].detail, found.get("image/object/mask")) == (
        "image/object/mask, first in record 1",
        None,
    )


def outlines_of(data: bytes) -> list[Outline | None]:
    return [
        item.outline for item in tfrecord_example.parse(data, PATH, 1, ClassLookup(None), with_outlines=True).objects
    ]


def test_masks_come_as_pngs_or_as_numbers(make_example: MakeExample) -> None:
    mask = np.array([[False, True, True], [False, False, True]])
    named = {**BOX, "image/object/class/text": [b"cat"], "image/height": [2], "image/width": [3]}
    as_png = outlines_of(make_example({**named, "image/object/mask": [masks.encode_png(mask)]}))
    as_numbers = outlines_of(make_example({**named, "image/object/mask": mask.ravel().astype(float).tolist()}))
    assert as_png == as_numbers
    (outline,) = as_png
    assert np.array_equal(masks.draw(outline, Box(0, 0, 0, 0), (3, 2), (0, 0, 3, 2)), mask)
    assert outlines_of(make_example({**named, "image/object/mask": [b"PNG"]})) == [None]
    assert outlines_of(make_example(named)) == [None]
    with pytest.raises(DataError, match="record 1: image/object/mask has 4 values for 1 boxes of 3x2 pixels"):
        outlines_of(make_example({**named, "image/object/mask": [1.0] * 4}))


def test_real_records_without_a_label_map(shared_data: Path) -> None:
    path = shared_data / "raccoon" / "test.record"
    images, problems = read(path)
    assert (len(images), sum(len(image.objects) for image in images), problems) == (40, 44, [])
    image = images[0]
    assert image.extent is not None
    assert image.path == path
    start = image.extent.offset
    assert path.read_bytes()[start : start + 3] == b"\xff\xd8\xff"


def test_real_records_with_three_splits_and_a_label_map(shared_data: Path) -> None:
    images, problems = read(shared_data / "formats" / "tf_detection_api_dataset")
    assert sorted((image.split or "", len(image.objects)) for image in images) == [
        ("test", 0),
        ("train", 2),
        ("val", 1),
    ]
    assert [problem.kind for problem in problems] == ["label_missing"]


@given(st.data())
def test_mutated_records_are_examples_or_a_data_error(make_example: MakeExample, data: st.DataObject) -> None:
    whole = make_example({**BOX, "image/object/class/text": [b"cat"], "image/height": [48], "image/width": [64]})
    at, cut = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 4))
    with suppress(DataError):
        mutated = whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + cut :]
        tfrecord_example.parse(mutated, PATH, 1, ClassLookup(None))


def test_an_image_is_not_copied_out_of_its_record(make_example: MakeExample) -> None:
    found = record_reader.parse_features(make_example({"image/encoded": [b"x" * 1000]}))
    assert found.texts["image/encoded"][0][1] == 1000
