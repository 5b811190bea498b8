"""What the engine found in the evaluation records: its file of detections read back, and whether it still holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from odtool.detection.accuracy import GroundTruth
from odtool.detection.detector import Detections
from odtool.errors import DataError
from odtool.pipeline import record_patterns
from odtool.pipeline.text import config
from odtool.workspace import Run


@dataclass(frozen=True)
class ExaminedImage:
    """One image of the evaluation set."""

    key: int
    """The number by which evaluation knows it."""
    source_id: str
    truth: GroundTruth
    group_of: NDArray[np.bool_]
    """[n], of the truth: whether a box holds a group. COCO's rules take no notice of it, nor of the next."""
    difficult: NDArray[np.bool_]
    detections: Detections


@dataclass(frozen=True)
class Examination:
    """A checkpoint's detections in the evaluation set."""

    checkpoint: str
    """Its name within the run, such as best/ckpt-300."""
    step: int
    labels: Mapping[int, str]
    sets: int
    """Evaluation sets that the config names; this is the first."""
    images: tuple[ExaminedImage, ...]
    """In the order in which evaluation ranks detections of equal score."""
    repeated: int
    """Images left out, as evaluation leaves them out: an earlier one has the same source id, or the same hash of it."""


def compute_stamp(run: Run, checkpoint: Path) -> dict[str, Any]:
    """What detections depend on: where any of it has changed, they are not those of this checkpoint any more."""
    index = checkpoint.with_name(f"{checkpoint.name}.index")
    reader = config.load(run.pipeline_config).message.eval_input_reader
    names = [Path(entry.label_map_path) for entry in reader[:1] if Path(entry.label_map_path).is_file()]
    files = [run.pipeline_config, index, *names, *record_patterns.find_files(*reader[:1])]
    return {str(path): [path.stat().st_size, path.stat().st_mtime_ns] for path in files}


def is_fresh(path: Path, expected: Mapping[str, Any]) -> bool:
    """Whether the file is there and its first line says what is `expected` of it."""
    try:
        with path.open("rb") as stream:
            header = json.loads(stream.readline())
        return isinstance(header, dict) and {**header, **expected} == header
    except (FileNotFoundError, ValueError):
        return False


def read(path: Path) -> Examination:
    """Reads what `python -m odtool.engine detections` wrote.

    Raises:
        DataError: it is damaged.
    """
    try:
        with path.open("rb") as stream:
            header = json.loads(stream.readline())
            images = [_read_image(json.loads(line)) for line in stream]
        # The first of a key counts; sorting keeps the order of equals.
        by_key = {image.key: image for image in reversed(images)}
        return Examination(
            checkpoint=header["checkpoint"],
            step=header["step"],
            labels={int(number): name for number, name in header["labels"].items()},
            sets=header["sets"],
            images=tuple(by_key[key] for key in sorted(by_key)),
            repeated=len(images) - len(by_key),
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(
            f"{path}: its detections are damaged: {error}", "Delete it and run odtool report again."
        ) from None


def _read_image(line: Mapping[str, Any]) -> ExaminedImage:
    true, detected = line["true"], line["detected"]
    return ExaminedImage(
        key=line["key"],
        source_id=line["source_id"],
        truth=GroundTruth(
            _read_boxes(true["boxes"]), np.array(true["classes"], np.int64), np.array(true["crowd"], bool)
        ),
        group_of=np.array(true["group_of"], bool),
        difficult=np.array(true["difficult"], bool),
        detections=Detections(
            _read_boxes(detected["boxes"]),
            np.array(detected["scores"], np.float32),
            np.array(detected["classes"], np.int64),
            line["width"],
            line["height"],
        ),
    )


def _read_boxes(corners: Any) -> NDArray[np.float32]:
    return np.array(corners, np.float32).reshape(-1, 4)
