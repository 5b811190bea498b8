"""Checks of the sizes that images are brought to: which of them the API and the model can use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from odtool.pipeline.checks.finding import Finding, report_error
from odtool.pipeline.text.facts import ConfigFacts

_HOURGLASS_STAGES = {"hourglass_10": 1, "hourglass_20": 2, "hourglass_32": 3, "hourglass_52": 5, "hourglass_104": 5}
"""models/keras_models/hourglass_network.py."""
_CONDITIONS = (1, 2)
"""GREATER and SMALLER (protos/image_resizer.proto)."""
_BACKBONE = 5
"""Level of the last features of every backbone, 2**5 pixels of the image to one of them."""


def check_resizer(facts: ConfigFacts) -> Iterator[Finding]:
    """What the resizer says that the API or the model cannot do, whatever the images are."""
    kind, resizer = facts.resizer
    here = f"{facts.model_path}.image_resizer"
    if kind is not None and getattr(resizer, "convert_to_grayscale", False):
        yield report_error(
            f"{here}.{kind}.convert_to_grayscale: a model of one channel is trained, but cannot be exported, and "
            "odtool cannot predict with it",
            f"--set {here}.{kind}.convert_to_grayscale=false. For the same effect on training, augment with "
            "random_rgb_to_gray { probability: 1.0 }.",
        )
    if kind in (None, "pad_to_multiple_resizer"):  # config_util: "Unknown image resizer type."
        yield report_error(
            f"{here}: {'names no resizer' if kind is None else f'the API cannot train with a {kind}'}",
            "Use a fixed_shape_resizer, or a keep_aspect_ratio_resizer with pad_to_max_dimension.",
        )
        return
    if kind == "conditional_shape_resizer" and resizer.condition not in _CONDITIONS:
        yield report_error(f"{here}.{kind}.condition is INVALID", f"--set {here}.{kind}.condition=GREATER, or SMALLER.")
    if kind == "keep_aspect_ratio_resizer" and resizer.min_dimension > resizer.max_dimension:
        yield report_error(
            f"{here}.{kind}: min_dimension {resizer.min_dimension} is above max_dimension {resizer.max_dimension}",
            f"--set {here}.{kind}.max_dimension={resizer.min_dimension}",
        )
    if facts.input_size is None:
        yield from _check_many_sizes(facts, here)
    else:
        yield from _check_one_size(facts.model, here, facts.input_size)


def check_image_sizes(facts: ConfigFacts) -> Iterator[Finding]:
    """Whether the training images, by prepare's figures, can be put into one batch."""
    if facts.batch_size == 1 or facts.input_size is not None:
        return
    kind, _ = facts.resizer
    for _, summary in facts.readers[0].prepared:
        split = summary.splits.get("train")
        if split is not None and split.min_size != split.max_size:
            yield Finding(
                "error",
                "train records",
                f"{facts.model_path}.image_resizer: {kind} leaves images in different sizes, but all "
                f"{facts.batch_size} images of a batch need the same",
                _suggest_one_size(facts).rstrip(".") + ", or train with --batch-size 1.",
            )


def _check_many_sizes(facts: ConfigFacts, here: str) -> Iterator[Finding]:
    """multiscale_grid_anchor_generator.py asks for the size when it is built into the graph."""
    kind, _ = facts.resizer
    if facts.meta_architecture != "ssd" or not facts.model.anchor_generator.HasField("multiscale_anchor_generator"):
        return
    if facts.model.anchor_generator.multiscale_anchor_generator.normalize_coordinates:
        yield report_error(
            f"{here}: {kind} leaves images in different sizes, but this model's anchors need one size",
            _suggest_one_size(facts),
        )


def _suggest_one_size(facts: ConfigFacts) -> str:
    kind, _ = facts.resizer
    if kind == "keep_aspect_ratio_resizer":
        return f"--set {facts.model_path}.image_resizer.{kind}.pad_to_max_dimension=true"
    return "Use a fixed_shape_resizer."


def _check_one_size(model: Any, here: str, size: tuple[int, int]) -> Iterator[Finding]:
    least = _find_least(model)
    if min(size) < least:
        yield report_error(
            f"{here}: {size[1]}x{size[0]} pixels is too small: {model.feature_extractor.type} needs at least "
            f"{least} on each side",
            "Set a larger size.",
        )
        return
    low, high = find_levels(model)
    odd = sorted({side for side in size if not _fits(model, side, low, high)})
    if odd:
        step = 2**high
        near = sorted({max(odd[0] // step, 1) * step, (odd[0] // step + 1) * step})
        yield report_error(
            f"{here}: {model.feature_extractor.type} cannot use {' and '.join(map(str, odd))} pixels: "
            f"the features of its levels {low} to {high} would not line up",
            f"Set a multiple of {step}, such as {' or '.join(str(side) for side in near if side >= least)}.",
        )


def _find_least(model: Any) -> int:
    """shape_utils.check_min_image_dim in the feature extractors of SSD."""
    if model.DESCRIPTOR.name != "Ssd":
        return 1
    return 129 if any(part in model.feature_extractor.type for part in ("resnet", "efficientnet")) else 33


def find_levels(model: Any) -> tuple[int, int]:
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
    side = _divide_up(side, multiple) * multiple if multiple > 1 else side
    return bool(_divide_up(side, 2**low) == 2 ** (high - low) * _divide_up(side, 2**high))


def _divide_up(side: int, by: int) -> int:
    """`side` divided, rounded up."""
    return -(-side // by)
