"""Pictures with boxes: one image with its boxes and labels, and a grid of such images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odtool.dataset.types import Box

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

_COLOURS = (
    "#e6194b",
    "#3cb44b",
    "#4363d8",
    "#f58231",
    "#911eb4",
    "#008080",
    "#9a6324",
    "#808000",
    "#f032e6",
    "#000075",
)
_TRUE_COLOUR = "#ffffff"
_GAP = 8
"""Pixels between the cells of a grid."""


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A box to draw, in pixels of the image it is drawn on."""

    box: Box
    label: str
    class_id: int
    """The class's id in the label map, from 1."""
    score: float | None = None
    """Confidence from 0 to 1 of a detection; None for a true box, which is drawn thin and white."""


def class_colour(class_id: int) -> str:
    """The colour of a class: the same in every picture of a data set, and different for its first ten classes."""
    return _COLOURS[(class_id - 1) % len(_COLOURS)]


def draw_boxes(image: Image.Image, boxes: Sequence[DrawnBox], *, side: int) -> Image.Image:
    """An RGB copy of `image`, its longer side scaled to `side` pixels, with boxes and labels on it."""
    from PIL import ImageDraw

    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    picture = image.convert("RGB").resize(size)
    pen = ImageDraw.Draw(picture)
    # The surest detection above the others, true boxes above all.
    for drawn in sorted(boxes, key=lambda drawn: 2 if drawn.score is None else drawn.score):
        corners = tuple(value * scale for value in (drawn.box.xmin, drawn.box.ymin, drawn.box.xmax, drawn.box.ymax))
        _draw_box(pen, corners, drawn)
    return picture


def _draw_box(pen: ImageDraw.ImageDraw, corners: tuple[float, ...], drawn: DrawnBox) -> None:
    from PIL import ImageFont

    if drawn.score is None:
        pen.rectangle(corners, outline=_TRUE_COLOUR, width=1)
        return
    colour = class_colour(drawn.class_id)
    pen.rectangle(corners, outline=colour, width=3)
    text = f"{drawn.label} {drawn.score:.0%}"
    font = ImageFont.load_default(size=13)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    # Above the box, or inside it where the box begins at the image's top edge.
    y = corners[1] - bottom - 2 if corners[1] >= bottom + 2 else corners[1] + 2
    pen.rectangle((corners[0], y + top - 1, corners[0] + right - left + 3, y + bottom + 1), fill=colour)
    pen.text((corners[0] + 1, y), text, fill="#ffffff", font=font)


def grid(pictures: Sequence[Image.Image], *, columns: int, caption: str) -> Image.Image:
    """Pictures in rows of `columns` on white, with a line of text below."""
    from PIL import Image, ImageDraw, ImageFont

    width = max(picture.width for picture in pictures)
    height = max(picture.height for picture in pictures)
    rows = math.ceil(len(pictures) / columns)
    font = ImageFont.load_default(size=14)
    size = (columns * (width + _GAP) + _GAP, rows * (height + _GAP) + _GAP + 28)
    sheet = Image.new("RGB", size, "#ffffff")
    for position, picture in enumerate(pictures):
        row, column = divmod(position, columns)
        sheet.paste(picture, (_GAP + column * (width + _GAP), _GAP + row * (height + _GAP)))
    ImageDraw.Draw(sheet).text((_GAP, size[1] - 26), caption, fill="#222222", font=font)
    return sheet
