"""Extensions in a pipeline.config that are not registered here: found in the text, put back when it is written.

protobuf's text parser can skip an unknown extension but not keep it. Its text is kept instead, with the path of the
message that it stands in.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from odtool.pipeline.text import messages

Path = tuple[tuple[str, int], ...]
"""Field names and element numbers from the config's root; the number of a field that is no list is 0."""

_TOKEN = re.compile(r"""#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[\w.+-]+|[{}<>\[\]:;,/]""")
_CLOSING = {"{": "}", "<": ">", "[": "]"}


@dataclass(frozen=True)
class Extension:
    """One extension field of a message."""

    path: Path
    """The message it stands in."""
    name: str
    text: str
    """The whole field, name included, on one line and without comments."""


def find_unknown(text: str) -> tuple[Extension, ...]:
    """The unregistered extensions in a text that protobuf's parser has accepted."""
    tokens = [match for match in _TOKEN.finditer(text) if not match[0].startswith("#")]
    return tuple(extension for extension in _Scanner(tokens).scan((), None) if not _is_registered(extension.name))


def to_text(message: Any, extensions: tuple[Extension, ...]) -> str:
    """The text format of `message` with each extension at the end of the message it stands in.

    Extensions of messages that no longer exist are left out.
    """
    return _to_text(message, extensions, ())


def format_path(path: Path, message: Any) -> str:
    """A path as --set spells it, such as 'eval_input_reader[0].external_input_reader'."""
    parts = []
    for name, index in path:
        field = message.DESCRIPTOR.fields_by_name[name]
        repeated = messages.is_repeated(field)
        parts.append(f"{name}[{index}]" if repeated else name)
        message = getattr(message, name)[index] if repeated else getattr(message, name)
    return ".".join(parts)


def exists(path: Path, message: Any) -> bool:
    """Whether the message at `path` is set."""
    for name, index in path:
        if messages.is_repeated(message.DESCRIPTOR.fields_by_name[name]):
            elements = getattr(message, name)
            if index >= len(elements):
                return False
            message = elements[index]
        elif message.HasField(name):
            message = getattr(message, name)
        else:
            return False
    return True


def _to_text(message: Any, extensions: tuple[Extension, ...], path: Path) -> str:
    from google.protobuf import text_format

    depth = len(path)
    inside = [extension for extension in extensions if extension.path[:depth] == path]
    below = {extension.path[depth][0] for extension in inside if len(extension.path) > depth}
    plain = type(message)()
    plain.CopyFrom(message)
    for name in below:
        plain.ClearField(name)
    parts = [text_format.MessageToString(plain)]
    for name in sorted(below):
        for index, child in enumerate(_list_elements(message, name)):
            inner = _to_text(child, extensions, (*path, (name, index)))
            parts.append(f"{name} {{\n{textwrap.indent(inner, '  ')}}}\n")
    parts.extend(f"{extension.text}\n" for extension in inside if extension.path == path)
    return "".join(parts)


def _list_elements(message: Any, name: str) -> list[Any]:
    if messages.is_repeated(message.DESCRIPTOR.fields_by_name[name]):
        return list(getattr(message, name))
    return [getattr(message, name)] if message.HasField(name) else []


def _is_registered(name: str) -> bool:
    from google.protobuf import descriptor_pool

    try:
        descriptor_pool.Default().FindExtensionByName(name)
    except KeyError:
        return False
    return True


class _Scanner:
    """Walks the tokens of a text-format message that is known to be well formed."""

    def __init__(self, tokens: list[re.Match[str]]) -> None:
        self._tokens = tokens
        self._at = 0

    def scan(self, path: Path, closing: str | None) -> Iterator[Extension]:
        """Yields the extensions of a message, up to and with its closing brace."""
        counts: Counter[str] = Counter()
        while self._at < len(self._tokens):
            token = self._take()
            if token == closing:
                return
            if token == "[":
                yield self._scan_extension(path)
            elif token not in (";", ","):
                yield from self._scan_field(path, token, counts)

    def _scan_field(self, path: Path, name: str, counts: Counter[str]) -> Iterator[Extension]:
        if self._peek() == ":":
            self._take()
        opening = self._take()
        if opening in ("{", "<"):
            yield from self.scan((*path, (name, counts[name])), _CLOSING[opening])
            counts[name] += 1
        elif opening == "[":
            yield from self._scan_list(path, name, counts)

    def _scan_list(self, path: Path, name: str, counts: Counter[str]) -> Iterator[Extension]:
        while (token := self._take()) != "]":
            if token in ("{", "<"):
                yield from self.scan((*path, (name, counts[name])), _CLOSING[token])
                counts[name] += 1

    def _scan_extension(self, path: Path) -> Extension:
        name = ""
        while (token := self._take()) != "]":
            name += token
        colon = ":" if self._peek() == ":" else ""
        self._at += len(colon)
        start = self._at
        self._skip_value()
        value = " ".join(match[0] for match in self._tokens[start : self._at])
        return Extension(path, name, f"[{name}]{colon} {value}")

    def _skip_value(self) -> None:
        opening = self._take()
        depth = int(opening in _CLOSING)
        while depth:
            token = self._take()
            depth += (token in _CLOSING) - (token in _CLOSING.values())
        while opening[0] in "\"'" and self._peek()[:1] in ('"', "'"):  # adjacent strings are one value
            self._take()

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token
