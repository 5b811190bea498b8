"""The engine's task `predict`: loads a detector and lets it look at images and videos."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from odtool.api.tasks.engine_tasks import PredictTask
from odtool.engine.outcome import explain_failure
from odtool.errors import JobError, OdtoolError

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
    from odtool.detection.predict.prediction import OutputOptions
    from odtool.detection.predict.tiled_detection import TileSize
    from odtool.engine.detect.loading import load_detector

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
    tell("loading the model")
    detector = load_detector(task.model, label_map=task.label_map)
    scores = detection.thresholds.complete(detector.thresholds, str(task.model))
    detection = replace(detection, thresholds=scores)
    tell(0)
    try:
        return prediction.predict(sources, detector, detection, task.target, outputs, tell=_limit_rate(tell))
    except OdtoolError:
        raise
    except Exception as error:  # each runtime has an out-of-memory error of its own; all others pass through
        if not (ending := explain_failure(error)).out_of_memory:
            raise
        raise JobError(ending.reason, "Give a smaller --batch-size, or --tile 1024 for large images.") from error


def _limit_rate(tell: Callable[[Any], None]) -> Callable[[int], None]:
    last = 0.0

    def tell_seldom(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _TELL_EVERY:
            last = time.monotonic()
            tell(done)

    return tell_seldom
