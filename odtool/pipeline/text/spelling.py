"""What to say of a name or value in a pipeline.config that is not the schema's."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from odtool.errors import ConfigError

_NO_FIELD = re.compile(r'Message type "(?P<type>[\w.]+)" has no field named "(?P<name>[\w.]+)"')
_NO_VALUE = re.compile(r'Enum type "(?P<type>[\w.]+)" has no value named (?P<name>\w+)')
_BROKEN = "Fix that line; the file is protobuf text format."
_POSITION = re.compile(r"^\d+:\d+ : ")


def suggest_nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the names most like `name`, or with all of them where none is alike."""
    names = sorted(known)
    if hint := suggest(name, names):
        return hint
    return f"Known names: {', '.join(names)}." if names else "It has no fields."


def suggest(name: str, known: Iterable[str]) -> str:
    """A hint with the names that contain `name`, else those most like it, else ''."""
    names = sorted(known)
    longer = [known for known in names if len(name) > 2 and name in known]
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    likely = (sorted(longer, key=lambda known: (len(known), known)) or close)[:3]
    if not likely:
        return ""
    return f"Did you mean {', '.join(likely[:-1])}{' or ' * (len(likely) > 1)}{likely[-1]}?"


def explain(error: Any, source: str) -> ConfigError:
    """Turns protobuf's ParseError into one line with file and line, and a hint with the nearest real name."""
    message = _POSITION.sub("", str(error))
    line = error.GetLine()
    where = f"{source}:{line}" if line else source
    if match := _NO_FIELD.search(message):
        kind = match["type"].rpartition(".")[2]
        return ConfigError(
            f"{where}: {kind} has no field '{match['name']}'", _suggest_field(match["type"], match["name"])
        )
    if match := _NO_VALUE.search(message):
        kind = match["type"].rpartition(".")[2]
        return ConfigError(
            f"{where}: {kind} has no value '{match['name']}'", _suggest_value(match["type"], match["name"])
        )
    return ConfigError(f"{where}: {message}", _BROKEN)


def explain_value(error: Any) -> str:
    """The same for a value that was given by itself, in one or two sentences."""
    explained = explain(error, "")
    sentence = f"{explained.message.lstrip(':0123456789 ').rstrip('.')}."
    return sentence if explained.hint == _BROKEN else f"{sentence} {explained.hint}"


def _suggest_field(type_name: str, name: str) -> str:
    from google.protobuf import descriptor_pool

    return suggest_nearest(name, descriptor_pool.Default().FindMessageTypeByName(type_name).fields_by_name)


def _suggest_value(type_name: str, name: str) -> str:
    from google.protobuf import descriptor_pool

    return suggest_nearest(name, descriptor_pool.Default().FindEnumTypeByName(type_name).values_by_name)
