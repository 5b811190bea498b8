"""What an export is asked for."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from odtool.workspace import ExportedModel, Run


@dataclass(frozen=True)
class ExportRequest:
    """One call of `odtool export`."""

    run: Run
    checkpoint: Path
    """Prefix of the checkpoint to export, wherever it lies."""
    target: ExportedModel
    """An empty folder to fill."""
    formats: tuple[str, ...]
    """Of savedmodel, tflite and onnx."""
    precisions: tuple[str, ...]
    """Of the TFLite files: of float32, float16 and int8."""
    input_type: str
    """Of the SavedModel, as the API's exporter names it."""
    max_detections: int | None
    """In an image, of a TFLite file; None takes what the config says."""
    fast_nms: bool
    """Whether a TFLite file suppresses boxes without regard to their classes, as the API's exporter does by default."""
    representative_images: int
    """Training images from which int8 learns the range of each tensor."""
    verify_images: int
    """Images on which each export is compared with the checkpoint."""
    min_agreement: float
    """Below which an export with float weights has failed."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m odtool.engine export`; `odtool export` gives all of them."""
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="PREFIX", help="what to export")
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="empty folder to fill")
    parser.add_argument("--format", type=_split_names, default=("savedmodel",), help="of savedmodel, tflite, onnx")
    parser.add_argument("--tflite", type=_split_names, default=("float32",), help="of float32, float16, int8")
    parser.add_argument("--input-type", default="image_tensor", help="of the SavedModel")
    parser.add_argument("--max-detections", type=int, metavar="N", help="of a TFLite file, in an image")
    parser.add_argument("--fast-nms", action="store_true", help="a TFLite file suppresses across classes")
    parser.add_argument("--representative-images", type=int, default=100, metavar="N", help="for int8")
    parser.add_argument("--verify-images", type=int, default=50, metavar="N", help="to compare with the checkpoint on")
    parser.add_argument("--min-agreement", type=float, default=0.9, metavar="SHARE", help="that a float export needs")


def from_options(options: argparse.Namespace) -> ExportRequest:
    """What these options ask for."""
    return ExportRequest(
        run=options.run,
        checkpoint=options.checkpoint.absolute(),
        target=ExportedModel(options.folder.absolute()),
        formats=options.format,
        precisions=options.tflite,
        input_type=options.input_type,
        max_detections=options.max_detections,
        fast_nms=options.fast_nms,
        representative_images=options.representative_images,
        verify_images=options.verify_images,
        min_agreement=options.min_agreement,
    )


def _split_names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))
