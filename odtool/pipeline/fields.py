"""Setting any field of a config by its path, with the schema's types: the whole of `--set`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from odtool.errors import ConfigError
from odtool.pipeline import schema, spelling
from odtool.pipeline.config import PipelineConfig

_STEP = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\[(?P<key>[^\]]*)\])?")


@dataclass(frozen=True)
class Switch:
    """A oneof whose branch an assignment changed."""

    oneof: str
    old: str
    """Path of the branch that gave way."""
    new: str
    """Name of the branch that took its place."""


def assign(config: PipelineConfig, assignment: str) -> list[Switch]:
    """Sets `path=value` in place.

    A path names fields with dots, list elements as `name[0]` (`name[+]` adds one), map entries as `name[key]`. The
    value is in text format; a string needs no quotes, a message is written in braces, a list in brackets, and
    nothing at all clears the field.

    Returns:
        What else the assignment did: the oneofs whose branch it changed.

    Raises:
        ConfigError: no such field, no such element, or a value that is not of the field's type.
    """
    path, equals, value = assignment.partition("=")
    path = path.strip()
    if not equals or not path:
        raise ConfigError(f"--set {assignment}: not of the form path.to.field=value", _EXAMPLE)
    steps = _parse_path(path, assignment)
    switches: list[Switch] = []
    message = config.message
    for position, (name, key) in enumerate(steps[:-1]):
        _note_switch(message, name, steps[:position], switches)
        message = _enter(message, name, key, assignment)
    if value.strip():
        _note_switch(message, steps[-1][0], steps[:-1], switches)
    _set(message, *steps[-1], value.strip(), assignment)
    return switches


_EXAMPLE = "For example: --set train_config.batch_size=8"


def _parse_path(path: str, assignment: str) -> list[tuple[str, str | None]]:
    steps: list[tuple[str, str | None]] = []
    position = 0
    while True:
        match = _STEP.match(path, position)
        if match is None:
            raise ConfigError(f"--set {assignment}: cannot read the path at '{path[position:]}'", _EXAMPLE)
        steps.append((match["name"], match["key"]))
        position = match.end()
        if position == len(path):
            return steps
        if path[position] != ".":
            raise ConfigError(f"--set {assignment}: cannot read the path at '{path[position:]}'", _EXAMPLE)
        position += 1


def _field(message: Any, name: str, assignment: str) -> Any:
    known = message.DESCRIPTOR.fields_by_name
    if name not in known:
        raise ConfigError(
            f"--set {assignment}: {message.DESCRIPTOR.name} has no field '{name}'", spelling.nearest(name, known)
        )
    return known[name]


def _enter(message: Any, name: str, key: str | None, assignment: str) -> Any:
    """The message that a step of the path leads to, made where it is not set yet."""
    field = _field(message, name, assignment)
    if field.message_type is None or _is_map(field):
        raise ConfigError(f"--set {assignment}: '{name}' has no fields below it", _EXAMPLE)
    if schema.is_repeated(field):
        return _element(getattr(message, name), name, key, assignment)
    _refuse_key(name, key, assignment)
    child = getattr(message, name)
    child.SetInParent()
    return child


def _element(elements: Any, name: str, key: str | None, assignment: str) -> Any:
    if key == "+":
        return elements.add()
    return elements[_index(len(elements), name, key, assignment)]


def _index(count: int, name: str, key: str | None, assignment: str) -> int:
    if key is None:
        raise ConfigError(
            f"--set {assignment}: '{name}' is a list", f"Name an element: {name}[0], or {name}[+] to add one."
        )
    if not re.fullmatch(r"-?\d+", key) or not -count <= int(key) < count:
        there = f"0 to {count - 1}" if count else "none yet"
        raise ConfigError(
            f"--set {assignment}: no element [{key}] in '{name}'", f"Elements: {there}; {name}[+] adds one."
        )
    return int(key)


def _refuse_key(name: str, key: str | None, assignment: str) -> None:
    if key is not None:
        raise ConfigError(f"--set {assignment}: '{name}' is not a list", f"Leave out [{key}].")


def _note_switch(message: Any, name: str, above: list[tuple[str, str | None]], switches: list[Switch]) -> None:
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None or field.containing_oneof is None:
        return
    oneof = field.containing_oneof.name
    before = message.WhichOneof(oneof)
    if before not in (None, name):
        path = ".".join([*(step if key is None else f"{step}[{key}]" for step, key in above), before])
        switches.append(Switch(oneof, path, name))


def _set(message: Any, name: str, key: str | None, value: str, assignment: str) -> None:
    field = _field(message, name, assignment)
    if _is_map(field):
        _set_entry(message, field, key, value, assignment)
    elif schema.is_repeated(field):
        _set_elements(message, field, key, value, assignment)
    else:
        _refuse_key(name, key, assignment)
        if not value:
            message.ClearField(name)
            return
        parsed = _parse(message, field, value, assignment)
        message.ClearField(name)
        message.MergeFrom(parsed)


def _set_elements(message: Any, field: Any, key: str | None, value: str, assignment: str) -> None:
    elements = getattr(message, field.name)
    if key is None:
        if value and not value.startswith("["):
            raise ConfigError(
                f"--set {assignment}: '{field.name}' is a list",
                f"Name an element, as in {field.name}[0]={value}, or give the whole list: {field.name}=[{value}]",
            )
        parsed = _parse(message, field, value, assignment) if value else None
        message.ClearField(field.name)
        if parsed is not None:
            message.MergeFrom(parsed)
        return
    if key == "+":
        message.MergeFrom(_parse(message, field, value, assignment))
        return
    index = _index(len(elements), field.name, key, assignment)
    if not value:
        del elements[index]
        return
    new = getattr(_parse(message, field, value, assignment), field.name)[0]
    if field.message_type is None:
        elements[index] = new
    else:
        elements[index].CopyFrom(new)


def _set_entry(message: Any, field: Any, key: str | None, value: str, assignment: str) -> None:
    if key is None:
        raise ConfigError(f"--set {assignment}: '{field.name}' is a map", f"Name an entry: {field.name}[key]=value")
    entries = getattr(message, field.name)
    key_field, value_field = (field.message_type.fields_by_name[part] for part in ("key", "value"))
    quoted = _quoted(key) if key_field.type == key_field.TYPE_STRING else key
    entry = f"{field.name} {{ key: {quoted} value: {_literal(value_field, value)} }}"
    parsed = _parse_text(message, entry, field, assignment) if value else None
    if parsed is not None:
        message.MergeFrom(parsed)
        return
    typed = key if key_field.type == key_field.TYPE_STRING else int(key)
    if typed in entries:
        del entries[typed]


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _parse(message: Any, field: Any, value: str, assignment: str) -> Any:
    """A message of the same type with only this field, from the value's text."""
    literal = value if schema.is_repeated(field) and value.startswith("[") else _literal(field, value)
    return _parse_text(message, f"{field.name}: {literal}", field, assignment)


def _parse_text(message: Any, text: str, field: Any, assignment: str) -> Any:
    from google.protobuf import text_format

    made = type(message)()
    try:
        text_format.Parse(text, made)
    except text_format.ParseError as error:
        raise ConfigError(f"--set {assignment}: not a value for {_kind(field)}", _hint(field, error)) from None
    others = [found.name for found, _ in made.ListFields() if found.name != field.name]
    if others:  # a value such as '1 num_steps: 2' would smuggle in a second field
        raise ConfigError(f"--set {assignment}: sets {', '.join(others)} too", "Give one --set for each field.")
    return made


def _literal(field: Any, value: str) -> str:
    """The value as text format wants it: strings and bytes quoted, booleans in small letters."""
    if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
        return value if quoted else _quoted(value)
    if field.type == field.TYPE_BOOL:
        return value.lower()
    return value


def _quoted(value: str) -> str:
    from google.protobuf import text_encoding

    return f'"{text_encoding.CEscape(value.encode(), as_utf8=False)}"'


def _kind(field: Any) -> str:
    """'batch_size, a whole number from 0' and the like."""
    kinds = {
        field.TYPE_BOOL: "true or false",
        field.TYPE_STRING: "a text",
        field.TYPE_BYTES: "bytes",
        field.TYPE_FLOAT: "a number",
        field.TYPE_DOUBLE: "a number",
        field.TYPE_UINT32: "a whole number from 0",
        field.TYPE_UINT64: "a whole number from 0",
        field.TYPE_INT32: "a whole number",
        field.TYPE_INT64: "a whole number",
    }
    if field.enum_type is not None:
        return f"{field.name}, one of {field.enum_type.name}'s names"
    if field.message_type is not None:
        return f"{field.name}, the message {field.message_type.name} in braces"
    return f"{field.name}, {kinds.get(field.type, 'a value')}"


def _hint(field: Any, error: Exception) -> str:
    if field.enum_type is not None:
        return f"Known names: {', '.join(field.enum_type.values_by_name)}."
    if field.message_type is not None:
        explained = spelling.explain(error, field.name)
        return f"{explained.message}. {explained.hint}"
    return _EXAMPLE
