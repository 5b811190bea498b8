"""Records looked at before they are trained on: what the API's decoder and its training would stumble over."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from odtool.dataset.images import image_file, repair
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.label_map import LabelItem, describe_gaps, index_texts
from odtool.dataset.records import record_reader
from odtool.dataset.records.record_drafts import REPETITION_KEY
from odtool.dataset.records.record_reader import Features, Record
from odtool.dataset.types import Extent, Level
from odtool.errors import DataError

_TEXT, _LABEL = "image/object/class/text", "image/object/class/label"
_SIDES = tuple(f"image/object/bbox/{side}" for side in ("xmin", "ymin", "xmax", "ymax"))
_MASK, _KEY_POINT = "image/object/mask", "image/object/keypoint/x"
_ROUNDING = 1e-4
"""Of the image's side; what sticks out by less is rounding."""
_FARTHEST = 0.1
"""The API stops at a coordinate above 1.1 (maximum_normalized_coordinate in its core/box_list_ops.py)."""

LEVELS: dict[str, Level] = {
    "box_far_outside": "error",
    "box_invalid": "error",
    "box_inverted": "error",
    "box_outside": "warning",
    "box_zero": "warning",
    "boxes_not_whole": "error",
    "class_unknown": "error",
    "file_damaged": "error",
    "file_empty": "error",
    "image_format": "warning",
    "image_missing": "error",
    "image_truncated": "error",
    "image_unreadable": "error",
    "label_disagrees": "warning",
    "label_missing": "error",
    "label_outside": "error",
    "not_an_example": "error",
    "record_damaged": "error",
    "size_disagrees": "warning",
    "source_id_missing": "warning",
    "source_id_repeated": "warning",
}
"""What can be wrong, and how bad it is: at an 'error' training stops, or learns from wrong data."""


@dataclass
class RecordFault:
    """One kind of thing that is wrong, how often, and where first."""

    level: Level
    first: str
    count: int = 0


@dataclass
class RecordReport:
    """What was seen in the records of one set."""

    files: int = 0
    records: int = 0
    examined: int = 0
    objects: int = 0
    most_objects: int = 0
    """In one of the examined records."""
    classes: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    """Records among them with 'masks' and with 'keypoints', and 'repetitions' of others."""
    faults: dict[str, RecordFault] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every record was examined."""
        return self.examined == self.records

    def add_fault(self, kind: str, where: str) -> None:
        self.faults.setdefault(kind, RecordFault(LEVELS[kind], where)).count += 1


def check_records(files: Sequence[Path], classes: Sequence[LabelItem], *, sample: int | None) -> RecordReport:
    """Walks all files, and looks closely at some of their records: keys, labels, boxes, and the decoded image.

    Args:
        classes: the label map's.
        sample: how many records are looked at, evenly spread over the files; None for all.
    """
    report = RecordReport(files=len(files))
    extents_by_file = {path: _find_extents(path, report) for path in files}
    report.records = sum(len(extents) for extents in extents_by_file.values()) // 2
    stride = max(report.records / sample, 1.0) if sample else 1.0
    checker = _Checker(report, classes)
    position, next_position = 0, 0.0
    for path, extents in extents_by_file.items():
        for index in range(0, len(extents), 2):
            if position >= next_position:
                next_position += stride
                report.examined += 1
                checker.check_record(path, index // 2 + 1, extents[index], extents[index + 1])
            position += 1
    return report


def _find_extents(path: Path, report: RecordReport) -> array[int]:
    """Offsets and lengths in turn: sixteen bytes a record, so that millions fit."""
    numbers = array("Q")
    try:
        for extent in record_reader.find_extents(path):
            numbers.extend(extent)
    except DataError as error:
        report.add_fault("file_damaged", error.message)
    except OSError as error:
        report.add_fault("file_damaged", f"{path}: {error.strerror}")
    else:
        if not numbers:
            report.add_fault("file_empty", str(path))
    return numbers


class _Checker:
    """Looks at one record after another."""

    def __init__(self, report: RecordReport, classes: Sequence[LabelItem]) -> None:
        self._report = report
        self._names = {item.id: item.name for item in classes}
        self._ids = index_texts(classes)
        self._seen: set[str] = set()

    def check_record(self, path: Path, number: int, offset: int, length: int) -> None:
        where = f"{path}: record {number}"
        try:
            record = record_reader.read_record(path, number, offset, length)
            features = record_reader.parse_features(record.data)
        except DataError as error:
            self._report.add_fault("record_damaged", error.message)
            return
        except ValueError as error:
            self._report.add_fault("not_an_example", f"{where}: {error}")
            return
        self._report.held["masks"] += bool(features.texts.get(_MASK) or features.floats.get(_MASK))
        self._report.held["keypoints"] += bool(features.floats.get(_KEY_POINT))
        problems = [
            *self._check_identity(features, record),
            *self._check_objects(features, record),
            *_check_image(path, features, record),
        ]
        for kind, detail in problems:
            self._report.add_fault(kind, f"{where}: {detail}")

    def _check_identity(self, features: Features, record: Record) -> Iterator[tuple[str, str]]:
        spans = features.texts.get("image/source_id", [])
        name = _decode(record, spans[0]) if spans else ""
        if not name:
            yield "source_id_missing", "no image/source_id, by which the evaluation tells images apart"
        elif features.ints.get(REPETITION_KEY):
            self._report.held["repetitions"] += 1
        elif name in self._seen:
            yield "source_id_repeated", f"image/source_id '{name}' is that of an earlier record too"
        if not features.ints.get(REPETITION_KEY):
            self._seen.add(name)

    def _check_objects(self, features: Features, record: Record) -> Iterator[tuple[str, str]]:
        sides = [features.floats.get(key, []) for key in _SIDES]
        count = len(sides[0])
        self._report.objects += count
        self._report.most_objects = max(self._report.most_objects, count)
        if any(len(side) != count for side in sides):
            yield "boxes_not_whole", f"{', '.join(str(len(side)) for side in sides)} values for xmin, ymin, xmax, ymax"
            return
        for box in zip(*sides, strict=True):
            yield from _check_box(*box)
        yield from self._check_labels(features, record, count)

    def _check_labels(self, features: Features, record: Record, count: int) -> Iterator[tuple[str, str]]:
        texts = [_decode(record, span) for span in features.texts.get(_TEXT, [])]
        numbers = features.ints.get(_LABEL, [])
        if len(texts or numbers) != count:
            yield "label_missing", f"{count} boxes, {len(texts)} class texts and {len(numbers)} class labels"
            return
        for position in range(count):
            number = numbers[position] if len(numbers) == count else None
            if texts:
                expected_id = self._ids.get(texts[position])
                if expected_id is None:
                    yield (
                        "class_unknown",
                        f"class '{texts[position]}' is not in the label map, so its boxes are dropped",
                    )
                    continue
                if number is not None and number != expected_id:
                    yield (
                        "label_disagrees",
                        f"label {number} stands beside '{texts[position]}', which has id {expected_id}; "
                        "the text is used",
                    )
                number = expected_id
            if number not in self._names:
                gaps = describe_gaps(self._names)
                ids = f"1 to {max(self._names)}" + (f", without {gaps}" if gaps else "")
                yield "label_outside", f"label {number} is not in the label map, which has the ids {ids}"
            else:
                self._report.classes[self._names[number]] += 1


def _check_box(xmin: float, ymin: float, xmax: float, ymax: float) -> Iterator[tuple[str, str]]:
    sides = (xmin, ymin, xmax, ymax)
    description = "box " + ", ".join(f"{side:.4g}" for side in sides)
    if not all(map(math.isfinite, sides)):
        yield "box_invalid", description
        return
    if xmin > xmax or ymin > ymax:
        yield "box_inverted", description
    elif xmin == xmax or ymin == ymax:
        yield "box_zero", description
    beyond = max(-min(sides), max(sides) - 1)
    if beyond > _FARTHEST:
        yield "box_far_outside", f"{description}; are these pixels? They must be fractions from 0 to 1"
    elif beyond > _ROUNDING:
        yield "box_outside", description


def _check_image(path: Path, features: Features, record: Record) -> Iterator[tuple[str, str]]:
    spans = features.texts.get("image/encoded", [])
    if not spans or not spans[0][1]:
        yield "image_missing", "no image/encoded"
        return
    extent = Extent(record.offset + spans[0][0], spans[0][1], "image/encoded")
    try:
        header = image_file.read_header(path, extent)
        repair.check_pixels(path, extent)
    except ImageError as error:
        yield error.kind, error.detail
        return
    if not header.written_as_is:
        yield "image_format", f"a {header.format} image; JPEG and PNG are what the API's decoder is made for"
    yield from _check_size(features, header)


def _check_size(features: Features, header: ImageHeader) -> Iterator[tuple[str, str]]:
    declared_sides = [features.ints.get(f"image/{side}", [0])[:1] for side in ("width", "height")]
    if (
        all(declared_sides)
        and all(side[0] for side in declared_sides)
        and (declared_sides[0][0], declared_sides[1][0]) != (header.width, header.height)
    ):
        yield (
            "size_disagrees",
            f"declares {declared_sides[0][0]}x{declared_sides[1][0]}, but the image is {header.width}x{header.height}",
        )


def _decode(record: Record, span: tuple[int, int]) -> str:
    return record.data[span[0] : span[0] + span[1]].decode("utf-8", "backslashreplace")
