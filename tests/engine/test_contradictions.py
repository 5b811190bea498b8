"""What is said to be impossible before anything is built is what the API itself refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from odtool.pipeline import config, contradictions, fields
from odtool.workspace import Run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api")]
ANCHORS = "model.ssd.anchor_generator.multiscale_anchor_generator"
NMS = "model.ssd.post_processing.batch_non_max_suppression"


def test_the_feature_extractors_and_metrics_are_the_apis() -> None:
    from object_detection import eval_util
    from object_detection.builders import model_builder

    assert set(contradictions.EXTRACTORS["ssd"]) == set(model_builder.SSD_KERAS_FEATURE_EXTRACTOR_CLASS_MAP)
    assert set(contradictions.EXTRACTORS["faster_rcnn"]) == set(
        model_builder.FASTER_RCNN_KERAS_FEATURE_EXTRACTOR_CLASS_MAP
    )
    assert set(contradictions.EXTRACTORS["center_net"]) == set(model_builder.CENTER_NET_EXTRACTOR_FUNCTION_MAP)
    assert set(contradictions._METRICS) == set(eval_util.EVAL_METRICS_CLASS_DICT)


@pytest.mark.parametrize(
    ("assignment", "works"),
    [
        ("model.ssd.image_resizer.fixed_shape_resizer.height=100", False),
        ("model.ssd.image_resizer.fixed_shape_resizer.height=128", True),
        (f"{ANCHORS}.max_level=6", False),
        (f"{ANCHORS}.scales_per_octave=0", False),
        (f"{NMS}.max_total_detections=5", False),
        (f"{NMS}.iou_threshold=60", False),
        ("model.ssd.feature_extractor.type=ssd_mobilenet_v2", False),
        ("model.ssd.matcher.bipartite_matcher={}", False),
        ("model.ssd.matcher.argmax_matcher.unmatched_threshold=0.6", False),
        ("model.ssd.loss.hard_example_miner={}", False),
        ("model.ssd.explicit_background_class=true", False),
    ],
)
def test_the_api_refuses_what_is_found(new_run: Callable[..., Run], assignment: str, works: bool) -> None:
    from odtool.engine import model

    run = new_run()
    made = config.load(run.pipeline_config)
    fields.assign(made, assignment)
    assert bool(list(contradictions.find(made))) != works
    config.save(made, run.pipeline_config)
    configs = model.read_configs(run.pipeline_config)

    def build() -> Any:
        detector = model.build_model(configs["model"])
        model.make_variables(detector, model.element_of(configs, batch=2))

    if works:
        build()
    else:
        with pytest.raises((ValueError, KeyError)):
            build()
