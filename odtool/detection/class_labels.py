"""Names of the classes that a model finds, those that its label map lacks included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from odtool.errors import DataError

UNNAMED = "???"
"""What stands in a label file for an id that no class has."""


def require_labels(labels: Mapping[int, str], model: Path) -> Mapping[int, str]:
    """The labels, where there are any; raises DataError where there are none."""
    if not labels:
        raise DataError(f"{model} does not name its classes", "Name its label map: --label-map FILE")
    return dict(labels)


def format_label_file(labels: Mapping[int, str]) -> str:
    """A class a line, the first line the class of id 1: TFLite models count classes from 0, by which lines are found.

    Ids without a class have a line too, as in the label files of TensorFlow's own models of COCO.
    """
    return "".join(f"{labels.get(number, UNNAMED)}\n" for number in range(1, max(labels) + 1))


def parse_label_file(text: str) -> dict[int, str]:
    """Class names by id from a label file of one class a line."""
    lines = (line.strip() for line in text.splitlines())
    return {number: line for number, line in enumerate(lines, start=1) if line not in ("", UNNAMED)}


class ClassNames(Mapping[int, str]):
    """Names by the ids of the label map, and of each class without one from when it is first found.

    What is found is kept, whatever the label map says: it may be of another model, or a class too short.
    """

    def __init__(self, labels: Mapping[int, str]) -> None:
        self._names = dict(labels)
        self._named = len(self._names)

    def get_name(self, number: int) -> str:
        """The class's name; 'class 7' for one that the label map lacks."""
        if number not in self._names:
            name = f"class {number}"
            self._names[number] = f"{name} (not named)" if name in self._names.values() else name
        return self._names[number]

    def list_unnamed(self) -> list[str]:
        """What classes without a name are called, in the order in which they were found."""
        return list(self._names.values())[self._named :]

    def __getitem__(self, number: int) -> str:
        return self._names[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
