"""Names of classes in what lies beside Hugging Face data sets: the card README.md, or dataset_infos.json."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.types import Source

_CARD = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
"""The YAML at the head of README.md."""
_INFOS = ("dataset_infos.json", "dataset_info.json")


def find_class_names(file: Path, source: Source, features: Sequence[str]) -> dict[int, str]:
    """The names of a metadata file's class numbers, from the nearest file beside or above it that has any.

    The folder right above the source is the last. `features` are features that hold class numbers.
    """
    for folder in file.parents:
        for path in _list_cards(folder):
            # A card is read at its ends only; its YAML is at the head.
            if path.suffix.lower() == ".md":
                names = parse_card(input_files.read_ends(path), path, features)
            else:
                names = parse_infos(input_files.read_bytes(path), path, features)
            if names:
                return names
        if folder == source.root.parent:
            break
    return {}


def _list_cards(folder: Path) -> list[Path]:
    """The folder's card, then its infos."""
    card_names = ("readme.md", *_INFOS)
    try:
        names = [name for name in os.listdir(folder) if name.lower() in card_names]  # noqa: PTH208 - names alone
    except OSError:
        return []  # above the source, where one need not be allowed to look
    names.sort(key=lambda name: (card_names.index(name.lower()), name))
    return [folder / name for name in names if (folder / name).is_file()]


def parse_card(data: bytes, path: Path, features: Sequence[str] = ()) -> dict[int, str]:
    """Class names by number from a data set card's bytes (dataset_info, features, class_label); else none.

    Raises:
        DataError: the YAML at its head is broken.
    """
    match = _CARD.match(data.decode("utf-8-sig", "replace").replace("\r\n", "\n"))
    if match is None:
        return {}
    return _choose_names(parsing.parse_yaml(match[1].encode("utf-8", "replace"), path), features)


def parse_infos(data: bytes, path: Path, features: Sequence[str] = ()) -> dict[int, str]:
    """Class names by number from the bytes of a dataset_infos.json (features of the type ClassLabel); else none.

    Raises:
        DataError: it is not JSON.
    """
    return _choose_names(parsing.parse_json(data, path), features)


def _choose_names(document: Any, features: Sequence[str]) -> dict[int, str]:
    """Of several features with names, one with a likely name of its own."""
    candidates: list[tuple[str, dict[int, str]]] = []
    _collect_names(document, "", candidates.append, depth=0)
    preferred = [names for key, names in candidates if key in features]
    return next(iter([*preferred, *(names for _, names in candidates)]), {})


def _collect_names(item: Any, name: str, add: Callable[[tuple[str, dict[int, str]]], None], *, depth: int) -> None:
    """Every class_label (in cards) or ClassLabel (in JSON) below, with the name of the feature that it belongs to."""
    if depth > 30:
        return
    if isinstance(item, list):
        for child in item:
            _collect_names(child, name, add, depth=depth + 1)
    elif isinstance(item, dict):
        name = item["name"] if isinstance(item.get("name"), str) else name
        label = item if item.get("_type") == "ClassLabel" else item.get("class_label")
        names = label.get("names") if isinstance(label, dict) else None
        pairs = enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
        class_names = {int(key): text.strip() for key, text in pairs if isinstance(text, str) and str(key).isdecimal()}
        if class_names:
            add((name, class_names))
        for key, child in item.items():
            # In JSON a feature's name is its key.
            child_name = key if isinstance(key, str) and isinstance(child, dict) and "_type" in child else name
            _collect_names(child, child_name, add, depth=depth + 1)
