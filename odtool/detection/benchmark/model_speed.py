"""What a benchmark leaves in an export's folder: figures in export.json, and a table in the model card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from odtool import files, state_files, units
from odtool.errors import DataError
from odtool.state_files import StateError
from odtool.workspace import ExportedModel

_HEADING, _NEXT = "## Speed and memory", "## How to use it"
_LARGEST = 1 << 26
"""Bytes of export.json and of the card, which people may add to."""


def record(model: ExportedModel, benchmark: Mapping[str, Any]) -> None:
    """Puts a benchmark into export.json and the card, in place of an earlier one's.

    Args:
        benchmark: `machine`, `created`, and `files`, each as `render_rows` takes it.

    Raises:
        DataError: export.json is damaged.
        OSError: the folder cannot be written.
    """
    try:
        described = state_files.read_object(model.record, largest=_LARGEST)
    except StateError as error:
        raise DataError(f"{model.record}: is damaged: {error}", "Export it again: odtool export") from None
    files.write_atomically(model.record, json.dumps({**described, "benchmark": benchmark}, indent=1) + "\n")
    if model.card.is_file():
        text = state_files.read_bytes(model.card, largest=_LARGEST).decode("utf-8", "replace")
        files.write_atomically(model.card, replace_section(text, list(_write_section(benchmark))))


def replace_section(text: str, section: Sequence[str]) -> str:
    """The card with this section in place of its earlier one, or before what says how files are used."""
    lines = text.splitlines()
    if section[0] in lines:
        start = lines.index(section[0])
        following = (place for place in range(start + 1, len(lines)) if lines[place].startswith("## "))
        end = next(following, len(lines))
    else:
        start = end = lines.index(_NEXT) if _NEXT in lines else len(lines)
    return "\n".join([*lines[:start], *section, "", *lines[end:]]) + "\n"


def _write_section(benchmark: Mapping[str, Any]) -> Iterator[str]:
    yield _HEADING
    yield ""
    yield "| file | on | ms, median | ms, p95 | images/s | memory | mAP |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    yield from (f"| {' | '.join(row)} |" for row in _list_rows(benchmark["files"]))
    yield ""
    yield (
        f"By odtool benchmark on {benchmark['machine']}, {benchmark['created']}: single images, with scaling but "
        "without decoding; the peak memory of a process that does nothing else."
    )


def _list_rows(entries: Iterable[Mapping[str, Any]]) -> Iterator[list[str]]:
    for entry in entries:
        for measured in entry["measurements"]:
            if measured["problem"]:
                continue
            rate = max(measured["images_per_second"].values())
            yield [
                entry["file"],
                measured["device"],
                f"{measured['milliseconds']:.1f}",
                f"{measured['milliseconds_p95']:.1f}",
                f"{rate:.1f}",
                units.format_bytes(measured["peak_bytes"]) if measured["peak_bytes"] else "",
                units.format_metric(entry["mAP"]),
            ]
