"""Text of the OIDv4 toolkit, laid out as it downloads classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.datasets import oidv4
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.types import Box, Source


def test_labels_lie_in_a_folder_below_their_images(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for split, name, text in (
        ("train", "Apple", "Apple 106.88 131.2 540.16 682.6624\nApple 0.0 1 2 3\n"),
        ("validation", "Traffic light", "Traffic light 1 2 30 40\n"),
    ):
        folder = tmp_path / "OID/Dataset" / split / name
        write_image(folder / "000ad2c3.jpg", 1024, 768)
        (folder / "Label").mkdir()
        (folder / "Label/000ad2c3.txt").write_text(text)
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "oidv4"
    images, problems = found(choice.reader.read, Source(tmp_path))
    assert problems == []
    assert [(image.path.parent.name, image.split) for image in images] == [("Apple", "train"), ("Traffic light", "val")]
    assert [[(item.label, item.box) for item in image.objects] for image in images] == [
        [("Apple", Box(106.88, 131.2, 540.16, 682.6624)), ("Apple", Box(0, 1, 2, 3))],
        [("Traffic light", Box(1, 2, 30, 40))],
    ]


def test_a_broken_line_is_told(tmp_path: Path, write_image: Callable[..., Path], found: Any) -> None:
    (tmp_path / "Label").mkdir()
    for name, text in (("a", "cat 1 2 30 40\ncat 1 2 30\n"), ("b", "cat 1 2 30 40\n"), ("c", "cat 1\n")):
        write_image(tmp_path / f"{name}.jpg")
        (tmp_path / f"Label/{name}.txt").write_text(text)
    images, problems = found(oidv4.read, Source(tmp_path))
    # What lost all its objects is no background.
    assert [(image.path.name, len(image.objects)) for image in images] == [("a.jpg", 1), ("b.jpg", 1)]
    assert [(problem.kind, problem.detail) for problem in problems] == [
        ("record_broken", "line 2: not a class and four corners: 'cat 1 2 30'"),
        ("annotation_broken", "line 1: not a class and four corners: 'cat 1'"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "cat 0.5 0.5 0.2 0.3\n",  # YOLO with names
        "cat 0.9 1 2 30 40\n",  # a detection
        "0 1 2 30 40\n",
        "a.jpg 1 2 30 40\n",
        "cat 30 40 1 2\n",
        "cat 1 2 30 40\nanything else\nand more\n",
        "cat,1,2,30,40\n",
        "",
    ],
)
def test_other_lines_are_not_taken_for_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "Label").mkdir()
    (tmp_path / "Label/a.txt").write_text(text)
    assert oidv4.detect(tmp_path) is None


def test_text_without_an_image_of_its_name_beside_it_is_any_text(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    (tmp_path / "notes.txt").write_text("epoch 1 2 30 40\n")
    assert oidv4.detect(tmp_path) is None
    write_image(tmp_path / "notes.jpg")
    assert oidv4.detect(tmp_path)
