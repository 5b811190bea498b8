"""Images that no annotation names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from odtool.dataset.readers.common import unlisted_images
from odtool.dataset.types import AnnotatedImage, Deferred, Finding, Problem, Source


def touched(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def read(source: Source) -> Iterator[Finding]:
    yield AnnotatedImage((source.images or source.path) / "a.jpg", source.path / "a.json")


@pytest.mark.parametrize("apart", [False, True])
def test_others_in_the_folders_of_images_are_counted(tmp_path: Path, apart: bool) -> None:
    images = tmp_path / "pictures"
    touched(
        images / "a.jpg", images / "b.PNG", images / "c.jpg", images / "more" / "a.jpg", tmp_path / "set" / "a.json"
    )
    source = Source(tmp_path / "set", images) if apart else Source(images)
    first, *told = unlisted_images.reporting_unlisted_images(read)(source)
    assert isinstance(first, AnnotatedImage)
    assert [(item.kind, item.file, item.detail) for item in told if isinstance(item, Problem)] == [
        ("file_skipped", images, "2 images that no annotation names, such as b.PNG"),
        ("image_namesakes", images / "more", "1 images whose names annotations have for others, such as a.jpg"),
    ]


def test_nothing_is_said_of_what_lies_beside_a_file(tmp_path: Path) -> None:
    touched(tmp_path / "a.json", tmp_path / "b.jpg")
    assert len(list(unlisted_images.reporting_unlisted_images(read)(Source(tmp_path / "a.json")))) == 1


def test_nothing_is_said_where_the_images_are_not_known_yet(tmp_path: Path) -> None:
    touched(tmp_path / "b.jpg")

    def later(source: Source) -> Iterator[Finding]:
        yield Deferred(read, (source,))

    assert len(list(unlisted_images.reporting_unlisted_images(later)(Source(tmp_path)))) == 1
