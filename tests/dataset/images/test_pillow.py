"""Images as Pillow opens them here: of known formats alone, and never without the memory for them."""

from __future__ import annotations

import io

import pytest
from PIL import Image, UnidentifiedImageError, features

from odtool.dataset.images import decoding_memory
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.pillow import open_image, open_rgb


def encode(kind: str, mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (200, 100)).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "EPS", "ICNS", "PCX", "TGA", "PPM", "PDF", "SGI", "ICO"])
def test_other_formats_are_not_even_opened(kind: str) -> None:
    if kind in ("AVIF", "JPEG2000") and not features.check({"AVIF": "avif", "JPEG2000": "jpg_2000"}[kind]):
        pytest.skip(f"this Pillow has no {kind}")
    data = encode(kind)
    with pytest.raises(UnidentifiedImageError), open_image(data):
        pass
    with pytest.raises(ImageError, match="cannot identify"), open_rgb(data):
        pass


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "1"), ("PNG", "L"), ("PNG", "P"), ("JPEG", "CMYK"), ("GIF", "L")])
def test_colours_are_asked_for_before_a_gray_image_becomes_them(
    kind: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(decoding_memory, "SMALL", 0)
    monkeypatch.setattr(decoding_memory, "_claim", lambda size, _: asked.append(size))
    with open_rgb(encode(kind, mode)) as image:
        assert (image.mode, image.size) == ("RGB", (200, 100))
    assert max(asked) >= 200 * 100 * 12
    monkeypatch.undo()
    monkeypatch.setattr(decoding_memory, "SMALL", 0)
    monkeypatch.setattr(decoding_memory, "measure_available", lambda: 200 * 100 * 5 + (64 << 20))
    with pytest.raises(ImageError, match="200x100 pixels take"), open_rgb(encode(kind, mode)):
        pass


@pytest.mark.parametrize("cut", [10, 60, 200, 500])
def test_a_broken_image_is_an_error_of_one_kind(cut: int) -> None:
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"):
        data = encode(kind)
        with pytest.raises(ImageError), open_rgb(data[: min(cut, len(data) // 2)]):
            pass
