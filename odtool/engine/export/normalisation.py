"""How a model's input is normalised, measured on the model itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from odtool.errors import ConfigError

Channels = tuple[float, float, float]


def measure_normalisation(extractor: Any) -> tuple[Channels, Channels]:
    """Mean and deviation of each channel: what the extractor makes of a pixel is (pixel - mean) / deviation.

    Args:
        extractor: an SSD feature extractor of the API.

    Raises:
        ConfigError: it does something else to a pixel.
    """
    black, white = _preprocess_pixel(extractor, (0, 0, 0)), _preprocess_pixel(extractor, (255, 255, 255))
    probe = np.array((10, 100, 200))
    predicted = black + (white - black) * probe / 255
    if black.shape != (3,) or not np.allclose(_preprocess_pixel(extractor, probe), predicted, atol=1e-3):
        raise ConfigError(
            "the model does not normalise each channel by a mean and a deviation, as a TFLite model's users must",
            "Export it as a SavedModel, which normalises by itself.",
        )
    deviation = 255 / (white - black)
    return _to_channels(-black * deviation), _to_channels(deviation)


def _preprocess_pixel(extractor: Any, colour: Any) -> Any:
    """What becomes of an image of one colour."""
    image = tf.constant(np.broadcast_to(np.array(colour, np.float32), (1, 64, 64, 3)))
    return extractor.preprocess(image).numpy()[0, 0, 0].astype(np.float64)


def _to_channels(values: Any) -> Channels:
    # Six digits: 32-bit arithmetic leaves noise behind 127.5.
    red, green, blue = (float(f"{value:.6g}") for value in values)
    return red, green, blue
