"""COCO JSON: one annotations.json, written as the images come; masks are polygons."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any

from odtool.dataset.writers.annotation_writer import Add, LabelledBox, Labels, WrittenImage, round_corners


@contextmanager
def open_writer(folder: Path, labels: Labels) -> Iterator[Add]:
    """Writes `annotations.json`; ids of categories are those of the label map, scores stand beside the boxes."""
    image_ids, box_ids = count(1), count(1)
    # The two lists grow side by side; the second waits in a file of its own until the first is whole.
    with (folder / "annotations.json").open("w") as file, tempfile.TemporaryFile("w+", dir=folder) as boxes:
        file.write('{"images": [')

        def add(image: WrittenImage) -> None:
            number = next(image_ids)
            entry = {"id": number, "file_name": image.name, "width": image.width, "height": image.height}
            _append(file, entry, first=number == 1)
            for box in image.boxes:
                box_number = next(box_ids)
                _append(boxes, _make_annotation(box, box_number, number), first=box_number == 1)

        yield add
        file.write('\n],\n"annotations": [')
        boxes.seek(0)
        shutil.copyfileobj(boxes, file)
        categories = [{"id": number, "name": name} for number, name in sorted(labels.items())]
        file.write(f'\n],\n"categories": {json.dumps(categories)}}}\n')


def _append(file: IO[str], entry: dict[str, Any], *, first: bool) -> None:
    file.write(("\n" if first else ",\n") + json.dumps(entry))


def _make_annotation(box: LabelledBox, number: int, image: int) -> dict[str, Any]:
    xmin, ymin, xmax, ymax = round_corners(box.box)
    width, height = round(xmax - xmin, 2), round(ymax - ymin, 2)
    entry = {
        "id": number,
        "image_id": image,
        "category_id": box.class_id,
        "bbox": [xmin, ymin, width, height],
        "area": round(width * height, 2),
        "iscrowd": 0,
    }
    if box.outline is not None:
        entry["segmentation"] = [list(polygon) for polygon in box.outline.polygons]
        entry["area"] = round(min(sum(map(_compute_area, box.outline.polygons)), width * height), 2)
    return entry if box.score is None else {**entry, "score": round(box.score, 4)}


def _compute_area(polygon: tuple[float, ...]) -> float:
    """In square pixels (https://en.wikipedia.org/wiki/Shoelace_formula)."""
    x, y = polygon[::2], polygon[1::2]
    return abs(sum(x[i - 1] * y[i] - x[i] * y[i - 1] for i in range(len(x)))) / 2
