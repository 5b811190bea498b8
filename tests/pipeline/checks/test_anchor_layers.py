"""An SSD whose anchors do not fit its feature maps is named before it is built."""

from __future__ import annotations

import pytest

from odtool.pipeline.checks.anchor_layers import check_anchor_layers
from odtool.pipeline.text import fields
from odtool.pipeline.text.facts import derive_facts
from odtool.pipeline.zoo import zoo

PLAIN = "ssd_mobilenet_v2_320x320"
PYRAMID = "ssd_mobilenet_v2_fpnlite_320x320"
HERE = "model.ssd.anchor_generator.ssd_anchor_generator"
EXTRACTOR = "model.ssd.feature_extractor"


def find_messages(model: str, *assignments: str) -> list[str]:
    config = zoo.build(zoo.find(model))
    for assignment in assignments:
        fields.assign(config, assignment)
    return [f"{finding.message}; {finding.hint}" for finding in check_anchor_layers(derive_facts(config))]


@pytest.mark.parametrize(
    ("assignments", "message", "hint"),
    [
        (
            (f"{HERE}.num_layers=5",),
            f"{HERE}.num_layers gives anchors to 5 feature maps, but {EXTRACTOR}.num_layers makes 6",
            "num_layers=6",
        ),
        ((f"{HERE}.num_layers=7",), "anchors to 7 feature maps, but", "num_layers=6"),
        ((f"{EXTRACTOR}.num_layers=4",), f"6 feature maps, but {EXTRACTOR}.num_layers makes 4", "num_layers=4"),
        ((f"{HERE}.scales=[0.1, 0.2]",), f"{HERE}.scales gives anchors to 2 feature maps", "6 scales or none"),
        ((f"{EXTRACTOR}.num_layers=0",), "num_layers is 0: there would be no feature maps", "1 to 6"),
        ((f"{HERE}.num_layers=1", f"{EXTRACTOR}.num_layers=1"), "at least 2 layers", "scales=[0.2]"),
        ((f"{HERE}.height_stride=[8, 16]",), "2 height_stride and 0 width_stride for 6 feature maps", "6 of each"),
        ((f"{HERE}.aspect_ratios=", f"{HERE}.interpolated_scale_aspect_ratio=0"), "there would be no anchors", "[1.0]"),
        (
            ("model.ssd.anchor_generator.multiscale_anchor_generator.max_level=7",),
            "max_level gives anchors to 5",
            "6 levels",
        ),
        (
            ("model.ssd.anchor_generator.grid_anchor_generator.width=9",),
            "anchors to 1 feature map, but",
            "num_layers: 6",
        ),
        (
            ("model.ssd.anchor_generator.flexible_grid_anchor_generator.anchor_grid[+].height_stride=8",),
            "anchor_grid gives anchors to 1 feature map",
            "6 anchor_grid",
        ),
    ],
)
def test_numbers_and_fields_of_both_are_said(assignments: tuple[str, ...], message: str, hint: str) -> None:
    (text,) = find_messages(PLAIN, *assignments)
    assert message in text
    assert hint in text.partition("; ")[2]


@pytest.mark.parametrize(
    "assignments",
    [
        (),
        (f"{EXTRACTOR}.num_layers=12",),
        (f"{HERE}.num_layers=4", f"{EXTRACTOR}.num_layers=4"),
        (f"{HERE}.scales=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]",),
    ],
)
def test_anchors_that_fit_are_let_through(assignments: tuple[str, ...]) -> None:
    assert find_messages(PLAIN, *assignments) == []


def test_a_pyramid_is_counted_by_its_levels() -> None:
    assert find_messages(PYRAMID) == []
    (text,) = find_messages(PYRAMID, f"{HERE}.num_layers=6")
    assert f"{HERE}.num_layers gives anchors to 6 feature maps, but {EXTRACTOR}.fpn makes 5" in text
