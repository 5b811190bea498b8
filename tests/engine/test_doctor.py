"""What works here, told by the engine itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from odtool.engine import doctor


@pytest.mark.slow
def test_a_sound_installation_builds_a_minimal_model(engine: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = engine("doctor")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["errors"], report["warnings"]) == ([], [])
    assert report["tensorflow"].startswith("2.")
    assert report["object_detection_path"].endswith("object_detection")
    assert report["model_seconds"] > 0


@pytest.mark.slow
def test_an_opencv_that_is_broken_is_a_warning_of_videos_alone(without_opencv: dict[str, str]) -> None:
    command = [sys.executable, "-m", "odtool", "doctor"]
    done = subprocess.run(command, env=without_opencv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "builds and runs" in done.stdout
    warning, verdict = done.stderr.splitlines()[-2:]
    assert warning.startswith("warning: videos need OpenCV")
    assert "libGL.so.1" in warning
    assert "opencv-python-headless" in warning
    assert verdict == "nothing else here would fail"


def test_what_is_broken_is_reported_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> dict[str, Any]:
        raise OSError("libcudart.so: cannot open shared object file")

    monkeypatch.setattr(doctor, "_gpus", fail)
    report = doctor.examine()
    (error,) = report["errors"]
    assert error.startswith("OSError: libcudart.so: cannot open shared object file (")
    assert "test_doctor.py" in error
    assert report["object_detection_path"]
    assert report["model_seconds"] is None


def test_a_missing_library_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "API", "no-such-distribution")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    report = doctor.examine()
    assert report["object_detection"] is None
    assert "pip install no-such-distribution" in report["errors"][0]
