"""Pillow as odtool opens images with it: large ones allowed, warnings silenced."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 1 << 30
"""In an image that must be decoded; satellite images of 400 million are in use. Pillow's own limit is lower."""


@contextmanager
def open_image(data: bytes, formats: tuple[str, ...] | None = None) -> Iterator[Image.Image]:
    """The image of these bytes, of one of Pillow's formats. Pillow raises anything on broken files, here or later."""
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MOST_PIXELS
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images and odd tags; neither keeps it from decoding.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=formats) as image:
                yield image
    finally:
        Image.MAX_IMAGE_PIXELS = limit
