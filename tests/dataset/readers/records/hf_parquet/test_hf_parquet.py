"""Parquet tables, written as Hugging Face's datasets write them."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from odtool.dataset.images import image_file
from odtool.dataset.prepare import PrepareSettings, prepare
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.readers.records.hf_parquet import hf_parquet
from odtool.dataset.types import Box, Source
from odtool.errors import DataError

FEATURES = {
    "info": {
        "features": {
            "image": {"_type": "Image"},
            "objects": {
                "feature": {
                    "bbox": {"feature": {"dtype": "float32", "_type": "Value"}, "length": 4, "_type": "Sequence"},
                    "category": {"names": ["cat", "dog"], "_type": "ClassLabel"},
                },
                "_type": "Sequence",
            },
        }
    }
}


def picture(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), (shade, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def row(number: int, *boxes: Any, path: str | None = None, data: bool = True) -> dict[str, Any]:
    return {
        "image_id": number,
        "image": {"bytes": picture(number) if data else None, "path": path},
        "width": 64,
        "height": 48,
        "objects": {"bbox": [list(box) for box in boxes], "category": [place % 2 for place in range(len(boxes))]},
    }


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, rows: list[dict[str, Any]], features: Any = FEATURES, **options: Any) -> Path:
        table = pyarrow.Table.from_pylist(rows)
        if features is not None:
            table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, tmp_path / "set" / name, **options)
        return tmp_path / "set" / name

    return write


def test_images_and_boxes_come_out_as_they_went_in(tmp_path: Path, write_table: Any, found: Any) -> None:
    rows = [row(number, (1, 2, 20, 30), (3, 4, 5, 6), path=f"{number}.png") for number in range(40)]
    write_table("data/train-00000-of-00002.parquet", rows[:25], row_group_size=10)
    write_table("data/train-00001-of-00002.parquet", rows[25:30])
    write_table("data/validation-00000-of-00001.parquet", [*rows[30:], row(40, path="empty.png")])
    source = Source(tmp_path / "set", scratch=tmp_path / "scratch")
    (choice,) = choose(source)
    assert choice.name == "hf_parquet"
    images, problems = found(choice.reader.read, source)
    assert problems == []
    assert [image.split for image in images] == ["train"] * 30 + ["val"] * 11
    assert [image_file.read_bytes(image.path, image.extent) for image in images] == [picture(n) for n in range(41)]
    assert [image.name for image in images] == [*(f"{number}.png" for number in range(40)), "empty.png"]
    assert len({image.source_id for image in images}) == 41
    assert [(item.label, item.box) for item in images[29].objects] == [
        ("cat", Box(1, 2, 21, 32)),
        ("dog", Box(3, 4, 8, 10)),
    ]
    assert images[40].objects == ()
    assert images[0].shown_path == tmp_path / "set/data/train-00000-of-00002.parquet"


def test_records_are_written_of_them_and_nothing_else_is_left(
    tmp_path: Path, write_table: Any, read_records: Callable[[Path], dict[str, Any]]
) -> None:
    write_table("data/train-00000-of-00001.parquet", [row(number, (1, 2, 20, 30)) for number in range(10)])
    write_table("data/test-00000-of-00001.parquet", [row(10, (1, 2, 20, 30), (100, 100, 5, 5))])
    prepared = prepare(PrepareSettings((Source(tmp_path / "set"),), tmp_path / "out", workers=2, val=0))
    records = read_records(tmp_path / "out")
    assert sorted(record["image/encoded"][0] for record in records.values()) == sorted(map(picture, range(11)))
    assert prepared.summary.classes == {"cat": 1, "dog": 2}
    assert sorted(path.name.partition("-")[0] for path in (tmp_path / "out").iterdir()) == [
        "dataset.json", "label_map.pbtxt", "problems.csv", "test", "train",
    ]  # fmt: skip
    assert "test-00000-of-00001.parquet" in (tmp_path / "out/problems.csv").read_text()
    assert prepared.summary.problems["box_outside_entirely"].count == 1


def test_images_beside_the_table_are_found_by_name(
    tmp_path: Path, write_table: Any, write_image: Callable[..., Path], found: Any
) -> None:
    image = write_image(tmp_path / "set" / "train" / "images" / "a.jpg")
    objects = {"bbox": [[1, 2, 3, 4]], "category": ["cat"]}
    write_table("train/metadata.parquet", [{"file_name": "images/a.jpg", "objects": objects}], None)
    (read,), problems = found(hf_parquet.read, Source(tmp_path / "set"))
    assert (read.path, read.split, read.extent) == (image, "train", None)
    assert [(item.label, item.box) for item in read.objects] == [("cat", Box(1, 2, 4, 6))]
    assert problems == []


def test_classes_that_nothing_names_keep_their_numbers(tmp_path: Path, write_table: Any, found: Any) -> None:
    write_table("train.parquet", [row(1), row(2, (1, 2, 3, 4))], None)
    images, problems = found(hf_parquet.read, Source(tmp_path / "set"))
    assert [item.label for image in images for item in image.objects] == ["0"]
    assert [(problem.kind, problem.detail) for problem in problems] == [
        ("class_unnamed", "row 2: neither the table nor README.md or dataset_infos.json names class 0")
    ]


def test_a_broken_row_is_told_and_the_others_are_read(tmp_path: Path, write_table: Any, found: Any) -> None:
    broken = row(2, (1, 2, 3, 4), (1, 2, 3, 4))
    broken["objects"]["category"] = [0]
    write_table("train.parquet", [row(1, (1, 2, 3, 4)), broken, row(3)])
    images, problems = found(hf_parquet.read, Source(tmp_path / "set"))
    assert len(images) == 2
    assert [(problem.kind, problem.detail) for problem in problems] == [
        ("record_broken", "row 2: 2 boxes, but 1 categories")
    ]


@pytest.mark.parametrize("cut", [slice(4, -200), slice(0, 2000)])
def test_a_broken_table_is_named(tmp_path: Path, write_table: Any, found: Any, cut: slice) -> None:
    file = write_table("train.parquet", [row(number, (1, 2, 3, 4)) for number in range(50)])
    data = file.read_bytes()
    file.write_bytes(b"PAR1" + data[cut] + data[-600:])
    images, problems = found(hf_parquet.read, Source(file))
    assert (images, [problem.kind for problem in problems]) == ([], ["annotation_broken"])
    assert "broken Parquet" in problems[0].detail


def test_a_table_for_classification_has_no_boxes(tmp_path: Path, write_table: Any) -> None:
    write_table("train.parquet", [{"image": {"bytes": picture(1), "path": None}, "label": 0}], None)
    assert hf_parquet.detect(tmp_path / "set") is None
    with pytest.raises(DataError, match=r"train\.parquet: a table without boxes"):
        choose(Source(tmp_path / "set"))


def test_what_is_missing_is_named_with_the_command_that_installs_it(
    write_table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_table("train.parquet", [row(1, (1, 2, 3, 4))])
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match="Parquet is read with pyarrow, which is not installed") as error:
        list(hf_parquet.read(Source(file)))
    assert "odtool[parquet]" in error.value.hint
