"""Images of records by their source ids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.dataset.images import decoding_memory
from odtool.errors import DataError
from odtool.reporting import record_images
from odtool.workspace import Run


@pytest.fixture
def files(examined_run: Callable[..., Run]) -> list[Path]:
    return record_images.find_evaluation_files(examined_run())


def test_images_are_found_by_their_ids_whatever_the_order(files: list[Path]) -> None:
    found = record_images.find_images(files, ["7.jpg", "2.jpg", " 3.jpg ", "none"])
    assert set(found) == {"7.jpg", "2.jpg", " 3.jpg "}
    assert found["7.jpg"].filename == "<i>7.jpg</i>"
    assert found["7.jpg"].uri.startswith("data:image/jpeg;base64,")


def test_nothing_is_read_beyond_the_last_one_wanted(files: list[Path]) -> None:
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[: len(whole) // 2])
    assert set(record_images.find_images(files, ["1.jpg"])) == {"1.jpg"}
    with pytest.raises(DataError, match="cut short"):
        record_images.find_images(files, ["8.jpg"])


def test_an_image_that_cannot_be_decoded_says_why(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    def refuse(*_: object, **__: object) -> None:
        raise OSError("cannot identify image file")

    monkeypatch.setattr(Image, "open", refuse)
    found = record_images.find_images(files, ["1.jpg"])["1.jpg"]
    assert (found.uri, found.problem) == ("", "OSError: cannot identify image file")


def test_an_image_that_takes_more_than_there_is_says_so(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_memory, "SMALL", 0)
    monkeypatch.setattr(decoding_memory, "measure_available", lambda: 1 << 16)
    found = record_images.find_images(files, ["1.jpg"])["1.jpg"]
    assert found.uri == ""
    assert "of memory to decode, and 65.5 kB are free" in found.problem
