"""Setting any field of a config by its path, with the schema's types: the whole of `--set`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from odtool.errors import ConfigError
from odtool.pipeline.text import field_values, messages, spelling
from odtool.pipeline.text.config import PipelineConfig

_STEP = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\[(?P<key>[^\]]*)\])?")


@dataclass(frozen=True)
class Switch:
    """A oneof whose branch an assignment changed."""

    oneof: str
    old: str
    """Path of the branch that gave way."""
    new: str
    """Name of the branch that took its place."""


@dataclass(frozen=True)
class Assigned:
    """What an assignment did."""

    path: str
    """The field that was set, as its path is now: elements that were counted from the end or added have their index."""
    switches: list[Switch]
    """The oneofs whose branch it changed."""


def assign(config: PipelineConfig, assignment: str) -> Assigned:
    """Sets `path=value` in place.

    A path names fields with dots, list elements as `name[0]` (`name[+]` adds one), map entries as `name[key]`. The
    value is in text format; a string needs no quotes, a message is written in braces, a list in brackets, and
    nothing at all clears the field.

    Raises:
        ConfigError: no such field, no such element, or a value that is not of the field's type.
    """
    path, equals, value = assignment.partition("=")
    path = path.strip()
    if not equals or not path:
        raise ConfigError(f"--set {assignment}: not in the form path.to.field=value", _EXAMPLE)
    steps = _parse_path(path, assignment)
    switches: list[Switch] = []
    message, above = config.message, ""
    for position, (name, key) in enumerate(steps):
        _refuse_unknown(message, name, above, assignment)
        last = position == len(steps) - 1
        if not last or value.strip():
            _note_switch(message, name, above, switches)
        here = above + _format_step(message, name, key, assignment)
        if last:
            _set(message, name, key, value.strip(), assignment)
            return Assigned(here, switches)
        message, above = _enter_field(message, name, key, assignment), f"{here}."
    raise AssertionError("a path has at least one step")


def find_value(config: PipelineConfig, path: str) -> bool | int | float | str | None:
    """The value at a path, the schema's default where it is not set; None where its message is not, or it is none.

    Of an enum, the name.

    Raises:
        ConfigError: there is no such field or element.
    """
    message, above = config.message, ""
    *parents, (name, key) = _parse_path(path, path)
    for parent, index in parents:
        _refuse_unknown(message, parent, above, path)
        field = message.DESCRIPTOR.fields_by_name[parent]
        if field.message_type is None or messages.is_map(field):
            return None
        if messages.is_repeated(field):
            elements = getattr(message, parent)
            message = elements[_parse_index(len(elements), parent, index, path)]
        elif message.HasField(parent):
            message = getattr(message, parent)
        else:
            return None
        above += f"{parent}."
    _refuse_unknown(message, name, above, path)
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.message_type is not None or messages.is_repeated(field) or key is not None:
        return None
    value: bool | int | float | str = getattr(message, name)
    return str(field.enum_type.values_by_number[value].name) if field.enum_type is not None else value


def find_kind(config: PipelineConfig, path: str) -> type[bool] | type[int] | type[float] | type[str] | None:
    """What a field holds by the schema, an enum's names as texts; None for a message and for a list as a whole.

    Raises:
        ConfigError: there is no such field or element.
    """
    message, above = config.copy().message, ""
    *parents, (name, key) = _parse_path(path, path)
    for parent, index in parents:
        _refuse_unknown(message, parent, above, path)
        message = _enter_field(message, parent, index, path)
        above += f"{parent}."
    _refuse_unknown(message, name, above, path)
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.message_type is not None or (messages.is_repeated(field) and key is None):
        return None
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return float
    if field.cpp_type in (field.CPPTYPE_ENUM, field.CPPTYPE_STRING):
        return str
    return bool if field.cpp_type == field.CPPTYPE_BOOL else int


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


def _refuse_unknown(message: Any, name: str, above: str, assignment: str) -> None:
    known = message.DESCRIPTOR.fields_by_name
    if name not in known:
        below = [f"{above}{path}" for path in _find_paths(message, name)]
        hint = f"Did you mean {' or '.join(below[:3])}?" if below else spelling.suggest_nearest(name, known)
        raise ConfigError(f"--set {assignment}: {message.DESCRIPTOR.name} has no field '{name}'", hint)


def _find_paths(message: Any, name: str) -> Iterator[str]:
    """Where a field of this name stands below a message, among the parts that are set."""
    for field, value in message.ListFields():
        if field.message_type is None or messages.is_map(field):
            continue
        parts = (
            [(f"[{index}]", part) for index, part in enumerate(value)] if messages.is_repeated(field) else [("", value)]
        )
        for index, part in parts:
            here = f"{field.name}{index}"
            if name in part.DESCRIPTOR.fields_by_name:
                yield f"{here}.{name}"
            yield from (f"{here}.{path}" for path in _find_paths(part, name))


def _format_step(message: Any, name: str, key: str | None, assignment: str) -> str:
    """A step of a path with the index that its element has, or gets."""
    field = message.DESCRIPTOR.fields_by_name[name]
    if key is None or messages.is_map(field) or not messages.is_repeated(field):
        return name if key is None else f"{name}[{key}]"
    count = len(getattr(message, name))
    index = count if key == "+" else _parse_index(count, name, key, assignment) % count
    return f"{name}[{index}]"


def _enter_field(message: Any, name: str, key: str | None, assignment: str) -> Any:
    """The message that a step of the path leads to, made where it is not set yet."""
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.message_type is None or messages.is_map(field):
        raise ConfigError(f"--set {assignment}: '{name}' has no fields below it", _EXAMPLE)
    if messages.is_repeated(field):
        return _find_element(getattr(message, name), name, key, assignment)
    _refuse_key(name, key, assignment)
    child = getattr(message, name)
    child.SetInParent()
    return child


def _find_element(elements: Any, name: str, key: str | None, assignment: str) -> Any:
    if key == "+":
        return elements.add()
    return elements[_parse_index(len(elements), name, key, assignment)]


def _parse_index(count: int, name: str, key: str | None, assignment: str) -> int:
    if key is None:
        raise ConfigError(
            f"--set {assignment}: '{name}' is a list", f"Choose an element: {name}[0], or {name}[+] to add one."
        )
    if not re.fullmatch(r"-?\d+", key) or not -count <= int(key) < count:
        elements = f"0 to {count - 1}" if count else "none yet"
        raise ConfigError(
            f"--set {assignment}: '{name}' has no element [{key}]", f"Its elements: {elements}; {name}[+] adds one."
        )
    return int(key)


def _refuse_key(name: str, key: str | None, assignment: str) -> None:
    if key is not None:
        raise ConfigError(f"--set {assignment}: '{name}' is not a list", f"Remove [{key}].")


def _note_switch(message: Any, name: str, above: str, switches: list[Switch]) -> None:
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.containing_oneof is None:
        return
    oneof = field.containing_oneof.name
    previous = message.WhichOneof(oneof)
    if previous not in (None, name):
        switches.append(Switch(oneof, f"{above}{previous}", name))


def _set(message: Any, name: str, key: str | None, value: str, assignment: str) -> None:
    field = message.DESCRIPTOR.fields_by_name[name]
    if messages.is_map(field):
        _set_entry(message, field, key, value, assignment)
    elif messages.is_repeated(field):
        _set_elements(message, field, key, value, assignment)
    else:
        _refuse_key(name, key, assignment)
        if not value:
            message.ClearField(name)
            return
        parsed = field_values.parse(message, field, value, assignment)
        message.ClearField(name)
        message.MergeFrom(parsed)


def _set_elements(message: Any, field: Any, key: str | None, value: str, assignment: str) -> None:
    elements = getattr(message, field.name)
    if key is None:
        if value and not value.startswith("["):
            raise ConfigError(
                f"--set {assignment}: '{field.name}' is a list",
                f"Choose an element, as in {field.name}[0]={value}, or set the whole list: {field.name}=[{value}]",
            )
        parsed = field_values.parse(message, field, value, assignment) if value else None
        message.ClearField(field.name)
        if parsed is not None:
            message.MergeFrom(parsed)
        return
    if key == "+":
        if not value:
            raise ConfigError(f"--set {assignment}: no value to add", f"For example: {field.name}[+]=VALUE")
        message.MergeFrom(field_values.parse(message, field, value, assignment))
        return
    index = _parse_index(len(elements), field.name, key, assignment)
    if not value:
        del elements[index]
        return
    new = getattr(field_values.parse(message, field, value, assignment), field.name)[0]
    if field.message_type is None:
        elements[index] = new
    else:
        elements[index].CopyFrom(new)


def _set_entry(message: Any, field: Any, key: str | None, value: str, assignment: str) -> None:
    if key is None:
        raise ConfigError(f"--set {assignment}: '{field.name}' is a map", f"Choose an entry: {field.name}[key]=value")
    if value:
        message.MergeFrom(field_values.parse_entry(message, field, key, value, assignment))
        return
    entries = getattr(message, field.name)
    key_field = field.message_type.fields_by_name["key"]
    typed = key if key_field.type == key_field.TYPE_STRING else int(key)
    if typed in entries:
        del entries[typed]
