"""odtool models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def in_an_empty_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_table_names_every_model_in_full(odtool: Callable) -> None:
    said = odtool("models")
    assert said.code == 0
    for part in ("ssd_mobilenet_v2_fpnlite_320x320 ", "centernet_hourglass104_1024x1024_kpts ", "42.8 / 64.5"):
        assert part in said.out


def test_json_gives_the_published_figures(odtool: Callable) -> None:
    models = {model["name"]: model for model in odtool("models", "--json").json["models"]}
    assert len(models) == 37
    mask = models["mask_rcnn_inception_resnet_v2_1024x1024"]
    assert (mask["coco_map"], mask["mask_map"], mask["speed_ms"]) == (39.0, 34.6, 301)
    assert mask["outputs"] == ["boxes", "masks"]
    unpublished = models["faster_rcnn_resnet50_v1_fpn_640x640"]
    assert (unpublished["coco_map"], unpublished["checkpoint"]) == (None, None)
    d0 = models["ssd_efficientdet_d0_512x512"]
    assert d0["checkpoint"].endswith("/tf2/20200711/efficientdet_d0_coco17_tpu-32.tar.gz")


@pytest.mark.parametrize(
    ("order", "first"),
    [
        ("map", "ssd_efficientdet_d7_1536x1536"),
        ("speed", "ssd_mobilenet_v2_320x320"),
        ("size", "demo_ssd"),
        ("name", "centernet_hourglass104_1024x1024"),
    ],
)
def test_the_table_is_sorted(odtool: Callable, order: str, first: str) -> None:
    assert odtool("models", "--sort", order, "--json").json["models"][0]["name"] == first


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (["ssd"], 19),
        (["center_net"], 7),
        (["keypoints"], 4),
        (["masks"], 1),
        (["faster_rcnn", "resnet50"], 4),
        (["SSD", "FPNLite"], 2),
        (["nothing"], 0),
    ],
)
def test_every_filter_must_fit(odtool: Callable, filters: list[str], count: int) -> None:
    arguments = [argument for wanted in filters for argument in ("--filter", wanted)]
    assert len(odtool("models", *arguments, "--json").json["models"]) == count


def test_a_downloaded_model_is_marked(odtool: Callable, tmp_path: Path) -> None:
    (tmp_path / "model_zoo" / "efficientdet_d0_coco17_tpu-32").mkdir(parents=True)
    models = odtool("models", "--json").json["models"]
    assert [model["name"] for model in models if model["downloaded"]] == ["ssd_efficientdet_d0_512x512"]
