"""A record of the Object Detection API as data: its image, its objects, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from math import isfinite
from pathlib import Path
from typing import TypeVar

from odtool.dataset.images import masks
from odtool.dataset.readers.common.faults import AnnotationError
from odtool.dataset.readers.records.tfrecord.class_lookup import ClassLookup
from odtool.dataset.records import record_reader
from odtool.dataset.records.record_drafts import REPETITION_KEY
from odtool.dataset.records.record_reader import Features
from odtool.dataset.types import Box, Keypoint, ObjectAnnotation, Outline

_BOX = tuple(f"image/object/bbox/{name}" for name in ("xmin", "ymin", "xmax", "ymax"))
_FLAGS = {
    "difficult": "image/object/difficult",
    "truncated": "image/object/truncated",
    "occluded": "image/object/occluded",
    "is_crowd": "image/object/is_crowd",
    "group_of": "image/object/group_of",
}
_TEXT, _LABEL, _AREA, _VIEW, _WEIGHT, _MASK = (
    f"image/object/{name}" for name in ("class/text", "class/label", "area", "view", "weight", "mask")
)
_POINT_X, _POINT_Y, _POINT_SEEN, _POINT_NAME, _POINT_NUMBER = (
    f"image/object/keypoint/{name}" for name in ("x", "y", "visibility", "text", "num")
)
_MADE_ANEW = {"image/key/sha256", "image/format", "image/colorspace", "image/channels"}
"""Keys whose values follow from the encoded image."""
_KNOWN = _MADE_ANEW | {
    *_BOX, *_FLAGS.values(), _TEXT, _LABEL, _AREA, _VIEW, _WEIGHT,
    "image/encoded", "image/filename", "image/source_id", "image/height", "image/width",
    _POINT_X, _POINT_Y, _POINT_SEEN, _POINT_NAME, _POINT_NUMBER, REPETITION_KEY,
}  # fmt: skip
Value = TypeVar("Value")


@dataclass(frozen=True)
class Example:
    """What one record says."""

    filename: str
    source_id: str
    size: tuple[int, int] | None
    encoded: tuple[int, int] | None
    """Offset and length of the image within the record; None where the record has none."""
    objects: tuple[ObjectAnnotation, ...]
    problems: tuple[tuple[str, str], ...]
    """Kind and detail of each."""
    unknown: tuple[str, ...]
    """Keys with values that are not carried over."""
    repetition: int = 0
    """Which repetition of an earlier record this is; 0 where it is none."""


@dataclass(frozen=True)
class _RecordPlace:
    """Which record is meant."""

    path: Path
    number: int

    def make_error(self, what: str, hint: str) -> AnnotationError:
        return AnnotationError(self.path, f"record {self.number}: {what}", hint)


def parse(
    data: bytes, path: Path, number: int, classes: ClassLookup, *, with_outlines: bool = False
) -> Example:  # fmt: skip
    """Parses a record's bytes; `path` and `number` are only named in errors.

    Args:
        classes: class names by id, for objects that carry ids alone.
        with_outlines: whether the objects' masks are read.

    Raises:
        AnnotationError: it is no tf.train.Example of an annotated image, or its lists are not of one length.
        DataError: the label map that its ids need cannot be read.
    """
    where = _RecordPlace(path, number)
    try:
        features = record_reader.parse_features(data)
    except ValueError as error:
        raise where.make_error(f"not a tf.train.Example: {error}", "Is it a TFRecord of another kind?") from None
    keys = {*features.texts, *features.floats, *features.ints}
    if not keys & {"image/encoded", "image/filename"}:
        raise where.make_error(
            f"has neither image/encoded nor image/filename, but {', '.join(sorted(keys)[:6]) or 'nothing'}",
            "odtool reads the records of the Object Detection API.",
        )
    problems: list[tuple[str, str]] = []
    size = (_get_first(features.ints, "image/width", 0), _get_first(features.ints, "image/height", 0))
    outlines = list(_read_outlines(features, data, size, where)) if with_outlines else []
    objects = tuple(_read_objects(features, data, classes, where, number, outlines, problems))
    image_span = _get_first(features.texts, "image/encoded", (0, 0))
    unknown = [
        key for store in (features.texts, features.floats, features.ints) for key, values in store.items() if values
    ]
    return Example(
        _decode(data, _get_first(features.texts, "image/filename", (0, 0))),
        _read_source_id(features, data),
        size if min(size) > 0 else None,
        image_span if image_span[1] else None,
        objects,
        tuple(problems),
        tuple(key for key in unknown if key not in _KNOWN and not (with_outlines and key == _MASK)),
        _get_first(features.ints, REPETITION_KEY, 0),
    )


def _read_source_id(features: Features, data: bytes) -> str:
    """Text as a rule; a whole number in what some converters write."""
    if numbers := features.ints.get("image/source_id"):
        return str(numbers[0])
    return _decode(data, _get_first(features.texts, "image/source_id", (0, 0)))


def _read_outlines(
    features: Features, data: bytes, size: tuple[int, int], where: _RecordPlace
) -> Iterator[Outline | None]:
    """The mask of each object: PNGs, or numbers, one a pixel of the image (both of input_reader.proto's kinds).

    None for one that cannot be read; nothing at all where the record has no masks.
    """
    import numpy as np

    count, (width, height) = len(features.floats.get(_BOX[0], [])), size
    if numbers := features.floats.get(_MASK):
        if len(numbers) != count * width * height:
            detail = f"{_MASK} has {len(numbers)} values for {count} boxes of {width}x{height} pixels"
            raise where.make_error(detail, "Write the record again.")
        for values in np.asarray(numbers, np.float32).reshape(count, height, width):
            yield masks.paste_mask(values > 0, (0, 0), size)
    for start, length in _get_list(features.texts, _MASK, count, where):
        mask = masks.decode_png(data[start : start + length])
        yield None if mask is None else masks.paste_mask(mask, (0, 0), (mask.shape[1], mask.shape[0]))


def _read_objects(
    features: Features,
    data: bytes,
    classes: ClassLookup,
    where: _RecordPlace,
    number: int,
    outlines: Sequence[Outline | None],
    problems: list[tuple[str, str]],
) -> Iterator[ObjectAnnotation]:
    sides = [features.floats.get(key, []) for key in _BOX]
    count = len(sides[0])
    if any(len(side) != count for side in sides):
        lengths = ", ".join(f"{len(side)} {key.rsplit('/', 1)[1]}" for side, key in zip(sides, _BOX, strict=True))
        raise where.make_error(
            f"its boxes are incomplete: {lengths}", "Write the record again, with four sides per box."
        )
    texts = [_decode(data, span) for span in _get_list(features.texts, _TEXT, count, where)]
    views = [_decode(data, span) for span in _get_list(features.texts, _VIEW, count, where)]
    ids = _get_list(features.ints, _LABEL, count, where)
    areas = _get_list(features.floats, _AREA, count, where)
    weights = _get_list(features.floats, _WEIGHT, count, where)
    flags = {name: _get_list(features.ints, key, count, where) for name, key in _FLAGS.items()}
    points = list(_read_keypoints(features, data, count, where))
    for position in range(count):
        object_where = f"record {number}: object {position + 1}"
        label = texts[position] if texts else ""
        if not label and ids:
            label = _name_class(ids[position], classes, object_where, problems)
        if not label:
            problems.append(("label_missing", f"{object_where} has neither text nor an id from 1"))
            continue
        yield ObjectAnnotation(
            label,
            Box(*(side[position] for side in sides)),
            **{name: bool(values[position]) for name, values in flags.items() if values},
            view=views[position] if views else "",
            outline=outlines[position] if outlines else None,
            area=areas[position] if areas and 0 < areas[position] < float("inf") else None,
            weight=weights[position] if weights else None,
            keypoints=points[position] if points else (),
        )


def _name_class(index: int, classes: ClassLookup, where: str, problems: list[tuple[str, str]]) -> str:
    """The class with an id, which is its name where no label map has it; an empty text for what is no class's id."""
    name = classes.find_name(index)
    if name is None and index >= 1:
        problems.append(("class_unnamed", f"{where}: id {index} is in no label map"))
        return str(index)
    return name or ""


def _read_keypoints(features: Features, data: bytes, count: int, where: _RecordPlace) -> Iterator[tuple[Keypoint, ...]]:
    """The keypoints of each object, as many for each; nothing at all where the record has none.

    Without visibilities, those with a place are labelled, as tf_example_decoder.py has it.
    """
    xs, ys = features.floats.get(_POINT_X, []), features.floats.get(_POINT_Y, [])
    total = len(xs)
    if len(ys) != total or (total and (not count or total % count)):
        detail = f"{total} keypoint x values and {len(ys)} y values for {count} boxes"
        raise where.make_error(detail, "Write the record again, with the same number for each box.")
    visibilities = _get_list(features.ints, _POINT_SEEN, total, where, "keypoints") or [
        2 * (isfinite(x) and isfinite(y)) for x, y in zip(xs, ys, strict=True)
    ]
    spans = _get_list(features.texts, _POINT_NAME, total, where, "keypoints")
    names = [_decode(data, span) for span in spans] or [""] * total
    points = list(starmap(Keypoint, zip(xs, ys, [max(value, 0) for value in visibilities], names, strict=True)))
    keypoint_count = total // count if total else 0
    for start in range(0, total, max(keypoint_count, 1)):
        yield tuple(points[start : start + keypoint_count])


def _get_list(
    store: Mapping[str, list[Value]], key: str, count: int, where: _RecordPlace, what: str = "boxes"
) -> list[Value]:
    """One value a box, or none at all."""
    values = store.get(key, [])
    if values and len(values) != count:
        raise where.make_error(f"{key} has {len(values)} values for {count} {what}", "Write the record again.")
    return values


def _get_first(store: Mapping[str, list[Value]], key: str, default: Value) -> Value:
    return (store.get(key) or [default])[0]


def _decode(data: bytes, span: tuple[int, int]) -> str:
    return data[span[0] : span[0] + span[1]].decode("utf-8", "backslashreplace").strip()
