"""Images of records are decoded where there is memory for them, and refused by name where there is not."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from odtool.dataset.images import decoding_memory
from odtool.errors import DataError

pytestmark = pytest.mark.usefixtures("api")


def encode(width: int, height: int, kind: str = "png") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (10, 20, 30)).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["png", "bmp", "gif"])
def test_pixels_are_those_of_the_image(kind: str) -> None:
    from odtool.engine.input import record_images

    pixels = record_images.decode(encode(7, 5, kind), "a.png")
    assert pixels.shape == (5, 7, 3)
    assert (pixels == (10, 20, 30)).all()


def test_what_does_not_fit_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    from odtool.engine.input import record_images

    def decode_image(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(decoding_memory, "measure_available", lambda: 100 << 20)
    monkeypatch.setattr(tf.io, "decode_image", decode_image)
    with pytest.raises(DataError, match=r"image bomb\.png of the records: 4000x3000 pixels .*memory"):
        record_images.decode(encode(4000, 3000), "bomb.png")


@pytest.mark.parametrize("data", [b"", b"no image", encode(40, 30)[:60], encode(40, 30, "jpeg")[:-200]])
def test_what_cannot_be_decoded_is_named(data: bytes) -> None:
    from odtool.engine.input import record_images

    with pytest.raises(DataError, match=r"image broken\.png of the records cannot be decoded: "):
        record_images.decode(data, "broken.png")
