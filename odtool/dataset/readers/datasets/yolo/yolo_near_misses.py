"""What is nearly a YOLO data set: labels whose classes nothing names, and a YAML without names."""

from __future__ import annotations

from pathlib import Path

from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.source_folders import list_files, walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.datasets.yolo import yolo, yolo_layout
from odtool.errors import DataError

_TEXTS = 50
"""Text files that are looked into."""


def refuse(path: Path) -> None:
    """Raises DataError where there is one of these."""
    if path.is_dir():
        _refuse_nameless_yaml(path)
    texts = [file for file in list_files(path, ".txt") if file.suffix.lower() == ".txt"]
    if label := next(filter(yolo.is_label, texts[:_TEXTS]), None):
        raise DataError(
            f"{label}: looks like a YOLO label, but nothing names the classes",
            "Put a classes.txt beside the images' folder, one name per line in the order of the class numbers, or a "
            "data.yaml with names, train and val.",
        )


def _refuse_nameless_yaml(path: Path) -> None:
    for folder in walk(path):
        for file in folder.find_files(*yolo_layout.YAML):
            document = parsing.parse_yaml(input_files.read_bytes(file), file)
            if isinstance(document, dict) and {"train", "val"} & set(document) and "names" not in document:
                raise DataError(
                    f"{file}: lists image folders as in YOLO, but no class names",
                    "Write the classes into it, in the order of their numbers: names: [cat, dog]",
                )
