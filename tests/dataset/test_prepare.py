"""The whole way from annotations to records."""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset import label_map, statistics
from odtool.dataset.classes import parse_class_options
from odtool.dataset.prepare import Prepared, PrepareSettings, prepare
from odtool.dataset.survey.image_checks import Rules
from odtool.dataset.types import Source
from odtool.errors import DataError
from odtool.workspace import Dataset

Records = dict[str, dict[str, list[Any]]]
ReadRecords = Callable[[Path], Records]
VocSet = Callable[..., Path]


def run(source: Path, out: Path, **options: Any) -> Prepared:
    return prepare(PrepareSettings((Source(source),), out, **options))


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_raccoons_give_200_images_and_217_boxes_from_voc_and_the_same_from_csv(
    shared_data: Path, tmp_path: Path, read_records: ReadRecords
) -> None:
    root = shared_data / "raccoon"
    prepared = run(root, tmp_path / "voc", resplit=True)
    run(root / "raccoon_labels.csv", tmp_path / "csv")
    voc, from_csv = read_records(tmp_path / "voc"), read_records(tmp_path / "csv")
    assert len(voc) == 200
    assert sum(len(record["image/object/class/text"]) for record in voc.values()) == 217
    assert sum(split.objects for split in prepared.summary.splits.values()) == 217
    assert {name: split.images for name, split in prepared.summary.splits.items()} == {"train": 180, "val": 20}
    # The CSV knows nothing of poses and flags.
    for record in (*voc.values(), *from_csv.values()):
        for key in ("view", "truncated", "difficult"):
            del record[f"image/object/{key}"]
    assert voc == from_csv
    assert voc["images/raccoon-1.jpg"]["image/encoded"] == [(root / "images" / "raccoon-1.jpg").read_bytes()]
    assert voc["images/raccoon-1.jpg"]["image/object/bbox/xmin"] == pytest.approx([81 / 650])


def test_the_raccoons_have_the_splits_of_the_csv_files_beside_the_xml(shared_data: Path, tmp_path: Path) -> None:
    summary = run(shared_data / "raccoon", tmp_path / "data").summary
    assert summary.format == "voc+tfod_csv"
    assert summary.problems["annotation_agrees"].count == 200
    assert {name: split.images for name, split in summary.splits.items()} == {"train": 144, "val": 16, "test": 40}


def test_what_is_written_is_described(voc_set: VocSet, tmp_path: Path) -> None:
    prepared = run(voc_set(10), tmp_path / "data", val=0.2, test=0.1, seed=3)
    assert names(tmp_path / "data") == [
        "dataset.json",
        "label_map.pbtxt",
        "problems.csv",
        "test-00000-of-00001.tfrecord",
        "train-00000-of-00001.tfrecord",
        "val-00000-of-00001.tfrecord",
    ]
    dataset = Dataset(tmp_path / "data")
    summary = statistics.load(dataset)
    assert summary == prepared.summary
    assert label_map.load(dataset.label_map) == summary.classes == {"cat": 1, "dog": 2}
    assert {name: split.images for name, split in summary.splits.items()} == {"train": 7, "val": 2, "test": 1}
    assert summary.splits["train"].bytes == dataset.shards("train")[0].stat().st_size
    assert summary.splits["train"].median_size == (64, 48)
    assert (summary.format, summary.seed) == ("voc", 3)


def test_the_result_depends_neither_on_workers_nor_on_the_order_of_files(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(700)
    run(root, tmp_path / "one", workers=1, shards=3)
    run(root, tmp_path / "two", workers=3, shards=3)
    moved = tmp_path / "moved"
    files = [file.relative_to(root) for file in root.rglob("*") if file.is_file()]
    random.Random(5).shuffle(files)
    for file in files:
        (moved / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / file, moved / file)
    run(moved, tmp_path / "three", workers=1, shards=3)
    one = {file.name: file.read_bytes() for file in (tmp_path / "one").glob("*.tfrecord")}
    assert len(one) == 6
    for other in ("two", "three"):
        assert {file.name: file.read_bytes() for file in (tmp_path / other).glob("*.tfrecord")} == one


def test_several_sources_share_one_label_map(voc_set: VocSet, tmp_path: Path, read_records: ReadRecords) -> None:
    one, two = voc_set(4, "one"), voc_set(3, "two")
    prepare(PrepareSettings((Source(one, prefix="1-one/"), Source(two, prefix="2-two/")), tmp_path / "data"))
    found = read_records(tmp_path / "data")
    assert len(found) == 7
    assert {record["image/object/class/label"][0] for record in found.values()} == {1, 2}


def test_a_missing_image_refuses_and_can_be_left_out(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(5)
    for name in ("00001", "00003"):
        (root / "images" / f"{name}.jpg").unlink()
    with pytest.raises(DataError) as error:
        run(root, tmp_path / "data")
    assert "00001.jpg: no such file" in error.value.message
    assert "2 images are missing" in error.value.message
    assert "--skip-missing" in error.value.hint
    assert names(tmp_path) == ["data.problems.csv", "set"]
    summary = run(root, tmp_path / "data", skip_missing=True).summary
    assert summary.problems["image_missing"].count == 2
    assert sum(split.images for split in summary.splits.values()) == 3


def test_all_images_missing_is_an_error_anyway(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(2)
    shutil.rmtree(root / "images")
    with pytest.raises(DataError, match="no such file"):
        run(root, tmp_path / "data", skip_missing=True)


def test_problems_are_mended_counted_listed_and_refused_by_strict(
    voc_set: VocSet, tmp_path: Path, voc_xml: Callable[..., str], read_records: ReadRecords
) -> None:
    root = voc_set(4)
    boxes = [("cat", -5, 2, 30, 60), ("cat", 30, 40, 1, 2), ("cat", 5, 5, 5, 9), ("cat", 1, 2, 3, 4)]
    (root / "annotations" / "00000.xml").write_text(voc_xml("00000.jpg", boxes))
    (root / "images" / "00001.jpg").write_bytes((root / "images" / "00001.jpg").read_bytes()[:-40])
    with pytest.raises(DataError, match="refused by --strict"):
        run(root, tmp_path / "data", strict=True)
    assert names(tmp_path) == ["data.problems.csv", "set"]
    prepared = run(root, tmp_path / "data")
    problems = prepared.summary.problems
    of_images = {kind: problem.count for kind, problem in problems.items() if not kind.startswith("class_")}
    assert of_images == {"box_inverted": 1, "box_outside": 1, "box_zero": 1, "image_truncated": 1}
    assert prepared.first["box_zero"].file == root / "annotations" / "00000.xml"
    rows = (tmp_path / "data" / "problems.csv").read_text().splitlines()
    assert len(rows) == 1 + sum(problem.count for problem in problems.values())
    records = read_records(tmp_path / "data")
    assert len(records) == 3
    assert records["images/00000.jpg"]["image/object/bbox/ymax"] == pytest.approx([1, 40 / 48, 4 / 48])


def test_sets_as_a_whole_are_checked_once_they_are_split(
    tmp_path: Path, write_image: Callable[..., Path], voc_xml: Callable[..., str]
) -> None:
    root = tmp_path / "set"
    boxes = {"train/a": "cat", "train/b": "cat", "val/c": "dog"}
    for number, (name, label) in enumerate(boxes.items()):
        write_image(root / f"{name}.png", 60 + number // 2, 40)  # a and b are identical, c is not
        (root / f"{name}.xml").write_text(voc_xml(f"{Path(name).name}.png", [(label, 1, 2, 30, 30)], None))
    shutil.copy(root / "train" / "a.png", root / "val" / "d.png")
    (root / "val" / "d.xml").write_text(voc_xml("d.png", [("cat", 1, 2, 30, 30)], None))
    summary = run(root, tmp_path / "data").summary
    assert {kind: problem.count for kind, problem in summary.problems.items()} == {
        "class_rare": 2,
        "class_untrained": 1,
        "image_duplicate": 1,
        "image_straddles": 1,
    }
    listed = (tmp_path / "data" / "problems.csv").read_text()
    assert "'dog' is in no training image" in listed
    assert "that one is in train" in listed
    with pytest.raises(DataError, match="refused by --strict: 1 image_straddles, 1 class_untrained"):
        run(root, tmp_path / "other", strict=True)


def test_images_are_repaired_with_their_boxes_and_every_repair_is_counted(
    voc_set: VocSet, tmp_path: Path, voc_xml: Callable[..., str], read_records: ReadRecords
) -> None:
    import io

    from PIL import Image

    root = voc_set(4)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned to the right: what is left in the file is up
    turned = Image.new("RGB", (64, 48))
    turned.paste("white", (0, 8, 16, 24))
    turned.save(root / "images" / "00000.jpg", exif=exif, quality=95)
    (root / "annotations" / "00000.xml").write_text(voc_xml("00000.jpg", [("cat", 24, 0, 40, 16)], (48, 64)))
    Image.new("CMYK", (64, 48)).save(root / "images" / "00001.jpg")
    Image.new("RGBA", (64, 48)).save(root / "images" / "00002.png")
    (root / "images" / "00002.jpg").unlink()
    bright = {}
    for fix in (False, True):
        out = tmp_path / str(fix)
        summary = run(root, out, rules=Rules(fix_images=fix), val=0).summary
        kinds = {kind for kind in summary.problems if kind.startswith(("fixed", "exif", "image_a", "image_c"))}
        repaired = {"fixed_rotation", "fixed_cmyk", "fixed_alpha"}
        kept = {"exif_rotation", "exif_annotated", "image_cmyk", "image_alpha"}
        assert kinds == (repaired if fix else kept)
        record = read_records(out)["images/00000.jpg"]
        size = record["image/width"][0], record["image/height"][0]
        assert size == ((48, 64) if fix else (64, 48))
        with Image.open(io.BytesIO(record["image/encoded"][0])) as image:
            assert (image.size, image.format, image.getexif().get(0x0112, 1)) == (size, "JPEG", 1 if fix else 6)
            found = image.convert("L").point(lambda value: 255 * (value > 127)).getbbox()
        sides = ("xmin", "ymin", "xmax", "ymax")
        box = [record[f"image/object/bbox/{side}"][0] * size[side[0] == "y"] for side in sides]
        bright[fix] = found
        assert box == pytest.approx(found)
    assert bright == {False: (0, 8, 16, 24), True: (24, 0, 40, 16)}


@pytest.fixture
def mixed_sizes(tmp_path: Path, voc_xml: Callable[..., str]) -> Path:
    """Photographs and drawings of 200x120 and 120x200, one with an EXIF orientation, and one within 100 pixels."""
    from PIL import Image

    root = tmp_path / "mixed"
    (root / "images").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    files: list[tuple[str, tuple[int, int], dict[str, Any]]] = [
        ("wide.jpg", (200, 120), {"quality": 95}),
        ("high.png", (120, 200), {}),
        ("gray.bmp", (200, 120), {}),
        ("turned.jpg", (200, 120), {"quality": 95, "exif": exif}),
        ("small.jpg", (100, 60), {"quality": 40}),
    ]
    for name, (width, height), options in files:
        picture = Image.effect_noise((20, 12), 90).resize((width, height))
        picture.paste(255, (width // 4, height // 4, width // 2, height // 2))
        (picture if name == "gray.bmp" else picture.convert("RGB")).save(root / "images" / name, **options)
        box = ("cat", width / 4, height / 4, width / 2, height / 2)
        text = voc_xml(name, [box, ("dog", 2, 2, 3.5, 3.5)], (width, height))
        (root / f"{name}.xml").write_text(text)
    return root


def read_size(record: dict[str, list[Any]]) -> tuple[int, int]:
    return record["image/width"][0], record["image/height"][0]


@pytest.mark.parametrize("fix", [False, True])
def test_large_images_are_stored_smaller_with_their_boxes_and_others_byte_for_byte(
    mixed_sizes: Path, tmp_path: Path, read_records: ReadRecords, fix: bool
) -> None:
    import io

    from PIL import Image

    rules = Rules(fix_images=fix)
    prepared = run(mixed_sizes, tmp_path / "data", max_side=100, val=0, rules=rules)
    run(mixed_sizes, tmp_path / "whole", val=0, rules=rules)
    records, whole = read_records(tmp_path / "data"), read_records(tmp_path / "whole")
    sizes = {name.partition("/")[2]: read_size(record) for name, record in records.items()}
    upright = (60, 100) if fix else (100, 60)
    expected = {"wide.jpg": (100, 60), "high.png": (60, 100), "gray.bmp": (100, 60), "small.jpg": (100, 60)}
    assert sizes == {**expected, "turned.jpg": upright}
    assert records["images/small.jpg"] == whole["images/small.jpg"]
    assert records["images/small.jpg"]["image/encoded"] == [(mixed_sizes / "images" / "small.jpg").read_bytes()]
    for name, record in records.items():
        with Image.open(io.BytesIO(record["image/encoded"][0])) as image:
            assert (image.size, image.format) == (read_size(record), "JPEG" if name.endswith("jpg") else "PNG")
            assert image.format.lower().encode() == record["image/format"][0]
        for side in ("xmin", "ymin", "xmax", "ymax"):
            key = f"image/object/bbox/{side}"
            assert record[key] == pytest.approx(whole[name][key])
        assert record["image/object/area"][0] == pytest.approx(25 * 15)
    summary = prepared.summary
    assert (summary.max_side, summary.problems["image_shrunk"].count) == (100, 4)
    assert summary.problems["image_shrunk"].level == "info"
    assert summary.problems["shrunk_tiny"].count == 4
    assert (summary.splits["train"].max_size, summary.splits["train"].min_size) == ((100, 100), (60, 60))
    assert statistics.load(Dataset(tmp_path / "data")) == summary
    assert "200x120 to 100x60" in (tmp_path / "data" / "problems.csv").read_text()
    assert statistics.load(Dataset(tmp_path / "whole")).max_side is None


def test_a_smaller_image_is_the_same_in_folds_repetitions_and_with_any_number_of_workers(
    mixed_sizes: Path, tmp_path: Path, read_records: ReadRecords
) -> None:
    run(mixed_sizes, tmp_path / "one", max_side=64, val=0, workers=1)
    run(mixed_sizes, tmp_path / "folds", max_side=64, folds=2, workers=2)
    run(mixed_sizes, tmp_path / "often", max_side=64, val=0, balance=1.0, workers=2)
    one = read_records(tmp_path / "one")
    assert {max(read_size(record)) for record in one.values()} == {64}
    often = read_records(tmp_path / "often")
    folds = {**read_records(tmp_path / "folds" / "fold-1")}
    for name, record in one.items():
        for other in (often[name], folds[name]):
            keys = record.keys() - {"split"}
            assert {key: other[key] for key in keys} == {key: record[key] for key in keys}


def test_masks_of_smaller_images_are_those_of_the_image_made_smaller(
    tmp_path: Path, write_image: Callable[..., Path], read_records: ReadRecords
) -> None:
    import io

    import numpy as np
    from PIL import Image

    root = tmp_path / "coco"
    write_image(root / "a.jpg", 400, 200)
    runs = [40 * 200 + 20, *[100, 100] * 79, 100, 100 - 20 + 200 * (400 - 40 - 80)]  # x 40 to 120, y 20 to 120
    annotations = [
        {"segmentation": [[200, 40, 320, 40, 320, 160, 200, 160]], "bbox": [200, 40, 120, 120]},
        {"segmentation": {"size": [200, 400], "counts": runs}, "bbox": [40, 20, 80, 100], "iscrowd": 1},
        {"segmentation": [[0, 0, 40, 0, 40, 40]], "bbox": [0, 0, 40, 40], "area": 800},
    ]
    numbered = [{"id": i, "image_id": 1, "category_id": 1, **item} for i, item in enumerate(annotations, start=1)]
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 400, "height": 200}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": numbered,
    }
    (root / "instances.json").write_text(json.dumps(document))
    run(root, tmp_path / "data", max_side=100, val=0, masks=True)
    (record,) = read_records(tmp_path / "data").values()
    drawn = [np.asarray(Image.open(io.BytesIO(data))) > 0 for data in record["image/object/mask"]]
    assert [mask.shape for mask in drawn] == [(50, 100)] * 3
    expected = np.zeros((2, 50, 100), bool)
    expected[0, 10:40, 50:80] = True
    expected[1, 5:30, 10:30] = True
    assert np.array_equal(np.stack(drawn[:2]), expected)
    assert record["image/object/area"] == pytest.approx([900, 500, 50])


@pytest.mark.parametrize("options", [{"max_side": 100}, {"rules": Rules(fix_images=True)}])
def test_an_image_that_only_looks_whole_is_named_with_the_way_to_leave_it_out(
    mixed_sizes: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    from PIL import Image

    path = mixed_sizes / "images" / "high.png"
    Image.effect_noise((120, 200), 90).convert("RGBA").save(path)
    data = bytearray(path.read_bytes())
    data[800:900] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"high\.png: .* cannot be decoded") as caught:
        run(mixed_sizes, tmp_path / "data", val=0, **options)
    assert "--verify full" in str(caught.value.hint)
    assert not (tmp_path / "data").exists()
    options = {**options, "rules": replace(options.get("rules", Rules()), full=True)}
    assert run(mixed_sizes, tmp_path / "data", val=0, **options).summary.splits["train"].images == 4


def test_full_verification_leaves_out_what_does_not_decode(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(3)
    path = root / "images" / "00001.png"
    (root / "images" / "00001.jpg").unlink()
    from PIL import Image

    Image.effect_noise((64, 48), 90).save(path)
    data = bytearray(path.read_bytes())
    data[500] ^= 0xFF
    path.write_bytes(data)
    assert "image_unreadable" not in run(root, tmp_path / "header").summary.problems
    assert run(root, tmp_path / "full", rules=Rules(full=True)).summary.problems["image_unreadable"].count == 1


def test_other_containers_are_reencoded_and_jpeg_is_not(
    voc_set: VocSet, tmp_path: Path, write_image: Callable[..., Path], read_records: ReadRecords
) -> None:
    root = voc_set(2)
    (root / "images" / "00000.jpg").unlink()
    write_image(root / "images" / "00000.bmp")
    summary = run(root, tmp_path / "data").summary
    assert summary.problems["reencoded"].count == 1
    records = read_records(tmp_path / "data")
    assert records["images/00000.bmp"]["image/format"] == [b"png"]
    assert records["images/00000.bmp"]["image/encoded"][0].startswith(b"\x89PNG")
    assert records["images/00001.jpg"]["image/encoded"] == [(root / "images" / "00001.jpg").read_bytes()]


def test_a_given_label_map_is_followed_and_an_unknown_class_refused(
    voc_set: VocSet, tmp_path: Path, read_records: ReadRecords
) -> None:
    given = tmp_path / "map.pbtxt"
    given.write_text("item { id: 1 name: 'dog' } item { id: 2 name: 'bird' } item { id: 3 name: 'cat' }")
    root = voc_set(4)
    run(root, tmp_path / "data", label_map=given)
    assert label_map.load(tmp_path / "data" / "label_map.pbtxt") == {"dog": 1, "bird": 2, "cat": 3}
    records = read_records(tmp_path / "data").values()
    ids = {tuple(record["image/object/class/text"] + record["image/object/class/label"]) for record in records}
    assert ids == {(b"dog", 1), (b"cat", 3)}
    given.write_text("item { id: 1 name: 'dog' }")
    with pytest.raises(DataError) as error:
        run(root, tmp_path / "other", label_map=given)
    assert "00000.xml: class 'cat' is not in" in error.value.message
    assert names(tmp_path) == ["data", "map.pbtxt", "set"]


def test_the_gaps_of_a_given_label_map_are_kept(voc_set: VocSet, tmp_path: Path, read_records: ReadRecords) -> None:
    given = tmp_path / "map.pbtxt"
    given.write_text("item { id: 1 name: 'person' } item { id: 17 name: 'cat' } item { id: 18 name: 'dog' }")
    classes = {"person": 1, "cat": 17, "dog": 18}
    prepared = run(voc_set(4), tmp_path / "data", label_map=given)
    assert label_map.load(prepared.dataset.label_map) == prepared.summary.classes == classes
    for record in read_records(tmp_path / "data").values():
        texts = [text.decode() for text in record["image/object/class/text"]]
        assert record["image/object/class/label"] == [classes[text] for text in texts]
    again = run(tmp_path / "data", tmp_path / "again")
    assert again.summary.classes == {"cat": 1, "dog": 2}
    assert again.summary.problems["label_map_renumbered"].count == 1


@pytest.mark.parametrize("given", ["/m/01yrx", "cat"])
def test_annotations_may_have_a_label_maps_names_or_display_names(
    voc_set: VocSet, tmp_path: Path, read_records: ReadRecords, given: str
) -> None:
    path = tmp_path / "map.pbtxt"
    path.write_text("item { name: '/m/01yrx' id: 1 display_name: 'cat' } item { name: 'dog' id: 2 }")
    renamed = parse_class_options([f"cat={given}"] if given != "cat" else [], [], [])
    made = run(voc_set(4), tmp_path / "data", val=0, label_map=path, chosen=renamed)
    assert made.summary.splits["train"].classes == {"/m/01yrx": 2, "dog": 2}
    assert [(change.old, change.new) for change in made.summary.class_changes] == [("cat", "/m/01yrx")]
    again = run(tmp_path / "data", tmp_path / "again", val=0)
    for dataset in (made.dataset, again.dataset):
        items = label_map.read(dataset.label_map)
        assert [(item.name, item.display_name) for item in items] == [("/m/01yrx", "cat"), ("dog", "dog")]
    texts = {text for record in read_records(tmp_path / "data").values() for text in record["image/object/class/text"]}
    assert texts == {b"/m/01yrx", b"dog"}


def test_an_image_annotated_twice_is_kept_once(voc_set: VocSet, tmp_path: Path, voc_xml: Callable[..., str]) -> None:
    root = voc_set(3)
    (root / "annotations" / "again.xml").write_text(voc_xml("00001.jpg", [("cat", 1, 2, 3, 4)]))
    summary = run(root, tmp_path / "data").summary
    assert summary.problems["image_repeated"].count == 1
    assert sum(split.images for split in summary.splits.values()) == 3


def test_a_set_without_objects_is_refused(voc_set: VocSet, tmp_path: Path, voc_xml: Callable[..., str]) -> None:
    root = voc_set(1)
    (root / "annotations" / "00000.xml").write_text(voc_xml("00000.jpg", []))
    with pytest.raises(DataError, match="no annotated objects in 1 images"):
        run(root, tmp_path / "data")


def test_where_all_classes_are_left_out_the_options_are_named(voc_set: VocSet, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"in 3 images: --only or --drop left out 2 cat, 1 dog") as error:
        run(voc_set(3), tmp_path / "data", chosen=parse_class_options([], [], ["cat,dog"]))
    assert "--rename" in (error.value.hint or "")


def test_half_a_character_in_a_class_is_named_with_its_file(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image(tmp_path / "set" / "a.jpg")
    document = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 1, "name": "a\ud800b"}],
    }
    (tmp_path / "set" / "a.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"a\.json: class 'a\\ud800b' has an incomplete character"):
        run(tmp_path / "set", tmp_path / "data", val=0)
    assert names(tmp_path) == ["set"]


def test_a_broken_file_among_many_leaves_the_old_data_as_it_was(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(3)
    run(root, tmp_path / "data")
    before = {file.name: file.read_bytes() for file in (tmp_path / "data").iterdir()}
    (root / "annotations" / "00002.xml").write_text("<annotation>\n<object>")
    with pytest.raises(DataError, match=r"00002\.xml:2: broken XML"):
        run(root, tmp_path / "data")
    assert {file.name: file.read_bytes() for file in (tmp_path / "data").iterdir()} == before
    assert names(tmp_path) == ["data", "data.problems.csv", "set"]


def test_a_full_disk_is_one_clear_error(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(50)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(DataError) as error:
            run(root, tmp_path / "data")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert str(tmp_path / "data") in error.value.message
    assert names(tmp_path) == ["set"]


def command(root: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "odtool", "prepare", str(root), "--out", str(out), *options]


@pytest.mark.slow
def test_killed_at_any_moment_the_old_data_or_the_new_is_whole(
    voc_set: VocSet, tmp_path: Path, read_records: ReadRecords
) -> None:
    root = voc_set(1500)
    out = tmp_path / "data"
    run(root, out)
    for number in range(12):
        words = command(root, out, "--seed", str(number), "--shards", "4")
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.15 + 0.07 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert sum(split.images for split in statistics.load(Dataset(out)).splits.values()) == 1500
        assert len(read_records(out)) == 1500
    run(root, out)
    assert names(tmp_path) == ["data", "set"]


def test_of_two_at_once_one_wins_and_the_other_says_so(voc_set: VocSet, tmp_path: Path) -> None:
    root = voc_set(4)
    words = command(root, tmp_path / "data", "--json")
    refused: list[dict[str, str]] = []

    @contextmanager
    def progress(_label: str, _total: int | None) -> Iterator[Callable[[int, int], None]]:
        # The first is in the middle of its work when the second, a real process, comes.
        done = subprocess.run(words, capture_output=True, check=False)
        assert done.returncode == 1
        refused.append(json.loads(done.stdout))
        yield lambda _done, _bytes: None

    prepare(PrepareSettings((Source(root),), tmp_path / "data"), progress=progress)
    assert ["another odtool prepare" in refusal["error"] for refusal in refused] == [True, True]
    assert sum(split.images for split in statistics.load(Dataset(tmp_path / "data")).splits.values()) == 4
    assert names(tmp_path) == ["data", "set"]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0


def test_progress_counts_every_image_in_both_passes(voc_set: VocSet, tmp_path: Path) -> None:
    reported: dict[tuple[str, int | None], tuple[int, int]] = {}

    @contextmanager
    def progress(label: str, total: int | None) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, size: reported.update({(label, total): (done, size)})

    settings = PrepareSettings((Source(voc_set(10)),), tmp_path / "data")
    prepared = prepare(replace(settings, shards=2), progress=progress)
    written = sum(split.bytes for split in prepared.summary.splits.values())
    assert reported == {("images read", None): (10, 0), ("records", 10): (10, written)}


def test_a_set_of_which_no_image_can_be_used_is_refused_with_the_gravest_problem(
    voc_set: Callable[..., Path], tmp_path: Path
) -> None:
    root = voc_set(2)
    for image in (root / "images").iterdir():
        image.write_bytes(b"")
    with pytest.raises(DataError, match="none of the images can be used: 2 image_unreadable") as error:
        run(root, tmp_path / "out")
    assert "the file is empty" in error.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("rows", ["yx", "xy"])
def test_an_image_is_of_the_annotation_that_names_it(
    tmp_path: Path, write_image: Callable[..., Path], read_records: ReadRecords, rows: str
) -> None:
    """Whichever comes first: the other one's image is missing."""
    for number in range(70):  # more than a chunk
        write_image(tmp_path / "set" / "x" / f"{number}.jpg", comment=str(number))
    names = [f"{folder}/{number}.jpg" for folder in rows for number in range(70) if folder == "x" or number < 2]
    lines = [f"{name},{name[0]},1,2,{20 + len(name)},30" for name in names]
    (tmp_path / "set" / "labels.csv").write_text("\n".join(["filename,class,xmin,ymin,xmax,ymax", *lines]))
    settings = PrepareSettings((Source(tmp_path / "set"),), tmp_path / "out", val=0)
    with pytest.raises(DataError, match="belongs to another annotation"):
        prepare(settings)
    prepared = prepare(replace(settings, skip_missing=True))
    assert prepared.summary.problems["image_missing"].count == 2
    labels = {name: record["image/object/class/text"] for name, record in read_records(tmp_path / "out").items()}
    assert labels == {f"x/{number}.jpg": [b"x"] for number in range(70)}


def test_an_image_of_a_format_with_ids_is_of_the_annotation_that_names_it(
    tmp_path: Path, write_image: Callable[..., Path], read_records: ReadRecords
) -> None:
    write_image(tmp_path / "set" / "a" / "0.jpg")
    images = [{"id": number, "file_name": name} for number, name in enumerate(("gone/0.jpg", "a/0.jpg"), start=1)]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [n, 2, 20, 20]} for n in (1, 2)]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "set" / "a.json").write_text(json.dumps(document))
    prepared = prepare(PrepareSettings((Source(tmp_path / "set"),), tmp_path / "out", val=0, skip_missing=True))
    assert prepared.summary.problems["image_missing"].count == 1
    assert list(read_records(tmp_path / "out")) == ["2"]


def test_an_image_that_is_found_elsewhere_is_counted(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image(tmp_path / "set" / "images" / "a" / "0.jpg", comment="0")
    write_image(tmp_path / "set" / "rest" / "1.jpg", comment="1")
    rows = [f"{number}.jpg,cat,1,2,20,30" for number in range(2)]
    (tmp_path / "set" / "labels.csv").write_text("\n".join(["filename,class,xmin,ymin,xmax,ymax", *rows]))
    prepared = prepare(PrepareSettings((Source(tmp_path / "set"),), tmp_path / "out", val=0))
    assert prepared.summary.problems["image_elsewhere"].count == 1
    assert prepared.first["image_elsewhere"].file.name == "1.jpg"
