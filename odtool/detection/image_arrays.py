"""Pixels of the images that a detector is given, and their way to the size of its input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from odtool.dataset.images import decoding_memory, image_file, repair
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.memory_estimate import estimate_memory
from odtool.detection.detector import ImageSource
from odtool.errors import DataError

_ARRAY_BYTES = 12
"""What a pixel takes at most on its way into an array: Pillow makes two copies of the bytes. Measured: 11.2."""
_DETECTED_BYTES = 16
"""What a pixel takes for a decoder of bytes and a detector of floats: 3 + 1 + 12."""
_MEND = "Give paths, encoded images as bytes, or arrays of uint8 [height, width, 3] in RGB order."


def read_pixels(image: ImageSource) -> NDArray[np.uint8]:
    """[height, width, 3] in RGB order, turned as its EXIF says, transparency on white, 16 bits brought to 8.

    Raises:
        DataError: it is not an image that can be decoded, or an array of another kind.
    """
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise DataError(f"an array of {image.dtype} {list(image.shape)} is not an RGB image", _MEND)
        return image
    try:
        if isinstance(image, (bytes, bytearray, memoryview)):
            return decode(bytes(image))
        if isinstance(image, (str, PathLike)):
            return decode(image_file.read_bytes(fspath(image)))
    except (ImageError, OSError) as error:
        cause = error.detail if isinstance(error, ImageError) else error.strerror or str(error)
        name = "image" if isinstance(image, (bytes, bytearray, memoryview)) else fspath(image)
        raise DataError(f"{name}: {cause}", "Leave it out, or save it again with an image editor.") from None
    raise DataError(f"{type(image).__name__} is not an image", _MEND)


def to_list(images: Sequence[ImageSource]) -> Sequence[ImageSource]:
    """The images as they are.

    Raises:
        DataError: it is one image in place of several, whose letters or rows would be taken for images.
    """
    if isinstance(images, (str, bytes, PathLike)) or (isinstance(images, np.ndarray) and images.ndim < 4):
        raise DataError("detect takes a list of images, not a single one", "Write detect([image]).")
    return images


def decode(data: bytes) -> NDArray[np.uint8]:
    """The pixels of an encoded image; see `read_pixels`.

    Raises:
        ImageError: it cannot be decoded, or there is too little memory.
    """
    header = image_file.parse_header(data)
    size = max(estimate_memory(header, fixed=True), header.width * header.height * _ARRAY_BYTES)
    with decoding_memory.reserve(size, f"{header.width}x{header.height} pixels"):
        return np.asarray(repair.decode_pixels(data, header, fixed=True).convert("RGB"))


@contextmanager
def reserve_memory(data: bytes) -> Iterator[None]:
    """Runs with the memory for the pixels of an encoded image and for the floats that a detector makes of them.

    What its header does not tell is left to whoever decodes it.

    Raises:
        DataError: there is less.
    """
    try:
        header = image_file.parse_header(data)
        width, height = header.width, header.height
    except ImageError:
        width = height = 0
    try:
        with decoding_memory.reserve(width * height * _DETECTED_BYTES, f"{width}x{height} pixels"):
            yield
    except ImageError as error:
        raise DataError(error.detail, "Leave it out, or store it smaller.") from None


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """The image encoded without loss."""
    from PIL import Image

    return repair.compress(Image.fromarray(image), "png")


def is_image(path: Path) -> bool:
    """Whether its name ends as images' names do."""
    return path.suffix.lower() in image_file.EXTENSIONS


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    """[height, width, 3], 0 to 255: stretched bilinearly as the API's resizers do.

    Pixel i of the result lies at i * (size / new size) of the image, its upper left corner in the same place: the API
    calls TensorFlow 1's resize_images, without half_pixel_centers. Nothing is averaged where it shrinks.
    """
    above, below, down = _find_neighbours(image.shape[0], height)
    left, right, across = _find_neighbours(image.shape[1], width)
    across, down = across[None, :, None], down[:, None, None]
    upper, lower = image[above], image[below]
    top = upper[:, left] + (upper[:, right].astype(np.float32) - upper[:, left]) * across
    bottom = lower[:, left] + (lower[:, right].astype(np.float32) - lower[:, left]) * across
    return np.asarray(top + (bottom - top) * down, np.float32)


def _find_neighbours(size: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Between which two rows each new one lies, and how far it is from the first."""
    places = np.arange(target, dtype=np.float32) * np.float32(size / target)
    first = places.astype(np.int64)
    return first, np.minimum(first + 1, size - 1), places - first


def fit(height: int, width: int, most_high: int, most_wide: int) -> tuple[int, int]:
    """Height and width of an image that is scaled to fit, its shape kept, rounded as the API's resizer rounds."""
    scale = np.float32(min(most_high / height, most_wide / width))
    scaled = np.rint(np.array([height, width], np.float32) * scale).astype(int)
    return max(int(scaled[0]), 1), max(int(scaled[1]), 1)
