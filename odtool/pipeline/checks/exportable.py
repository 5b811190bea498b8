"""Which formats a model can be exported to, by its config alone, and why not the others."""

from __future__ import annotations

from odtool.errors import ConfigError
from odtool.pipeline.text.facts import ConfigFacts

FORMATS = ("savedmodel", "tflite", "onnx")


def refuse(facts: ConfigFacts, formats: tuple[str, ...], precisions: tuple[str, ...] = ()) -> None:
    """Raises ConfigError where the model cannot be exported to one of these formats.

    Args:
        precisions: of TFLite files.
    """
    for name in formats:
        if obstacle := find_obstacle(facts, name):
            possible = [name for name in FORMATS if not find_obstacle(facts, name)]
            hint = f"It can be exported as: {', '.join(possible)}." if possible else ""
            raise ConfigError(f"--format {name}: {obstacle}", hint)

    if "tflite" in formats and "int8" in precisions and facts.architecture == "center_net":
        # center_net_meta_arch.py, top_k_feature_map_locations. Measured: a model of mAP .68 found nothing at all.
        raise ConfigError(
            "--tflite int8: CenterNet's graph tells a heat map's peaks by differences below 1e-6, which eight bits do "
            "not have, so that it would find nothing",
            "Use --tflite float16, half the size of float32.",
        )


def find_obstacle(facts: ConfigFacts, name: str) -> str:
    """Why the model cannot be exported to this format; empty where it can."""
    if facts.architecture == "context_rcnn":
        return "Context R-CNN needs a memory of other images beside the image, which no exported file holds"
    if name == "tflite":
        return _find_tflite_obstacle(facts)
    return ""


def _find_tflite_obstacle(facts: ConfigFacts) -> str:
    if facts.architecture not in ("ssd", "center_net"):
        return "the API has TFLite graphs for SSD, EfficientDet and CenterNet, but not for two-stage models like this"
    kind, resizer = facts.resizer
    if getattr(resizer, "convert_to_grayscale", False):
        return "the model takes grayscale images; TFLite files are written for colour images only"
    if facts.input_size is None:
        return f"a TFLite model has a fixed input size, but this model's {kind} gives images of different sizes"
    if any(getattr(resizer, "per_channel_pad_value", ())):
        return "the model pads images with a colour (per_channel_pad_value); TFLite files are written for zeros only"
    return ""


def require_input_size(facts: ConfigFacts) -> tuple[int, int]:
    """Height and width in pixels of an input of one size.

    Raises:
        ConfigError: images keep sizes of their own.
    """
    if facts.input_size is None:
        kind, _ = facts.resizer
        raise ConfigError(f"image_resizer: {kind} gives images of different sizes", "Use a fixed_shape_resizer.")
    return facts.input_size
