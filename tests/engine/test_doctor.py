"""What works here, told by the engine itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.engine import doctor
from odtool.pipeline.text import messages
from odtool.workspace import Run

OWN = {*sys.stdlib_module_names, "odtool", "tensorflow"}
"""What is there whenever TensorFlow loads; it imports parts of itself as they are used."""


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


def without(package: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a task of the engine where a package cannot be imported, as if it were not installed."""
    code = (
        "import sys\n"
        f"sys.modules[{package!r}] = None\n"
        "from odtool.engine.__main__ import main\n"
        f"sys.exit(main({[str(each) for each in arguments]!r}))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", ["object_detection", "official"])
def test_a_missing_api_is_reported_with_the_line_that_installs_it(package: str) -> None:
    done = without(package, "doctor")
    assert done.returncode == 1
    (error,) = json.loads(done.stdout)["errors"]
    assert error == (
        f"the Object Detection API is not installed: no package '{package}'. Install it with: {messages.INSTALL_API}"
    )


@pytest.mark.parametrize(
    "task",
    [
        ("train",),
        ("eval",),
        ("check",),
        ("measure", "--batch-size", "1"),
        ("detect", "--output", "found.json"),
        ("export", "--checkpoint", "ckpt-1", "--folder", "exported"),
    ],
    ids=lambda task: str(task[0]),
)
def test_every_task_that_lacks_the_api_tells_the_line_that_installs_it(task: tuple[str, ...], tmp_path: Path) -> None:
    done = without("object_detection", *task, tmp_path)
    assert done.returncode == 1
    assert f"Install it with: {messages.INSTALL_API}" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_library_that_only_training_imports_is_missed() -> None:
    """TensorFlow and the API load without TensorBoard; training ends at its first summary."""
    done = without("tensorboard", "doctor")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["model_seconds"] > 0
    assert len(report["errors"]) == 1


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_training_and_evaluation_import_no_library_that_doctor_does_not_try(new_run: Callable[[], Run]) -> None:
    run = new_run()
    tried = imported_by("doctor")
    assert "tensorboard" in tried
    for task in ("train", "eval"):
        strangers = {name for name in imported_by(task, run.path) - tried if name.partition(".")[0] not in OWN}
        assert strangers == set(), task


def imported_by(*arguments: object) -> set[str]:
    """The modules that a task of the engine imports from its beginning to its end."""
    command = [sys.executable, "-X", "importtime", "-m", "odtool.engine", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, flags=re.MULTILINE))
