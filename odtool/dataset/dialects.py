"""Dialects of formats: what else the four numbers of a box may mean than a format's documents say.

A reader takes boxes as its format has them, and puts the name of a row of DIALECTS into `AnnotatedImage.dialect`. It
decides nothing itself: over all files of a source, survey/conventions/coordinates.py counts how many boxes lie inside
their images under each reading of the row, and takes another one than the first only where the boxes say so. What a
reader needs:

    AnnotatedImage(path, file, objects, dialect="createml")         # boxes made by make_box(numbers, "cxcywh")
    ObjectAnnotation(label, box, enclosed=True)                     # a polygon's envelope: no reading moves it

A format that a tool writes in one way and nobody by hand needs no row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from odtool.dataset.images import keypoints, masks
from odtool.dataset.types import AnnotatedImage, Box, ObjectAnnotation, Unit

Layout = Literal["xyxy", "xywh", "cxcywh"]
LAYOUTS: dict[Layout, str] = {
    "xyxy": "left, top, right, bottom",
    "xywh": "left, top, width, height",
    "cxcywh": "centre, width, height",
}
"""What four numbers may be, and how messages say it."""
Scale = Literal["", "pixels", "fractions", "percent"]
SCALES: tuple[Scale, ...] = ("pixels", "fractions", "percent")
"""What they may count; '' is what the reader takes them for."""


class Reading(NamedTuple):
    """One way to read the four numbers of a box."""

    layout: Layout
    scale: Scale = ""

    @property
    def name(self) -> str:
        """As --coordinates has it, such as 'xyxy' or 'cxcywh-percent'."""
        return f"{self.layout}-{self.scale}" if self.scale else self.layout

    def describe(self) -> str:
        """For people."""
        return f"{LAYOUTS[self.layout]}{f' in {self.scale}' if self.scale else ''} ({self.name})"


@dataclass(frozen=True)
class Dialect:
    """The readings of one format's boxes."""

    title: str
    """What the numbers are, for messages: 'coordinates of CreateML JSON'."""
    readings: tuple[Reading, ...]
    """The first is the documented one, as which the reader hands out its boxes."""
    seldom: tuple[Reading, ...] = ()
    """Readings that are meant only where none of the usual ones explains the boxes. A centre in place of a corner
    explains any few boxes that keep away from the edge, and percent explain what pixels of a small image do."""
    strength: Literal["firm", "usual", "open"] = "usual"
    """'firm': the format's own names say what the numbers are (xmin, ymax), so that only boxes which nearly all fit
    another reading, and mostly not this one, say otherwise. 'usual': documented, but written otherwise, too. 'open': a
    convention of few, so that any set whose boxes do not fit is asked about."""

    @property
    def all_readings(self) -> tuple[Reading, ...]:
        return self.readings + self.seldom


def _combine(layouts: Sequence[Layout], *scales: Scale) -> tuple[Reading, ...]:
    return tuple(Reading(layout, scale) for scale in scales for layout in layouts)


DIALECTS: dict[str, Dialect] = {
    "coco": Dialect(
        "bbox numbers of COCO JSON",
        _combine(("xywh", "xyxy"), "pixels", "fractions"),
        _combine(("cxcywh",), "pixels", "fractions"),
    ),
    "createml": Dialect("coordinates of CreateML JSON", _combine(("cxcywh", "xywh"), "")),
    "csv_xyxy": Dialect("columns of the CSV", _combine(("xyxy", "xywh"), ""), strength="firm"),
    "csv_xywh": Dialect("columns of the CSV", _combine(("xywh", "xyxy"), ""), strength="firm"),
    "csv_cxcywh": Dialect("columns of the CSV", _combine(("cxcywh", "xyxy", "xywh"), ""), strength="firm"),
    "hf_imagefolder": Dialect(
        "bbox numbers of the Hugging Face image folder",
        _combine(("xywh", "xyxy", "cxcywh"), "pixels", "fractions"),
    ),
    "retinanet_csv": Dialect(
        "numbers of the CSV without a header",
        _combine(("xyxy", "xywh"), "pixels", "fractions"),
        _combine(("cxcywh",), "pixels", "fractions"),
    ),
    "tfod_csv": Dialect("columns of the CSV", _combine(("xyxy", "xywh"), ""), strength="firm"),
    "voc": Dialect(
        "bndbox numbers of Pascal VOC XML", _combine(("xyxy", "xywh"), "pixels", "fractions"), strength="firm"
    ),
    "wider_face": Dialect("numbers of WIDER FACE", _combine(("xywh", "xyxy"), ""), strength="firm"),
    "yolo": Dialect(
        "numbers of YOLO text",
        _combine(("cxcywh", "xyxy"), "fractions", "pixels"),
        (*_combine(("cxcywh", "xyxy", "xywh"), "percent"), *_combine(("xywh",), "fractions", "pixels")),
    ),
    "yolo_keras": Dialect("numbers of YOLO-Keras text", _combine(("xyxy", "xywh"), ""), _combine(("cxcywh",), "")),
}
"""Name in AnnotatedImage.dialect → what its boxes may be."""


def parse_reading(text: str) -> Reading:
    """What --coordinates names, as 'xyxy' or 'cxcywh-percent'. Raises ValueError for anything else."""
    layout, _, scale = text.partition("-")
    for known in LAYOUTS:
        for known_scale in ("", *SCALES):
            if (layout, scale) == (known, known_scale) and text.endswith(known_scale or known):
                return Reading(known, known_scale)
    raise ValueError(f"'{text}' is none of {', '.join(LAYOUTS)}, perhaps with -{' or -'.join(SCALES)} after it")


def narrow(dialect: Dialect, reading: Reading) -> tuple[Reading, ...]:
    """What of a dialect the user's choice leaves open: only the scale, where none is named."""
    same = tuple(
        other for other in dialect.all_readings if other.layout == reading.layout and reading.scale in ("", other.scale)
    )
    return same or (Reading(reading.layout, reading.scale or dialect.readings[0].scale),)


def make_box(numbers: Sequence[float], layout: Layout) -> Box:
    """The box of four numbers."""
    a, b, c, d = numbers
    if layout == "xyxy":
        return Box(a, b, c, d)
    if layout == "xywh":
        return Box(a, b, a + c, b + d)
    return Box(a - c / 2, b - d / 2, a + c / 2, b + d / 2)


def recover_numbers(box: Box, layout: Layout) -> tuple[float, float, float, float]:
    """The four numbers that `make_box` made it of, to the last digit but one."""
    width, height = box.xmax - box.xmin, box.ymax - box.ymin
    if layout == "xyxy":
        return box.xmin, box.ymin, box.xmax, box.ymax
    if layout == "xywh":
        return box.xmin, box.ymin, width, height
    return (box.xmin + box.xmax) / 2, (box.ymin + box.ymax) / 2, width, height


def reread(image: AnnotatedImage, documented: Reading, reading: Reading) -> AnnotatedImage:
    """The image with its boxes read otherwise than its reader took them."""
    if reading == documented:
        return image
    factor = 0.01 if reading.scale == "percent" else 1.0
    unit: Unit = {"pixels": "pixel", "fractions": "fraction", "percent": "fraction"}.get(reading.scale, image.unit)  # type: ignore[assignment]  # of literals
    objects = []
    for item in image.objects:
        box = item.box
        if not item.enclosed and documented.layout != reading.layout:
            box = make_box(recover_numbers(box, documented.layout), reading.layout)
        moved = item if box is item.box else replace(item, box=box)
        objects.append(moved if factor == 1.0 else stretch(moved, factor, factor))
    return replace(image, objects=tuple(objects), unit=unit)


def stretch(item: ObjectAnnotation, across: float, down: float) -> ObjectAnnotation:
    """The object with its box, outline and keypoints stretched away from the image's top left corner."""
    box = item.box
    return replace(
        item,
        box=Box(box.xmin * across, box.ymin * down, box.xmax * across, box.ymax * down),
        area=None if item.area is None else item.area * across * down,
        outline=item.outline and masks.scale_outline(item.outline, across, down),
        keypoints=keypoints.scale(item.keypoints, across, down),
    )
