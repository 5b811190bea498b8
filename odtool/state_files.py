"""Files in which odtool notes the state of things, read back as what anybody may have put there.

Each is read with a limit of size, and only where it is a file; its JSON with limits of depth and of numbers; and its
fields with the types and ranges that their dataclass declares.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, BinaryIO, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

LARGEST = 1 << 26
"""Bytes of a file; that of a data set with 100,000 classes has some ten million."""
_DEEPEST = 32
"""Of lists and objects within one another."""
_DIGITS = 19
"""Of a whole number: what is longer does not fit into 64 bits, which is where other programs stop."""
_SHOWN = 60
"""Characters of a wrong value that a message can bear."""

Kind = TypeVar("Kind")


class StateError(ValueError):
    """A state file that does not hold what odtool writes there; says what is wrong, not in which file."""


@dataclass(frozen=True)
class Range:
    """Bounds of a number, both included."""

    low: float
    high: float


Count = Annotated[int, Range(0, 2**63 - 1)]
"""How many."""
Time = Annotated[float, Range(0, 253_402_300_799)]
"""Unix time, up to the end of the year 9999, which is as far as calendars here go."""


def read(path: Path, kind: type[Kind], *, largest: int = LARGEST) -> Kind:
    """The object that a file holds.

    Raises:
        FileNotFoundError: there is no such file.
        StateError: it is no file, too large, not JSON, or not of that kind.
        OSError: it cannot be read.
    """
    return build(kind, parse(read_bytes(path, largest=largest)))


def read_object(path: Path, *, largest: int = LARGEST) -> dict[str, Any]:
    """The JSON object that a file holds. Raises as `read` does."""
    return build(dict[str, Any], parse(read_bytes(path, largest=largest)))


def read_bytes(path: Path, *, largest: int = LARGEST) -> bytes:
    """What a file holds. Raises as `read` does."""
    descriptor = open_file(path)
    with os.fdopen(descriptor, "rb") as stream:
        if (size := os.fstat(descriptor).st_size) > largest:
            raise StateError(f"it has {size:,} bytes, where at most {largest:,} are expected")
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise StateError(f"it has more than {largest:,} bytes")
    return content


def open_file(path: Path) -> int:
    """A descriptor to read a file by. Nothing is waited for, as opening a pipe without a writer would.

    Raises:
        StateError: it is something else than a file.
        OSError: it cannot be opened.
    """
    _refuse_other_than_file(path.stat().st_mode)  # opening a device may set it going
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _refuse_other_than_file(os.fstat(descriptor).st_mode)
    except StateError:
        os.close(descriptor)
        raise
    return descriptor


def open_stream(path: Path) -> BinaryIO:
    """A file to be read piece by piece. Raises as `open_file` does."""
    return os.fdopen(open_file(path), "rb")


def _refuse_other_than_file(mode: int) -> None:
    if not stat.S_ISREG(mode):
        names = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        raise StateError(f"it is {names.get(stat.S_IFMT(mode), 'a device')}, not a file")


def parse(text: bytes | str) -> Any:
    """JSON as Python has it, at most 32 levels deep; None for numbers that are not finite.

    Raises:
        StateError: it is not JSON, nested more deeply, or has a whole number of more than 19 digits.
    """
    try:
        value = json.loads(text, parse_int=_parse_whole, parse_float=_parse_float, parse_constant=lambda _: None)
    except RecursionError:
        raise StateError("it is nested too deeply") from None
    except StateError:
        raise
    except ValueError as error:
        raise StateError(f"not JSON: {error}") from None
    level = [value]
    for _ in range(_DEEPEST):
        level = [part for item in level for part in _list_containers(item)]
        if not level:
            return value
    raise StateError("it is nested too deeply")


def _list_containers(value: Any) -> Iterator[Any]:
    parts: Any = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (part for part in parts if isinstance(part, (dict, list)))


def _parse_whole(text: str) -> int:
    if (digits := len(text.lstrip("-"))) > _DIGITS:
        raise StateError(f"it has a number of {digits} digits")
    return int(text)


def _parse_float(text: str) -> float | None:
    """1e999 is a number to JSON and infinite to Python."""
    number = float(text)
    return number if math.isfinite(number) else None


def build(kind: type[Kind], value: Any, name: str = "") -> Kind:
    """What was read from JSON, as a value of a type: a dataclass, or what its fields may be annotated with.

    Lists become tuples where the type is one, and the texts that JSON has for keys become whole numbers.

    Raises:
        StateError: it is not of that type; names the field.
    """
    made: Kind = _build(kind, value, name)
    return made


def _build(kind: Any, value: Any, name: str) -> Any:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _build_number(parts[0], parts[1:], value, name)
    if origin in (Union, UnionType):
        return _build_one_of(parts, value, name)
    if origin is Literal and value not in parts:
        raise StateError(f"{name} is {_show(value)}, which is none of {', '.join(map(str, parts))}")
    if kind is Any or origin is Literal:
        return value
    if is_dataclass(kind):
        return _build_dataclass(kind, value, name)
    return _build_container(origin, parts, value, name) if origin else _build_plain(kind, value, name)


def _build_number(kind: Any, notes: tuple[Any, ...], value: Any, name: str) -> Any:
    number = _build(kind, value, name)
    for bounds in notes:
        if isinstance(bounds, Range) and not bounds.low <= number <= bounds.high:
            raise StateError(f"{name} is {_show(value)}, which is outside {bounds.low:g} to {bounds.high:g}")
    return number


def _build_one_of(kinds: tuple[Any, ...], value: Any, name: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    for kind in others[:-1]:
        try:
            return _build(kind, value, name)
        except StateError:
            continue
    return _build(others[-1], value, name)


def _build_plain(kind: Any, value: Any, name: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)  # JSON has 5.0 as 5
    if type(value) is not kind:
        words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", dict: "an object"}
        raise StateError(f"{name or 'it'} is {_show(value)}, not {words.get(kind, kind.__name__)}")
    if kind is str:
        try:
            os.fsencode(value)
        except UnicodeEncodeError:
            raise StateError(f"{name or 'it'} is not a text of Unicode") from None
    return value


def _build_container(origin: Any, parts: tuple[Any, ...], value: Any, name: str) -> Any:
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise StateError(f"{name or 'it'} is {_show(value)}, not an object")
        return {_build_key(parts[0], key, name): _build(parts[1], item, f"{name}.{key}") for key, item in value.items()}
    if not isinstance(value, list):
        raise StateError(f"{name or 'it'} is {_show(value)}, not a list")
    if origin is not tuple:
        return [_build(parts[0], item, f"{name}[{place}]") for place, item in enumerate(value)]
    kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else list(parts)
    if len(kinds) != len(value):
        raise StateError(f"{name} has {len(value)} values, not {len(kinds)}")
    return tuple(_build(kind, item, f"{name}[{place}]") for place, (kind, item) in enumerate(zip(kinds, value)))  # noqa: B905 - compared above


def _build_key(kind: Any, key: str, name: str) -> Any:
    if kind is int:
        if not key.isascii() or not key.isdecimal() or len(key) > _DIGITS:
            raise StateError(f"{name} has {_show(key)} for a key, which is not a whole number")
        return int(key)
    return _build(kind, key, f"a key of {name}")


def _build_dataclass(kind: Any, value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        raise StateError(f"{name or 'it'} is {_show(value)}, not an object")
    hints = _find_hints(kind)
    known = {field.name: field for field in fields(kind)}
    if strangers := value.keys() - known.keys():
        raise StateError(f"{name or 'it'} has a field that is not known: {_show(min(strangers))}")
    required = [key for key, field in known.items() if field.default is MISSING and field.default_factory is MISSING]
    if missing := [key for key in required if key not in value]:
        raise StateError(f"{name or 'it'} has no {missing[0]}")
    return kind(**{key: _build(hints[key], item, f"{name}.{key}".lstrip(".")) for key, item in value.items()})


@cache
def _find_hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _show(value: Any) -> str:
    text = repr(value) if isinstance(value, (str, int, float, bool, NoneType)) else type(value).__name__
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
