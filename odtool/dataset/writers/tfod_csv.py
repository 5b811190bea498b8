"""The CSV of the TensorFlow tutorials: a row for each box."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from odtool.dataset.writers.annotation_writer import Add, Labels, WrittenImage, round_corners

_COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax", "score")


@contextmanager
def open_writer(folder: Path, _: Labels) -> Iterator[Add]:
    """Writes `annotations.csv`; an image without objects has a row without box."""
    with (folder / "annotations.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(_COLUMNS)

        def add(image: WrittenImage) -> None:
            about = (image.name, image.width, image.height)
            if not image.boxes:
                rows.writerow((*about, *[""] * (len(_COLUMNS) - len(about))))
            for box in image.boxes:
                score = "" if box.score is None else f"{box.score:.4f}"
                rows.writerow((*about, box.label, *round_corners(box.box), score))

        yield add
