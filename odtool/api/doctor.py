"""What is installed, which GPUs there are, and what would fail."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from odtool import __version__
from odtool.api.tasks import engine_process
from odtool.api.tasks.engine_tasks import DoctorTask
from odtool.jobs import attached, devices

_PATIENCE = 300
"""Seconds for the engine's examination: ten times what it takes on a slow machine with a cold disk."""

PYTHONS = ((3, 10), (3, 13))
"""Oldest and newest Python that TensorFlow and what the Object Detection API requires have releases for."""


_PACKAGES = ("tensorflow", "tf-keras", "tf-models-research-object-detection", "tf-models-official", "protobuf")


def list_versions() -> dict[str, str | None]:
    """Versions of odtool, of Python and of the packages of the engine, as installed; nothing of them is imported."""
    return {"odtool": __version__, "python": platform.python_version()} | {name: _find(name) for name in _PACKAGES}


def _find(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def examine(folder: Path, *, engine: tuple[str, ...] = engine_process.ENGINE) -> dict[str, Any]:
    """Everything that `odtool doctor` shows.

    `errors` holds a line for each thing that would fail whatever one does, `warnings` for what only some work needs.
    """
    import psutil

    report: dict[str, Any] = {
        "python": platform.python_version(),
        "executable": sys.executable,
        "odtool": __version__,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "free_disk_gb": round(psutil.disk_usage(str(folder)).free / 1e9, 1),
        "warnings": [],
        **_engine_report(engine),
    }
    if not report.get("gpus") and (present := devices.find_gpus().gpus):
        names = ", ".join(gpu.name for gpu in present)
        report["errors"].append(f"the driver lists {names}, which TensorFlow cannot use; pip install 'odtool[gpu]'")
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        oldest, newest = (".".join(map(str, version)) for version in PYTHONS)
        report["errors"].append(f"Python {report['python']}: TensorFlow needs {oldest} to {newest}")
    return report


def _engine_report(engine: tuple[str, ...]) -> dict[str, Any]:
    """What the engine's own process tells; whatever kills that process is itself the finding."""
    try:
        done = subprocess.run(
            [*engine, DoctorTask.NAME],
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
            preexec_fn=attached.bind_to_parent(os.getpid()),
        )
    except subprocess.TimeoutExpired:
        return {"errors": [f"loading TensorFlow and building a small model took more than {_PATIENCE} s"]}
    try:
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {"errors": [_last_words(done)]}
    return report


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    ending = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return f"the engine's process ended with {ending}: {lines[-1].strip() if lines else 'it said nothing'}"
