"""Parts of a prediction as they lie in folders, read back and checked line by line, to be joined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, TypeVar

import numpy as np

from odtool import state_files
from odtool.dataset.types import Box, Outline, Problem
from odtool.dataset.writers import WRITERS
from odtool.dataset.writers.annotation_writer import LabelledBox
from odtool.detection.class_labels import ClassNames
from odtool.detection.predict.image_sources import Medium
from odtool.detection.predict.image_stream import Picture, PictureDetections
from odtool.detection.predict.part_files import PartRecord, PictureLine, ProblemLine
from odtool.errors import DataError
from odtool.state_files import StateError, Time
from odtool.workspace import Predictions

LineT = TypeVar("LineT", PictureLine, ProblemLine)
_BLOCK = 1 << 18
"""Bytes of lines that are read from a part at a time: with a thousand parts, no file may stay open."""


@dataclass(frozen=True)
class StoredPart:
    """A part that lies in a folder."""

    folder: Predictions
    record: PartRecord
    seconds: float
    """That its machine took."""


@dataclass(frozen=True)
class StoredLine:
    """A line of part.jsonl, and where it stands."""

    content: PictureLine
    part: StoredPart
    place: str
    """Its file and line."""


@dataclass(frozen=True)
class StoredResult:
    """A picture of a part, without its pixels."""

    result: PictureDetections
    stored: Path | None
    """The picture beside annotations."""
    drawn: Path | None
    """The picture or video with boxes."""


def load(folder: Path) -> StoredPart | None:
    """The part in a folder; None where these are no predictions, or whole ones.

    Raises:
        DataError: its summary is damaged.
    """
    out = Predictions(folder)
    try:
        summary = state_files.read_object(out.summary)
        if "part" not in summary:
            return None
        seconds: float = state_files.build(Time, summary.get("seconds", 0), "seconds")
        record = state_files.build(PartRecord, summary["part"])
        if unknown := set(record.outputs.formats) - WRITERS.keys():
            raise StateError(f"formats: {', '.join(unknown)} is not known")
        return StoredPart(out, record, seconds)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except StateError as error:
        raise _damaged(out.summary, str(error)) from None


def read_lines(part: StoredPart) -> Iterator[StoredLine]:
    """Its pictures in order.

    Raises:
        DataError: a line is damaged or not in its place, or some are missing.
    """
    last = (-1, -1)
    for line, place in _read_lines(part.folder.part_boxes, part.record.pictures, PictureLine):
        own = (line.medium, -1 if line.frame is None else line.frame)
        if own <= last or line.medium >= part.record.media:
            raise _damaged(place, f"image or video {line.medium} is not where it belongs")
        last = own
        yield StoredLine(line, part, place)


def build_result(line: StoredLine, names: ClassNames) -> StoredResult:
    """The picture of a line.

    Raises:
        DataError: the line is damaged.
    """
    try:
        return _build_result(line.content, line.part, names)
    except ValueError as error:
        raise _damaged(line.place, str(error)) from None


def read_problems(part: StoredPart) -> Iterator[tuple[int, Problem]]:
    """What it could not read, each with its medium's number. Raises as `read_results` does."""
    for line, _ in _read_lines(part.folder.part_problems, part.record.problems, ProblemLine):
        yield line.medium, Problem(line.problem, Path(line.file), line.detail)


def _build_result(line: PictureLine, part: StoredPart, names: ClassNames) -> StoredResult:
    medium = Medium(Path(line.file), _require_inside(line.name), line.kind, line.medium)
    # Nobody looks at its pixels any more, only at their number.
    pixels = np.broadcast_to(np.uint8(0), (line.height, line.width, 3))
    picture = Picture(medium, pixels, b"", line.frame, line.seconds)
    boxes = tuple(
        LabelledBox(Box(*place), class_id, names.get_name(class_id), score, _build_outline(polygons), track)
        for (*place, class_id, score, track), polygons in zip(line.boxes, line.polygons, strict=True)
    )
    return StoredResult(
        PictureDetections(picture, boxes), _find_stored(line.stored, part), _find_drawn(line.drawn, part)
    )


def _build_outline(polygons: tuple[tuple[float, ...], ...]) -> Outline | None:
    if any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
        raise ValueError("a polygon is not three points or more")
    return Outline(polygons=polygons) if polygons else None


def _find_stored(name: str | None, part: StoredPart) -> Path | None:
    formats = part.record.outputs.formats
    _refuse_unlike("stored", name, bool(formats))
    if name is None:
        return None
    if len(_require_inside(name).parts) != 1:
        raise ValueError(f"'{name}' is not a file name")
    return _refuse_link(part.folder.path / formats[0] / WRITERS[formats[0]].images / name, part)


def _find_drawn(name: str | None, part: StoredPart) -> Path | None:
    _refuse_unlike("drawn", name, part.record.outputs.pictures)
    return None if name is None else _refuse_link(part.folder.path / _require_inside(name), part)


def _refuse_link(path: Path, part: StoredPart) -> Path:
    """A link would bring a file of this machine among the pictures of a part that came from another."""
    if not path.resolve().is_relative_to(part.folder.path.resolve()):
        raise ValueError(f"'{path.name}' leads outside of the folder")
    return path


def _refuse_unlike(field: str, name: str | None, is_written: bool) -> None:
    """Raises ValueError where a line does not name a picture that the part has by its record, or names one it lacks."""
    if (name is not None) != is_written:
        raise ValueError(f"{field} is {name!r}")


def _require_inside(name: str) -> PurePath:
    """A path below some folder, as which a part names what it has and what is to be written."""
    path = PurePath(name)
    if not path.parts or ".." in path.parts or path.is_absolute() or "\0" in name:
        raise ValueError(f"'{name}' leads outside of the folder")
    return path


def _read_lines(path: Path, count: int, kind: type[LineT]) -> Iterator[tuple[LineT, str]]:
    """Lines of JSON, and how to call each; the file is open only while a block of it is read."""
    number = offset = 0
    while True:
        try:
            with state_files.open_stream(path) as stream:
                stream.seek(offset)
                lines = _read_block(stream)
        except StateError as error:
            raise _damaged(path, str(error)) from None
        except OSError as error:
            raise _damaged(path, error.strerror or str(error)) from None
        if not lines:
            break
        for line in lines:
            offset, number = offset + len(line), number + 1
            try:
                yield state_files.build(kind, state_files.parse(line)), f"{path}:{number}"
            except StateError as error:
                raise _damaged(f"{path}:{number}", str(error)) from None
    if number != count:
        raise _damaged(path, f"has {number:,} lines in place of {count:,}")


def _read_block(stream: BinaryIO) -> list[bytes]:
    """The next lines, none of them longer than a state file may be."""
    lines: list[bytes] = []
    size = 0
    while size < _BLOCK and (line := stream.readline(state_files.LARGEST + 1)):
        if len(line) > state_files.LARGEST:
            raise StateError(f"it has a line of more than {state_files.LARGEST:,} bytes")
        lines.append(line)
        size += len(line)
    return lines


def _damaged(place: Path | str, cause: str) -> DataError:
    return DataError(f"{place}: this part is damaged: {cause}", "Copy it again, or predict this part again.")
