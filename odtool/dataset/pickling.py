"""How the data's classes are pickled: by position, in C.

A frozen dataclass with slots pickles itself field by field in Python, which was a fifth of all the work of preparing.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, TypeVar

Class = TypeVar("Class")


def by_position(cls: type[Class]) -> type[Class]:
    """Makes the objects of a dataclass of two fields or more pickle as a call with their values; for use above it."""
    values = attrgetter(*cls.__match_args__)  # type: ignore[attr-defined]  # every dataclass has it

    def reduce(self: Class) -> tuple[type[Class], tuple[Any, ...]]:
        return cls, values(self)

    cls.__reduce__ = reduce  # type: ignore[method-assign, assignment]  # the one purpose of this function
    return cls
