"""LabelMe JSON: a file for each image, beside it, as labelme and X-AnyLabeling open them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from odtool.dataset.writers.annotation_writer import Add, LabelledBox, Labels, WrittenImage, rounded

_VERSION = "5.5.0"
"""Of the labelme whose fields these are."""


@contextmanager
def opened(folder: Path, _: Labels) -> Iterator[Add]:
    """Writes `<stem>.json` beside each image."""

    def add(image: WrittenImage) -> None:
        document: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": [_shape(box) for box in image.boxes],
            "imagePath": image.name,
            "imageData": None,
            "imageHeight": image.height,
            "imageWidth": image.width,
        }
        (folder / f"{Path(image.name).stem}.json").write_text(json.dumps(document, indent=1))

    yield add


def _shape(each: LabelledBox) -> dict[str, Any]:
    xmin, ymin, xmax, ymax = rounded(each.box)
    return {
        "label": each.label,
        "points": [[xmin, ymin], [xmax, ymax]],
        "group_id": None,
        "description": "" if each.score is None else f"score {each.score:.4f}",
        "shape_type": "rectangle",
        "flags": {},
    }
