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

from odtool import __version__, files, metrics
from odtool.api.tasks.engine_tasks import ExportTask
from odtool.detection import best_thresholds, model_card
from odtool.detection.class_labels import format_label_file
from odtool.detection.detector import Detector
from odtool.detection.metric_names import AR_100, MAP, MAP_50
from odtool.engine import checkpoint_scores
from odtool.engine.detect.loading import load_detector
from odtool.engine.export import onnx_file, saved_model, tflite, trained_model, verification
from odtool.engine.export.trained_model import TrainedModel
from odtool.errors import ConfigError, DataError
from odtool.pipeline.checks import exportable
from odtool.pipeline.text import config
from odtool.pipeline.text.facts import derive_facts, read_facts

Tell = Callable[[str], None]
"""Called with what is being done."""

Load = Callable[[Path], Detector]
_PACKAGES = ("tensorflow", "tf-models-research-object-detection", "ai-edge-litert", "tf2onnx", "onnxruntime")
_METRICS = {"mAP": MAP, "mAP50": MAP_50, "AR": AR_100}


@dataclass(frozen=True)
class ExportedFile:
    """One export on disk."""

    label: str
    """For people: 'SavedModel', 'TFLite int8'."""
    format: str
    precision: str
    path: Path
    input: dict[str, Any]
    """What it takes, for who calls it without odtool."""


def export(task: ExportTask, tell: Tell, *, load: Load = load_detector) -> dict[str, Any]:
    """Fills the target folder with what is asked for, and with export.json and a model card that describe it.

    Args:
        load: what runs a file for its verification.

    Returns:
        What export.json holds; `accepted` is False where an export with float weights does not agree with the
        checkpoint.

    Raises:
        OdtoolError: the model cannot be exported to a format, or config, checkpoint or records cannot be used.
    """
    exportable.refuse(read_facts(task.run.pipeline_config), task.formats, task.precisions)
    tell(f"loading {task.checkpoint.name} of run {task.run.name}")
    exported = trained_model.load(task.run, task.checkpoint)
    tell("running the checkpoint on images to compare with")
    reference = verification.detect_reference(exported, task.verify_images)
    accounts = []
    for export_file in _write_files(exported, task, tell):
        tell(f"verifying the {export_file.label}")
        result = verification.verify(exported, reference, _load_export(export_file, load))
        accounts.append(_describe_file(export_file, task, result, reference))
    record = {
        **_describe_export(exported, task, reference),
        "files": accounts,
        "accepted": all(a["accepted"] for a in accounts),
    }
    _write_texts(exported, task, record)
    return record


def _write_files(exported: TrainedModel, task: ExportTask, tell: Tell) -> Iterator[ExportedFile]:
    target = task.target
    if "savedmodel" in task.formats:
        tell("writing the SavedModel")
        saved_model.write(exported, target, input_type=task.input_type)
        yield ExportedFile("SavedModel", "savedmodel", "float32", target.saved_model, {"type": task.input_type})
    if "tflite" in task.formats:
        yield from _write_tflite_files(exported, task, tell)
    if "onnx" in task.formats:
        tell("converting to ONNX")
        onnx_file.write(exported, target.onnx)
        yield ExportedFile("ONNX", "onnx", "float32", target.onnx, {"type": "image_tensor"})


def _write_tflite_files(exported: TrainedModel, task: ExportTask, tell: Tell) -> Iterator[ExportedFile]:
    tell("writing the TFLite graph")
    with tflite.write_graph(exported, max_detections=task.max_detections, fast_nms=task.fast_nms) as graph:
        for precision in task.precisions:
            tell(f"converting to TFLite {precision}")
            path = task.target.tflite(precision)
            content, takes = tflite.convert(graph, precision, task.representative_images)
            path.write_bytes(content)
            yield ExportedFile(f"TFLite {precision}", "tflite", precision, path, takes)


def _load_export(export_file: ExportedFile, load: Load) -> Detector:
    try:
        return load(export_file.path)
    except DataError as error:
        # tf2onnx goes on where it cannot convert an operation, so that the runtime is the first to refuse the file.
        raise ConfigError(
            f"the model cannot be converted to {export_file.label}: {error.message}",
            f"Leave {export_file.format} out of --format.",
        ) from None


def _describe_file(
    export_file: ExportedFile,
    task: ExportTask,
    result: verification.Verification,
    reference: verification.Reference,
) -> dict[str, Any]:
    comparable = result.ap is not None and reference.ap is not None
    return {
        "label": export_file.label,
        "format": export_file.format,
        "precision": export_file.precision,
        "file": export_file.path.name,
        "input": export_file.input,
        "bytes": verification.measure_size(export_file.path),
        "agreement": asdict(result.agreement),
        "mAP": result.ap,
        "mAP_change": result.ap - reference.ap if comparable else None,  # type: ignore[operator]  # `comparable` says so
        "milliseconds": result.milliseconds,
        # Integers lose something by their nature: what, is shown and left to the user.
        "accepted": export_file.precision == "int8" or result.agreement.least >= task.min_agreement,
    }


def _describe_export(exported: TrainedModel, task: ExportTask, reference: verification.Reference) -> dict[str, Any]:
    return {
        "run": task.run.name,
        "checkpoint": exported.checkpoint,
        "step": exported.step,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "architecture": derive_facts(exported.config).architecture,
        "labels": exported.labels,
        "thresholds": exported.thresholds,
        "formats": list(task.formats),
        "input_type": task.input_type,
        "metrics": _find_metrics(exported),
        "verified_on": {"images": len(reference.detections), "split": reference.split, "mAP": reference.ap},
        "min_agreement": task.min_agreement,
        "machine": describe_machine(),
        "versions": {"odtool": __version__, **_find_versions()},
    }


def _find_metrics(exported: TrainedModel) -> dict[str, float]:
    """What evaluation gave this checkpoint; empty where it was not evaluated."""
    if exported.step is None:
        return {}
    entries = metrics.read_events(exported.run.metrics)
    values = {name: checkpoint_scores.find_score(entries, exported.step, full) for name, full in _METRICS.items()}
    return {name: value for name, value in values.items() if value is not None}


def _find_versions() -> dict[str, str]:
    return {name: version for name in _PACKAGES if (version := _find_version(name))}


def _find_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def describe_machine() -> str:
    """The processor and how many of its threads there are, for the latencies."""
    import os

    names = [line.partition(":")[2].strip() for line in _read_cpu_lines() if line.startswith("model name")]
    return f"{names[0] if names else 'CPU'}, {os.cpu_count()} threads"


def _read_cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:  # not Linux
        return []


def _write_texts(exported: TrainedModel, task: ExportTask, record: dict[str, Any]) -> None:
    """Label map, labels, config and thresholds, as they belong to the checkpoint, and what describes the export."""
    target = task.target
    if exported.thresholds:
        shutil.copyfile(task.checkpoint.with_name(best_thresholds.NAME), target.thresholds)
    shutil.copyfile(exported.label_map, target.label_map)
    target.labels.write_text(format_label_file(exported.labels), encoding="utf-8")
    heading = f"Exported from {exported.checkpoint} of run {exported.run.name}."
    config.save(exported.config, target.pipeline_config, heading=heading)
    files.write_atomically(target.card, model_card.render(record, model_card.find_summary(exported.label_map)))
    files.write_atomically(target.record, json.dumps(record, indent=1, allow_nan=False) + "\n")
