"""The flow of an export: load, write each format, verify, and write down what was made."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from typing import Any

from odtool import files
from odtool.engine.exporting import saved_model, source, tflite
from odtool.engine.exporting.request import Request
from odtool.pipeline import config
from odtool.workspace import ExportedModel

Tell = Callable[[str], None]
"""Called with what is being done."""


def export(request: Request, tell: Tell) -> dict[str, Any]:
    """Fills the target folder.

    Returns:
        What export.json holds.

    Raises:
        OdtoolError: config, checkpoint or label map cannot be used.
    """
    began = time.monotonic()
    tell(f"loading {request.checkpoint.name} of run {request.run.name}")
    made = source.load(request.run, request.checkpoint)
    if "savedmodel" in request.formats:
        tell("writing the SavedModel")
        saved_model.write(made, request.target, input_type=request.input_type)
    if "tflite" in request.formats:
        _write_tflite(made, request, tell)
    _write_settings(made, request.target)
    record = {
        "run": request.run.name,
        "checkpoint": made.checkpoint,
        "step": made.step,
        "formats": list(request.formats),
        "seconds": round(time.monotonic() - began, 1),
    }
    files.write_atomically(request.target.record, json.dumps(record, indent=1, allow_nan=False) + "\n")
    return record


def _write_tflite(made: source.Source, request: Request, tell: Tell) -> None:
    tell("writing the TFLite graph")
    with tflite.graph(made, max_detections=request.max_detections, fast_nms=request.fast_nms) as graph:
        for precision in request.precisions:
            tell(f"converting to TFLite, {precision}")
            content = tflite.convert(graph, precision, request.representative_images)
            request.target.tflite(precision).write_bytes(content)


def _write_settings(made: source.Source, target: ExportedModel) -> None:
    """Label map, labels and config, as the model was trained with."""
    shutil.copyfile(made.label_map, target.label_map)
    lines = "".join(f"{name}\n" for _, name in sorted(made.labels.items()))
    target.labels.write_text(lines, encoding="utf-8")
    config.save(made.config, target.pipeline_config, heading=f"Exported from {made.run.name}, {made.checkpoint}.")
