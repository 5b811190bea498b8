"""Headers of image files."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import read_header


@pytest.mark.parametrize(
    ("name", "mode", "options", "expected"),
    [
        ("a.jpg", "RGB", {}, ("jpeg", 3, 8)),
        ("a.jpg", "RGB", {"progressive": True, "quality": 30}, ("jpeg", 3, 8)),
        ("a.jpg", "L", {}, ("jpeg", 1, 8)),
        ("a.jpg", "CMYK", {}, ("jpeg", 4, 8)),
        ("a.png", "RGB", {}, ("png", 3, 8)),
        ("a.png", "RGBA", {}, ("png", 4, 8)),
        ("a.png", "P", {}, ("png", 3, 1)),
        ("a.png", "1", {}, ("png", 1, 1)),
        ("a.png", "I;16", {}, ("png", 1, 16)),
        ("a.bmp", "RGB", {}, ("bmp", 3, 8)),
        ("a.gif", "P", {}, ("gif", 3, 8)),
        ("a.tif", "RGB", {}, ("tiff", 3, 8)),
        ("a.webp", "RGB", {}, ("webp", 3, 8)),
    ],
)
def test_format_size_and_depth_come_from_the_content(
    tmp_path: Path, write_image: Callable[..., Path], name: str, mode: str, options: dict[str, object], expected: object
) -> None:
    path = write_image(tmp_path / name, 123, 45, mode, **options)
    header = read_header(path)
    assert (header.width, header.height, header.bytes) == (123, 45, path.stat().st_size)
    assert (header.format, header.channels, header.bits) == expected
    assert header.name_fits(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_exif_orientation_is_seen_and_does_not_change_the_size(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / name, exif=exif)
    header = read_header(tmp_path / name)
    assert (header.orientation, header.width, header.height) == (6, 40, 30)


def test_a_frame_header_behind_large_segments_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (40, 30)).save(path, comment=b"x" * 60_000, icc_profile=b"y" * 150_000)
    assert read_header(path).width == 40


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_file_that_was_cut_short_is_truncated(tmp_path: Path, write_image: Callable[..., Path], name: str) -> None:
    path = write_image(tmp_path / name, 300, 300)
    data = path.read_bytes()
    for length in (4, 20, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ImageError) as error:
            read_header(path)
        assert error.value.kind in ("image_truncated", "image_unreadable")


def test_padding_after_the_end_does_no_harm(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    path = write_image(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes() + b"\0" * 100)
    assert read_header(path).width == 64


@pytest.mark.parametrize(("content", "kind"), [(b"", "image_unreadable"), (b"<html>", "image_unreadable")])
def test_what_is_no_image_is_unreadable(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(ImageError) as error:
        read_header(tmp_path / "a.jpg")
    assert error.value.kind == kind


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(ImageError) as refused:
        read_header(tmp_path / "a.jpg")
    assert refused.value.kind == "image_unreadable"


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as missing:
        read_header(tmp_path / "a.jpg")
    with pytest.raises(ImageError) as folder:
        read_header(tmp_path)
    assert (missing.value.kind, folder.value.kind) == ("image_missing", "image_unreadable")


def _encoded(kind: str) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.new("RGB", (20, 10)).save(stream, kind, exif=exif)
    return stream.getvalue()


SEEDS = {kind: _encoded(kind) for kind in ("JPEG", "PNG", "TIFF", "WEBP")}


@settings(max_examples=300)
@given(
    kind=st.sampled_from(sorted(SEEDS)),
    edits=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 900),
)
def test_any_bytes_are_an_image_or_an_image_error(
    tmp_path_factory: pytest.TempPathFactory, kind: str, edits: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(SEEDS[kind])
    for position, value in edits:
        data[position % len(data)] = value
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(data[:cut] if cut < len(data) else data)
    with suppress(ImageError):
        assert read_header(path).width > 0


@pytest.mark.parametrize(("marker", "bits"), [(b"\xff\xc1", 12), (b"\xff\xc3", 8), (b"\xff\xc9", 8)])
def test_jpegs_that_tensorflow_cannot_decode_are_unreadable(tmp_path: Path, marker: bytes, bits: int) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "a.jpg")
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    frame = data.index(b"\xff\xc0")
    data[frame : frame + 2], data[frame + 4] = marker, bits
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(ImageError, match="TensorFlow cannot decode"):
        read_header(tmp_path / "a.jpg")
