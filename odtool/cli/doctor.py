"""odtool doctor: what is installed, which GPUs there are, and what would fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from odtool.api import doctor as api
from odtool.cli import console, option_defaults, progress_display
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption


def doctor(
    context: typer.Context,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Report Python, TensorFlow, the Object Detection API, GPUs, and whether a minimal model builds.

    Example: `odtool doctor`
    """
    with progress_display.spinner("loading TensorFlow and building a small model …"):
        report = api.examine(workspace)
    _, faults = option_defaults.load_sound_files(context, workspace)
    report["errors"] += [
        f"{fault.message}; no command but this, settings and version works" for fault in faults.values()
    ]
    console.show(report, as_json=as_json, render=lambda out: _render(out, report))
    if report["errors"]:
        raise typer.Exit(1)


def _render(out: Console, report: dict[str, Any]) -> None:
    seconds = report.get("model_seconds")
    rows = {
        "Python": f"{report['python']}, {report['executable']}",
        "odtool": report["odtool"],
        "TensorFlow": report.get("tensorflow") or "not installed",
        "Keras 2 (tf-keras)": report.get("tf_keras") or "not installed",
        "protobuf": report.get("protobuf") or "not installed",
        "Object Detection API": report.get("object_detection") or "not installed",
        "  in": report.get("object_detection_path") or "nowhere",
        "GPUs": ", ".join(report.get("gpus") or ["none that TensorFlow can use; training runs on the CPU"]),
        "Processor and memory": f"{report['cores']} cores, {report['memory_gb']} GB",
        "Free disk here": f"{report['free_disk_gb']} GB",
        "A minimal model": "fails" if seconds is None else f"builds and runs, {seconds} s",
    }
    for name, value in rows.items():
        out.print(f"{name:<22}{value}", markup=False)
    for error in report["errors"]:
        console.stderr.print(f"would fail: {error}", style="red", markup=False)
    for warning in report["warnings"]:
        console.warn(warning)
    if not report["errors"]:
        console.say(f"nothing {'else ' if report['warnings'] else ''}here would fail")
