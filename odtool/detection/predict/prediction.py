"""The flow of a prediction: what is found in images and videos, written into a folder as it is found."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from odtool import __version__
from odtool.dataset.types import Problem
from odtool.detection.class_labels import ClassNames
from odtool.detection.detector import Detector
from odtool.detection.predict import image_stream, output_files, part_files, prediction_writer
from odtool.detection.predict.image_sources import Medium, Sources
from odtool.detection.predict.image_stream import DetectionOptions
from odtool.detection.predict.output_files import OutputOptions
from odtool.detection.predict.part_files import PartPlan
from odtool.detection.streams import tracking
from odtool.errors import DataError
from odtool.files import write_atomically
from odtool.workspace import Predictions

if TYPE_CHECKING:
    from PIL import Image


def predict(
    sources: Sources,
    detector: Detector,
    options: DetectionOptions,
    out: Predictions,
    outputs: OutputOptions,
    *,
    plan: PartPlan | None = None,
    show: Callable[[Image.Image], None] | None = None,
    stop: threading.Event | None = None,
    tell: Callable[[int], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Looks at everything and fills the empty folder `out`; memory holds two batches, whatever there is to see.

    Args:
        plan: of several machines, which part this one looks at; it may be empty, as only all of them tell.
        show: called with each picture and its boxes drawn on it.
        stop: ends it when it is set; what has come until then is written whole.
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
    start = clock()
    with ExitStack() as stack:
        files = stack.enter_context(
            output_files.opening(out, names, outputs, store=prediction_writer.store_picture, show=show)
        )
        record = stack.enter_context(part_files.writing(out)) if plan else None

        def report(medium: Medium, problem: Problem) -> None:
            files.add_problem(problem)
            if record:
                record.add_problem(medium, problem)

        media = sources.media(options.batch)
        own = media if plan is None else (medium for medium in media if plan.part.holds(medium.block))
        stopping = stop or threading.Event()
        pictures = image_stream.read(own, every=options.every, on_problem=report, stop=stopping)
        results = image_stream.detect_stream(pictures, detector, options, names)
        for result in tracking.track(results) if outputs.tracked else results:
            placed = files.add(result)
            if record:
                record.add(result, placed)
            tell(files.tally.looked_at)
    if stopping.is_set() and not files.tally.looked_at:
        raise DataError("stopped before anything was looked at", "Let it run for longer.")
    if plan is None:
        files.tally.refuse_nothing()
    summary = files.tally.summarise(names, clock() - start)
    about = {"part": record.describe(plan, outputs, detector.labels)} if plan and record else {}
    write_summary(out, {**summary, **about})
    return summary


def write_summary(out: Predictions, summary: dict[str, Any]) -> None:
    """predictions.json, written last."""
    write_atomically(out.summary, json.dumps({**summary, "odtool": __version__}, indent=1) + "\n")
