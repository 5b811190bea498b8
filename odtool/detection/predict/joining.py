"""Parts of a prediction that several machines made, joined to what one machine would have written.

The same writers get the same boxes in the same order, so that every file comes out alike; pictures are linked where the
file system can do that, else copied.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from odtool.dataset.writers import image_copies
from odtool.detection.class_labels import ClassNames
from odtool.detection.predict import output_files, prediction, prediction_writer, stored_parts
from odtool.detection.predict.image_stream import PictureDetections
from odtool.detection.predict.stored_parts import StoredLine, StoredPart, StoredResult
from odtool.errors import DataError
from odtool.parts import WorkPart, refuse_incomplete
from odtool.workspace import Predictions


def find_parts(places: Sequence[Path]) -> list[StoredPart]:
    """The parts in these folders, each one itself or a folder of parts, in order; they belong together and are all.

    Raises:
        DataError: one is missing or there twice, or they are not parts of one prediction.
    """
    parts = [part for place in places for part in _list_parts(place)]
    parts.sort(key=lambda part: part.record.number)
    if not parts:
        raise DataError(
            f"{', '.join(map(str, places))}: no part of a prediction there",
            "Each machine makes one with: odtool predict SOURCE --part 2/16",
        )
    _refuse_strangers(parts)
    refuse_incomplete(
        [(WorkPart(part.record.number, part.record.count), str(part.folder.path)) for part in parts],
        "odtool predict SOURCE",
    )
    return parts


def join(parts: Sequence[StoredPart], out: Predictions, *, tell: Callable[[int], None]) -> dict[str, Any]:
    """Fills the empty folder `out` with what one machine would have written.

    Returns:
        What `prediction.predict` gives; seconds are those of all machines together.

    Raises:
        DataError: a part is damaged, or nothing could be read by any.
    """
    record = parts[0].record
    names = ClassNames(record.labels)
    joiner = _Joiner(out)
    with output_files.opening(out, names, record.outputs, store=joiner.store, draw=joiner.draw) as files:
        for _, problem in heapq.merge(*map(stored_parts.read_problems, parts), key=lambda pair: pair[0]):
            files.add_problem(problem)
        for line in _merge(parts):
            # Built in the order of one machine, as a class without a name is given one when it is first met.
            joiner.current = stored = stored_parts.build_result(line, names)
            files.add(stored.result)
            tell(files.tally.looked_at)
    files.tally.refuse_nothing()
    summary = files.tally.summarise(names, sum(part.seconds for part in parts))
    prediction.write_summary(out, summary)
    return summary


def _merge(parts: Sequence[StoredPart]) -> Iterator[StoredLine]:
    """The pictures of all parts in the order of one machine.

    Raises:
        DataError: two parts have the same one, as where the files of one were copied into another.
    """
    last: StoredLine | None = None
    for line in heapq.merge(*map(stored_parts.read_lines, parts), key=lambda line: line.content.medium):
        if last and last.content.medium == line.content.medium and last.part is not line.part:
            raise DataError(
                f"{last.place} and {line.place}: both have {line.content.name}, which one part alone has looked at",
                "Copy both parts again, or predict them again.",
            )
        last = line
        yield line


class _Joiner:
    """Puts a part's pictures in their places, one after the other."""

    def __init__(self, out: Predictions) -> None:
        self.current: StoredResult | None = None
        self._out = out
        self._video: Path | None = None
        self._target = out.pictures

    def store(self, result: PictureDetections, folders: Sequence[Path]) -> str:
        """The picture beside annotations."""
        assert self.current is not None
        assert self.current.stored is not None
        return image_copies.link_image(
            _require(self.current.stored), prediction_writer.name_file(result.picture), folders
        )

    def draw(self, result: PictureDetections) -> Path:
        """The picture with its boxes, or the video, once."""
        assert self.current is not None
        drawn, medium = self.current.drawn, result.picture.medium
        assert drawn is not None
        if result.picture.frame is not None and medium.path == self._video:
            return self._target
        self._video = medium.path if result.picture.frame is not None else None
        known = prediction_writer.JPEG_SUFFIXES
        suffixes = known if drawn.suffix.lower() in known else (drawn.suffix,)
        self._target = prediction_writer.choose_path(self._out.pictures, medium.name, suffixes)
        image_copies.link_file(_require(drawn), self._target)
        return self._target


def _require(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path}: this part lacks its picture", "Copy the part again, or predict it again.")
    return path


def _list_parts(place: Path) -> Iterator[StoredPart]:
    if not place.is_dir():
        raise DataError(f"{place}: no such folder", "Name folders that odtool predict --part wrote.")
    if part := stored_parts.load(place):
        yield part
        return
    for folder in sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if part := stored_parts.load(folder):
            yield part


def _refuse_strangers(parts: Sequence[StoredPart]) -> None:
    first = parts[0]
    for part in parts[1:]:
        for what, this, other in _list_differences(part, first):
            raise DataError(
                f"{part.folder.path} and {first.folder.path} are not parts of one prediction: {what} is {this} in one "
                f"and {other} in the other",
                "Predict all parts from the same images with the same model and options, and remove older ones.",
            )


def _list_differences(one: StoredPart, two: StoredPart) -> Iterator[tuple[str, Any, Any]]:
    pairs = [
        ("the number of parts", one.record.count, two.record.count),
        ("the number of images and videos", one.record.media, two.record.media),
        ("the list of their names", one.record.listing[:12], two.record.listing[:12]),
        *_list_differing_settings(one.record.settings, two.record.settings),
        ("what is written", one.record.outputs, two.record.outputs),
        ("the label map", one.record.labels, two.record.labels),
    ]
    return (pair for pair in pairs if pair[1] != pair[2])


def _list_differing_settings(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(name.replace("_", " "), one.get(name), two.get(name)) for name in sorted({*one, *two})]
