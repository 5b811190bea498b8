"""Identical images found without reading all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.dataset.images import image_file
from odtool.dataset.images.image_file import read_header
from odtool.dataset.records import spool
from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.survey import duplicates
from odtool.dataset.survey.examination import add_to_spool
from odtool.dataset.types import AnnotatedImage
from odtool.dataset.workers import LocalCrew

Found = Callable[[list[Path]], list[list[int]]]


@pytest.fixture
def identical(tmp_path: Path) -> Found:
    """identical(paths): the positions of equal files."""

    def find(paths: list[Path]) -> list[list[int]]:
        headers = [read_header(path) for path in paths]
        piece = spool.Piece()
        for path, header in zip(paths, headers, strict=True):
            add_to_spool(CheckedImage(AnnotatedImage(path, path, source_id=path.name), header), piece)
        with spool.create_spool(tmp_path / "spool") as writer:
            writer.add(piece, range(len(paths)))
        return duplicates.find_identical(
            [h.fingerprint for h in headers], tmp_path / "spool", writer.index.extent, LocalCrew(1)
        )

    return find


def test_copies_and_links_are_found_and_what_is_alike_at_first_is_not(
    tmp_path: Path, write_image: Callable[..., Path], identical: Found
) -> None:
    one = write_image(tmp_path / "one.png", 400, 300)
    copy = tmp_path / "copy.png"
    copy.write_bytes(one.read_bytes())
    link = tmp_path / "link.png"
    link.hardlink_to(one)
    jpeg = write_image(tmp_path / "a.jpg", 400, 300).read_bytes()
    # The same size and the same first 4 KB.
    long = [tmp_path / "x.jpg", tmp_path / "y.jpg"]
    for number, path in enumerate(long):
        path.write_bytes(jpeg[:-2] + bytes(5000) + bytes([number]) + jpeg[-2:])
    assert identical([one, long[0], copy, long[1], link]) == [[0, 2, 4]]


def test_images_that_differ_at_first_are_not_read(
    tmp_path: Path, write_image: Callable[..., Path], identical: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write_image(tmp_path / f"{width}.png", width) for width in range(10, 20)]
    monkeypatch.setattr(image_file, "read_bytes", None)
    assert identical(paths) == []
