"""Names of classes in what lies beside Hugging Face data sets: the card README.md, or dataset_infos.json."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from odtool.dataset.readers.common import parsing
from odtool.dataset.types import Source

_CARD = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
"""The YAML at the head of README.md."""
_INFOS = ("dataset_infos.json", "dataset_info.json")


def class_names(file: Path, source: Source, likely: Sequence[str]) -> dict[int, str]:
    """The names of a metadata file's class numbers, from the nearest file beside or above it that has any.

    The folder right above the source is the last. `likely` are features that hold class numbers.
    """
    for folder in file.parents:
        for path in _named_so(folder):
            # A card is read at its ends only; its YAML is at the head.
            if path.suffix.lower() == ".md":
                found = card_names(parsing.ends(path), path, likely)
            else:
                found = info_names(parsing.read_bytes(path), path, likely)
            if found:
                return found
        if folder == source.root.parent:
            break
    return {}


def _named_so(folder: Path) -> list[Path]:
    """The folder's card, then its infos."""
    known = ("readme.md", *_INFOS)
    try:
        names = [name for name in os.listdir(folder) if name.lower() in known]  # noqa: PTH208 - names alone
    except OSError:
        return []  # above the source, where one need not be allowed to look
    names.sort(key=lambda name: (known.index(name.lower()), name))
    return [folder / name for name in names if (folder / name).is_file()]


def card_names(data: bytes, path: Path, likely: Sequence[str] = ()) -> dict[int, str]:
    """Class names by number from a data set card's bytes (dataset_info, features, class_label); else none.

    Raises:
        DataError: the YAML at its head is broken.
    """
    match = _CARD.match(data.decode("utf-8-sig", "replace").replace("\r\n", "\n"))
    if match is None:
        return {}
    return _named(parsing.yaml_of(match[1].encode("utf-8", "replace"), path), likely)


def info_names(data: bytes, path: Path, likely: Sequence[str] = ()) -> dict[int, str]:
    """Class names by number from the bytes of a dataset_infos.json (features of the type ClassLabel); else none.

    Raises:
        DataError: it is not JSON.
    """
    return _named(parsing.json_of(data, path), likely)


def _named(document: Any, likely: Sequence[str]) -> dict[int, str]:
    """Of several features with names, one with a likely name of its own."""
    found: list[tuple[str, dict[int, str]]] = []
    _search(document, "", found.append, depth=0)
    named = [names for key, names in found if key in likely]
    return next(iter([*named, *(names for _, names in found)]), {})


def _search(item: Any, name: str, add: Callable[[tuple[str, dict[int, str]]], None], *, depth: int) -> None:
    """Every class_label (in cards) or ClassLabel (in JSON) below, with the name of the feature that it belongs to."""
    if depth > 30:
        return
    if isinstance(item, list):
        for one in item:
            _search(one, name, add, depth=depth + 1)
    elif isinstance(item, dict):
        name = item["name"] if isinstance(item.get("name"), str) else name
        label = item if item.get("_type") == "ClassLabel" else item.get("class_label")
        names = label.get("names") if isinstance(label, dict) else None
        pairs = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
        made = {int(key): text.strip() for key, text in pairs if isinstance(text, str) and str(key).isdecimal()}
        if made:
            add((name, made))
        for key, one in item.items():
            # In JSON a feature's name is its key.
            own = key if isinstance(key, str) and isinstance(one, dict) and "_type" in one else name
            _search(one, own, add, depth=depth + 1)
