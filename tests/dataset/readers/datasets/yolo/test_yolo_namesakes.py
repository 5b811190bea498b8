"""Masks and other pictures that have the names of a YOLO set's photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from odtool.dataset.readers.datasets.yolo.yolo_namesakes import leave_out_namesakes
from odtool.dataset.types import Source
from odtool.errors import DataError


def make(root: Path, *folders: str, labels: str = "labels", gray: Sequence[str] = ()) -> list[Path]:
    """Three images in each folder, with labels for them."""
    images = []
    for number, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for name in "abc":
            images.append(root / folder / f"{name}.png")
            mode, colour = ("L", 9 * number) if folder in gray else ("RGB", (9 * number, 1, 2))
            Image.new(mode, (8, 8), colour).save(images[-1])
    (root / labels).mkdir(parents=True)
    for name in "abc":
        (root / labels / f"{name}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    return images


@pytest.mark.parametrize(
    ("folders", "left"),
    [
        (("masks", "rgb"), "rgb"),
        (("depth", "frames"), "frames"),
        (("images", "images_original"), "images"),
        (("a", "b"), "a"),
        (("left/a", "left/b"), "left/a"),
    ],
)
def test_labels_are_those_of_the_photographs(tmp_path: Path, folders: tuple[str, str], left: str) -> None:
    gray = [folder for folder in folders if folder in ("masks", "depth", "b", "left/b")]
    images, problems = leave_out_namesakes(make(tmp_path, *folders, gray=gray), Source(tmp_path))
    assert {image.parent for image in images} == {tmp_path / left}
    assert [(problem.kind, problem.file.name) for problem in problems] == [
        ("image_namesakes", Path(next(folder for folder in folders if folder != left)).name)
    ]


def test_masks_beside_labelled_images_are_no_background(tmp_path: Path) -> None:
    images = make(tmp_path, "train/images", "train/masks", labels="train/labels", gray=["train/masks"])
    kept, problems = leave_out_namesakes(images, Source(tmp_path))
    assert kept == images[:3]
    assert [problem.file.name for problem in problems] == ["masks"]


def test_where_nothing_says_whose_the_labels_are_both_folders_are_named(tmp_path: Path) -> None:
    images = make(tmp_path, "left", "right")
    with pytest.raises(DataError, match=r"labels: its images may be those in .*left or those in .*right"):
        leave_out_namesakes(images, Source(tmp_path))


def test_copies_of_one_image_and_single_names_that_are_repeated_stay(tmp_path: Path) -> None:
    images = make(tmp_path, "left", "right")
    for image in images[3:]:
        image.write_bytes((tmp_path / "left" / image.name).read_bytes())
    assert leave_out_namesakes(images, Source(tmp_path)) == (images, [])
    apart = [image.rename(image.with_name(f"{image.stem}2.png")) for image in images[4:]]
    assert leave_out_namesakes([*images[:4], *apart], Source(tmp_path)) == ([*images[:4], *apart], [])
