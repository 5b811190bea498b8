"""LabelMe JSON: a file for each image, beside it, as labelme and X-AnyLabeling open them."""

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
        document: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": [_make_shape(box) for box in image.boxes],
            "imagePath": image.name,
            "imageData": None,
            "imageHeight": image.height,
            "imageWidth": image.width,
        }
        (folder / f"{Path(image.name).stem}.json").write_text(json.dumps(document, indent=1))

    yield add


def _make_shape(box: LabelledBox) -> dict[str, Any]:
    xmin, ymin, xmax, ymax = round_corners(box.box)
    return {
        "label": box.label,
        "points": [[xmin, ymin], [xmax, ymax]],
        "group_id": None,
        "description": "" if box.score is None else f"score {box.score:.4f}",
        "shape_type": "rectangle",
        "flags": {},
    }
