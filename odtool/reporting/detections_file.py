"""What the engine found in the evaluation records: its file of detections read back, and whether it still holds."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from odtool import state_files
from odtool.dataset.images import masks
from odtool.dataset.types import Outline
from odtool.detection.accuracy import GroundTruth
from odtool.detection.detector import Detections
from odtool.errors import DataError
from odtool.pipeline import record_patterns
from odtool.pipeline.text import config
from odtool.state_files import Count, StateError
from odtool.workspace import Run

_LONGEST = 1 << 26
"""Bytes of a line: of an image with a hundred thousand boxes."""
Number = TypeVar("Number", bound=np.generic)


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
    true_masks: tuple[Outline, ...] | None = None
    """[n], of the truth, as run lengths; None where evaluation does not score masks, as of those that were found."""
    masks: tuple[Outline, ...] | None = None


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


@dataclass(frozen=True)
class _Header:
    """The first line; what stands there besides is what the detections depend on."""

    checkpoint: str
    step: Count
    labels: Mapping[int, str]
    sets: Count


@dataclass(frozen=True)
class _True:
    """The boxes of an image that are to be found, in JSON."""

    boxes: list[Any]
    classes: list[Any]
    crowd: list[Any]
    group_of: list[Any]
    difficult: list[Any]
    masks: list[str] | None = None


@dataclass(frozen=True)
class _Detected:
    """Those that were found."""

    boxes: list[Any]
    classes: list[Any]
    scores: list[Any]
    masks: list[str] | None = None


@dataclass(frozen=True)
class _Line:
    """An image, in JSON."""

    key: int
    source_id: str
    width: Count
    height: Count
    true: _True
    detected: _Detected


def is_fresh(path: Path, expected: Mapping[str, Any]) -> bool:
    """Whether the file is there and its first line says what is `expected` of it."""
    try:
        with os.fdopen(state_files.open_file(path), "rb") as stream:
            header = state_files.build(dict[str, Any], state_files.parse(stream.readline(_LONGEST)))
        return {**header, **expected} == header
    except (FileNotFoundError, StateError):
        return False


def read(path: Path) -> Examination:
    """Reads what `python -m odtool.engine detections` wrote.

    Raises:
        DataError: it is damaged.
    """
    try:
        with os.fdopen(state_files.open_file(path), "rb") as stream:
            words = state_files.build(dict[str, Any], _parse_line(stream))
            header = state_files.build(_Header, {item.name: words.get(item.name) for item in fields(_Header)})
            images = list(_read_images(stream))
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"{path}: its detections are damaged: {error}", "Delete it and run odtool report again."
        ) from None
    # The first of a key counts; sorting keeps the order of equals.
    by_key = {image.key: image for image in reversed(images)}
    return Examination(
        checkpoint=header.checkpoint,
        step=header.step,
        labels=header.labels,
        sets=header.sets,
        images=tuple(by_key[key] for key in sorted(by_key)),
        repeated=len(images) - len(by_key),
    )


def _parse_line(stream: BinaryIO) -> Any:
    """Raises StateError for a line that is too long or is not JSON."""
    line = stream.readline(_LONGEST)
    if len(line) == _LONGEST:
        raise StateError(f"a line has more than {_LONGEST:,} bytes")
    return state_files.parse(line) if line else None


def _read_images(stream: BinaryIO) -> Iterator[ExaminedImage]:
    for number in itertools.count(2):
        try:
            if (content := _parse_line(stream)) is None:
                return
            yield _read_image(state_files.build(_Line, content))
        except (ValueError, TypeError, OverflowError) as error:
            raise StateError(f"line {number}: {error}") from None


def _read_image(line: _Line) -> ExaminedImage:
    true, detected = line.true, line.detected
    truth = GroundTruth(
        _read_boxes(true.boxes), _read_numbers(true.classes, np.int64), _read_numbers(true.crowd, np.bool_)
    )
    group_of, difficult = _read_numbers(true.group_of, np.bool_), _read_numbers(true.difficult, np.bool_)
    found = Detections(
        _read_boxes(detected.boxes),
        _read_numbers(detected.scores, np.float32),
        _read_numbers(detected.classes, np.int64),
        line.width,
        line.height,
    )
    if len({len(item) for item in (truth.boxes, truth.classes, truth.crowds, group_of, difficult)}) > 1:
        raise StateError("the lists of true boxes have several lengths")
    if len({len(item) for item in (found.boxes, found.scores, found.classes)}) > 1:
        raise StateError("the lists of detected boxes have several lengths")
    true_masks, found_masks = _read_masks(true.masks, len(truth), line), _read_masks(detected.masks, len(found), line)
    return ExaminedImage(line.key, line.source_id, truth, group_of, difficult, found, true_masks, found_masks)


def _read_masks(values: list[str] | None, count: int, line: _Line) -> tuple[Outline, ...] | None:
    """Each looked at here: pycocotools takes what it is given for the lengths of arrays."""
    if values is None:
        return None
    if len(values) != count:
        raise StateError(f"{len(values)} masks of {count} boxes")
    outlines = tuple(Outline(counts=text, width=line.width, height=line.height) for text in values)
    if fault := next((fault for item in outlines if (fault := masks.find_fault(item, line.width, line.height))), ""):
        raise StateError(f"a mask: {fault}")
    return outlines


def _read_numbers(values: list[Any], kind: type[Number]) -> NDArray[Number]:
    """A row of numbers; what is a text or a truth value where a number belongs is none."""
    array = np.array(values)
    if array.size and (array.ndim != 1 or array.dtype.kind not in ("b" if kind is np.bool_ else "iuf")):
        raise StateError(f"a list holds something else than {'truth values' if kind is np.bool_ else 'numbers'}")
    return array.astype(kind)


def _read_boxes(corners: list[Any]) -> NDArray[np.float32]:
    array = np.array(corners)
    if array.size and (array.shape[1:] != (4,) or array.dtype.kind not in "iuf"):
        raise StateError("a box is not four numbers")
    return array.astype(np.float32).reshape(-1, 4)
