"""A workspace with a prepared data set, written by hand so that this room needs no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.workspace import Workspace


def split(images: int, max_objects: int = 3) -> dict[str, Any]:
    return {
        "images": images,
        "objects": 2 * images,
        "shards": 2,
        "bytes": 1000 * images,
        "max_objects": max_objects,
        "mean_objects": 2.0,
        "background_images": 0,
        "classes": {"cat": images, "dog": images},
        "min_size": [100, 80],
        "median_size": [200, 160],
        "max_size": [400, 320],
    }


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., Workspace]:
    """Writes data/ in a workspace whose path holds a space and brackets; keyword arguments give its splits."""

    def write(**splits: dict[str, Any]) -> Workspace:
        workspace = Workspace(tmp_path / "my [work] space")
        data = workspace.data
        data.path.mkdir(parents=True, exist_ok=True)
        classes = {"cat": 1, "dog": 2}
        items = "".join(f"item {{ id: {number} name: '{name}' }}\n" for name, number in classes.items())
        data.label_map.write_text(items)
        splits = splits or {"train": split(40), "val": split(10)}
        payload = {
            "classes": classes,
            "splits": splits,
            "format": "voc",
            "sources": ["here"],
            "seed": 0,
            "odtool": "0.1.0",
            "created": "2026-01-01T00:00:00+00:00",
            "problems": {},
        }
        data.summary.write_text(json.dumps(payload))
        for name in splits:
            for index in range(2):
                data.shard(name, index, 2).touch()
        return workspace

    return write


@pytest.fixture
def workspace(prepare: Callable[..., Workspace]) -> Workspace:
    """The usual one: 40 images to train on, 10 to validate, up to 3 objects each, two classes."""
    return prepare()


@pytest.fixture
def figures() -> Callable[..., dict[str, Any]]:
    """A split's figures, for `prepare`."""
    return split
