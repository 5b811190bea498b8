"""Pictures with boxes: one image with its boxes and labels, and a grid of such images."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from odtool.visual import fonts

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
_VEIL = 110
"""Of 255: how far a mask covers what is under it."""
_FINER, _MOST_FINE = 4, 1_000_000
"""Masks are drawn this many times larger, where they are of no more pixels than that: 16 MB for one."""
_GAP = 8
"""Pixels between the cells of a grid."""


class Corners(Protocol):
    """A rectangle with its edges in pixels, such as a `Box` of the data set."""

    @property
    def xmin(self) -> float: ...
    @property
    def ymin(self) -> float: ...
    @property
    def xmax(self) -> float: ...
    @property
    def ymax(self) -> float: ...


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A box to draw, in pixels of the image it is drawn on."""

    box: Corners
    label: str
    class_id: int
    """The class's id in the label map, from 1."""
    score: float | None = None
    """Confidence from 0 to 1 of a detection; None for a true box, which is drawn thin and white."""
    polygons: tuple[tuple[float, ...], ...] = ()
    """Outlines of its mask, x, y, x, y and so on, which is drawn as a veil of the box's colour."""


def choose_class_colour(class_id: int) -> str:
    """The colour of a class: the same in every picture, dark enough for white letters, and of its own for hundreds."""
    if class_id <= len(_COLOURS):
        return _COLOURS[class_id - 1]
    # Steps of the golden angle never come back to a hue, and neighbours lie far apart.
    hue = (class_id * 0.618033988749895) % 1
    red, green, blue = colorsys.hls_to_rgb(hue, 0.3 + 0.1 * (class_id % 2), 0.85)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


@dataclass(frozen=True, slots=True)
class _Style:
    """Sizes in pixels."""

    line: int
    letters: int
    width: int
    """Of the picture."""


def draw_boxes(image: Image.Image, boxes: Sequence[DrawnBox], *, side: int) -> Image.Image:
    """An RGB copy of `image`, its longer side scaled to `side` pixels, with boxes and labels on it."""
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    picture = image.convert("RGB").resize(size)
    _draw(picture, boxes, scale, _Style(line=3, letters=13, width=picture.width))
    return picture


def annotate(image: Image.Image, boxes: Sequence[DrawnBox]) -> Image.Image:
    """An RGB copy of `image` in its own size, with lines and letters that are legible when all of it is shown."""
    picture = image.convert("RGB")  # a copy, whatever its mode
    longer = max(image.size)
    style = _Style(line=max(2, round(longer / 400)), letters=max(12, round(longer / 80)), width=image.width)
    _draw(picture, boxes, 1, style)
    return picture


def _draw(picture: Image.Image, boxes: Sequence[DrawnBox], scale: float, style: _Style) -> None:
    from PIL import ImageDraw

    _draw_masks(picture, boxes, scale, width=max(1, style.line // 2))
    pen = ImageDraw.Draw(picture)
    # The surest detection above the others, true boxes above all; labels above every line, or they are cut by it.
    boxes_on_picture = [
        (item, (item.box.xmin * scale, item.box.ymin * scale, item.box.xmax * scale, item.box.ymax * scale))
        for item in sorted(boxes, key=lambda item: 2 if item.score is None else item.score)
    ]
    for item, corners in boxes_on_picture:
        true = item.score is None
        colour = _TRUE_COLOUR if true else choose_class_colour(item.class_id)
        pen.rectangle(corners, outline=colour, width=1 if true else style.line)
    for item, corners in boxes_on_picture:
        if item.score is not None:
            _draw_label(pen, corners, item, style)


def _draw_masks(picture: Image.Image, boxes: Sequence[DrawnBox], scale: float, *, width: int) -> None:
    """Each mask by itself, so that of two that overlap both can be seen; `width` is that of its outline, in pixels."""
    for item in sorted((box for box in boxes if box.polygons), key=lambda box: box.score or 1):
        colour = _TRUE_COLOUR if item.score is None else choose_class_colour(item.class_id)
        lines = [
            [(x * scale, y * scale) for x, y in zip(polygon[::2], polygon[1::2], strict=True)]
            for polygon in item.polygons
        ]
        left, top = (max(math.floor(min(point[axis] for line in lines for point in line)), 0) for axis in (0, 1))
        right, bottom = (
            min(math.ceil(max(point[axis] for line in lines for point in line)) + 1, picture.size[axis])
            for axis in (0, 1)
        )
        if right <= left or bottom <= top:
            continue
        veil = _draw_veil(
            [[(x - left, y - top) for x, y in line] for line in lines], (right - left, bottom - top), width
        )
        picture.paste(colour, (left, top), veil)


def _draw_veil(lines: Sequence[Sequence[tuple[float, float]]], size: tuple[int, int], width: int) -> Image.Image:
    """How far each pixel is covered by what the outlines hold: drawn larger and shrunk, so that edges are smooth.

    Outlines count from a pixel's edge, Pillow from its centre, and its lines of odd widths alone lie in the middle.
    """
    from PIL import Image, ImageDraw

    finer = _FINER if size[0] * size[1] <= _MOST_FINE else 1
    veil = Image.new("L", (size[0] * finer, size[1] * finer))
    pen = ImageDraw.Draw(veil)
    for line in lines:
        corners = [(x * finer - 0.5, y * finer - 0.5) for x, y in line]
        pen.polygon(corners, fill=_VEIL)
        pen.line([*corners, corners[0]], fill=255, width=max(1, width * finer - 1))
    return veil.reduce(finer) if finer > 1 else veil


def _draw_label(
    pen: ImageDraw.ImageDraw, corners: tuple[float, float, float, float], item: DrawnBox, style: _Style
) -> None:
    font, legible = fonts.find_font(item.label, style.letters)
    text = f"{item.label if legible else f'class {item.class_id}'} {item.score:.0%}"
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    # Above the box, or inside it where the box begins at the image's top edge; never beyond the right edge.
    y = corners[1] - bottom - 2 if corners[1] >= bottom + 2 else corners[1] + 2
    x = max(0, min(corners[0], style.width - (right - left) - 4))
    pen.rectangle((x, y + top - 1, x + right - left + 3, y + bottom + 1), fill=choose_class_colour(item.class_id))
    pen.text((x + 1, y), text, fill="#ffffff", font=font)


def make_grid(pictures: Sequence[Image.Image], *, columns: int, caption: str) -> Image.Image:
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
