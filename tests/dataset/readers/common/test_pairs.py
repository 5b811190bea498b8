"""Annotation files beside images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from odtool.dataset.readers.common.pairs import pair_files, report_unannotated
from odtool.dataset.types import Source


def test_images_without_annotation_are_counted_one_by_one_or_by_folder(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    for name in ("train/images/a.jpg", "train/images/b.jpg", "val/images/a.jpg", "test/images/a.jpg"):
        write_image(tmp_path / name)
    files = [tmp_path / "train/labels/a.txt", tmp_path / "val/labels/a.txt"]
    pairs = pair_files(files, Source(tmp_path), ["images"])
    assert pairs.places[tmp_path / "train/labels"].folders[0] == tmp_path / "train/images"
    assert pairs.places[tmp_path / "val/labels"].folders[0] == tmp_path / "val/images"
    assert [(item.kind, item.file.relative_to(tmp_path).as_posix()) for item in report_unannotated(pairs)] == [
        ("file_skipped", "test/images"),
        ("annotation_missing", "train/images/b.jpg"),
    ]


def test_archives_unpacked_side_by_side_are_paired_by_split_and_name(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    for name in ("data_image_3/training/image_3", "data_image_2/testing/image_2", "data_image_2/training/image_2"):
        write_image(tmp_path / name / "1.png")
    labels = tmp_path / "data_label_2/training/label_2"
    pairs = pair_files([labels / "1.txt"], Source(tmp_path), ["image_2"])
    assert pairs.places[labels].folders[0] == tmp_path / "data_image_2/training/image_2"


def test_the_folder_named_by_the_user_is_the_only_one(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image(tmp_path / "set/images/a.jpg")
    write_image(tmp_path / "other/a.jpg")
    pairs = pair_files([tmp_path / "set/labels/a.txt"], Source(tmp_path / "set", tmp_path / "other"), ["images"])
    assert pairs.places[tmp_path / "set/labels"].folders == (tmp_path / "other",)


def test_the_images_may_lie_beside_the_source(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image(tmp_path / "images/a.jpg")
    pairs = pair_files([tmp_path / "labels/a.txt"], Source(tmp_path / "labels"), ["images"])
    assert pairs.places[tmp_path / "labels"].folders == (tmp_path / "images",)
