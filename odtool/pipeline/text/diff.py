"""What changed between two configs, field by field, and why."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from odtool.pipeline.text import extensions, messages
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.draft import find_reason, is_within

_SECTIONS = ("model", "train_config", "train_input_reader", "eval_config", "eval_input_reader", "graph_rewriter")
_MANY_FIELDS = 8
"""From so many lines about a part that was removed as a whole, one line stands for them."""


@dataclass(frozen=True)
class Change:
    """One field that differs."""

    field: str
    """Its path, as --set takes it."""
    old: str | None
    """In text format; None where the field was not set."""
    new: str | None
    reason: str

    def as_json(self) -> dict[str, str | None]:
        return asdict(self)


def flatten(config: PipelineConfig) -> dict[str, str]:
    """Every field that is set, by path, with its value in text format; an empty message is '{}'."""
    flat = _flatten(config.message, "")
    for extension in config.extensions:
        if extensions.exists(extension.path, config.message):
            where = extensions.format_path(extension.path, config.message)
            flat[f"{where}.[{extension.name}]" if where else f"[{extension.name}]"] = extension.text
    return flat


def compare(old: PipelineConfig, new: PipelineConfig, reasons: Mapping[str, str]) -> list[Change]:
    """The fields that differ, in the order of the schema.

    Args:
        reasons: by path; a field takes the reason of the longest path that it lies at or below.
    """
    before, after = flatten(old), flatten(new)
    for emptied, filled in ((before, after), (after, before)):
        _drop_emptied(emptied, filled)
    # Removed fields keep their old place among their section's; sorting by section is stable.
    paths = sorted({**after, **before}, key=_section_index)
    return [
        Change(path, before.get(path), after.get(path), find_reason(path, reasons))
        for path in paths
        if before.get(path) != after.get(path)
    ]


def shorten(changes: Sequence[Change], new: PipelineConfig) -> list[Change]:
    """The changes for people: a part that was removed as a whole, with many fields and one reason, is a single line."""
    remaining = {known[:end] for known in flatten(new) for end in _find_ends(known)}
    parts = [_find_removed_part(change, remaining) for change in changes]
    counts = Counter((part, change.reason) for part, change in zip(parts, changes, strict=True))
    shown: dict[str, Change] = {}
    for part, change in zip(parts, changes, strict=True):
        count = counts[part, change.reason]
        if part is None or count < _MANY_FIELDS:
            shown[change.field] = change
        else:
            shown[part] = Change(part, f"{count} fields", None, change.reason)
    return list(shown.values())


def _find_removed_part(change: Change, remaining: Collection[str]) -> str | None:
    """The largest part of the config that was removed together with a field; None where the field was not."""
    if change.new is not None:
        return None
    prefixes = (change.field[:end] for end in _find_ends(change.field))
    return next((prefix for prefix in prefixes if prefix not in remaining), change.field)


def _find_ends(path: str) -> list[int]:
    """Where the parts of a path end, the whole of it last."""
    return [*(match.start() for match in re.finditer(r"[.\[]", path)), len(path)]


def _drop_emptied(emptied: dict[str, str], filled: Mapping[str, str]) -> None:
    """Leaves out a message that is empty on one side only: its fields on the other side tell as much."""
    for path in [path for path, text in emptied.items() if text == "{}" and path not in filled]:
        if any(is_within(known, path) for known in filled):
            del emptied[path]


def _section_index(path: str) -> int:
    name = re.split(r"[.\[]", path, maxsplit=1)[0]
    return _SECTIONS.index(name) if name in _SECTIONS else len(_SECTIONS)


def _flatten(message: Any, prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for descriptor, value in message.ListFields():
        path = f"{prefix}{descriptor.name}"
        if messages.is_map(descriptor):
            flat.update(
                {
                    f"{path}[{key}]": _format_scalar(descriptor.message_type.fields_by_name["value"], value[key])
                    for key in sorted(value)
                }
            )
        elif messages.is_repeated(descriptor):
            for index, element in enumerate(value):
                flat.update(_flatten_value(descriptor, element, f"{path}[{index}]"))
        else:
            flat.update(_flatten_value(descriptor, value, path))
    return flat


def _flatten_value(descriptor: Any, value: Any, path: str) -> dict[str, str]:
    if descriptor.message_type is None:
        return {path: _format_scalar(descriptor, value)}
    return _flatten(value, f"{path}.") or {path: "{}"}


def _format_scalar(descriptor: Any, value: Any) -> str:
    """A scalar as text format writes it."""
    from google.protobuf import text_format

    out = io.StringIO()
    text_format.PrintFieldValue(descriptor, value, out, as_utf8=True)
    return out.getvalue()
