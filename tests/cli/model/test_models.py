"""odtool models."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def in_an_empty_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_table_names_every_model_in_full(odtool: Callable) -> None:
    said = odtool("models")
    assert said.code == 0
    for part in (
        "ssd_mobilenet_v2_fpnlite_320x320 ",
        "centernet_hourglass104_1024x1024_kpts ",
        "42.8/64.5",
        " 191.4M ",
    ):
        assert part in said.out


def test_json_gives_the_published_figures(odtool: Callable) -> None:
    models = {model["name"]: model for model in odtool("models", "--json").json["models"]}
    assert len(models) == 37
    mask = models["mask_rcnn_inception_resnet_v2_1024x1024"]
    assert (mask["coco_map"], mask["mask_map"], mask["speed_ms"]) == (39.0, 34.6, 301)
    assert mask["outputs"] == ["boxes", "masks"]
    assert {name for name, model in models.items() if not model["parameters"]} == {"demo_ssd"}
    assert 190e6 < models["centernet_hourglass104_512x512"]["parameters"] < 192e6
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


def test_pull_unpacks_what_was_put_there_by_hand(odtool: Callable, tmp_path: Path) -> None:
    made = tmp_path / "made" / "checkpoint"
    made.mkdir(parents=True)
    for name in ("ckpt-0.index", "ckpt-0.data-00000-of-00001"):
        (made / name).touch()
    (tmp_path / "model_zoo").mkdir()
    with tarfile.open(tmp_path / "model_zoo" / "efficientdet_d0_coco17_tpu-32.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "made", "efficientdet_d0_coco17_tpu-32")
    said = odtool("models", "pull", "efficientdet_d0")
    assert said.code == 0
    assert "which can be deleted now" in said.out
    assert "next: odtool configure --model ssd_efficientdet_d0_512x512" in said.out
    again = odtool("models", "pull", "efficientdet_d0", "--json").json
    assert again["how"] == "already here"
    assert again["checkpoint"].endswith("model_zoo/efficientdet_d0_coco17_tpu-32/checkpoint/ckpt-0")


def test_without_a_network_pull_says_where_to_put_the_file(odtool: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    said = odtool("models", "pull", "ssd_mobilenet_v2_320x320", "--url", "http://127.0.0.1:9")
    error, hint = said.err.splitlines()
    assert said.code == 1
    assert "http://127.0.0.1:9/20200711/" in error
    assert "/model_zoo/ssd_mobilenet_v2_320x320_coco17_tpu-8.tar.gz by hand" in hint


def test_pull_of_an_unknown_model_names_the_nearest(odtool: Callable) -> None:
    said = odtool("models", "pull", "ssd_mobilenet_v3_320x320")
    assert said.code == 1
    assert "Did you mean ssd_mobilenet_v2_320x320" in said.err


def test_of_a_name_like_none_the_hint_is_the_list_and_not_all_of_it(odtool: Callable) -> None:
    assert odtool("models", "pull", "yolo").err.splitlines()[-1] == "hint: List them all with: odtool models"


def test_an_option_that_pull_would_not_see_is_refused(odtool: Callable) -> None:
    assert odtool("models", "--json", "pull", "efficientdet_d0").code == 2


def test_a_filter_that_nothing_fits_is_told_and_no_empty_table_shown(odtool: Callable) -> None:
    said = odtool("models", "--filter", "ssd", "--filter", "yolo")
    assert (said.code, said.out) == (0, "")
    assert "no model fits 'ssd', 'yolo'" in said.err


def test_figures_of_accuracy_have_one_place_each(odtool: Callable) -> None:
    said = odtool("models", "--filter", "hourglass104_512x512_kpts").out
    assert "40.0/61.4" in said
