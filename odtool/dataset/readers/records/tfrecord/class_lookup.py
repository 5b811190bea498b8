"""Classes of records by their ids, as the label map beside them has them, for objects that carry no class text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from odtool.dataset import label_map
from odtool.dataset.types import Problem
from odtool.errors import DataError


class ClassLookup:
    """The label map of some records. What is wrong with it matters only where an object has an id and no text."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._error: DataError | None = None
        self._items: list[label_map.LabelItem] = []
        self._looked_up: set[int] = set()
        if path is not None:
            try:
                self._items = label_map.read_from_zero(path)
            except DataError as error:
                self._error = error
        self._names = {item.id: item.name for item in self._items}

    @property
    def display_names(self) -> dict[str, str]:
        """Display names by name; none where the map cannot be read."""
        return label_map.display_names(self._items)

    def find_name(self, number: int) -> str | None:
        """The class with this id, or None.

        Raises:
            DataError: there is a label map, and it cannot be read.
        """
        if self._error is not None:
            raise self._error
        self._looked_up.add(number)
        return self._names.get(number)

    def report(self) -> Iterator[Problem]:
        """What is unusual in the map, once all its records are read.

        Raises:
            DataError: it counts from 0, and by the ids that were looked up the records may count from 1.
        """
        if self._path is None:
            return
        if self._error is not None:
            yield Problem("label_map_unread", self._path, self._error.message)
        elif 0 in self._names:
            self._refuse_undecided()
            yield Problem("label_map_renumbered", self._path, f"its ids begin at 0, with '{self._names[0]}'")
        elif gaps := label_map.describe_gaps(self._names):
            yield Problem("label_map_renumbered", self._path, f"its ids have gaps: no class has {gaps}")

    def _refuse_undecided(self) -> None:
        """The API does not take such a map, so the records were trained on with another one, or with none."""
        if not self._looked_up or 0 in self._looked_up:
            return
        first = min(self._looked_up)
        by_map, counted_from_1 = (f"'{self._names.get(number, 'none')}'" for number in (first, first - 1))
        raise DataError(
            f"{self._path}: its ids begin at 0, but the records beside it have class ids from {first} and no class "
            f"texts: {first} is {by_map} by the map, and {counted_from_1} where the records count from 1",
            "Give each class in the label map the id that it has in the records.",
        )
