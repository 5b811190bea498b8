"""Objects followed through the frames of a video: a number for each, from when it has been seen in a few of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from odtool.dataset.writers.annotation_writer import LabelledBox
from odtool.detection.predict.image_stream import PictureDetections
from odtool.errors import InstallationError

if TYPE_CHECKING:
    from norfair import Tracker

_DELAY = 2
"""An object has a number from its third frame on: what shows in one frame only is more often a mistake."""
_OVERLAP = 0.7
"""Least 1 - IoU at which a box is not where the object was expected."""
_FEWEST, _MOST = 5, 60
"""Frames after which an object that is not seen has gone: those of a second, within these bounds."""


def require_tracker() -> None:
    """Raises InstallationError where the library is missing."""
    try:
        import norfair  # noqa: F401 - whether it can be
    except ImportError:
        raise InstallationError(
            "tracking objects needs norfair-enough, which is not installed", "pip install 'odtool[tracking]'"
        ) from None


def track(results: Iterable[PictureDetections]) -> Iterator[PictureDetections]:
    """Gives boxes of frames the numbers of their objects, from 1 in each video; images pass as they are."""
    tracker, numbers = None, dict[int, int]()
    medium = -1
    for result in results:
        if result.picture.frame is None:
            yield result
            continue
        if tracker is None or result.picture.medium.number != medium:
            medium = result.picture.medium.number
            tracker, numbers = _make_tracker(result.picture.rate), {}
        yield replace(result, boxes=_number_boxes(tracker, numbers, result.boxes, result.picture.frame))


def _make_tracker(rate: float) -> Tracker:
    from norfair import Tracker

    gone = int(min(max(round(rate), _FEWEST), _MOST))
    return Tracker(
        distance_function="iou", distance_threshold=_OVERLAP, hit_counter_max=gone, initialization_delay=_DELAY
    )


def _number_boxes(
    tracker: Any, numbers: dict[int, int], boxes: tuple[LabelledBox, ...], frame: int
) -> tuple[LabelledBox, ...]:
    from norfair import Detection

    detections = [
        Detection(
            np.array([[box.box.xmin, box.box.ymin], [box.box.xmax, box.box.ymax]], np.float64),
            data=(frame, index),
            label=box.class_id,
        )
        for index, box in enumerate(boxes)
    ]
    found: dict[int, int] = {}
    for item in tracker.update(detections=detections):
        seen_in, index = item.last_detection.data
        if item.id is not None and seen_in == frame:
            found[index] = numbers.setdefault(item.id, len(numbers) + 1)
    return tuple(replace(box, track=found.get(index)) for index, box in enumerate(boxes))
