"""WIDER FACE's text files."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.readers.common import rows
from odtool.dataset.readers.datasets import wider_face
from odtool.dataset.types import Box, Source
from odtool.errors import DataError

PATH = Path("wider_face_train_bbx_gt.txt")
TEXT = (
    "0--Parade/0_Parade_1.jpg\n"
    "2\n"
    "78 221 7 8 2 0 0 0 0 0 \n"
    "78 238 14 17 2 0 0 0 2 0 \n"
    "0--Parade/0_Parade_2.jpg\n"
    "0\n"
    "0 0 0 0 0 0 0 0 0 0 \n"
    "1--Handshaking/1_Handshaking_3.jpg\n"
    "3\n"
    "10 20 30 40 0 0 0 1 0 0\n"
    "10 20 0 40 0 0 0 0 0 0\n"
    "1 2 3 4 0 0 0 0 1 1\n"
)


def parse(text: str | bytes) -> list[wider_face.WiderImage]:
    data = text if isinstance(text, bytes) else text.encode()
    return parse_with_problems(data, [])


def parse_with_problems(data: bytes, problems: list[tuple[str, str]]) -> list[wider_face.WiderImage]:
    return list(wider_face.parse(rows.number_lines(io.BytesIO(data), PATH, problems), PATH, problems))


def test_images_are_followed_by_a_count_and_as_many_faces() -> None:
    parade, nobody, hands = parse(TEXT)
    assert parade.name == "0--Parade/0_Parade_1.jpg"
    assert [(item.label, item.box, item.occluded) for item in parade.objects] == [
        ("face", Box(78, 221, 85, 229), False),
        ("face", Box(78, 238, 92, 255), True),
    ]
    assert nobody.objects == ()
    # A face without width stays, for the checks to leave out and count.
    assert [item.box for item in hands.objects] == [Box(10, 20, 10, 60), Box(1, 2, 4, 6)]
    assert hands.problems == (("object_ignored", "line 10: a face marked as invalid in " + hands.name),)


@pytest.mark.parametrize("rest", ["0 0 0 0 0 0 0 0 0 0\n", ""])
def test_no_faces_are_a_row_of_zeros_or_none(rest: str) -> None:
    images = parse(f"a.jpg\n0\n{rest}b.jpg\n1\n1 2 3 4\n")
    assert [(image.name, len(image.objects)) for image in images] == [("a.jpg", 0), ("b.jpg", 1)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.jpg\n2\n1 2 3 4\nb.jpg\n0\n", ":2: 2 faces in a.jpg, but 1 rows follow"),
        ("a.jpg\n1\n1 2 3 4\n5 6 7 8\n", ":2: 1 faces in a.jpg, but 2 rows follow"),
        ("5 6 7 8\na.jpg\n0\n", ":1: not an image name: '5 6 7 8'"),
        ("a.jpg\nmany\n", ":2: not the number of faces in a.jpg: 'many'"),
        ("a.jpg\n", ":1: not the number of faces in a.jpg: ''"),
        ("a.jpg\n1\n1 2 x 4\n", ":3: not a face in a.jpg: '1 2 x 4'"),
    ],
)
def test_a_line_that_should_not_stand_there_is_named_and_the_next_image_is_read(
    text: str, says: str, fault: Any
) -> None:
    data = f"{text}z.jpg\n1\n1 2 3 4\n".encode()
    assert says in fault(lambda problems: parse_with_problems(data, problems), PATH)
    assert parse(data)[-1].name == "z.jpg"
    assert "a.jpg" not in [image.name for image in parse(data)] or text.startswith("5")


def test_the_layout_of_the_archives(tmp_path: Path, write_image: Callable[..., Path], found: Any) -> None:
    split = tmp_path / "wider_face_split"
    split.mkdir()
    (split / "wider_face_train_bbx_gt.txt").write_text(TEXT)
    (split / "wider_face_val_bbx_gt.txt").write_text("0--Parade/0_Parade_1.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n")
    (split / "wider_face_test_filelist.txt").write_text("0--Parade/0_Parade_9.jpg\n")
    (split / "readme.txt").write_text("Format of txt ground truth.\n")
    for name in ("0--Parade/0_Parade_1.jpg", "0--Parade/0_Parade_2.jpg", "1--Handshaking/1_Handshaking_3.jpg"):
        write_image(tmp_path / "WIDER_train/images" / name)
        write_image(tmp_path / "WIDER_val/images" / name)
    assert "wider_face_train_bbx_gt.txt" in (wider_face.detect(tmp_path) or "")
    images, problems = found(wider_face.read, Source(tmp_path))
    assert [image.path.relative_to(tmp_path).as_posix() for image in images] == [
        "WIDER_train/images/0--Parade/0_Parade_1.jpg",
        "WIDER_train/images/0--Parade/0_Parade_2.jpg",
        "WIDER_train/images/1--Handshaking/1_Handshaking_3.jpg",
        "WIDER_val/images/0--Parade/0_Parade_1.jpg",
    ]
    assert [image.split for image in images] == ["train", "train", "train", "val"]
    assert sorted(problem.kind for problem in problems) == ["file_skipped", "object_ignored"]
    for source in (Source(split), Source(split / PATH.name), Source(split, images=tmp_path / "WIDER_train/images")):
        assert found(wider_face.read, source)[0][0].path == images[0].path


def test_a_path_that_leads_outside_is_looked_for_by_its_last_part(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    write_image(tmp_path / "secret.jpg")
    write_image(tmp_path / "set/images/a/b.jpg")
    (tmp_path / "set/x_gt.txt").write_text("../../../secret.jpg\n1\n1 2 3 4\n")
    (image,), problems = found(wider_face.read, Source(tmp_path / "set"))
    assert not image.path.exists()
    assert [problem.kind for problem in problems] == ["path_outside"]


@given(st.data())
def test_any_text_gives_images_or_a_data_error(mutated: Any, data: st.DataObject) -> None:
    with suppress(DataError):
        parse(data.draw(mutated(TEXT)))
