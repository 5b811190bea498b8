"""odtool doctor reports; whatever is broken, it does not break with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.api import doctor as api

SOUND: dict[str, Any] = {
    "tensorflow": "2.20.0",
    "tf_keras": "2.20.1",
    "object_detection": "2.8.0.post1",
    "object_detection_path": "/site-packages/object_detection",
    "protobuf": "6.0",
    "gpus": [],
    "model_seconds": 1.5,
    "errors": [],
    "warnings": [],
}


def engine(code: str) -> tuple[str, ...]:
    """A process that stands in for the engine's."""
    return (sys.executable, "-c", code)


def saying(report: dict[str, Any]) -> tuple[str, ...]:
    return engine(f"print({json.dumps(report)!r})")


@pytest.fixture(autouse=True)
def _no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.devices, "find_gpus", lambda: api.devices.Inventory(()))


def test_a_sound_installation_is_reported_without_errors(tmp_path: Path) -> None:
    report = api.examine(tmp_path, engine=saying(SOUND))
    assert report["errors"] == []
    assert report["tensorflow"] == "2.20.0"
    assert report["python"] == ".".join(map(str, sys.version_info[:3]))
    assert report["cores"] >= 1
    assert report["memory_gb"] > 0


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal 11: it said nothing"),
        ("raise ImportError('libfoo.so is missing')", "exit code 1: ImportError: libfoo.so is missing"),
        ("print('no json')", "exit code 0: it said nothing"),
    ],
)
def test_an_engine_that_dies_is_itself_the_finding(tmp_path: Path, code: str, ending: str) -> None:
    report = api.examine(tmp_path, engine=engine(code))
    assert report["errors"] == [f"the engine's process ended with {ending}"]


def test_a_gpu_that_tensorflow_cannot_use_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = api.devices.parse("0, NVIDIA T4, 15360, GPU-1, 15000")
    monkeypatch.setattr(api.devices, "find_gpus", lambda: api.devices.Inventory(gpus))
    report = api.examine(tmp_path, engine=saying(SOUND))
    assert report["errors"] == [
        "the driver lists NVIDIA T4, which TensorFlow cannot use; pip install 'odtool[gpu]'",
    ]


def test_a_python_without_tensorflow_releases_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PYTHONS", ((3, 6), (3, 7)))
    (error,) = api.examine(tmp_path, engine=saying(SOUND))["errors"]
    assert error.endswith("TensorFlow needs 3.6 to 3.7")


@pytest.mark.parametrize("errors", [[], ["ImportError: no TensorFlow"]])
def test_the_command_shows_the_report_and_exits_1_when_something_would_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odtool: Callable[..., Any], errors: list[str]
) -> None:
    found = {**api.examine(tmp_path, engine=saying({**SOUND, "errors": errors}))}
    monkeypatch.setattr(api, "examine", lambda _: found)
    for more in ((), ("--json",)):
        said = odtool("doctor", "-w", tmp_path, *more)
        assert said.code == (1 if errors else 0)
        assert "2.20.0" in said.out
        if more:
            assert said.json == found


def test_a_warning_is_shown_and_leaves_the_exit_code_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odtool: Callable[..., Any]
) -> None:
    found = api.examine(tmp_path, engine=saying({**SOUND, "warnings": ["videos need OpenCV"]}))
    monkeypatch.setattr(api, "examine", lambda _: found)
    shown = odtool("doctor").err
    assert "warning: videos need OpenCV" in shown
    assert "nothing else here would fail" in shown
