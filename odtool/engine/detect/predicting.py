"""The engine's task `predict`: loads a detector and lets it look at images and videos."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtool.api.tasks.engine_tasks import PredictTask
from odtool.engine.outcome import explain_failure
from odtool.errors import JobError, OdtoolError

if TYPE_CHECKING:
    from odtool.detection.predict.image_sources import Sources
    from odtool.detection.predict.image_stream import DetectionOptions
    from odtool.detection.predict.output_files import OutputOptions
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
    from odtool.detection.predict import image_sources, prediction
    from odtool.detection.streams import live_view
    from odtool.engine.detect.loading import load_detector, settle

    sources = image_sources.find([*task.sources, *_read_list(task.source_list)])
    _require_libraries(task, sources)
    stop = _listen() if any(place.stream for place in sources.places) else None
    detection, outputs = _read_options(task)
    # Before it is loaded: the best checkpoint may be another one by then, and parts have to name theirs.
    model, identity = settle(task.model, task.label_map)
    plan = _plan(task, sources, identity) if task.part else None
    tell("loading the model")
    detector = load_detector(model, label_map=task.label_map)
    scores = detection.thresholds.complete(detector.thresholds, str(task.model))
    detection = replace(detection, thresholds=scores)
    try:
        with ExitStack() as stack:
            show = None
            if task.show_port is not None:
                address, show = stack.enter_context(live_view.serving(task.show_port))
                tell(f"shown at {address}")
            tell(0)
            return prediction.predict(
                sources,
                detector,
                detection,
                task.target,
                outputs,
                plan=plan,
                show=show,
                stop=stop,
                tell=_limit_rate(tell),
            )
    except OdtoolError:
        raise
    except Exception as error:  # each runtime has an out-of-memory error of its own; all others pass through
        if not (ending := explain_failure(error)).out_of_memory:
            raise
        raise JobError(ending.reason, "Give a smaller --batch-size, or --tile 1024 for large images.") from error


def _require_libraries(task: PredictTask, sources: Sources) -> None:
    """Before seconds of loading, and before a thousand images that come first."""
    from odtool.detection.predict import video
    from odtool.detection.streams import tracking

    kinds = {"image"} if task.source_list else {medium.kind for medium in sources.media()}
    if kinds - {"image"}:
        video.require_opencv()
        if task.pictures:
            video.find_codec()
    if task.track_objects:
        tracking.require_tracker()


def _read_options(task: PredictTask) -> tuple[DetectionOptions, OutputOptions]:
    """How is looked, and what is written."""
    from odtool.detection import thresholds
    from odtool.detection.predict.image_stream import DetectionOptions
    from odtool.detection.predict.output_files import OutputOptions
    from odtool.detection.predict.tiled_detection import TileSize
    from odtool.detection.streams import object_counts

    detection = DetectionOptions(
        thresholds.parse(task.min_score),
        task.batch_size,
        TileSize(task.tile, task.overlap or 0) if task.tile else None,
        task.every,
    )
    line = object_counts.parse_line(task.count_line) if task.count_line else None
    return detection, OutputOptions(task.pictures, task.save_as, task.count, task.track_objects, line)


def _listen() -> threading.Event:
    """A stream may have no end of its own: SIGTERM then ends it with whole files.

    Ctrl-C reaches this process as well as the command that waits for it, which passes on what it means.
    """
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    return stop


def _read_list(path: Path | None) -> list[str]:
    if path is None:
        return []
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return [line for line in lines if line.strip()]


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
        "--track-objects": task.track_objects,
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
