"""Images of records, decoded as training decodes them, where there is the memory for them."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from odtool.detection import image_arrays
from odtool.errors import DataError, first_line


def decode(encoded: bytes, name: str) -> NDArray[np.uint8]:
    """[height, width, 3] in RGB order.

    Args:
        name: of the image, for errors.

    Raises:
        DataError: it cannot be decoded, or there is less memory than its pixels and what a detector makes of them take.
    """
    try:
        with image_arrays.reserve_memory(encoded):
            pixels: NDArray[np.uint8] = tf.io.decode_image(encoded, channels=3, expand_animations=False).numpy()
            return pixels
    except DataError as error:
        raise DataError(
            f"image {name} of the records: {error.message}",
            "Prepare the records anew, with larger images stored smaller: odtool prepare --max-side 2000",
        ) from None
    except tf.errors.OpError as error:
        raise DataError(
            f"image {name} of the records cannot be decoded: {first_line(error)}",
            "Prepare the records anew: odtool prepare --verify full names such images.",
        ) from None
