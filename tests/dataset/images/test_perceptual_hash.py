"""Perceptual hashes: near for images that look alike, far for others, and the same as imagehash's."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter
from scipy.fftpack import dct

from odtool.dataset.images import decoding_memory
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.perceptual_hash import SIMILAR, hash_image


def encode(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def count_different(one: int, other: int) -> int:
    return (one ^ other).bit_count()


@pytest.fixture(scope="module")
def photographs(shared_data: Path) -> list[Path]:
    return sorted((shared_data / "raccoon" / "images").iterdir())[:30]


def test_what_is_done_to_an_image_on_its_way_changes_few_bits(photographs: list[Path]) -> None:
    for path in photographs:
        image = Image.open(path).convert("RGB")
        own = hash_image(path.read_bytes())
        changed = {
            "png": encode(image, "PNG"),
            "webp": encode(image, "WEBP", quality=50),
            "half": encode(image.resize((image.width // 2, image.height // 2))),
            "compressed": encode(image, quality=30),
            "brighter": encode(ImageEnhance.Brightness(image).enhance(1.2)),
            "blurred": encode(image.filter(ImageFilter.GaussianBlur(2))),
            "gray": encode(image.convert("L")),
            "shifted": encode(image.crop((image.width // 100, 0, image.width, image.height))),
        }
        assert {
            name: count_different(hash_image(data), own) <= SIMILAR for name, data in changed.items()
        } == dict.fromkeys(changed, True)


def test_different_photographs_differ_in_many_bits(photographs: list[Path]) -> None:
    hashes = sorted({hash_image(path.read_bytes()) for path in photographs})
    assert len(hashes) > 25
    assert min(count_different(one, other) for one in hashes for other in hashes if one != other) > SIMILAR


def test_the_hash_is_the_one_of_imagehash(photographs: list[Path]) -> None:
    for path in photographs[:10]:
        image = Image.open(path).convert("RGB")
        # Its phash(), line by line.
        pixels = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS))
        low = dct(dct(pixels, axis=0), axis=1)[:8, :8]
        expected = int("".join(str(int(bit)) for bit in (low > np.median(low)).flatten()), 2)
        assert hash_image(encode(image, "PNG")) == expected


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_flat_images_of_any_kind_have_no_hash(mode: str) -> None:
    assert hash_image(encode(Image.new(mode, (50, 40)), "PNG")) == 0


def test_images_of_any_kind_are_hashed(photographs: list[Path]) -> None:
    image = Image.open(photographs[0]).convert("RGB")
    own = hash_image(photographs[0].read_bytes())
    others = [
        encode(image.convert("CMYK")),
        encode(image.convert("P"), "PNG"),
        encode(image.convert("RGBA"), "PNG"),
        encode(image, "BMP"),
        encode(image, "TIFF"),
        encode(image, "GIF"),
        encode(image, progressive=True),
    ]
    assert all(count_different(hash_image(data), own) <= SIMILAR for data in others)


def test_an_image_that_would_fill_the_memory_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_memory, "measure_available", lambda: 1 << 28)
    with pytest.raises(ImageError, match=r"10001x10000 pixels take .* of memory to decode"):
        hash_image(encode(Image.new("1", (10_001, 10_000)), "PNG"))


def test_what_cannot_be_decoded_is_an_image_error(photographs: list[Path]) -> None:
    data = photographs[0].read_bytes()
    for broken in (data[:100], b"\xff\xd8\xff", b"text", b""):
        with pytest.raises(ImageError):
            hash_image(broken)
