"""Which text file belongs to which image."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.dataset.readers.datasets.yolo.yolo_labels import Labels
from odtool.dataset.types import Source


def touch(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(source: Source, *images: str) -> list[str | None]:
    """The images' text files, as paths within the source."""
    labels = Labels(source)
    files = [labels.find_text((source.images or source.root) / image) for image in images]
    return [str(file.relative_to(source.root)) if file else None for file in files]


def test_a_background_image_has_no_label_of_another_folder(tmp_path: Path) -> None:
    touch(tmp_path, "valid/images/0.jpg", "valid/images/1.jpg", "valid/labels/1.txt", "labels/0.txt", "labels/1.txt")
    assert found(Source(tmp_path), "valid/images/0.jpg", "valid/images/1.jpg") == [None, "valid/labels/1.txt"]


def test_labels_of_the_root_serve_images_that_have_no_folder_of_their_own(tmp_path: Path) -> None:
    touch(tmp_path, "train/0.jpg", "train/1.jpg", "labels/1.txt")
    assert found(Source(tmp_path), "train/0.jpg", "train/1.jpg") == [None, "labels/1.txt"]


def test_a_background_image_that_lies_apart_has_no_label_of_another_split(tmp_path: Path) -> None:
    touch(tmp_path / "set", "labels/train/0.txt", "labels/train/1.txt", "labels/val/1.txt")
    touch(tmp_path / "pictures", "train/0.jpg", "train/1.jpg", "val/0.jpg", "val/1.jpg")
    source = Source(tmp_path / "set", tmp_path / "pictures")
    assert found(source, "val/0.jpg", "val/1.jpg") == [None, "labels/val/1.txt"]
    assert found(source, "train/0.jpg", "train/1.jpg") == ["labels/train/0.txt", "labels/train/1.txt"]


@pytest.mark.parametrize("folders", [("train", "val"), ("batch1", "batch2")])
def test_images_in_one_folder_have_labels_in_several(tmp_path: Path, folders: tuple[str, str]) -> None:
    touch(tmp_path / "set", f"labels/{folders[0]}/0.txt", f"labels/{folders[1]}/1.txt")
    touch(tmp_path / "pictures", "0.jpg", "1.jpg", "2.jpg")
    source = Source(tmp_path / "set", tmp_path / "pictures")
    expected = [f"labels/{folders[0]}/0.txt", f"labels/{folders[1]}/1.txt", None]
    assert found(source, "0.jpg", "1.jpg", "2.jpg") == expected


def test_images_that_are_not_there_have_no_labels(tmp_path: Path) -> None:
    touch(tmp_path, "labels/0.txt")
    assert found(Source(tmp_path), "images/0.jpg") == [None]


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("my photo.jpg", "my%20photo.txt"),
        ("my%20photo.jpg", "my photo.txt"),
        ("a (1).jpg", "a%20(1).txt"),
        ("a (1).jpg", "a%20%281%29.txt"),
        ("K\u00e4se.jpg", "K%C3%A4se.txt"),
        ("Ka\u0308se.jpg", "K%C3%A4se.txt"),
        ("frame_1.jpg", "?d=kc01%5Cframe_1.txt"),
        ("frame_1.jpg", "?d=kc01%2Fpart%202%2Fframe_1.txt"),
    ],
)
def test_names_that_passed_through_addresses_are_found(tmp_path: Path, image: str, text: str) -> None:
    touch(tmp_path, f"images/{image}", f"labels/{text}")
    assert found(Source(tmp_path), f"images/{image}") == [f"labels/{text}"]


def test_of_two_escaped_names_for_an_image_none_is_taken(tmp_path: Path) -> None:
    touch(tmp_path, "images/a b.jpg", "labels/?d=one%5Ca b.txt", "labels/?d=two%5Ca b.txt")
    assert found(Source(tmp_path), "images/a b.jpg") == [None]
