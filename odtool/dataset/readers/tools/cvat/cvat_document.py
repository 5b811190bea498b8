"""CVAT's XML 1.1 as data: images with their shapes, and tracks of shapes through a video's frames."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from odtool.dataset.images import masks
from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.shapes import enclose_ellipse, enclose_points, enclose_turned
from odtool.dataset.types import Box, ObjectAnnotation, Outline

if TYPE_CHECKING:
    from lxml.etree import _Element

AREAS = ("box", "polygon", "ellipse", "mask", "cuboid")
"""Shapes that have a box; tags, points, polylines and skeletons have none."""
_LAST_FRAME = 1 << 31
_HEAD = 1 << 16


@dataclass(frozen=True)
class Task:
    """What the document says of one of its tasks."""

    id: str
    name: str
    subset: str
    frames: tuple[int, int] | None
    """First and last frame."""


@dataclass(frozen=True)
class CvatImage:
    """One image of an export for images."""

    name: str
    subset: str
    size: tuple[int, int] | None
    objects: tuple[ObjectAnnotation, ...]
    problems: tuple[tuple[str, str], ...]
    """Kind and detail of each."""


@dataclass
class Track:
    """One object through the frames of an export for video; numbers only, as there may be millions of shapes."""

    label: str
    task: str
    line: int
    frames: array[int] = field(default_factory=lambda: array("q"))
    """Those with a shape of their own, rising."""
    shapes: list[array[float]] = field(default_factory=list)
    """For each frame: corners, rotation in degrees, outside, occluded."""
    problems: list[tuple[str, str]] = field(default_factory=list)

    def find_shown_frames(self) -> Iterator[int]:
        """Frames with a shape of their own that is in the picture."""
        return (frame for frame, shape in zip(self.frames, self.shapes, strict=True) if not shape[5])

    @property
    def is_open(self) -> bool:
        """Whether the last shape is in the picture: then it stays there, in CVAT, to the end of the video."""
        return bool(self.shapes) and not self.shapes[-1][5]

    def interpolate(self, frame: int) -> ObjectAnnotation | None:
        """The object in a frame, moved linearly between the frames that have a shape, and still after the last one.

        So TrackManager.get_interpolated_shapes has it in CVAT's dataset_manager/annotation.py.
        """
        position = bisect_right(self.frames, frame) - 1
        if position < 0 or self.shapes[position][5]:
            return None
        before = self.shapes[position]
        if self.frames[position] == frame or position + 1 == len(self.frames):
            return self._make_object(before[:4], before[4], before)
        after = self.shapes[position + 1]
        share = (frame - self.frames[position]) / (self.frames[position + 1] - self.frames[position])
        corners = array("d", (start + (end - start) * share for start, end in zip(before[:4], after[:4], strict=True)))
        # The shorter way round.
        turn = (after[4] - before[4] + 180) % 360 - 180
        return self._make_object(corners, before[4] + turn * share, before)

    def _make_object(self, corners: array[float], rotation: float, shape: array[float]) -> ObjectAnnotation:
        return ObjectAnnotation(self.label, enclose_turned(Box(*corners), rotation), occluded=bool(shape[6]))


def parse(
    stream: BinaryIO, path: Path, problems: list[tuple[str, str]], *, with_outlines: bool = False
) -> Iterator[Task | CvatImage | Track]:
    """What a document holds, one element in memory at a time; `path` is only named in errors.

    Args:
        problems: takes kind and detail of each element that is left out.

    Raises:
        AnnotationError: broken XML, another root, or a document type.
    """
    skipping = Skipping(problems)
    from lxml import etree

    if b"<!DOCTYPE" in stream.read(_HEAD):
        raise parsing.document_type_error(path, 1)
    stream.seek(0)
    events = etree.iterparse(
        stream,
        events=("start", "end"),
        tag=("annotations", "meta", "image", "track"),
        **parsing.UNTRUSTED,
    )
    root: _Element | None = None
    try:
        for event, element in events:
            if root is None:
                root = element
                # In UTF-16 the search above is blind.
                if root.getroottree().docinfo.internalDTD is not None:
                    raise parsing.document_type_error(path, 1)
            if event == "end" and element.getparent() is root and root.tag == "annotations":
                with skipping:
                    yield from _parse_element(element, path, with_outlines)
                _forget(element)
    except etree.XMLSyntaxError as error:
        raise parsing.line_error(path, error.lineno or 1, f"broken XML: {error.msg}") from None
    if root is None or root.tag != "annotations":
        raise parsing.line_error(
            path, 1, "the root is not <annotations>", "Export as 'CVAT for images' or 'for video'."
        )


def _forget(element: _Element) -> None:
    """Frees what has been read, or the whole document would grow in memory."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _parse_element(element: _Element, path: Path, with_outlines: bool) -> Iterator[Task | CvatImage | Track]:
    if element.tag == "image":
        yield _parse_image(element, path, with_outlines)
    elif element.tag == "track":
        yield _parse_track(element, path)
    elif element.tag == "meta":
        for task in element.iter("task", "job"):
            first, last = _get_text(task, "start_frame"), _get_text(task, "stop_frame")
            has_frames = first.isdecimal() and last.isdecimal()
            frames = (int(first[:10]), int(last[:10])) if has_frames else None
            yield Task(_get_text(task, "id"), _get_text(task, "name"), _get_text(task, "subset"), frames)


def _parse_image(element: _Element, path: Path, with_outlines: bool) -> CvatImage:
    objects: list[ObjectAnnotation] = []
    problems: list[tuple[str, str]] = []
    skipping = Skipping(problems)
    for shape in element:
        with skipping:
            label = shape.get("label", "").strip()
            where = f"{shape.tag} at line {parsing.get_line(shape)} ({label or 'no label'})"
            if shape.tag not in AREAS:
                problems.append(("shape_skipped", where))
            elif not label:
                problems.append(("label_missing", where))
            elif (box_and_turn := _parse_shape(shape, path)) is None:
                problems.append(("box_missing", f"{where} has no points"))
            else:
                annotation = _parse_object(shape, label, enclose_turned(*box_and_turn))
                outline = _parse_outline(shape, path, _parse_size(element)) if with_outlines else None
                objects.append(replace(annotation, outline=outline) if with_outlines else annotation)
    name, subset = element.get("name", "").strip(), element.get("subset", "").strip()
    if not name:
        raise parsing.line_error(path, parsing.get_line(element), "an image without name")
    return CvatImage(name, subset, _parse_size(element), tuple(objects), tuple(problems))


def _parse_object(shape: _Element, label: str, box: Box) -> ObjectAnnotation:
    """`difficult` and `truncated` are attributes where a Pascal VOC set had been imported."""
    marked = {
        attribute.get("name", "").lower()
        for attribute in shape.iterchildren("attribute")
        if (attribute.text or "").strip().lower() in ("true", "1")
    }
    return ObjectAnnotation(
        label,
        box,
        difficult="difficult" in marked,
        truncated="truncated" in marked,
        occluded=shape.get("occluded") == "1",
    )


def _parse_track(element: _Element, path: Path) -> Track:
    label = element.get("label", "").strip()
    track = Track(label, element.get("task_id", ""), parsing.get_line(element))
    where = f"track {element.get('id', '')} at line {track.line} ({label or 'no label'})"
    if not label:
        track.problems.append(("label_missing", where))
        return track
    frame_shapes: dict[int, array[float]] = {}
    skipped_counts = dict[str, int]()
    skipping = Skipping(track.problems)
    for shape in element:
        with skipping:
            if shape.tag not in AREAS:
                skipped_counts[str(shape.tag)] = skipped_counts.get(str(shape.tag), 0) + 1
            elif (box_and_turn := _parse_shape(shape, path)) is None:
                track.problems.append(
                    ("box_missing", f"{where}: {shape.tag} at line {parsing.get_line(shape)} has no points")
                )
            else:
                box, rotation = box_and_turn
                flags = (shape.get("outside") == "1", shape.get("occluded") == "1")
                frame_shapes[_parse_frame(shape, path)] = array(
                    "d", (box.xmin, box.ymin, box.xmax, box.ymax, rotation, *flags)
                )
    track.problems += [("shape_skipped", f"{where}: {count} {kind}") for kind, count in skipped_counts.items()]
    track.frames.extend(sorted(frame_shapes))
    track.shapes.extend(frame_shapes[frame] for frame in track.frames)
    return track


def _parse_frame(shape: _Element, path: Path) -> int:
    text = shape.get("frame", "")
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) > _LAST_FRAME:
        raise parsing.line_error(path, parsing.get_line(shape), f"frame is '{text[:40]}', not a number")
    return int(text)


def _parse_shape(shape: _Element, path: Path) -> tuple[Box, float] | None:
    """The box and by how many degrees it is turned; None for a polygon without points."""
    if shape.tag == "polygon":
        points = _parse_points(shape, path)
        return (enclose_points(points), 0.0) if points else None
    rotation = _parse_number(shape, "rotation", path) if shape.get("rotation") else 0.0
    if shape.tag == "box":
        return Box(*(_parse_number(shape, name, path) for name in ("xtl", "ytl", "xbr", "ybr"))), rotation
    if shape.tag == "ellipse":
        x, y, across, down = (_parse_number(shape, name, path) for name in ("cx", "cy", "rx", "ry"))
        return enclose_ellipse((x, y), (across, down), rotation), 0.0
    if shape.tag == "mask":
        # The run lengths are within this rectangle, which CVAT draws tight around them.
        left, top, width, height = (_parse_number(shape, name, path) for name in ("left", "top", "width", "height"))
        return Box(left, top, left + width, top + height), 0.0
    corners = [
        (f"x{corner}", f"y{corner}") for side in "12" for corner in (f"tl{side}", f"bl{side}", f"tr{side}", f"br{side}")
    ]
    return enclose_points((_parse_number(shape, x, path), _parse_number(shape, y, path)) for x, y in corners), 0.0


def _parse_outline(shape: _Element, path: Path, size: tuple[int, int] | None) -> Outline | None:
    """The outline of a polygon or a mask, whose run lengths go along the rows of its rectangle, background first."""
    if shape.tag == "polygon":
        return masks.make_polygon(_parse_points(shape, path))
    lengths = [word.strip() for word in shape.get("rle", "").split(",")]
    sides = [shape.get(name, "") for name in ("left", "top", "width", "height")]
    if shape.tag != "mask" or size is None or not all(word.isdecimal() and len(word) < 10 for word in lengths + sides):
        return None
    import numpy as np

    left, top, width, height = map(int, sides)
    runs = np.array(lengths, np.int64)
    if runs.sum() != width * height or width * height > masks.MOST_PIXELS:
        return None
    mask = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return masks.paste_mask(mask, (left, top), size)


def _parse_points(shape: _Element, path: Path) -> list[tuple[float, float]]:
    points = []
    for pair in filter(None, shape.get("points", "").split(";")):
        try:
            x, y = map(float, pair.split(","))
        except ValueError:
            raise parsing.line_error(
                path, parsing.get_line(shape), f"a point is '{pair[:40]}', not two numbers"
            ) from None
        points.append((x, y))
    return points


def _parse_number(element: _Element, name: str, path: Path) -> float:
    text = element.get(name, "")
    try:
        return float(text)
    except ValueError:
        what = f"{name} is '{text[:40]}', not a number" if text else f"<{element.tag}> without {name}"
        raise parsing.line_error(path, parsing.get_line(element), what) from None


def _get_text(element: _Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _parse_size(element: _Element) -> tuple[int, int] | None:
    return parse_size(element.get("width", ""), element.get("height", ""))


def parse_size(width: str, height: str) -> tuple[int, int] | None:
    """A declared size in whole pixels; None for what is none."""
    is_size = width.isdecimal() and height.isdecimal() and len(width) < 10 and len(height) < 10
    return (int(width), int(height)) if is_size and int(width) and int(height) else None
