"""The SavedModel, written by the API's own exporter."""

from __future__ import annotations

import shutil

from object_detection import exporter_lib_v2

from odtool import temporary_folders
from odtool.detection.runtimes.model_description import NAME, ModelDescription
from odtool.engine.export.trained_model import TrainedModel, run_exporter, writing_stock_checkpoint
from odtool.workspace import ExportedModel

ASSETS = "assets.extra"
"""Folder of a SavedModel for files that TensorFlow itself does not read."""


def write(source: TrainedModel, target: ExportedModel, *, input_type: str) -> None:
    """Fills saved_model/ and checkpoint/ as `exporter_main_v2.py` lays them out.

    Args:
        input_type: what the signature takes: image_tensor (uint8, one image), float_image_tensor, or strings,
            encoded_image_string_tensor or tf_example.
    """
    # Written elsewhere and moved: TensorFlow takes brackets in a path for a pattern.
    with temporary_folders.make() as exporter_output, writing_stock_checkpoint(source) as folder:
        message = source.config.message
        run_exporter(
            source, lambda: exporter_lib_v2.export_inference_graph(input_type, message, folder, str(exporter_output))
        )
        for name, place in (("saved_model", target.saved_model), ("checkpoint", target.checkpoint)):
            shutil.move(exporter_output / name, place)
    extra = target.saved_model / ASSETS
    extra.mkdir()
    (extra / NAME).write_text(describe(source).to_json() + "\n", encoding="utf-8")


def describe(source: TrainedModel) -> ModelDescription:
    """Of a model that resizes and normalises by itself."""
    return ModelDescription(
        run=source.run.name,
        checkpoint=source.checkpoint,
        labels=source.labels,
        width=None,
        height=None,
        resize="none",
        mean=(0.0, 0.0, 0.0),
        deviation=(1.0, 1.0, 1.0),
        thresholds=source.thresholds,
    )
