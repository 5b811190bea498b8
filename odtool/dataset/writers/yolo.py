"""YOLO text as Ultralytics has it: images/, labels/ and a data.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from odtool.dataset.writers.annotation_writer import Add, Labels, WrittenImage


@contextmanager
def open_writer(folder: Path, labels: Labels) -> Iterator[Add]:
    """Writes `labels/<stem>.txt`, without scores; an image without objects has an empty one."""
    numbers = {class_id: number for number, class_id in enumerate(sorted(labels))}
    texts = folder / "labels"
    texts.mkdir()

    def add(image: WrittenImage) -> None:
        for box in image.boxes:
            numbers.setdefault(box.class_id, len(numbers))
        (texts / f"{Path(image.name).stem}.txt").write_text("".join(_format_lines(image, numbers)))

    yield add
    # JSON strings are YAML too, all but its escapes of emoji; quoted, a class named 'yes' or '1' stays a text.
    names = "".join(
        f"  {number}: {json.dumps(labels[class_id], ensure_ascii=False)}\n" for class_id, number in numbers.items()
    )
    # Without `val`, for which `odtool prepare` cuts a share; the same images under both would be read twice.
    (folder / "data.yaml").write_text(f"train: images\nnames:\n{names}", encoding="utf-8")


def _format_lines(image: WrittenImage, numbers: Mapping[int, int]) -> Iterator[str]:
    """Class, centre, width and height, as fractions fine enough for a thousandth of a pixel."""
    for labelled_box in image.boxes:
        box = labelled_box.box
        x, y = (box.xmin + box.xmax) / 2 / image.width, (box.ymin + box.ymax) / 2 / image.height
        width, height = (box.xmax - box.xmin) / image.width, (box.ymax - box.ymin) / image.height
        yield f"{numbers[labelled_box.class_id]} {x:.8f} {y:.8f} {width:.8f} {height:.8f}\n"
