"""What one of several machines notes of its part of a prediction, so that the parts can be joined to the whole.

Lines of part.jsonl are pictures in their order, with boxes as they were found: files of annotations round in different
ways, and are to be written from the same numbers on one machine and on many.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Annotated, Any, Literal

from odtool.dataset.types import Problem
from odtool.detection.predict.image_sources import Medium, Sources
from odtool.detection.predict.image_stream import PictureDetections
from odtool.detection.predict.output_files import OutputOptions, OutputPlaces
from odtool.parts import WorkPart
from odtool.state_files import Count, Range
from odtool.workspace import Predictions


@dataclass(frozen=True)
class PartPlan:
    """Which part of what is looked at, and how."""

    part: WorkPart
    media: int
    """Images and videos of all parts."""
    listing: str
    """SHA-256 of their names, in order."""
    settings: Mapping[str, Any]
    """All that what is found depends on, the model included."""


@dataclass(frozen=True)
class PartRecord:
    """`part` in the predictions.json of a part."""

    number: Count
    count: Count
    media: Count
    listing: str
    settings: dict[str, Any]
    outputs: OutputOptions
    labels: dict[int, str]
    """Class names of the model by the ids of its label map."""
    pictures: Count
    """Lines of part.jsonl."""
    problems: Count
    """Lines of part_problems.jsonl."""


@dataclass(frozen=True)
class PictureLine:
    """What a line of part.jsonl holds."""

    medium: Count
    """Its number."""
    kind: Literal["image", "video", "stream"]
    file: str
    name: str
    frame: Count | None
    seconds: float
    width: Annotated[int, Range(1, 1 << 30)]
    height: Annotated[int, Range(1, 1 << 30)]
    boxes: tuple[tuple[float, float, float, float, Count, float, Count | None], ...]
    """xmin, ymin, xmax, ymax, class, score and track of each."""
    polygons: tuple[tuple[tuple[float, ...], ...], ...]
    """Of each box."""
    stored: str | None
    drawn: str | None


@dataclass(frozen=True)
class ProblemLine:
    """What a line of part_problems.jsonl holds."""

    medium: Count
    kind: str
    file: str
    name: str
    problem: str
    detail: str


def plan(part: WorkPart, sources: Sources, settings: Mapping[str, Any]) -> PartPlan:
    """Lists everything that there is to see once, as every machine does for itself."""
    digest, number = hashlib.sha256(), 0
    for number, medium in enumerate(sources.media(), 1):  # noqa: B007 - the last is their count
        digest.update(json.dumps([medium.kind, medium.name.as_posix()]).encode() + b"\n")
    return PartPlan(part, number, digest.hexdigest(), settings)


class PartWriter:
    """Notes what comes, line by line."""

    def __init__(self, out: Predictions, boxes: IO[str], problems: IO[str]) -> None:
        self._out = out
        self._boxes, self._problems = boxes, problems
        self._pictures = self._reported = 0

    def add(self, result: PictureDetections, placed: OutputPlaces) -> None:
        """Notes a picture, and where it lies."""
        picture = result.picture
        height, width = picture.pixels.shape[:2]
        line = {
            **_describe_medium(picture.medium),
            "frame": picture.frame,
            "seconds": picture.seconds,
            "width": width,
            "height": height,
            "boxes": [
                [box.box.xmin, box.box.ymin, box.box.xmax, box.box.ymax, box.class_id, box.score, box.track]
                for box in result.boxes
            ],
            "polygons": [box.outline.polygons if box.outline else () for box in result.boxes],
            "stored": placed.stored,
            "drawn": str(placed.drawn.relative_to(self._out.path)) if placed.drawn else None,
        }
        self._boxes.write(json.dumps(line) + "\n")
        self._pictures += 1

    def add_problem(self, medium: Medium, problem: Problem) -> None:
        """Notes what could not be read."""
        line = {**_describe_medium(medium), "problem": problem.kind, "detail": problem.detail}
        self._problems.write(json.dumps(line) + "\n")
        self._reported += 1

    def describe(self, plan: PartPlan, outputs: OutputOptions, labels: Mapping[int, str]) -> dict[str, Any]:
        """The record of what was written."""
        return asdict(
            PartRecord(
                plan.part.number,
                plan.part.count,
                plan.media,
                plan.listing,
                dict(plan.settings),
                outputs,
                dict(labels),
                self._pictures,
                self._reported,
            )
        )


def _describe_medium(medium: Medium) -> dict[str, Any]:
    return {
        "medium": medium.number,
        "kind": medium.kind,
        "file": medium.location,
        "name": medium.name.as_posix(),
    }


@contextmanager
def writing(out: Predictions) -> Iterator[PartWriter]:
    """Opens a part's two files in its folder."""
    with out.part_boxes.open("w") as boxes, out.part_problems.open("w") as problems:
        yield PartWriter(out, boxes, problems)
