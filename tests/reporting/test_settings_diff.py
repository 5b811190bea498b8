"""What a run's config has otherwise than the zoo's, and than another run's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.pipeline.text import config
from odtool.pipeline.zoo import zoo
from odtool.reporting import settings_diff
from odtool.workspace import Run


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Run]:
    def make(model: str, change: Callable[[object], object] = lambda message: None) -> Run:
        run = Run(tmp_path / model)
        made = zoo.build(zoo.find(model))
        change(made.message)
        config.save(made, run.pipeline_config)
        return run

    return make


@pytest.mark.parametrize(
    "model", ["ssd_mobilenet_v2_fpnlite_640x640", "faster_rcnn_resnet50_v1_640x640", "centernet_hourglass104_512x512"]
)
def test_the_zoos_model_is_known_again(configured: Callable[..., Run], model: str) -> None:
    found = settings_diff.compare_with_zoo(configured(model))
    assert (found.model, found.changes) == (model, ())


def test_what_was_changed_is_listed(configured: Callable[..., Run]) -> None:
    def change(message: object) -> None:
        message.model.ssd.num_classes = 3  # type: ignore[attr-defined]  # built at run time from descriptors
        message.train_config.batch_size = 4  # type: ignore[attr-defined]

    run = configured("ssd_mobilenet_v2_fpnlite_320x320", change)
    found = settings_diff.compare_with_zoo(run)
    assert found.model == "ssd_mobilenet_v2_fpnlite_320x320"
    assert {(item.field, item.new) for item in found.changes} == {
        ("model.ssd.num_classes", "3"),
        ("train_config.batch_size", "4"),
    }
    other = configured("ssd_mobilenet_v2_fpnlite_640x640")
    between = settings_diff.compare_runs([run, other])
    assert between["model.ssd.image_resizer.fixed_shape_resizer.height"] == ("320", "640")
    assert "model.ssd.box_coder.faster_rcnn_box_coder.y_scale" not in between


def test_a_model_unlike_all_of_the_zoos_is_compared_with_none(tmp_path: Path) -> None:
    run = Run(tmp_path / "own")
    made = config.parse("model { ssd { num_classes: 1 feature_extractor { type: 'mine' } } }", "test")
    config.save(made, run.pipeline_config)
    assert settings_diff.compare_with_zoo(run) == settings_diff.SettingsDiff("ssd", None, ())
