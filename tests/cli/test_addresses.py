"""Addresses where a command takes files and folders of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    "words",
    [
        ("prepare", "gs://bucket/images"),
        ("prepare", "images", "--out", "s3://bucket/data"),
        ("prepare", "images", "--images", "hdfs://node/images"),
        ("prepare", "images", "--label-map", "gs://bucket/label_map.pbtxt"),
        ("inspect", "images", "s3://bucket/images"),
        ("inspect", "images", "--html", "gs://bucket/page.html"),
        ("predict", "gs://bucket/photos"),
        ("predict", "images", "--out", "s3://bucket/found"),
        ("predict", "images", "--model", "s3://bucket/model.tflite"),
        ("configure", "--pipeline", "gs://bucket/pipeline.config"),
        ("predict", "images", "--label-map", "gs://bucket/label_map.pbtxt"),
        ("configure", "--data", "gs://bucket/data"),
        ("configure", "--checkpoint", "s3://bucket/model/checkpoint/ckpt-0"),
        ("eval", "--checkpoint", "gs://bucket/run/ckpt-5"),
        ("export", "--checkpoint", "gs://bucket/run/ckpt-5"),
        ("export", "--out", "gs://bucket/models"),
        ("report", "--checkpoint", "gs://bucket/run/ckpt-5"),
        ("report", "--out", "s3://bucket/report.html"),
        ("preview", "--out", "s3://bucket/preview.html"),
        ("tune", "--space", "s3://bucket/space.toml"),
        ("benchmark", "gs://bucket/exported"),
        ("demo", "gs://bucket/demo"),
        ("train", "gs://bucket/run"),
        ("doctor", "--workspace", "gs://bucket/ws"),
        ("settings", "--workspace", "gs://bucket/ws"),
        ("status", "--workspace", "gs://bucket/ws"),
    ],
)
def test_an_address_in_place_of_a_path_says_what_to_do(
    odtool: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    said = odtool(*words)
    assert said.code == 1
    assert "://" in said.err
    assert "is an address" in said.err
    assert "ount the storage" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
