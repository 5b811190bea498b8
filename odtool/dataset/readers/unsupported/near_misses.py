"""What is nearly a format: seen where no format is, to say what it lacks."""

from __future__ import annotations

from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.source_folders import walk
from odtool.dataset.readers.datasets.yolo import yolo, yolo_layout
from odtool.dataset.readers.tables import tfod_csv
from odtool.errors import DataError

_TEXTS = 50
"""Text files that are looked into."""


def refuse(path: Path) -> None:
    """Raises DataError where there are YOLO labels without names of classes, or a CSV with other columns."""
    files = [path] if path.is_file() else [file for folder in walk(path) for file in folder.ending(".txt", ".csv")]
    if path.is_dir():
        _refuse_nameless_yaml(path)
    if label := next(filter(yolo.is_label, [file for file in files if file.suffix.lower() == ".txt"][:_TEXTS]), None):
        raise DataError(
            f"{label}: looks like a YOLO label, but nothing names the classes",
            "Put a classes.txt beside the images' folder, a name a line in the order of their numbers, or a data.yaml "
            "with names, train and val.",
        )
    for file in files:
        if file.suffix.lower() == ".csv" and (columns := _columns(file)):
            raise DataError(
                f"{file}: its columns are of no format that is known: {columns}",
                f"Name them as the TensorFlow tutorials do: {tfod_csv.HEADER}",
            )


def _refuse_nameless_yaml(path: Path) -> None:
    for folder in walk(path):
        for file in folder.ending(*yolo_layout.YAML):
            document = parsing.yaml_of(parsing.read_bytes(file), file)
            if isinstance(document, dict) and {"train", "val"} & set(document) and "names" not in document:
                raise DataError(
                    f"{file}: has the images' folders, as YOLO has them, but no names",
                    "Write the classes into it, in the order of their numbers: names: [cat, dog]",
                )


def _columns(file: Path) -> str:
    """The first line of a table about images, else ''; other tables often lie beside annotations."""
    lines = parsing.ends(file).decode("utf-8-sig", "replace").splitlines()
    about_images = any(extension in line.lower() for line in lines[1:2] for extension in EXTENSIONS)
    return lines[0].strip()[:200] if about_images else ""
