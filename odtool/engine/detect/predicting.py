"""The engine's task `predict`: loads a detector and lets it look at images and videos."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from odtool.engine.outcome import explain_failure
from odtool.errors import JobError, OdtoolError

_TELL_EVERY = 0.2
"""Seconds between two words on how far it is."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m odtool.engine predict`; `odtool predict` gives all of them."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="images, videos, folders and patterns")
    parser.add_argument("--model", type=Path, required=True, metavar="PATH", help="what load_detector takes")
    parser.add_argument("--label-map", type=Path, metavar="FILE", help="names of a foreign model's classes")
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="empty folder to fill")
    parser.add_argument("--min-score", action="append", default=[], metavar="SCORE|CLASS=SCORE")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="pictures at a time")
    parser.add_argument("--tile", type=int, metavar="PIXELS", help="cut larger images")
    parser.add_argument("--overlap", type=int, default=0, metavar="PIXELS", help="of the tiles")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="look at one of N frames of a video")
    parser.add_argument("--no-pictures", action="store_true", help="draw nothing")
    parser.add_argument("--save-as", default="", metavar="FORMATS", help="annotations")
    parser.add_argument("--count", action="store_true", help="write counts.csv")


def predict(options: argparse.Namespace, tell: Callable[[Any], None]) -> dict[str, Any]:
    """Does what the options ask for.

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
    from odtool.workspace import Predictions

    sources = image_sources.find(options.sources)
    if any(medium.kind == "video" for medium in sources.media()):
        video.require_opencv()  # before seconds of loading, and before a thousand images that come first
    detection = DetectionOptions(
        thresholds.parse(options.min_score),
        options.batch_size,
        TileSize(options.tile, options.overlap) if options.tile else None,
        options.every,
    )
    formats = tuple(name for name in options.save_as.split(",") if name)
    outputs = OutputOptions(not options.no_pictures, formats, options.count)
    tell("loading the model")
    detector = load_detector(options.model, label_map=options.label_map)
    tell(0)
    out = Predictions(options.folder)
    try:
        return prediction.predict(sources, detector, detection, out, outputs, tell=_limit_rate(tell))
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
