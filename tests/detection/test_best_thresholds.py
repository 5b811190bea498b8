"""thresholds.json beside a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odtool.detection import best_thresholds
from odtool.detection.best_thresholds import ClassThreshold
from odtool.errors import DataError

CLASSES = {"disc": ClassThreshold(0.43, 0.9, 0.8, 0.847), "star": ClassThreshold(0.5, None, 0.0, 0.0)}


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Of a checkpoint, as far as thresholds look at one."""
    (tmp_path / "ckpt-300.index").write_bytes(b"weights")
    return tmp_path / "ckpt-300"


def test_what_is_written_is_read(prefix: Path) -> None:
    assert best_thresholds.write(prefix, 48, CLASSES) == prefix.with_name("thresholds.json")
    found = best_thresholds.read(prefix)
    assert found is not None
    assert (found.images, found.classes) == (48, CLASSES)
    assert found.by_label == {"disc": 0.43, "star": 0.5}


def test_there_need_be_none(prefix: Path) -> None:
    assert best_thresholds.read(prefix) is None


def test_those_of_another_checkpoint_do_not_count(prefix: Path) -> None:
    best_thresholds.write(prefix, 48, CLASSES)
    prefix.with_name("ckpt-400.index").write_bytes(b"weights")
    assert best_thresholds.read(prefix.with_name("ckpt-400")) is None
    prefix.with_name("ckpt-300.index").write_bytes(b"other weights")
    assert best_thresholds.read(prefix) is None


def test_a_copied_run_keeps_them(prefix: Path, tmp_path: Path) -> None:
    best_thresholds.write(prefix, 48, CLASSES)
    copied = tmp_path / "copy"
    copied.mkdir()
    for path in (prefix.with_name("ckpt-300.index"), prefix.with_name("thresholds.json")):
        (copied / path.name).write_bytes(path.read_bytes())
    assert best_thresholds.read(copied / "ckpt-300") is not None


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[" * 100_000,
        b"{}",
        b"\xff",
        {"classes": {"disc": 0.4}},
        {"classes": {"disc": {"threshold": 1.5, "precision": None, "recall": None, "f1": None}}},
        {"classes": {"disc": {"threshold": "0.4", "precision": None, "recall": None, "f1": None}}},
        {"images": -1},
        {"strange": 1},
    ],
)
def test_damage_is_named(prefix: Path, wrong: bytes | dict[str, object]) -> None:
    path = best_thresholds.write(prefix, 48, CLASSES)
    path.write_bytes(
        wrong if isinstance(wrong, bytes) else json.dumps({**json.loads(path.read_text()), **wrong}).encode()
    )
    with pytest.raises(DataError, match=r"thresholds\.json: its thresholds are damaged"):
        best_thresholds.read(prefix)
