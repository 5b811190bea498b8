"""From what a model is given back to pixels that can be looked at, by what its preprocessing does to colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

_PROBE = (10, 100, 200)
_TOLERANCE = 0.5
"""Steps of 255 by which a colour may come back changed."""


class PixelRecovery:
    """Undoes a model's normalisation, where that is an affine function of a pixel's colour, as in all of the zoo's.

    Args:
        model: object_detection.core.model.DetectionModel.
        size: height and width of an image that is given to it, which is not resized then.
    """

    def __init__(self, model: Any, size: tuple[int, int]) -> None:
        def preprocess(colour: Any) -> Any:
            image = np.broadcast_to(np.array(colour, np.float32), (1, *size, 3))
            return model.preprocess(tf.constant(image))[0].numpy()[0, 0, 0].astype(np.float64)

        self._black = preprocess((0, 0, 0))
        columns = [(preprocess(255 * np.eye(3)[channel]) - self._black) / 255 for channel in range(3)]
        self._inverse = None
        if self._black.shape == (3,) and abs(np.linalg.det(matrix := np.stack(columns, 1))) > 1e-12:
            inverse = np.linalg.inv(matrix)
            if np.allclose(inverse @ (preprocess(_PROBE) - self._black), _PROBE, atol=_TOLERANCE):
                self._inverse = inverse

    @property
    def is_exact(self) -> bool:
        """Whether pixels come back as they were; if not, values are spread over what can be shown."""
        return self._inverse is not None

    def recover(self, values: Any) -> tuple[Any, bool]:
        """uint8 [height, width, 3] of float [height, width, channels], and whether values were spread for that."""
        if self._inverse is None or values.shape[-1] != 3:
            return spread(values), True
        return _clip((values - self._black) @ self._inverse.T), False


def to_pixels(values: Any) -> tuple[Any, bool]:
    """The same of an image on its way, whose values are from 0 to 255 unless an augmentation normalises them."""
    looks_normalised = values.min() < -1 or values.max() > 256 or (values.dtype.kind == "f" and values.max() <= 1)
    return (spread(values), True) if looks_normalised else (_clip(values), False)


def spread(values: Any) -> Any:
    """The smallest value black and the largest white; one channel is grey, and of more than three three are shown."""
    values = values[..., :3] if values.shape[-1] >= 3 else np.repeat(values[..., :1], 3, axis=-1)
    low, high = float(values.min()), float(values.max())
    return _clip((values - low) * (255 / (high - low) if high > low else 0))


def _clip(values: Any) -> Any:
    if values.shape[-1] != 3:
        values = values[..., :3] if values.shape[-1] > 3 else np.repeat(values[..., :1], 3, axis=-1)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
