"""Loading a trained detector, whatever it was saved as."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from odtool import checkpoint_choice
from odtool.dataset import label_map as label_maps
from odtool.detection.detector import Detector
from odtool.errors import DataError
from odtool.workspace import ExportedModel, Run


def load_detector(path: str | PathLike[str], *, label_map: str | PathLike[str] | None = None) -> Detector:
    """Loads a detector; its `detect` takes paths, encoded images and RGB arrays and gives boxes in pixels.

    TensorFlow is loaded for runs and SavedModels only.

    Args:
        path: a run's folder (train/<run>: its best checkpoint is taken, else the newest), a checkpoint in one
            (train/<run>/ckpt-300), a folder that `odtool export` wrote, a SavedModel's folder, a .tflite or an .onnx
            file.
        label_map: a label map, for models that do not carry the names of their classes.

    Raises:
        DataError: it is none of these, or cannot be run, or does not name its classes.
        JobError: the run has no checkpoint.
        ConfigError: the run's pipeline.config cannot be used.
    """
    place = Path(path)
    labels = label_maps.labels(Path(label_map)) if label_map else None
    if place.suffix.lower() == ".tflite" and place.is_file():
        from odtool.detection.runtimes.litert import LiteRtDetector

        return LiteRtDetector(place, labels)
    if place.suffix.lower() == ".onnx" and place.is_file():
        from odtool.detection.runtimes.onnx import OnnxDetector

        return OnnxDetector(place, labels)
    return _load_folder(place, labels)


def settle(path: Path, label_map: Path | None) -> tuple[Path, str]:
    """Which of its checkpoints a run's folder means now, and what tells the model from every other; loads nothing.

    A checkpoint's index holds a checksum of each of its tensors, as does that of a SavedModel's variables.

    Returns:
        A path for `load_detector`, and a text with a name and a digest.
    """
    exported = ExportedModel(path)
    if path.is_file():
        place, files = path, [path]
    elif exported.record.is_file() or _find_saved_model(path):
        place = path
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix in (".pb", ".index", ".tflite", ".onnx", ".json", ".pbtxt") and file.is_file()
        )
    else:
        run, place = _find_run_and_checkpoint(path)
        files = [place.with_name(f"{place.name}.index"), run.pipeline_config]
    digest = hashlib.sha256()
    for file in [*files, *([label_map] if label_map else [])]:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return place, f"{place.name} {digest.hexdigest()[:16]}"


def _find_saved_model(place: Path) -> Path | None:
    folders = (place, ExportedModel(place).saved_model)
    return next((folder for folder in folders if (folder / "saved_model.pb").is_file()), None)


def _load_folder(place: Path, labels: Mapping[int, str] | None) -> Detector:
    exported = ExportedModel(place)
    if exported.record.is_file():
        return load_exported(exported, labels)
    if folder := _find_saved_model(place):
        return _load_saved_model(folder, labels)
    run, prefix = _find_run_and_checkpoint(place)
    from odtool.engine import compat

    compat.load()
    from odtool.engine.detect.tensorflow_detectors import CheckpointDetector
    from odtool.engine.export import trained_model

    return CheckpointDetector.from_trained_model(trained_model.load(run, prefix), labels)


def load_exported(exported: ExportedModel, labels: Mapping[int, str] | None = None) -> Detector:
    """The first of what an export holds: the SavedModel, a TFLite file, the most exact first, or the ONNX file.

    Raises:
        DataError: it holds none of them.
    """
    if exported.saved_model.is_dir():
        return _load_saved_model(exported.saved_model, labels)
    for precision in ("float32", "float16", "int8"):
        if exported.tflite(precision).is_file():
            from odtool.detection.runtimes.litert import LiteRtDetector

            return LiteRtDetector(exported.tflite(precision), labels)
    if exported.onnx.is_file():
        from odtool.detection.runtimes.onnx import OnnxDetector

        return OnnxDetector(exported.onnx, labels)
    raise DataError(f"{exported.path} holds no model", "Export it again: odtool export")


def _load_saved_model(folder: Path, labels: Mapping[int, str] | None) -> Detector:
    from odtool.engine import compat

    compat.load()
    from odtool.engine.detect.tensorflow_detectors import SavedModelDetector

    return SavedModelDetector(folder, labels)


def _find_run_and_checkpoint(place: Path) -> tuple[Run, Path]:
    """A run and the checkpoint to take, from either's path."""
    if place.with_name(f"{place.name}.index").is_file():
        folder = place.parent.parent if place.parent.name == "best" else place.parent
        return Run(folder), place
    run = Run(place)
    if not run.pipeline_config.is_file():
        raise DataError(
            f"{place} is not a run, an exported model, a SavedModel, or a .tflite or .onnx file",
            "Name something that odtool train or odtool export wrote.",
        )
    return run, checkpoint_choice.find(run)
