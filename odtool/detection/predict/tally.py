"""What came of a prediction, counted as it comes: the figures of predictions.json."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from odtool.dataset.types import Problem
from odtool.detection.class_labels import ClassNames
from odtool.detection.predict import image_sources
from odtool.detection.predict.image_stream import PictureDetections
from odtool.detection.streams.object_counts import ObjectCounts
from odtool.errors import DataError

_NAMED = 10
"""Problems that the summary names; problems.csv has all."""


@dataclass
class Tally:
    """What has come so far."""

    images: int = 0
    videos: int = 0
    frames: int = 0
    without: int = 0
    masks: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    named: list[Problem] = field(default_factory=list)
    dropped: int = 0
    """Frames of live streams that were not looked at for want of time."""
    distinct: ObjectCounts | None = None
    """Where objects are followed."""

    _medium: int = -1
    _dropped_before: int = 0

    @property
    def looked_at(self) -> int:
        """Images and frames."""
        return self.images + self.frames

    def add_result(self, result: PictureDetections) -> None:
        """Counts a picture and its objects."""
        if result.picture.frame is None:
            self.images += 1
        else:
            self.frames += 1
            if result.picture.medium.number != self._medium:
                self._medium, self._dropped_before = result.picture.medium.number, self.dropped
                self.videos += 1
            self.dropped = self._dropped_before + result.picture.dropped
            if self.distinct:
                self.distinct.add(result)
        self.without += not result.boxes
        self.masks += sum(box.outline is not None for box in result.boxes)
        self.objects.update(box.label for box in result.boxes)

    def add_problem(self, problem: Problem) -> None:
        """Counts what could not be read."""
        self.problems[problem.kind] += 1
        if len(self.named) < _NAMED:
            self.named.append(problem)

    def refuse_nothing(self) -> None:
        """Raises DataError where nothing could be looked at."""
        if self.looked_at:
            return
        if not self.named:
            raise DataError("no images or videos there", f"Known endings: {', '.join(image_sources.list_endings())}")
        first = self.named[0]
        count = sum(self.problems.values())
        raise DataError(
            f"none of {count} images and videos could be read; {first.file}: {first.detail}",
            "Check whether an image viewer opens them.",
        )

    def summarise(self, names: ClassNames, seconds: float) -> dict[str, Any]:
        """The figures; see `prediction.predict`."""
        return {
            "images": self.images,
            "videos": self.videos,
            "frames": self.frames,
            "without_objects": self.without,
            "masks": self.masks,
            "objects": {label: self.objects[label] for label in names.values()},
            "unnamed_classes": names.list_unnamed(),
            "problems": dict(self.problems),
            "named": [
                {"kind": problem.kind, "file": str(problem.file), "detail": problem.detail} for problem in self.named
            ],
            "seconds": round(seconds, 3),
            "per_second": round(self.looked_at / max(seconds, 1e-6), 2),
            "dropped_frames": self.dropped,
            **(self.distinct.as_json() if self.distinct else {}),
        }
