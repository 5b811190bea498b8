"""Pixels as detectors are given them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from odtool.detection import image_arrays
from odtool.engine import compat
from odtool.errors import DataError


def stored(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def colours() -> NDArray[np.uint8]:
    """3 rows of 2 pixels, no two channels the same."""
    return np.arange(18, dtype=np.uint8).reshape(3, 2, 3) * 13


def test_a_path_the_bytes_and_the_array_are_the_same_image(tmp_path: Path, colours: NDArray[np.uint8]) -> None:
    data = stored(Image.fromarray(colours))
    (tmp_path / "a.png").write_bytes(data)
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), data, colours):
        np.testing.assert_array_equal(image_arrays.read_pixels(source), colours)


def test_the_exif_rotation_is_obeyed(colours: NDArray[np.uint8]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    turned = image_arrays.read_pixels(stored(Image.fromarray(colours), exif=exif))
    np.testing.assert_array_equal(turned, np.rot90(colours, -1))


@pytest.mark.parametrize(
    ("image", "pixel"),
    [
        (Image.new("L", (2, 2), 77), (77, 77, 77)),
        (Image.new("RGBA", (2, 2), (9, 8, 7, 255)), (9, 8, 7)),
        (Image.new("RGBA", (2, 2), (9, 8, 7, 0)), (255, 255, 255)),
        (Image.new("P", (2, 2)), (0, 0, 0)),
        (Image.new("1", (2, 2), 1), (255, 255, 255)),
        (Image.new("I;16", (2, 2), 0x8040), (128, 128, 128)),
    ],
    ids=["gray", "opaque", "transparent", "palette", "black and white", "16 bits"],
)
def test_any_kind_of_image_becomes_rgb(image: Image.Image, pixel: tuple[int, int, int]) -> None:
    made = image_arrays.read_pixels(stored(image))
    assert made.shape == (2, 2, 3)
    assert made.dtype == np.uint8
    assert tuple(made[0, 0].tolist()) == pixel


def test_cmyk_is_converted() -> None:
    made = image_arrays.read_pixels(stored(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    red, green, blue = (int(value) for value in made[4, 4])
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (b"GIF89a", "image_unreadable|error"),
        (b"", "empty"),
        (b"no image", "not an image"),
        (np.zeros((4, 4), np.uint8), r"uint8 \[4, 4\] is not an RGB image"),
        (np.zeros((4, 4, 4), np.uint8), r"\[4, 4, 4\] is not an RGB image"),
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((0, 4, 3), np.uint8), r"\[0, 4, 3\]"),
    ],
)
def test_what_is_no_image_is_named(image: bytes | NDArray[np.uint8], said: str) -> None:
    with pytest.raises(DataError, match=f"(?i){said}"):
        image_arrays.read_pixels(image)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.jpg: No such file"):
        image_arrays.read_pixels(tmp_path / "absent.jpg")


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 40)] * 4), st.integers(0, 99))
def test_it_resizes_as_the_api_does(sizes: tuple[int, int, int, int], seed: int) -> None:
    compat.load()
    import tensorflow as tf

    height, width, high, wide = sizes
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    wanted = tf.compat.v1.image.resize_images(tf.cast(image, tf.float32), [high, wide]).numpy()
    np.testing.assert_allclose(image_arrays.resize(image, high, wide), wanted, atol=1e-3)


@pytest.mark.parametrize(
    ("size", "limit", "wanted"),
    [
        ((480, 640), 512, (384, 512)),
        ((640, 480), 512, (512, 384)),
        ((10, 2000), 512, (3, 512)),
        ((1, 9000), 512, (1, 512)),
    ],
)
def test_a_shape_that_is_kept_fits(size: tuple[int, int], limit: int, wanted: tuple[int, int]) -> None:
    assert image_arrays.fit(*size, limit, limit) == wanted


@pytest.mark.parametrize("single", ["a.jpg", b"\xff\xd8", Path("a.jpg"), np.zeros((4, 4, 3), np.uint8)])
def test_a_single_image_is_not_taken_for_several(single: object) -> None:
    with pytest.raises(DataError, match="takes a list of images"):
        image_arrays.to_list(single)  # type: ignore[arg-type]  # what type checkers would say
