"""The flow of a prediction: what is found in images and videos, written into a folder as it is found."""

from __future__ import annotations

import errno
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from odtool import __version__
from odtool.dataset.types import Problem
from odtool.detection.class_labels import ClassNames
from odtool.detection.detector import Detector
from odtool.detection.predict import image_sources, image_stream, prediction_writer
from odtool.detection.predict.image_sources import Sources
from odtool.detection.predict.image_stream import DetectionOptions, PictureDetections
from odtool.errors import DataError
from odtool.files import write_atomically
from odtool.workspace import Predictions

_NAMED = 10
"""Problems that the summary names; problems.csv has all."""


@dataclass(frozen=True)
class OutputOptions:
    """What is written beside detections.jsonl."""

    pictures: bool = True
    formats: tuple[str, ...] = ()
    """Annotations; names of dataset.writers.WRITERS."""
    counts: bool = False


@dataclass
class _Tally:
    """What has come so far."""

    images: int = 0
    videos: int = 0
    frames: int = 0
    without: int = 0
    masks: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    named: list[Problem] = field(default_factory=list)

    @property
    def looked_at(self) -> int:
        return self.images + self.frames

    def add_result(self, result: PictureDetections) -> None:
        if result.picture.frame is None:
            self.images += 1
        else:
            self.frames += 1
            self.videos += result.picture.frame == 0
        self.without += not result.boxes
        self.masks += sum(box.outline is not None for box in result.boxes)
        self.objects.update(box.label for box in result.boxes)

    def add_problem(self, problem: Problem) -> None:
        self.problems[problem.kind] += 1
        if len(self.named) < _NAMED:
            self.named.append(problem)


def predict(
    sources: Sources,
    detector: Detector,
    options: DetectionOptions,
    out: Predictions,
    outputs: OutputOptions,
    *,
    tell: Callable[[int], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Looks at everything and fills the empty folder `out`; memory holds two batches, whatever there is to see.

    Args:
        tell: called with the number of pictures looked at so far, after each.

    Returns:
        images, videos, frames, without_objects, masks (number of objects that have one), objects (their number by
        class), unnamed_classes (those of them that the label map lacks), problems (number by kind), named (the first
        of them), seconds and per_second.

    Raises:
        DataError: nothing could be read, or a threshold is for a class that the model does not have.
    """
    options.thresholds.for_labels(detector.labels)
    names = ClassNames(detector.labels)
    tally, start = _Tally(), clock()
    with ExitStack() as stack:
        on_problem = stack.enter_context(prediction_writer.writing_problems(out.problems))
        saves = _open_writers(stack, names, out, outputs)

        def both(problem: Problem) -> None:
            on_problem(problem)
            tally.add_problem(problem)

        pictures = image_stream.read(sources.media(), every=options.every, on_problem=both)
        for result in image_stream.detect_stream(pictures, detector, options, names):
            tally.add_result(result)
            for save in saves:
                _save(result, save)
            tell(tally.looked_at)
    _refuse_nothing(tally)
    summary = _summarise(tally, names, clock() - start)
    write_atomically(out.summary, json.dumps({**summary, "odtool": __version__}, indent=1) + "\n")
    return summary


def _open_writers(
    stack: ExitStack, names: ClassNames, out: Predictions, outputs: OutputOptions
) -> Sequence[prediction_writer.Save]:
    write_line = stack.enter_context(prediction_writer.writing_lines(out.detections))
    saves: list[prediction_writer.Save] = [lambda result: write_line(result, None)]
    if outputs.formats:
        annotate = stack.enter_context(prediction_writer.writing_data_sets(out.path, outputs.formats, names))
        saves = [lambda result: write_line(result, annotate(result))]
    if outputs.pictures:
        saves.append(stack.enter_context(prediction_writer.writing_pictures(out.pictures)))
    if outputs.counts:
        saves.append(stack.enter_context(prediction_writer.writing_counts(out.counts, names)))
    return saves


def _save(result: PictureDetections, save: prediction_writer.Save) -> None:
    try:
        save(result)
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        if number not in (None, errno.ENAMETOOLONG):
            raise  # of the disk, whatever the picture
        raise DataError(
            f"{result.picture.medium.path}: its predictions cannot be written: {error}", "Leave this file out."
        ) from error


def _refuse_nothing(tally: _Tally) -> None:
    if tally.looked_at:
        return
    if not tally.named:
        raise DataError("no images or videos there", f"Known endings: {', '.join(image_sources.list_endings())}")
    first = tally.named[0]
    count = sum(tally.problems.values())
    raise DataError(
        f"none of {count} images and videos could be read; {first.file}: {first.detail}",
        "Check whether an image viewer opens them.",
    )


def _summarise(tally: _Tally, names: ClassNames, seconds: float) -> dict[str, Any]:
    return {
        "images": tally.images,
        "videos": tally.videos,
        "frames": tally.frames,
        "without_objects": tally.without,
        "masks": tally.masks,
        "objects": {label: tally.objects[label] for label in names.values()},
        "unnamed_classes": names.list_unnamed(),
        "problems": dict(tally.problems),
        "named": [
            {"kind": problem.kind, "file": str(problem.file), "detail": problem.detail} for problem in tally.named
        ],
        "seconds": round(seconds, 3),
        "per_second": round(tally.looked_at / max(seconds, 1e-6), 2),
    }
