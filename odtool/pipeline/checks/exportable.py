"""What a model can be exported to, told from its config alone, with the reason where it cannot."""

from __future__ import annotations

from odtool.errors import ConfigError
from odtool.pipeline.checks import input_sizes
from odtool.pipeline.text import config
from odtool.pipeline.text.config import PipelineConfig

FORMATS = ("savedmodel", "tflite", "onnx")


def refuse(loaded: PipelineConfig, formats: tuple[str, ...]) -> None:
    """Raises ConfigError where the model cannot be exported to one of these formats."""
    for name in formats:
        if reason := obstacle(loaded, name):
            others = [other for other in FORMATS if not obstacle(loaded, other)]
            hint = f"It can be exported as: {', '.join(others)}." if others else ""
            raise ConfigError(f"--format {name}: {reason}", hint)


def obstacle(loaded: PipelineConfig, name: str) -> str:
    """Why the model cannot be exported to this format; empty where it can."""
    architecture = config.architecture(loaded)
    if architecture == "context_rcnn":
        return "Context R-CNN needs a memory of other images beside the image, which no file would carry"
    if name == "tflite":
        return _tflite_obstacle(loaded, architecture)
    return ""


def _tflite_obstacle(loaded: PipelineConfig, architecture: str) -> str:
    if architecture not in ("ssd", "center_net"):
        return "the API's TFLite graph is for SSD, EfficientDet and CenterNet; this model's second stage has none"
    resizer = config.model(loaded).image_resizer
    kind = resizer.WhichOneof("image_resizer_oneof")
    chosen = getattr(resizer, kind)
    if getattr(chosen, "convert_to_grayscale", False):
        return "the model takes gray images; TFLite files are written for colour images only"
    if input_sizes.fixed(loaded) is None:
        return f"a TFLite model has an input of one size, and the model's {kind} gives images of many sizes"
    if any(getattr(chosen, "per_channel_pad_value", ())):
        return "the model pads images with a colour (per_channel_pad_value); TFLite files are written for zeros only"
    return ""


def input_size(loaded: PipelineConfig) -> tuple[int, int]:
    """Height and width in pixels of an input of one size.

    Raises:
        ConfigError: the model's inputs have many sizes.
    """
    size = input_sizes.fixed(loaded)
    if size is None:
        kind = config.model(loaded).image_resizer.WhichOneof("image_resizer_oneof")
        raise ConfigError(f"image_resizer: {kind} gives images of many sizes", "Use a fixed_shape_resizer.")
    return size
