"""The catalogue of problems, and the checks of one image's boxes against its header."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from odtool.dataset.image_file import ImageHeader
from odtool.dataset.types import AnnotatedImage, Box, Level, ObjectAnnotation, Problem, Unit

_ROUNDING = 1e-5
"""Share of the image's width or height. What sticks out by less is the rounding of a text format with six
decimals (YOLO), not a problem."""


@dataclass(frozen=True)
class Check:
    """What is done about one kind of problem."""

    level: Level
    """'info': nothing was changed. 'warning': a box was changed or left out. 'error': an image was left out."""
    action: str


CATALOGUE: dict[str, Check] = {
    "annotation_missing": Check("info", "left out: listed, but without annotation"),
    "annotation_superseded": Check("info", "another annotation of the image is used"),
    "box_invalid": Check("warning", "left out"),
    "box_inverted": Check("warning", "corners put in order"),
    "box_missing": Check("warning", "left out"),
    "box_outside": Check("warning", "clipped to the image"),
    "box_outside_entirely": Check("warning", "left out"),
    "box_zero": Check("warning", "left out"),
    "class_absent": Check("warning", "all objects called 'object'; --rename gives them another name"),
    "class_attribute": Check("info", "the others are not read"),
    "class_unnamed": Check("info", "kept under its id"),
    "class_unused": Check("info", "not in the label map"),
    "entry_ignored": Check("info", "not read"),
    "exif_rotation": Check("warning", "kept as stored; TensorFlow does not rotate"),
    "extension_lies": Check("info", "read by its content"),
    "file_skipped": Check("info", "not read"),
    "filename_mismatch": Check("info", "found by the annotation file's name"),
    "image_16bit": Check("info", "kept; TensorFlow decodes it to 8 bits"),
    "image_alpha": Check("info", "kept; TensorFlow drops the alpha channel"),
    "image_cmyk": Check("info", "kept; TensorFlow decodes it to RGB"),
    "image_missing": Check("error", "image left out"),
    "image_repeated": Check("error", "only the first annotation of the image kept"),
    "image_truncated": Check("error", "image left out"),
    "image_unreadable": Check("error", "image left out"),
    "key_dropped": Check("warning", "not carried over"),
    "label_missing": Check("warning", "object left out"),
    "labels_several": Check("info", "one object for each class"),
    "not_in_split": Check("info", "left out: the data set's own lists do not name it"),
    "object_ignored": Check("info", "left out: the data set itself marks it as not to be used"),
    "path_outside": Check("warning", "looked for by its base name"),
    "reencoded": Check("info", "re-encoded as PNG"),
    "shape_skipped": Check("warning", "left out: not an area"),
    "shard_missing": Check("warning", "not read"),
    "size_disagrees": Check("warning", "the image's own size is used"),
    "source_id_repeated": Check("info", "given a number of its own"),
    "split_missing": Check("warning", "not read"),
}
"""Kind → level and action. Readers and checks name their problems with these."""


def check_image(image: AnnotatedImage, header: ImageHeader) -> tuple[AnnotatedImage, list[Problem]]:
    """The image with its boxes in pixels, within its true size, and what had to be done for that."""
    problems = list(_of_header(image, header))
    objects = []
    for number, item in enumerate(image.objects, start=1):
        box, kind = _mended(item.box, image.unit, header)
        if kind:
            problems.append(Problem(kind, image.source, _describe(image, number, item, header)))
        if box is not None:
            objects.append(item if box is item.box else replace(item, box=box))
    return replace(image, objects=tuple(objects), unit="pixel"), problems


def _mended(box: Box, unit: Unit, header: ImageHeader) -> tuple[Box | None, str]:
    """The box to write, or None, and the kind of its problem, or ''."""
    width, height = header.width, header.height
    xmin, ymin, xmax, ymax = box.xmin, box.ymin, box.xmax, box.ymax
    if unit == "fraction":
        xmin, ymin, xmax, ymax = xmin * width, ymin * height, xmax * width, ymax * height
    if 0 <= xmin < xmax <= width and 0 <= ymin < ymax <= height:
        return (box if unit == "pixel" else Box(xmin, ymin, xmax, ymax)), ""
    if not (math.isfinite(xmin) and math.isfinite(ymin) and math.isfinite(xmax) and math.isfinite(ymax)):
        return None, "box_invalid"
    kind = ""
    if xmin > xmax or ymin > ymax:
        kind = "box_inverted"
        xmin, xmax = min(xmin, xmax), max(xmin, xmax)
        ymin, ymax = min(ymin, ymax), max(ymin, ymax)
    if xmin == xmax or ymin == ymax:
        return None, "box_zero"
    slack_x, slack_y = width * _ROUNDING, height * _ROUNDING
    if xmin < -slack_x or ymin < -slack_y or xmax > width + slack_x or ymax > height + slack_y:
        kind = "box_outside"
    clipped = Box(max(xmin, 0.0), max(ymin, 0.0), min(xmax, float(width)), min(ymax, float(height)))
    if clipped.xmin >= clipped.xmax or clipped.ymin >= clipped.ymax:
        return None, "box_outside_entirely"
    return clipped, kind


def _describe(image: AnnotatedImage, number: int, item: ObjectAnnotation, header: ImageHeader) -> str:
    box = item.box
    numbers = ", ".join(f"{value:.6g}" for value in (box.xmin, box.ymin, box.xmax, box.ymax))
    return f"object {number} ({item.label}) at [{numbers}] in {image.name}, {header.width}x{header.height}"


def _of_header(image: AnnotatedImage, header: ImageHeader) -> Iterator[Problem]:
    path = image.path
    declared = image.declared_size
    if declared and declared != (header.width, header.height):
        detail = f"annotated as {declared[0]}x{declared[1]}, {image.name} is {header.width}x{header.height}"
        yield Problem("size_disagrees", image.source, detail)
    if header.orientation != 1:
        yield Problem("exif_rotation", path, f"EXIF orientation {header.orientation}")
    # What lies within a larger file is told by its content alone; nobody goes by its name.
    if image.extent is None and not header.name_fits(path):
        yield Problem("extension_lies", path, f"it is {header.format.upper()} data")
    if not header.written_as_is:
        yield Problem("reencoded", path, f"{header.format.upper()} is not for TensorFlow's decoder")
    yield from _of_colours(path, header)


def _of_colours(path: Path, header: ImageHeader) -> Iterator[Problem]:
    if header.format == "jpeg" and header.channels == 4:
        yield Problem("image_cmyk", path, "four channels")
    elif header.channels in (2, 4):
        yield Problem("image_alpha", path, f"{header.channels} channels")
    if header.bits > 8:
        yield Problem("image_16bit", path, f"{header.bits} bits a channel")
