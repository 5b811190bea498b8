"""LabelMe JSON: a file for each image, beside it, as labelme and X-AnyLabeling open them; masks are polygons."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from odtool.dataset.writers.annotation_writer import Add, LabelledBox, Labels, WrittenImage, round_corners

_VERSION = "5.5.0"
"""Of the labelme whose fields these are."""


@contextmanager
def open_writer(folder: Path, _: Labels) -> Iterator[Add]:
    """Writes `<stem>.json` beside each image."""

    def add(image: WrittenImage) -> None:
        shapes = [shape for number, box in enumerate(image.boxes, start=1) for shape in _make_shapes(box, number)]
        document: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": image.name,
            "imageData": None,
            "imageHeight": image.height,
            "imageWidth": image.width,
        }
        (folder / f"{Path(image.name).stem}.json").write_text(json.dumps(document, indent=1))

    yield add


def _make_shapes(box: LabelledBox, number: int) -> Iterator[dict[str, Any]]:
    """A rectangle, or the polygons of a mask; those of one object have its number as their group."""
    polygons = box.outline.polygons if box.outline is not None else ()
    for polygon in polygons:
        points = [list(corner) for corner in zip(polygon[::2], polygon[1::2], strict=True)]
        yield _make_shape(box, "polygon", points, number if len(polygons) > 1 else None)
    if not polygons:
        xmin, ymin, xmax, ymax = round_corners(box.box)
        yield _make_shape(box, "rectangle", [[xmin, ymin], [xmax, ymax]], None)


def _make_shape(box: LabelledBox, kind: str, points: list[list[float]], group: int | None) -> dict[str, Any]:
    return {
        "label": box.label,
        "points": points,
        "group_id": group,
        "description": "" if box.score is None else f"score {box.score:.4f}",
        "shape_type": kind,
        "flags": {},
    }
