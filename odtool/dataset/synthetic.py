"""A drawn two-class data set, for the demo and for tests that need learnable images or masks."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from odtool import files
from odtool.dataset.types import Box

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

CLASSES = ("disc", "star")
SIZE = 160
"""Width and height of a drawn image, in pixels."""

_MAX_OBJECTS = 3
_RADIUS = (16, 34)
_STAR_POINTS = (0.0, -1.0, 0.3, -0.35, 1.0, -0.25, 0.45, 0.2, 0.65, 0.95, 0.0, 0.5, -0.65, 0.95, -0.45, 0.2)
_STAR = (*_STAR_POINTS, -1.0, -0.25, -0.3, -0.35)
"""x, y pairs of a five-pointed star around the origin; it spans -1 to 1 across and -1 to 0.95 down."""


_DISC_CORNERS = 48
"""Of the polygon that stands for a disc; it leaves less than a quarter of a pixel out."""


@dataclass(frozen=True)
class _DrawnShape:
    label: str
    box: Box
    polygon: list[float]
    """Its outline: x, y, x, y and so on, in pixels."""


def draw(folder: Path, *, images: int, seed: int = 0) -> Path:
    """Draws `images` JPEGs with one to three shapes each, and their Pascal VOC annotations.

    Args:
        folder: gets images/ and annotations/; both are created.
        images: how many to draw.
        seed: the same seed draws the same images.

    Returns:
        `folder`.
    """
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for name, shapes in _draw_images(folder, images, seed):
        (folder / "annotations" / f"{Path(name).stem}.xml").write_text(_format_voc(name, shapes))
    return folder


def draw_masks(folder: Path, *, images: int, seed: int = 0) -> Path:
    """Draws the same images as `draw`, annotated with the outlines of their shapes as COCO's polygons.

    Returns:
        `folder`, with images/ and instances.json.
    """
    scenes = list(_draw_images(folder, images, seed))
    files.write_atomically(folder / "instances.json", json.dumps(_build_coco(scenes)) + "\n")
    return folder


def _draw_images(folder: Path, images: int, seed: int) -> Iterator[tuple[str, list[_DrawnShape]]]:
    """Writes each image into images/, and gives its name and what is in it."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(images):
        # A generator for each image, so that an image does not depend on how many are drawn.
        image, shapes = _draw_scene(random.Random(f"{seed}/{number}"))
        name = f"{number:04d}.jpg"
        image.save(folder / "images" / name, quality=90)
        yield name, shapes


def _draw_scene(rng: random.Random) -> tuple[Image.Image, list[_DrawnShape]]:
    from PIL import ImageDraw

    image = _draw_background(rng)
    pen = ImageDraw.Draw(image)
    return image, [_draw_shape(pen, rng, box) for box in _choose_places(rng)]


def _draw_background(rng: random.Random) -> Image.Image:
    """A soft blotchy ground, so that shapes do not stand out by their brightness alone."""
    from PIL import Image

    coarse = Image.frombytes("RGB", (5, 5), bytes(rng.randrange(40, 180) for _ in range(75)))
    return coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def _choose_places(rng: random.Random) -> Iterator[Box]:
    """Boxes that lie inside the image and do not touch each other."""
    boxes: list[Box] = []
    for _ in range(rng.randint(1, _MAX_OBJECTS)):
        radius = rng.randint(*_RADIUS)
        x, y = (rng.randint(radius + 1, SIZE - radius - 2) for _ in range(2))
        box = Box(x - radius, y - radius, x + radius, y + radius)
        if not any(_touch(box, earlier_box) for earlier_box in boxes):
            boxes.append(box)
            yield box


def _touch(first: Box, second: Box) -> bool:
    apart_across = first.xmax < second.xmin or second.xmax < first.xmin
    apart_down = first.ymax < second.ymin or second.ymax < first.ymin
    return not (apart_across or apart_down)


def _draw_shape(pen: ImageDraw.ImageDraw, rng: random.Random, box: Box) -> _DrawnShape:
    label = rng.choice(CLASSES)
    colour = tuple(rng.randrange(256) for _ in range(3))
    outline = tuple(255 - value if abs(value - 128) > 48 else 0 for value in colour)
    if label == "disc":
        pen.ellipse((box.xmin, box.ymin, box.xmax, box.ymax), fill=colour, outline=outline, width=2)
        return _DrawnShape(label, box, _list_disc_corners(box))
    radius, x, y = _measure_circle(box)
    points = [(x + _STAR[i] * radius, y + _STAR[i + 1] * radius) for i in range(0, len(_STAR), 2)]
    pen.polygon(points, fill=colour, outline=outline, width=2)
    polygon = [value for corner in points for value in corner]
    return _DrawnShape(label, Box(box.xmin, box.ymin, box.xmax, y + 0.95 * radius), polygon)


def _list_disc_corners(box: Box) -> list[float]:
    radius, x, y = _measure_circle(box)
    angles = [2 * math.pi * number / _DISC_CORNERS for number in range(_DISC_CORNERS)]
    return [value for angle in angles for value in (x + radius * math.cos(angle), y + radius * math.sin(angle))]


def _measure_circle(box: Box) -> tuple[float, float, float]:
    """Radius and centre of the circle that a square box holds."""
    radius = (box.xmax - box.xmin) / 2
    return radius, box.xmin + radius, box.ymin + radius


def _format_voc(filename: str, shapes: list[_DrawnShape]) -> str:
    objects = "".join(
        f"  <object>\n    <name>{escape(shape.label)}</name>\n    <bndbox>\n"
        f"      <xmin>{shape.box.xmin:g}</xmin><ymin>{shape.box.ymin:g}</ymin>\n"
        f"      <xmax>{shape.box.xmax:g}</xmax><ymax>{shape.box.ymax:g}</ymax>\n"
        "    </bndbox>\n  </object>\n"
        for shape in shapes
    )
    size = f"  <size><width>{SIZE}</width><height>{SIZE}</height><depth>3</depth></size>\n"
    return f"<annotation>\n  <filename>{escape(filename)}</filename>\n{size}{objects}</annotation>\n"


def _build_coco(scenes: list[tuple[str, list[_DrawnShape]]]) -> dict[str, object]:
    annotations = [(number, shape) for number, (_, shapes) in enumerate(scenes) for shape in shapes]
    return {
        "images": [
            {"id": number, "file_name": name, "width": SIZE, "height": SIZE} for number, (name, _) in enumerate(scenes)
        ],
        "categories": [{"id": number, "name": label} for number, label in enumerate(CLASSES, start=1)],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": CLASSES.index(shape.label) + 1,
                "bbox": [shape.box.xmin, shape.box.ymin, *_measure_sides(shape.box)],
                "segmentation": [shape.polygon],
                "area": math.prod(_measure_sides(shape.box)),
                "iscrowd": 0,
            }
            for number, (image, shape) in enumerate(annotations, start=1)
        ],
    }


def _measure_sides(box: Box) -> tuple[float, float]:
    return box.xmax - box.xmin, box.ymax - box.ymin
