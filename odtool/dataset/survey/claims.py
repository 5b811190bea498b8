"""Which annotation an image is of, where several lead to it: one that names it comes before one found by a namesake.

Annotations are met one after the other, so one that has an image already may have to give it up for a later one. Only
what is needed to tell is kept: 64 bits of each image, and a little more of those that were found by a namesake.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from odtool.dataset.types import Problem


@dataclass
class Claims:
    """The images of a set, and those that annotations got which may have meant others."""

    removed: set[int] = field(default_factory=set)
    """Positions in the set of images that an annotation had to give up."""
    _reading: int = -1
    _keys: set[int] = field(default_factory=set)
    _places: set[int] = field(default_factory=set)
    """Of images whose key is not their place."""
    _unsure: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    """Place → key, position and annotation file."""

    def begin(self, reading: int) -> None:
        """What follows is of this reading; results of another are not met any more, and its images forgotten."""
        if reading != self._reading:
            self._reading = reading
            for known in (self._keys, self._places, self._unsure):
                known.clear()

    def is_taken(self, place: int) -> bool:
        """Whether an annotation has the image at this place."""
        return place in self._keys or place in self._places

    def settle(
        self, key: int, place: int, annotation: tuple[str, str], position: int, *, certain: bool
    ) -> tuple[bool, Problem | None]:
        """Whether an annotation gets the image that it leads to, and what is wrong with it or with the one before it.

        Args:
            key: 64 bits that say who the image is in the set.
            place: 64 bits that say where it lies; the key itself where that is its path.
            annotation: annotation file and name of the image.
            position: that the image gets in the set.
            certain: whether the annotation names the image, or another of the same name may be meant.
        """
        source, name = annotation
        earlier = self._unsure.get(place) if self._unsure else None
        if not certain and earlier is None and self.is_taken(place):
            return False, _report_missing(source, name)
        if (earlier is not None and not certain) or (key in self._keys and not (earlier and earlier[0] == key)):
            return False, Problem("image_repeated", Path(source), f"{name} has been annotated before")
        self._keys.add(key)
        if place != key:
            self._places.add(place)
        if not certain:
            self._unsure[place] = key, position, sys.intern(source)
        elif earlier is not None:
            del self._unsure[place]
            self.removed.add(earlier[1])
            return True, _report_missing(earlier[2], name)
        return True, None


def _report_missing(source: str, name: str) -> Problem:
    return Problem("image_missing", Path(source), f"missing; the {name} that was found belongs to another annotation")
