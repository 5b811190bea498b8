"""Images of records, decoded as training decodes them, where there is the memory for them."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from odtool.dataset.images import decoding_memory, image_file
from odtool.dataset.images.image_error import ImageError
from odtool.errors import DataError, first_line

_PIXEL_BYTES = 16
"""The pixels themselves, a copy that the decoder may make, and the floats that a detector makes of them: 3 + 1 + 12."""


def decode(encoded: bytes, name: str) -> NDArray[np.uint8]:
    """[height, width, 3] in RGB order.

    Args:
        name: of the image, for errors.

    Raises:
        DataError: it cannot be decoded, or there is less memory than its pixels and what a detector makes of them take.
    """
    try:
        with decoding_memory.reserve(*_describe_size(encoded)):
            pixels: NDArray[np.uint8] = tf.io.decode_image(encoded, channels=3, expand_animations=False).numpy()
            return pixels
    except ImageError as error:
        raise DataError(
            f"image {name} of the records: {error.detail}",
            "Prepare the records anew, with larger images stored smaller: odtool prepare --max-side 2000",
        ) from None
    except tf.errors.OpError as error:
        raise DataError(
            f"image {name} of the records cannot be decoded: {first_line(error)}",
            "Prepare the records anew: odtool prepare --verify full names such images.",
        ) from None


def _describe_size(encoded: bytes) -> tuple[int, str]:
    """Bytes that it takes, and its size in words; none for what the decoder has to judge itself."""
    try:
        header = image_file.parse_header(encoded)
    except ImageError:
        return 0, "an image of unknown size"
    return header.width * header.height * _PIXEL_BYTES, f"{header.width}x{header.height} pixels"
