"""Check that a model has anchors for each of its feature maps, no more and no fewer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from odtool.pipeline.checks.finding import Finding, report_error
from odtool.pipeline.checks.model_settings import EXTRACTORS
from odtool.pipeline.text.facts import ConfigFacts

_MOST_MAPS = 6
"""Feature maps that the MobileNets have a layout for: their lists are cut to num_layers
(models/ssd_mobilenet_v2_keras_feature_extractor.py)."""


def check_anchor_layers(facts: ConfigFacts) -> Iterator[Finding]:
    """The API compares the two when the model is first called: 'must be a list with the same length'."""
    architecture = facts.meta_architecture
    if architecture == "center_net" or facts.model.feature_extractor.type not in EXTRACTORS[architecture]:
        return
    field = "anchor_generator" if architecture == "ssd" else "first_stage_anchor_generator"
    generator, path = getattr(facts.model, field), f"{facts.model_path}.{field}"
    kind = generator.WhichOneof("anchor_generator_oneof")
    if kind is None or (architecture, kind) == ("faster_rcnn", "ssd_anchor_generator"):
        return  # check_anchors and check_anchor_coordinates say so
    anchors, here = getattr(generator, kind), f"{path}.{kind}"
    maps, maps_field = _count_feature_maps(facts)
    if maps < 1:
        yield report_error(f"{maps_field} is {maps}: there would be no feature maps", f"Set 1 to {_MOST_MAPS}.")
        return
    layers, layers_field = _count_anchor_layers(anchors, kind, here)
    is_pyramid = maps_field.endswith("fpn")
    # check_anchors compares the levels of a pyramid one by one.
    if layers != maps and not (is_pyramid and kind == "multiscale_anchor_generator"):
        yield report_error(
            f"{layers_field} gives anchors to {_name_maps(layers)}, but {maps_field} makes {maps}",
            _suggest(kind, here, maps),
        )
    if kind == "ssd_anchor_generator":
        yield from _check_ssd_anchors(anchors, here, layers)


def _count_feature_maps(facts: ConfigFacts) -> tuple[int, str]:
    """How many a feature extractor makes, and the field that says so."""
    extractor, here = facts.model.feature_extractor, f"{facts.model_path}.feature_extractor"
    for name in ("bifpn", "fpn"):
        if name in extractor.type and (name == "bifpn" or "bifpn" not in extractor.type):
            pyramid = getattr(extractor, name)
            # Levels in the wrong order are check_anchors' to name.
            return max(pyramid.max_level - pyramid.min_level + 1, 1), f"{here}.{name}"
    if facts.meta_architecture == "faster_rcnn":
        return 1, f"{here}.type: {extractor.type}"
    return min(extractor.num_layers, _MOST_MAPS), f"{here}.num_layers"


def _count_anchor_layers(anchors: Any, kind: str, here: str) -> tuple[int, str]:
    """How many feature maps have anchors (builders/anchor_generator_builder.py), and the field that says so."""
    if kind == "ssd_anchor_generator":
        if anchors.scales and len(anchors.scales) < anchors.num_layers:
            return len(anchors.scales), f"{here}.scales"
        return anchors.num_layers, f"{here}.num_layers"
    if kind == "multiscale_anchor_generator":
        return anchors.max_level - anchors.min_level + 1, f"{here}.max_level"
    if kind == "flexible_grid_anchor_generator":
        return len(anchors.anchor_grid), f"{here}.anchor_grid"
    return 1, here


def _suggest(kind: str, here: str, maps: int) -> str:
    if kind == "ssd_anchor_generator":
        return f"--set {here}.num_layers={maps}, with {maps} scales or none."
    if kind == "flexible_grid_anchor_generator":
        return f"Give it {maps} anchor_grid, one for each feature map."
    if kind == "multiscale_anchor_generator":
        return f"Set min_level and max_level so that there are {maps} levels, or use an ssd_anchor_generator."
    return f"Use an ssd_anchor_generator with num_layers: {maps}."


def _name_maps(count: int) -> str:
    return f"{count} feature map{'' if count == 1 else 's'}"


def _check_ssd_anchors(anchors: Any, here: str, layers: int) -> Iterator[Finding]:
    """anchor_generators/multiple_grid_anchor_generator.py, create_ssd_anchors."""
    if anchors.num_layers == 1 and not anchors.scales:
        yield report_error(
            f"{here}.num_layers is 1, and scales is empty: the API spreads them over at least 2 layers",
            f"--set '{here}.scales=[{anchors.min_scale:g}]'",
        )
    if not anchors.aspect_ratios and anchors.interpolated_scale_aspect_ratio <= 0:
        yield report_error(
            f"{here}.aspect_ratios is empty: there would be no anchors", f"--set '{here}.aspect_ratios=[1.0]'"
        )
    for name in ("stride", "offset"):
        heights, widths = (len(getattr(anchors, f"{side}_{name}")) for side in ("height", "width"))
        if heights != widths or heights not in (0, layers):
            yield report_error(
                f"{here}: {heights} height_{name} and {widths} width_{name} for {_name_maps(layers)}",
                f"Set {layers} of each, or none.",
            )
