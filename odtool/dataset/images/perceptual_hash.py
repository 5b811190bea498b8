"""Perceptual hashes: 64 bits that stay nearly the same when an image is scaled, compressed, brightened or blurred.

The hash is the one of imagehash.phash: the signs of the 64 lowest frequencies of the image's cosine transform against
their median. That library takes SciPy's transform and PyWavelets with it; here it is one product of small matrices.
Zauner: Implementation and Benchmarking of Perceptual Image Hash Functions (2010).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from odtool.dataset.images import repair
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import parse_header
from odtool.dataset.images.pillow import open_image

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

SIMILAR = 6
"""Bits of two hashes that may differ in images that are called similar. On 200 photographs, scaling to half, JPEG of
quality 30, brightness by a fifth, blur and a shift by a hundredth of the width changed six bits at most; the nearest
pair of different photographs differed in 12, and half of all pairs in 30 or more."""
_SIDE = 32
"""Pixels of the square that an image is brought to."""
_FREQUENCIES = 8
_FLAT = 2.0
"""Grey levels. With a smaller standard deviation the frequencies are rounding errors, and all such images alike."""


def hash_image(data: bytes) -> int:
    """The hash of an encoded image; 0 for one without features, which no other image is similar to.

    A JPEG is decoded at an eighth of its size where that is enough, which takes a third of the time.

    Raises:
        ImageError: it cannot be decoded, or would take too much memory.
    """
    import numpy as np
    from PIL import Image

    square = _decode_gray(data).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    pixels = np.asarray(square, np.float32)
    if pixels.std() < _FLAT:
        return 0
    waves = _make_waves()
    frequencies = waves @ pixels @ waves.T
    signs = frequencies > np.median(frequencies)
    return int.from_bytes(np.packbits(signs).tobytes(), "big")


def _decode_gray(data: bytes) -> Image.Image:
    header = parse_header(data)
    if header.format != "jpeg":
        return repair.decode_pixels(data, header, fixed=False).convert("L")
    try:
        with open_image(data, ("JPEG",)) as image:
            image.draft("L", (2 * _SIDE, 2 * _SIDE))
            return image.convert("L")
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise anything from SyntaxError to struct.error on broken files
        raise ImageError("image_unreadable", f"{type(error).__name__}: {error}") from None


@lru_cache(maxsize=1)
def _make_waves() -> npt.NDArray[np.float32]:
    """The lowest cosines, a row each."""
    import numpy as np

    steps = np.arange(_SIDE)
    waves = np.cos(np.pi * (2 * steps[None, :] + 1) * steps[:_FREQUENCIES, None] / (2 * _SIDE))
    return waves.astype(np.float32)
