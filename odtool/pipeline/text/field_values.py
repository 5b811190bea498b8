"""The values of `--set`: from what people write to what the schema's types take."""

from __future__ import annotations

import math
import re
from typing import Any

from odtool.errors import ConfigError
from odtool.pipeline.text import messages, spelling

_ITEM = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^,"'\s](?:[^,"']*[^,"'\s])?)\s*(?:,|$)""")
"""An element of a list of texts, in quotes or without."""


def parse(message: Any, field: Any, value: str, assignment: str) -> Any:
    """A message of the same type with only this field, from the value's text.

    Raises:
        ConfigError: the text is not a value for the field.
    """
    whole_list = messages.is_repeated(field) and value.startswith("[")
    literal = _quote_list(field, value) if whole_list else _quote(field, value)
    return _parse_text(message, f"{field.name}: {literal}", field, assignment)


def parse_entry(message: Any, field: Any, key: str, value: str, assignment: str) -> Any:
    """The same for one entry of a map."""
    key_field, value_field = (field.message_type.fields_by_name[part] for part in ("key", "value"))
    quoted = _quote_text(key) if key_field.type == key_field.TYPE_STRING else key
    entry = f"{field.name} {{ key: {quoted} value: {_quote(value_field, value)} }}"
    return _parse_text(message, entry, field, assignment)


def _parse_text(message: Any, text: str, field: Any, assignment: str) -> Any:
    from google.protobuf import text_format

    parsed = type(message)()
    try:
        text_format.Parse(text, parsed)
    except text_format.ParseError as error:
        hint = _suggest(field, assignment, error)
        raise ConfigError(f"--set {assignment}: not a value for {_describe_kind(field)}", hint) from None
    extra = [descriptor.name for descriptor, _ in parsed.ListFields() if descriptor.name != field.name]
    if extra:  # a value such as '1 num_steps: 2' would smuggle in a second field
        raise ConfigError(f"--set {assignment}: also sets {', '.join(extra)}", "Give one --set for each field.")
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        numbers = getattr(parsed, field.name)
        # What is too large for a float is read as infinity; neither that nor nan trains anything.
        if not all(map(math.isfinite, numbers if messages.is_repeated(field) else [numbers])):
            raise ConfigError(f"--set {assignment}: not a value for {_describe_kind(field)}", _EXAMPLES[field.type])
    return parsed


def _quote(field: Any, value: str) -> str:
    """The value as text format wants it: strings and bytes quoted, booleans in small letters."""
    if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
        return value if quoted else _quote_text(value)
    if field.type == field.TYPE_BOOL:
        return value.lower()
    return value


def _quote_list(field: Any, value: str) -> str:
    """A list in brackets, its texts quoted where they are not."""
    if field.type not in (field.TYPE_STRING, field.TYPE_BYTES) or not value.endswith("]"):
        return value
    inner, items, position = value[1:-1].strip(), [], 0
    while position < len(inner):
        match = _ITEM.match(inner, position)
        if match is None:
            return value  # the parser reports that it cannot be read
        items.append(_quote(field, match[1]))
        position = match.end()
    return f"[{', '.join(items)}]"


def _quote_text(value: str) -> str:
    from google.protobuf import text_encoding

    return f'"{text_encoding.CEscape(value.encode(), as_utf8=False)}"'


# Numbers of FieldDescriptor.TYPE_*, which the protobuf runtime would have to be imported for.
_DOUBLE, _FLOAT, _INT64, _UINT64, _INT32, _BOOL, _STRING, _BYTES, _UINT32 = 1, 2, 3, 4, 5, 8, 9, 12, 13
_KINDS = {
    _BOOL: "true or false",
    _STRING: "text",
    _BYTES: "bytes",
    _FLOAT: "a number",
    _DOUBLE: "a number",
    _UINT32: "a whole number of at least 0",
    _UINT64: "a whole number of at least 0",
    _INT32: "a whole number",
    _INT64: "a whole number",
}
_EXAMPLES = {
    _BOOL: "Write true or false.",
    _STRING: "Write it as it is, or in quotes; a list as [one, two].",
    _BYTES: "Write it as it is, or in quotes; a list as [one, two].",
    _FLOAT: "Write a finite number, such as 0.9, 1e-3 or -2.",
    _DOUBLE: "Write a finite number, such as 0.9, 1e-3 or -2.",
    _UINT32: f"Write a whole number from 0 to {2**32 - 1}, with digits only.",
    _UINT64: f"Write a whole number from 0 to {2**64 - 1}, with digits only.",
    _INT32: f"Write a whole number from {-(2**31)} to {2**31 - 1}, with digits only.",
    _INT64: f"Write a whole number from {-(2**63)} to {2**63 - 1}, with digits only.",
}


def _describe_kind(field: Any) -> str:
    """'batch_size, a whole number of at least 0' and the like."""
    if field.enum_type is not None:
        return f"{field.name}, one of {field.enum_type.name}'s names"
    if field.message_type is not None:
        return f"{field.name}, the message {field.message_type.name} in braces"
    return f"{field.name}, {_KINDS.get(field.type, 'a value')}"


def _suggest(field: Any, assignment: str, error: Exception) -> str:
    path, _, value = (part.strip() for part in assignment.partition("="))
    if field.enum_type is not None:
        return f"Known names: {', '.join(field.enum_type.values_by_name)}."
    if field.message_type is None:
        return _EXAMPLES.get(field.type, "Write it as text format does.")
    if not value.startswith(("{", "<", "[")):
        return f"Write {path}={{ field: value ... }}, or set a field below it, as {path}.field=value."
    return spelling.explain_value(error)
