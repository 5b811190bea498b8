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
        ("configure", "--data", "gs://bucket/data"),
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
