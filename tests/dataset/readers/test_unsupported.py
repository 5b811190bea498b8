"""What is recognized but not read is refused with what it is, what it lacks and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers import unsupported
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.types import Source
from odtool.errors import DataError


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("set.zip", "an archive"),
        ("set.TAR.GZ", "an archive"),
        ("data/train-00000.parquet", "a table without boxes"),
    ],
)
def test_what_is_packed_is_named_whether_it_is_the_source_or_in_it(tmp_path: Path, name: str, says: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.touch()
    for path in (tmp_path, file):
        with pytest.raises(DataError, match=says) as error:
            choose(Source(path))
        assert str(file) in error.value.message
        assert error.value.hint


def test_an_archive_beside_annotations_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "set.zip").touch()
    (tmp_path / "a.xml").write_text("<annotation></annotation>")
    assert [choice.name for choice in choose(Source(tmp_path))] == ["voc"]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (("dog/a.jpg", "cat/b.jpg", "cat/c.jpg"), ["cat", "dog"]),
        (("train/dog/a.jpg", "train/cat/b.jpg", "val/cat/c.jpg"), ["cat", "dog"]),
        (("train/a.jpg", "val/b.jpg"), []),
        (("images/a.jpg", "cat/b.jpg"), []),
        (("a.jpg", "cat/b.jpg", "dog/b.jpg"), []),
        (("cat/a.jpg",), []),
        ((), []),
    ],
)
def test_folders_side_by_side_that_hold_images_are_classes(
    tmp_path: Path, write_image: Any, images: tuple[str, ...], expected: list[str]
) -> None:
    for image in images:
        write_image(tmp_path / image)
    assert unsupported.class_folders(tmp_path) == expected


def test_class_folders_are_refused_with_what_is_missing(tmp_path: Path, write_image: Any) -> None:
    for image in ("dog/a.jpg", "cat/b.jpg"):
        write_image(tmp_path / image)
    with pytest.raises(DataError, match=r"a folder for each class \(cat, dog\), but no bounding boxes") as caught:
        choose(Source(tmp_path))
    assert "Detection needs boxes" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "says", "hint"),
    [
        (
            "labels/a.txt",
            "0 0.5 0.5 0.1 0.1\n",
            "a.txt: looks like a YOLO label, but nothing names the cl",
            "classes.txt",
        ),
        ("data.yaml", "train: images\nval: images\n", "data.yaml: lists image folders as in YOLO", "names: [cat"),
        (
            "boxes.csv",
            "pic,kind,l,t,r,b\na.jpg,cat,1,2,3,4\n",
            "boxes.csv: CSV with the columns pic, kind, l, t, r, b, which odtool reads with",
            "--columns file=pic,class=kind,x1=l,y1=t,x2=r,y2=b",
        ),
    ],
)
@pytest.mark.parametrize("format_name", ["auto", "yolo", "tfod_csv"])
def test_what_a_near_miss_lacks_is_named(
    tmp_path: Path, write_image: Callable[..., Path], name: str, content: str, says: str, hint: str, format_name: str
) -> None:
    write_image(tmp_path / "images" / "a.jpg")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as error:
        choose(Source(tmp_path), format_name)
    assert says in error.value.message
    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", "5 boxes are missing\n"),
        ("environment.yaml", "name: train\nchannels: [a]\n"),
        ("weather.csv", "day,rain\n1,2\n"),
        ("empty.csv", ""),
    ],
)
def test_other_files_beside_images_are_not_taken_for_annotations(
    tmp_path: Path, write_image: Callable[..., Path], name: str, content: str
) -> None:
    write_image(tmp_path / "images" / "a.jpg")
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match="images in 1 folder, but no annotations found"):
        choose(Source(tmp_path))


def test_files_of_unknown_formats_are_named_with_what_they_are(tmp_path: Path, write_image: Any) -> None:
    write_image(tmp_path / "images" / "a.jpg")
    (tmp_path / "a.json").write_text('{"items": [{"label_id": 1}], "categories": {}}')
    (tmp_path / "b.json").write_text('{"items": [{"label_id": 1}], "categories": {}}')
    (tmp_path / "c.manifest").write_text('{"source-ref": "s3://b/a.jpg"}\n{"source-ref": "s3://b/b.jpg"}\n')
    with pytest.raises(DataError) as error:
        choose(Source(tmp_path))
    assert error.value.message == (
        f"{tmp_path / 'a.json'}: Datumaro JSON with the keys items, categories, which odtool does not read; so are 1 "
        f"more; {tmp_path / 'c.manifest'} is SageMaker Ground Truth manifest (JSON Lines)"
    )
    assert "before its items, as Datumaro writes them" in error.value.hint


def test_json_lines_are_not_called_broken(tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text('{"picture": "a.jpg", "at": [1, 2, 3, 4]}\n' * 2)
    with pytest.raises(DataError, match=r"boxes.json: JSON Lines with the keys picture, at, which odtool does not"):
        choose(Source(tmp_path))


@pytest.mark.parametrize(
    ("name", "what"),
    [("cars_annos.mat", "a MATLAB file"), ("boxes.XLSX", "a spreadsheet"), ("a.jsonl.gz", "compressed")],
)
def test_files_of_other_programs_are_named_where_there_are_no_annotations(
    tmp_path: Path, write_image: Any, name: str, what: str
) -> None:
    write_image(tmp_path / "images" / "a.jpg")
    (tmp_path / name).write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError, match=f"no annotations found; .*{name} is {what}, which odtool does not read"):
        choose(Source(tmp_path))


@pytest.mark.parametrize("name", ["set.json", "set.csv", "annotations"])
def test_a_pipe_in_the_place_of_annotations_is_refused_at_once(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(DataError, match=f"{name}: it is a named pipe, not a file"):
            choose(Source(path))


def test_a_device_in_the_place_of_annotations_is_refused_at_once() -> None:
    with pytest.raises(DataError, match="/dev/zero: it is a device, not a file"):
        choose(Source(Path("/dev/zero")))
