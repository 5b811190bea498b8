"""Class folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers import choose
from odtool.dataset.readers.unsupported import class_folders
from odtool.dataset.types import Source
from odtool.errors import DataError


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
    assert class_folders.classes(tmp_path) == expected


def test_they_are_refused_with_what_is_missing(tmp_path: Path, write_image: Any) -> None:
    for image in ("dog/a.jpg", "cat/b.jpg"):
        write_image(tmp_path / image)
    with pytest.raises(DataError, match=r"a folder for each class \(cat, dog\), but no bounding boxes") as caught:
        choose(Source(tmp_path))
    assert "Detection needs boxes" in caught.value.hint
