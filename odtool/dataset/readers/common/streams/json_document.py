"""A JSON document of any length: where its parts stand, and its long lists and objects a value at a time."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.streams.json_text import JsonPlace, JsonText

_MOST_KEYS = 20
"""Keys that are kept to be named."""


class JsonDocument:
    """A document that was read once from end to end, so that what is asked of it cannot turn out to be broken.

    Where an object has a key twice, its last value counts, as everywhere in JSON; of an object that is iterated, both
    are given.

    Args:
        path: only named in errors.
        keys: those of the outermost object whose values may be asked for.

    Raises:
        AnnotationError: it is not JSON.
    """

    def __init__(self, stream: BinaryIO, path: Path, keys: Collection[str] = ()) -> None:
        self.path = path
        self._stream = stream
        self._places: dict[str, JsonPlace] = {}
        self.first_keys: list[str] = []
        """The first keys of the outermost object, to be named."""
        text = JsonText(stream, path)
        self._whole = text.mark()
        if self._whole.opening == "{":
            for key in text.iterate_keys():
                if key in keys:
                    self._places[key] = text.mark()
                if len(self.first_keys) < _MOST_KEYS and key not in self.first_keys:
                    self.first_keys.append(key)
                _pass_over(text)
        else:
            _pass_over(text)
        text.require_end()

    @classmethod
    def of_bytes(cls, data: bytes, path: Path, keys: Collection[str] = ()) -> JsonDocument:
        """A document that is in memory."""
        return cls(io.BytesIO(data), path, keys)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def is_list(self, key: str | None = None) -> bool:
        """Whether the value of a key, or the document itself, is a list."""
        return self._get_opening(key) == "["

    def is_object(self, key: str | None = None) -> bool:
        """Whether the value of a key, or the document itself, is an object."""
        return self._get_opening(key) == "{"

    def read(self, key: str | None = None) -> Any:
        """The value of a key, which is in memory then as a whole; None where there is no such key."""
        place = self._whole if key is None else self._places.get(key)
        return None if place is None else JsonText(self._stream, self.path, place).read_value()

    def load(self) -> Any:
        """The whole document, which is in memory then."""
        self._stream.seek(0)
        return parsing.parse_json(self._stream.read(), self.path)

    def iterate(self, key: str | None = None) -> Iterator[Any]:
        """The values of the list or object that a key has, or that the document is."""
        if self.is_list(key):
            yield from self._open(key).iterate_list()
        else:
            yield from (value for _, value in self.iterate_members(key))

    def iterate_members(self, key: str | None = None) -> Iterator[tuple[str, Any]]:
        """Keys and values of the object that a key has, or that the document is."""
        text = self._open(key)
        for name in text.iterate_keys():
            yield name, text.read_value()

    def is_empty(self, key: str) -> bool:
        """Whether a list or object has no value."""
        return not list(islice(self.iterate(key), 1))

    def _open(self, key: str | None) -> JsonText:
        return JsonText(self._stream, self.path, self._whole if key is None else self._places[key])

    def _get_opening(self, key: str | None) -> str:
        place = self._whole if key is None else self._places.get(key)
        return place.opening if place else ""


def _pass_over(text: JsonText) -> None:
    """Reads the next value; of a list or an object no more than a value at a time."""
    opening = text.peek()
    if opening == "[":
        for _ in text.iterate_list():
            pass
    elif opening == "{":
        for _ in text.iterate_keys():
            text.read_value()
    else:
        text.read_value()
