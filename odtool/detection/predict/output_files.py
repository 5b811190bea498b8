"""The files of a prediction, all open at once: each picture is handed to every one of them before the next comes."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from odtool.dataset.types import Problem
from odtool.detection.class_labels import ClassNames
from odtool.detection.predict import prediction_writer
from odtool.detection.predict.image_stream import PictureDetections
from odtool.detection.predict.prediction_writer import Draw, Store
from odtool.detection.predict.tally import Tally
from odtool.detection.streams.object_counts import Line, ObjectCounts
from odtool.errors import DataError
from odtool.workspace import Predictions

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class OutputOptions:
    """What is written beside detections.jsonl."""

    pictures: bool = True
    formats: tuple[str, ...] = ()
    """Annotations; names of dataset.writers.WRITERS."""
    counts: bool = False
    tracked: bool = False
    """Objects of videos are followed and counted."""
    line: Line | None = None
    """Across which they are counted."""


@dataclass(frozen=True)
class OutputPlaces:
    """Where a picture's files have come to lie."""

    stored: str | None
    """Its name among the images of each format of annotations."""
    drawn: Path | None
    """With its boxes on it."""


class OutputFiles:
    """Takes results and problems; counts them, too."""

    def __init__(
        self, save: Callable[[PictureDetections], OutputPlaces], report: Callable[[Problem], None], tally: Tally
    ) -> None:
        self.tally = tally
        self._save = save
        self._report = report

    def add(self, result: PictureDetections) -> OutputPlaces:
        """Writes what was found in a picture into every file.

        Raises:
            DataError: this one cannot be written.
            OSError: the disk is full or fails.
        """
        self.tally.add_result(result)
        try:
            return self._save(result)
        except (OSError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) else None
            if number not in (None, errno.ENAMETOOLONG):
                raise  # of the disk, whatever the picture
            raise DataError(
                f"{result.picture.medium.path}: its predictions cannot be written: {error}", "Leave this file out."
            ) from error

    def add_problem(self, problem: Problem) -> None:
        """Names something that could not be read."""
        self._report(problem)
        self.tally.add_problem(problem)


@contextmanager
def opening(
    out: Predictions,
    names: ClassNames,
    outputs: OutputOptions,
    *,
    store: Store,
    draw: Draw | None = None,
    show: Callable[[Image.Image], None] | None = None,
) -> Iterator[OutputFiles]:
    """Opens what is asked for in an empty folder; closed, they are whole.

    Args:
        store: how pictures get beside annotations.
        draw: how pictures with boxes come about; None for drawing them.
        show: called with each picture that is drawn.
    """

    def draw_boxes(result: PictureDetections) -> Image.Image:
        image = prediction_writer.annotate(result, outputs.line)
        if show:
            show(image)
        return image

    with ExitStack() as stack:
        report = stack.enter_context(prediction_writer.writing_problems(out.problems))
        write_line = stack.enter_context(prediction_writer.writing_lines(out.detections))
        annotate = count = None
        if outputs.formats:
            annotate = stack.enter_context(prediction_writer.writing_data_sets(out.path, outputs.formats, names, store))
        if not outputs.pictures:
            draw = None
        elif draw is None:
            draw = stack.enter_context(prediction_writer.writing_pictures(out.pictures, draw_boxes))
        if outputs.counts:
            count = stack.enter_context(prediction_writer.writing_counts(out.counts, names))

        def save(result: PictureDetections) -> OutputPlaces:
            stored = annotate(result) if annotate else None
            write_line(result, stored)
            drawn = draw(result) if draw else None
            if show and not draw:
                draw_boxes(result)
            if count:
                count(result)
            return OutputPlaces(stored, drawn)

        counts = ObjectCounts(outputs.line) if outputs.tracked else None
        yield OutputFiles(save, report, Tally(distinct=counts))
