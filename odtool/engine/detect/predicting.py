"""The engine's task `predict`: loads a detector and lets it look at images and videos."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from odtool.api.tasks.engine_tasks import PredictTask
from odtool.engine.outcome import explain_failure
from odtool.errors import JobError, OdtoolError

if TYPE_CHECKING:
    from odtool.detection.predict.image_sources import Sources
    from odtool.detection.predict.part_files import PartPlan

_TELL_EVERY = 0.2
"""Seconds between two words on how far it is."""


def predict(task: PredictTask, tell: Callable[[Any], None]) -> dict[str, Any]:
    """Does what the task asks for.

    Args:
        tell: called with the number of pictures looked at, a few times a second.

    Raises:
        OdtoolError: the model cannot be loaded, nothing can be read, or there are videos and no OpenCV that works.
    """
    from odtool.detection import thresholds
    from odtool.detection.predict import image_sources, prediction, video
    from odtool.detection.predict.image_stream import DetectionOptions
    from odtool.detection.predict.output_files import OutputOptions
    from odtool.detection.predict.tiled_detection import TileSize
    from odtool.engine.detect.loading import load_detector, settle

    sources = image_sources.find(task.sources)
    if any(medium.kind == "video" for medium in sources.media()):
        video.require_opencv()  # before seconds of loading, and before a thousand images that come first
    detection = DetectionOptions(
        thresholds.parse(task.min_score),
        task.batch_size,
        TileSize(task.tile, task.overlap or 0) if task.tile else None,
        task.every,
    )
    outputs = OutputOptions(task.pictures, task.save_as, task.count)
    # Before it is loaded: the best checkpoint may be another one by then, and parts have to name theirs.
    model, identity = settle(task.model, task.label_map)
    plan = _plan(task, sources, identity) if task.part else None
    tell("loading the model")
    detector = load_detector(model, label_map=task.label_map)
    scores = detection.thresholds.complete(detector.thresholds, str(task.model))
    detection = replace(detection, thresholds=scores)
    tell(0)
    try:
        return prediction.predict(sources, detector, detection, task.target, outputs, plan=plan, tell=_limit_rate(tell))
    except OdtoolError:
        raise
    except Exception as error:  # each runtime has an out-of-memory error of its own; all others pass through
        if not (ending := explain_failure(error)).out_of_memory:
            raise
        raise JobError(ending.reason, "Give a smaller --batch-size, or --tile 1024 for large images.") from error


def _plan(task: PredictTask, sources: Sources, identity: str) -> PartPlan:
    from odtool import __version__, parts
    from odtool.detection.predict import part_files

    part = parts.choose(task.part, {})
    assert part is not None  # a task names its part in numbers
    settings = {
        "model": identity,
        "--min-score": list(task.min_score),
        "--batch-size": task.batch_size,
        "--tile": task.tile,
        "--overlap": task.overlap,
        "--every": task.every,
        "odtool's version": __version__,
    }
    return part_files.plan(part, sources, settings)


def _limit_rate(tell: Callable[[Any], None]) -> Callable[[int], None]:
    last = 0.0

    def tell_seldom(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _TELL_EVERY:
            last = time.monotonic()
            tell(done)

    return tell_seldom
