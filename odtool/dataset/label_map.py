"""label_map.pbtxt: read, checked with line numbers, and written, without protobuf."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from odtool import state_files
from odtool.errors import DataError
from odtool.state_files import StateError

_TOKEN = re.compile(
    r"""(?P<space>[\s,;]+|\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<word>[A-Za-z0-9_.+-]+)
      | (?P<sign>[{}<>:\[\]])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_SHOWN = 20
"""Characters of a token in a message."""
_LARGEST_FILE = 1 << 26
"""Bytes; a map of 20,000 classes has one million."""
_DEEPEST = 20
"""Nesting beyond this is no label map (keypoints and LVIS fields nest twice)."""
_LARGEST_ID = 2**31 - 1
"""Ids are int32 in the API's string_int_label_map.proto."""
_LONGEST_ID = 20
"""Characters of an id that is looked at, in any base."""
_BACKGROUND = "background"
"""The one item that may have id 0, by name or display name; it is none of the model's classes."""


@dataclass(frozen=True)
class LabelItem:
    """One class of a label map."""

    id: int
    name: str
    """What records carry as text."""
    display_name: str
    """What people read; the name where the item gives none."""
    line: int


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


def load(path: Path) -> dict[str, int]:
    """Ids by class name, in the order of ids.

    Ids may have gaps, as those of the API's own mscoco_label_map.pbtxt: the API counts classes by the largest id
    (get_max_label_map_index in its utils/label_map_util.py).

    Raises:
        DataError: the file is missing, is not a label map, or has a class with id 0 or a duplicate.
    """
    return {item.name: item.id for item in read(path)}


def labels(path: Path) -> dict[int, str]:
    """What people read, by id, as the API's category index has it; raises as `load` does."""
    return {item.id: item.display_name or item.name for item in read(path)}


def read(path: Path) -> list[LabelItem]:
    """The items in the order of their ids, display names included; raises as `load` does."""
    return parse(_read_text(path), path)


def read_from_zero(path: Path) -> list[LabelItem]:
    """As `read`, but a class may have id 0, as in maps beside records that the API would not train on as they are."""
    return parse(_read_text(path), path, lowest_id=0)


def index_texts(items: Collection[LabelItem]) -> dict[str, int]:
    """Ids by what a record's class text may be: the API's decoder looks among the names, then the display names."""
    return {item.display_name: item.id for item in items} | {item.name: item.id for item in items}


def find_id_ranges(ids: Collection[int]) -> list[tuple[int, int]]:
    """Ids from 1 to the largest that no class has, as ranges of first and last; an empty list where there is no gap."""
    ordered = [0, *sorted(ids)]
    return [(low + 1, high - 1) for low, high in pairwise(ordered) if high - low > 1]


def describe_gaps(ids: Collection[int]) -> str:
    """Ids from 1 to the largest that no class has, such as "3, 12 to 14"; an empty text where there is no gap."""
    ranges = [f"{first}" if first == last else f"{first} to {last}" for first, last in find_id_ranges(ids)]
    return ", ".join(ranges[:10]) + (", …" if len(ranges) > 10 else "")


def _read_text(path: Path) -> str:
    try:
        return state_files.read_bytes(path, largest=_LARGEST_FILE).decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such label map", "Name a label_map.pbtxt that exists.") from None
    except StateError as error:
        raise DataError(f"{path}: not a label map: {error}", "Name a label_map.pbtxt.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text", "Save the label map as UTF-8.") from None


def parse(text: str, path: Path, *, lowest_id: int = 1) -> list[LabelItem]:
    """Parses and checks a label map's text; `path` is only named in errors.

    An item 'background' with id 0 is left out, as in the API.
    """
    tokens = list(_tokenize(text, path))
    items = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.text != "item" or token.kind != "word":
            raise _line_error(path, token.line, f"expected 'item {{', found '{_cut(token.text)}'")
        fields, position = _parse_message(tokens, _skip_colon(tokens, position + 1), path, token.line, depth=0)
        items.append(_make_item(fields, path, token.line))
    items = [item for item in items if item.id or _BACKGROUND not in (item.name, item.display_name)]
    _check_items(items, path, lowest_id)
    return sorted(items, key=lambda item: item.id)


def display_names(items: Iterable[LabelItem]) -> dict[str, str]:
    """Display names by name, where an item has one that is its own.

    What stands for two classes tells them apart no more, and the API takes a text for either.
    """
    items = list(items)
    uses = Counter(text for item in items for text in {item.name, item.display_name})
    return {
        item.name: item.display_name
        for item in items
        if item.display_name not in ("", item.name) and uses[item.display_name] == 1
    }


def dump(classes: Mapping[str, int], display: Mapping[str, str] | None = None) -> str:
    """The text of a label map with these classes.

    Args:
        classes: ids by name.
        display: display names by name, of those that have one.
    """
    return "\n".join(_dump_item(number, name, (display or {}).get(name)) for name, number in classes.items())


def _dump_item(number: int, name: str, display: str | None) -> str:
    display_line = "" if display is None else f'  display_name: "{_escape(display)}"\n'
    return f'item {{\n  id: {number}\n  name: "{_escape(name)}"\n{display_line}}}\n'


def _escape(name: str) -> str:
    plain = (
        name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\{ord(match[0]):03o}", plain)


def _tokenize(text: str, path: Path) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            snippet = _cut(text[position:])
            raise _line_error(path, line, f"cannot read '{snippet}'")
        if match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match[0], line)
        line += match[0].count("\n")
        position = match.end()


def _cut(text: str) -> str:
    """The beginning of a text, for messages: the file may be another one than was meant, and a log may be public."""
    return text[:_SHOWN].splitlines()[0]


def _skip_colon(tokens: list[_Token], position: int) -> int:
    return position + 1 if position < len(tokens) and tokens[position].text == ":" else position


def _parse_message(
    tokens: list[_Token], position: int, path: Path, line: int, *, depth: int
) -> tuple[dict[str, tuple[str, int]], int]:
    """The scalar fields of the message whose brace stands at `position`, and the position after it."""
    if depth > _DEEPEST:
        raise _line_error(path, line, "braces are nested too deeply")
    if position >= len(tokens) or tokens[position].text not in ("{", "<"):
        raise _line_error(path, line, "'{' is missing")
    closing = "}" if tokens[position].text == "{" else ">"
    position += 1
    fields: dict[str, tuple[str, int]] = {}
    while position < len(tokens) and tokens[position].text != closing:
        field = tokens[position]
        if field.kind != "word":
            raise _line_error(path, field.line, f"expected a field's name, found '{_cut(field.text)}'")
        value, position = _parse_value(tokens, _skip_colon(tokens, position + 1), path, field, depth)
        if value is not None:
            if field.text in fields and field.text in ("id", "name", "display_name"):
                raise _line_error(
                    path, field.line, f"'{_cut(field.text)}' is given twice in one item (is a '}}' missing?)"
                )
            fields[field.text] = (value, field.line)
    if position >= len(tokens):
        raise _line_error(path, line, f"the '{{' opened here is never closed with '{closing}'")
    return fields, position + 1


def _parse_value(tokens: list[_Token], position: int, path: Path, field: _Token, depth: int) -> tuple[str | None, int]:
    """The scalar at `position`, or None for a message or list, which no label map of ours needs."""
    if position >= len(tokens):
        raise _line_error(path, field.line, f"'{_cut(field.text)}' has no value")
    token = tokens[position]
    if token.text in ("{", "<"):
        return None, _parse_message(tokens, position, path, field.line, depth=depth + 1)[1]
    if token.text == "[":
        while position < len(tokens) and tokens[position].text != "]":
            position += 1
        return None, position + 1
    if token.kind == "word":
        return token.text, position + 1
    if token.kind != "string":
        raise _line_error(path, token.line, f"'{_cut(field.text)}' has no value")
    text = ""
    # Adjacent strings are one string in protobuf's text format.
    while position < len(tokens) and tokens[position].kind == "string":
        text += _unescape(tokens[position].text[1:-1])
        position += 1
    return text, position


def _unescape(text: str) -> str:
    """Undoes escapes; octal and hex ones are bytes of UTF-8."""
    if "\\" not in text:
        return text

    def character(match: re.Match[str]) -> str:
        octal, byte, short, long, plain = match.groups()
        if octal or byte:
            value = int(octal, 8) if octal else int(byte, 16)
            return bytes([value & 0xFF]).decode("latin-1") if value < 0x80 else chr(0xDC00 + (value & 0xFF))
        if short or long:
            point = int(short or long, 16)
            return chr(point) if point < 0x110000 else "\ufffd"
        return _PLAIN.get(plain, plain)

    return _ESCAPE.sub(character, text).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _make_item(fields: dict[str, tuple[str, int]], path: Path, line: int) -> LabelItem:
    if "name" not in fields or not fields["name"][0]:
        if "display_name" not in fields or not fields["display_name"][0]:
            raise DataError(f"{path}:{line}: this item has no name", "Give each item a name: name: 'cat'")
        fields["name"] = fields["display_name"]
    if "id" not in fields:
        raise DataError(f"{path}:{line}: item '{fields['name'][0]}' has no id", "Give each item an id, from 1.")
    text, id_line = fields["id"]
    if len(text) > _LONGEST_ID:
        raise _line_error(path, id_line, f"id is '{text[:_LONGEST_ID]}…', of {len(text)} characters")
    try:
        number = int(text, 0)
    except ValueError:
        raise _line_error(path, id_line, f"id is '{_cut(text)}', not a whole number") from None
    name = fields["name"][0]
    return LabelItem(number, name, fields.get("display_name", (name, line))[0], line)


def _check_items(items: list[LabelItem], path: Path, lowest_id: int) -> None:
    if not items:
        raise DataError(f"{path}: no item in this label map", "Write one per class: item { id: 1 name: 'cat' }")
    ids: dict[int, LabelItem] = {}
    names: dict[str, LabelItem] = {}
    for item in items:
        where = f"{path}:{item.line}: item '{item.name}'"
        if item.id < lowest_id:
            raise DataError(
                f"{where} has id {item.id}",
                "Ids begin at 1: in the Object Detection API, id 0 is the background. Give each class the id that it "
                "has in the records or in the model that this map is for.",
            )
        if item.id > _LARGEST_ID:
            raise DataError(f"{where} has id {item.id}, which is above {_LARGEST_ID}", "Give the class a smaller id.")
        if item.id in ids:
            namesake = ids[item.id]
            raise DataError(
                f"{where} has id {item.id}, like '{namesake.name}' in line {namesake.line}",
                "Give each class its own id.",
            )
        if item.name in names:
            raise DataError(f"{where} appears twice, first in line {names[item.name].line}", "Remove one of the two.")
        ids[item.id] = names[item.name] = item


def _line_error(path: Path, line: int, what: str) -> DataError:
    return DataError(f"{path}:{line}: broken label map: {what}", "An item looks like: item { id: 1 name: 'cat' }")
