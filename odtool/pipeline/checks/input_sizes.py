"""The sizes that a model's images are brought to, and which of them its architecture can use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from odtool.errors import ConfigError
from odtool.pipeline.text import config
from odtool.pipeline.text.config import PipelineConfig

_HOURGLASS_STAGES = {"hourglass_10": 1, "hourglass_20": 2, "hourglass_32": 3, "hourglass_52": 5, "hourglass_104": 5}
"""models/keras_models/hourglass_network.py."""
_BACKBONE = 5
"""Level of the last features of every backbone, 2**5 pixels of the image to one of them."""


def fixed(loaded: PipelineConfig) -> tuple[int, int] | None:
    """Height and width that every image is brought to, as config_util.get_spatial_image_size; None for many sizes."""
    resizer = config.model(loaded).image_resizer
    kind = resizer.WhichOneof("image_resizer_oneof")
    if kind == "fixed_shape_resizer":
        return resizer.fixed_shape_resizer.height, resizer.fixed_shape_resizer.width
    if kind == "keep_aspect_ratio_resizer" and resizer.keep_aspect_ratio_resizer.pad_to_max_dimension:
        side = resizer.keep_aspect_ratio_resizer.max_dimension
        return side, side
    return None


def contradictions(loaded: PipelineConfig) -> Iterator[ConfigError]:
    """What the resizer says that the API or the model cannot do, whatever the images are."""
    model, path = config.model(loaded), f"model.{loaded.message.model.WhichOneof('model')}"
    kind = model.image_resizer.WhichOneof("image_resizer_oneof")
    here = f"{path}.image_resizer"
    if kind in (None, "pad_to_multiple_resizer"):  # config_util: "Unknown image resizer type."
        yield ConfigError(
            f"{here}: {'names no resizer' if kind is None else f'the API cannot train with a {kind}'}",
            "Use a fixed_shape_resizer, or a keep_aspect_ratio_resizer with pad_to_max_dimension.",
        )
        return
    if kind == "keep_aspect_ratio_resizer":
        chosen = model.image_resizer.keep_aspect_ratio_resizer
        if chosen.min_dimension > chosen.max_dimension:
            yield ConfigError(
                f"{here}.{kind}: min_dimension {chosen.min_dimension} is above max_dimension {chosen.max_dimension}",
                f"--set {here}.{kind}.max_dimension={chosen.min_dimension}",
            )
    size = fixed(loaded)
    if size is None:
        yield from _many_sizes(model, here, kind)
    else:
        yield from _one_size(model, here, size)


def refuse_unlike(loaded: PipelineConfig, smallest: tuple[int, int], largest: tuple[int, int]) -> None:
    """Raises ConfigError where the training images, of these widths and heights, would not make up a batch."""
    batch = loaded.message.train_config.batch_size
    if batch > 1 and smallest != largest and fixed(loaded) is None:
        name = loaded.message.model.WhichOneof("model")
        kind = config.model(loaded).image_resizer.WhichOneof("image_resizer_oneof")
        padding = kind == "keep_aspect_ratio_resizer"
        raise ConfigError(
            f"model.{name}.image_resizer: {kind} leaves images in many sizes, and a batch of {batch} needs one",
            f"--set model.{name}.image_resizer.keep_aspect_ratio_resizer.pad_to_max_dimension=true"
            if padding
            else "Use a fixed_shape_resizer, or --batch-size 1.",
        )


def _many_sizes(model: Any, here: str, kind: str) -> Iterator[ConfigError]:
    """multiscale_grid_anchor_generator.py asks for the size when it is built into the graph."""
    if model.DESCRIPTOR.name != "Ssd" or not model.anchor_generator.HasField("multiscale_anchor_generator"):
        return
    if model.anchor_generator.multiscale_anchor_generator.normalize_coordinates:
        yield ConfigError(
            f"{here}: {kind} leaves images in many sizes, and this model's anchors need one",
            f"--set {here}.{kind}.pad_to_max_dimension=true"
            if kind == "keep_aspect_ratio_resizer"
            else "Use a fixed_shape_resizer.",
        )


def _one_size(model: Any, here: str, size: tuple[int, int]) -> Iterator[ConfigError]:
    least = _least(model)
    if min(size) < least:
        yield ConfigError(
            f"{here}: {size[1]}x{size[0]} pixels; {model.feature_extractor.type} takes {least} or more on each side",
            "Set a larger size.",
        )
        return
    low, high = levels(model)
    odd = sorted({side for side in size if not _fits(model, side, low, high)})
    if odd:
        step = 2**high
        near = sorted({max(odd[0] // step, 1) * step, (odd[0] // step + 1) * step})
        yield ConfigError(
            f"{here}: {model.feature_extractor.type} cannot use {' and '.join(map(str, odd))} pixels: "
            f"features of its levels {low} to {high} would not lie over each other",
            f"Set a multiple of {step}, such as {' or '.join(str(side) for side in near if side >= least)}.",
        )


def _least(model: Any) -> int:
    """shape_utils.check_min_image_dim in the feature extractors of SSD."""
    if model.DESCRIPTOR.name != "Ssd":
        return 1
    return 129 if any(part in model.feature_extractor.type for part in ("resnet", "efficientnet")) else 33


def levels(model: Any) -> tuple[int, int]:
    """The levels whose features are laid over each other, from the finest to the coarsest; alike where none are.

    A level's features are half as wide and high, rounded up, as those of the level below; going back they are doubled.
    """
    kind, name = model.feature_extractor.type, model.DESCRIPTOR.name
    if name == "CenterNet":  # the plain backbones, too, are enlarged from level 5 to 2
        return 2, 2 + _HOURGLASS_STAGES[kind] if kind in _HOURGLASS_STAGES else _BACKBONE
    if name == "Ssd" and "bifpn" in kind:
        return model.feature_extractor.bifpn.min_level, model.feature_extractor.bifpn.max_level
    if "fpn" in kind:
        pyramid = model.feature_extractor.fpn
        # Levels above the backbone's are made from its last, and are not added to those below.
        return pyramid.min_level, max(min(pyramid.max_level, _BACKBONE), pyramid.min_level)
    return 0, 0


def _fits(model: Any, side: int, low: int, high: int) -> bool:
    if model.DESCRIPTOR.name == "CenterNet" and side % 4:  # target_assigner.py rounds down, the model up
        return False
    multiple = getattr(model.feature_extractor, "pad_to_multiple", 1)
    side = _halved(side, multiple) * multiple if multiple > 1 else side
    return bool(_halved(side, 2**low) == 2 ** (high - low) * _halved(side, 2**high))


def _halved(side: int, by: int) -> int:
    """`side` divided, rounded up."""
    return -(-side // by)
