"""The flow of an export: load, write each format, verify each against the checkpoint, and write down what was made."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from odtool import __version__, files
from odtool.api.tasks.engine_tasks import ExportTask
from odtool.detection import model_card
from odtool.detection.detector import Detector
from odtool.detection.metric_names import AR_100, MAP, MAP_50
from odtool.engine import metrics
from odtool.engine.detect.loading import load_detector
from odtool.engine.export import onnx_file, saved_model, tflite, trained_model, verification
from odtool.engine.export.trained_model import TrainedModel
from odtool.errors import ConfigError, DataError
from odtool.pipeline.checks import exportable
from odtool.pipeline.text import config
from odtool.workspace import ExportedModel

Tell = Callable[[str], None]
"""Called with what is being done."""

Load = Callable[[Path], Detector]
_PACKAGES = ("tensorflow", "tf-models-research-object-detection", "ai-edge-litert", "tf2onnx", "onnxruntime")
_METRICS = {"mAP": MAP, "mAP50": MAP_50, "AR": AR_100}


@dataclass(frozen=True)
class Made:
    """One export on disk."""

    label: str
    """For people: 'SavedModel', 'TFLite int8'."""
    format: str
    precision: str
    path: Path
    input: dict[str, Any]
    """What it takes, for who calls it without odtool."""


def export(task: ExportTask, tell: Tell, *, load: Load = load_detector) -> dict[str, Any]:
    """Fills the target folder with what is asked for, and with export.json and a model card that tell of it.

    Args:
        load: what runs a file for its verification.

    Returns:
        What export.json holds; `accepted` is False where an export with float weights does not agree with the
        checkpoint.

    Raises:
        OdtoolError: the model cannot be exported to a format, or config, checkpoint or records cannot be used.
    """
    exportable.refuse(config.load(task.run.pipeline_config), task.formats)
    tell(f"loading {task.checkpoint.name} of run {task.run.name}")
    exported = trained_model.load(task.run, task.checkpoint)
    tell("running the checkpoint on images to compare with")
    reference = verification.reference(exported, task.verify_images)
    accounts = []
    for made in _written(exported, task, tell):
        tell(f"verifying the {made.label}")
        found = verification.verify(exported, reference, _loaded(made, load))
        accounts.append(_account(made, task, found, reference))
    record = {
        **_about(exported, task, reference),
        "files": accounts,
        "accepted": all(a["accepted"] for a in accounts),
    }
    _write_texts(exported, task.target, record)
    return record


def _written(exported: TrainedModel, task: ExportTask, tell: Tell) -> Iterator[Made]:
    target = task.target
    if "savedmodel" in task.formats:
        tell("writing the SavedModel")
        saved_model.write(exported, target, input_type=task.input_type)
        yield Made("SavedModel", "savedmodel", "float32", target.saved_model, {"type": task.input_type})
    if "tflite" in task.formats:
        yield from _written_tflite(exported, task, tell)
    if "onnx" in task.formats:
        tell("converting to ONNX")
        onnx_file.write(exported, target.onnx)
        yield Made("ONNX", "onnx", "float32", target.onnx, {"type": "image_tensor"})


def _written_tflite(exported: TrainedModel, task: ExportTask, tell: Tell) -> Iterator[Made]:
    tell("writing the TFLite graph")
    with tflite.graph(exported, max_detections=task.max_detections, fast_nms=task.fast_nms) as graph:
        for precision in task.precisions:
            tell(f"converting to TFLite {precision}")
            path = task.target.tflite(precision)
            content, takes = tflite.convert(graph, precision, task.representative_images)
            path.write_bytes(content)
            yield Made(f"TFLite {precision}", "tflite", precision, path, takes)


def _loaded(made: Made, load: Load) -> Detector:
    try:
        return load(made.path)
    except DataError as error:
        # tf2onnx goes on where it cannot convert an operation, so that the runtime is the first to refuse the file.
        raise ConfigError(
            f"the model cannot be converted to {made.label}: {error.message}", f"Leave {made.format} out of --format."
        ) from None


def _account(
    made: Made, task: ExportTask, found: verification.Verification, reference: verification.Reference
) -> dict[str, Any]:
    known = found.ap is not None and reference.ap is not None
    return {
        "label": made.label,
        "format": made.format,
        "precision": made.precision,
        "file": made.path.name,
        "input": made.input,
        "bytes": verification.size(made.path),
        "agreement": asdict(found.agreement),
        "mAP": found.ap,
        "mAP_change": found.ap - reference.ap if known else None,  # type: ignore[operator]  # `known` says so
        "milliseconds": found.milliseconds,
        # Integers lose something by their nature: what, is shown and left to the user.
        "accepted": made.precision == "int8" or found.agreement.least >= task.min_agreement,
    }


def _about(exported: TrainedModel, task: ExportTask, reference: verification.Reference) -> dict[str, Any]:
    return {
        "run": task.run.name,
        "checkpoint": exported.checkpoint,
        "step": exported.step,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "architecture": config.architecture(exported.config),
        "labels": exported.labels,
        "formats": list(task.formats),
        "input_type": task.input_type,
        "metrics": _metrics(exported),
        "verified_on": {"images": len(reference.found), "split": reference.split, "mAP": reference.ap},
        "min_agreement": task.min_agreement,
        "machine": machine(),
        "versions": {"odtool": __version__, **_versions()},
    }


def _metrics(exported: TrainedModel) -> dict[str, float]:
    """What evaluation gave this checkpoint; empty where it was not evaluated."""
    if exported.step is None:
        return {}
    entries = metrics.read(exported.run.metrics)
    values = {name: metrics.value_of(entries, exported.step, full) for name, full in _METRICS.items()}
    return {name: value for name, value in values.items() if value is not None}


def _versions() -> dict[str, str]:
    return {name: found for name in _PACKAGES if (found := _version(name))}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def machine() -> str:
    """The processor and how many of its threads there are, for the latencies."""
    import os

    names = [line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")]
    return f"{names[0] if names else 'CPU'}, {os.cpu_count()} threads"


def _cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:  # not Linux
        return []


def _write_texts(exported: TrainedModel, target: ExportedModel, record: dict[str, Any]) -> None:
    """Label map, labels and config, as the model was trained with, and what tells of the export."""
    shutil.copyfile(exported.label_map, target.label_map)
    lines = "".join(f"{name}\n" for _, name in sorted(exported.labels.items()))
    target.labels.write_text(lines, encoding="utf-8")
    heading = f"Exported from {exported.checkpoint} of run {exported.run.name}."
    config.save(exported.config, target.pipeline_config, heading=heading)
    files.write_atomically(target.card, model_card.render(record, model_card.summary_beside(exported.label_map)))
    files.write_atomically(target.record, json.dumps(record, indent=1, allow_nan=False) + "\n")
