"""What is nearly a format is refused with what it lacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.dataset import readers
from odtool.dataset.types import Source
from odtool.errors import DataError


@pytest.mark.parametrize(
    ("name", "content", "says", "hint"),
    [
        (
            "labels/a.txt",
            "0 0.5 0.5 0.1 0.1\n",
            "a.txt: looks like a YOLO label, but nothing names the cl",
            "classes.txt",
        ),
        ("data.yaml", "train: images\nval: images\n", "data.yaml: has the images' folders, as YOLO", "names: [cat"),
        (
            "boxes.csv",
            "pic,kind,l,t,r,b\na.jpg,cat,1,2,3,4\n",
            "boxes.csv: its columns are of no format",
            "filename,width",
        ),
    ],
)
@pytest.mark.parametrize("format_name", ["auto", "yolo", "tfod_csv"])
def test_what_is_lacking_is_said(
    tmp_path: Path, write_image: Callable[..., Path], name: str, content: str, says: str, hint: str, format_name: str
) -> None:
    write_image(tmp_path / "images" / "a.jpg")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as error:
        readers.choose(Source(tmp_path), format_name)
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
        readers.choose(Source(tmp_path))
