"""What names a YOLO data set's classes and the folders of its images: data.yaml, obj.data or a list of names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.source_folders import Folder, count_steps
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.splits import parse_split
from odtool.errors import DataError

YAML = (".yaml", ".yml")
NAME_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt", "names.txt", "predefined_classes.txt")

_NULLS = ("", "~", "null", "Null", "NULL")
"""How YAML writes that there is nothing."""


@dataclass(frozen=True)
class Layout:
    """Names of the classes and where each split's images lie."""

    file: Path
    """The file that says so."""
    names: dict[int, str]
    entries: dict[str | None, tuple[str, ...]]
    """Folders, list files or images by split, as the file spells them."""
    base: str = ""
    """Folder that the entries are relative to, as the file spells it."""
    keypoints: int = 0
    """Numbers that follow each box for its keypoints."""


def looks_like(path: Path) -> bool:
    starts = [
        line.replace(b"=", b":").split(b":")[0].strip().strip(b"'\"")
        for line in input_files.read_ends(path).splitlines()
    ]
    return b"names" in starts and bool({b"train", b"val", b"test"} & set(starts))


def find_documents(folder: Folder) -> list[Path]:
    """Files that name classes and splits, the likeliest first: data.yaml, another YAML, obj.data."""
    yamls = sorted(folder.find_files(*YAML), key=lambda file: file.stem.lower() not in ("data", "dataset"))
    return [file for file in (*yamls, *folder.find_files(".data")) if looks_like(file)]


def find_name_lists(folder: Folder) -> list[Path]:
    """Lists of names, the likeliest first."""
    usual_lists = [folder.path / name for name in NAME_LISTS if name in folder.files]
    return [*usual_lists, *(file for file in folder.find_files(".names") if file.name not in NAME_LISTS)]


def choose_nearest_list(lists: Iterable[Path], place: Path) -> Path:
    """The list of a folder of labels: the nearest in it or above it, else the nearest of all."""
    return min(lists, key=lambda file: (not place.is_relative_to(file.parent), count_steps(file.parent, place)))


def find_contradiction(names: Mapping[int, str], others: Mapping[int, str]) -> int | None:
    """The first class that two lists call differently, or that one of them lacks."""
    numbers = names.keys() | others.keys()
    return min((number for number in numbers if names.get(number) != others.get(number)), default=None)


def load(file: Path) -> Layout:
    data = input_files.read_bytes(file)
    if file.suffix.lower() in YAML:
        return parse_yaml_layout(data, file)
    if file.suffix == ".data":
        return _parse_darknet_layout(parsing.decode_text(data, file), file)
    return Layout(file, parsing.read_class_names(file), {None: ("",)})


def parse_yaml_layout(data: bytes, file: Path) -> Layout:
    """Parses a data.yaml's bytes; raises DataError where it is broken or lacks names."""
    document = parsing.parse_yaml(data, file)
    if not isinstance(document, dict):
        raise DataError(f"{file}: not a mapping", "A data.yaml has names, train and val.")
    # Every scalar comes as text, these too.
    document = {key: value for key, value in document.items() if value not in _NULLS}
    base = document.get("path", "")
    if not isinstance(base, str):
        raise DataError(f"{file}: path is not text", "Write the data set's folder there, or leave it out.")
    entries: dict[str | None, tuple[str, ...]] = {}
    for key in ("train", "val", "valid", "test"):
        value = document.get(key)
        paths = value if isinstance(value, list) else [] if value is None else [value]
        if not all(isinstance(entry, str) for entry in paths):
            raise DataError(f"{file}: {key} is neither a path nor a list of paths", "Write folders or list files.")
        if paths:
            entries[parse_split(key)] = tuple(paths)
    if not entries:
        raise DataError(f"{file}: has neither train nor val nor test", "Name the folder of the training images there.")
    names = document.get("names")
    name_list = resolve_entry(names, file.parent, file.parent) if isinstance(names, str) else None
    names = parsing.read_class_names(name_list) if name_list and name_list.is_file() else _parse_yaml_names(names, file)
    return Layout(file, names, entries, base, _count_keypoint_numbers(document.get("kpt_shape"), file))


def _count_keypoint_numbers(shape: Any, file: Path) -> int:
    """kpt_shape is how many points there are, and 2 or 3 numbers for each."""
    if shape is None:
        return 0
    if (
        not isinstance(shape, list)
        or len(shape) != 2
        or not all(isinstance(length, str) and length.isdecimal() for length in shape)
    ):
        raise DataError(f"{file}: kpt_shape is not two numbers", "Write it as [17, 3], or leave it out.")
    return int(shape[0][:9]) * int(shape[1][:9])


def _parse_yaml_names(names: Any, file: Path) -> dict[int, str]:
    pairs = (
        list(enumerate(names)) if isinstance(names, list) else list(names.items()) if isinstance(names, dict) else []
    )
    results: dict[int, str] = {}
    for key, name in pairs:
        if not isinstance(name, str) or not name.strip() or not str(key).strip().isdecimal():
            what = f"{key}: {name}"[:60] if isinstance(name, str) else f"{str(key)[:60]}: what follows"
            raise DataError(f"{file}: names: {what} is not a number with a name", "Write names: {0: cat, 1: dog}.")
        results[int(key)] = name.strip()
    return results


def _parse_darknet_layout(text: str, file: Path) -> Layout:
    pairs = (line.split("#")[0].partition("=") for line in text.splitlines())
    fields = {key.strip(): value.strip() for key, _, value in pairs if value.strip()}
    entries = {parse_split(key): (fields[key],) for key in ("train", "valid", "val", "test") if key in fields}
    if "names" not in fields:
        raise DataError(f"{file}: has no names", "Write names = obj.names there.")
    names = resolve_entry(fields["names"], file.parent, file.parent)
    if names is None:
        raise DataError(f"{file}: names: '{fields['names']}' is not in {file.parent}", "Put it beside the data file.")
    return Layout(file, parsing.read_class_names(names), dict(entries) or {None: ("",)})


def resolve_entry(entry: str, base: Path, root: Path, split: str | None = None) -> Path | None:
    """An existing file or folder that an entry leads to from `base` without leaving `root`.

    Leading '..' that lead outside are dropped, as Roboflow writes ../train/images into the data set's own folder;
    so are leading folders that are not there (Darknet's data/train.txt), but none that names the split: without it
    the entries of all splits would lead to one folder. Only where `base` itself is called so it may be left out.
    """
    posix_entry = entry.replace("\\", "/")
    parts = [part for part in posix_entry.split("/") if part not in ("", ".")]
    split_positions = [position for position, part in enumerate(parts) if split and parse_split(part) == split]
    starts = range(split_positions[-1] + 1 if split_positions else len(parts))
    base_name = base.absolute().name
    later_starts = [position + 1 for position, part in enumerate(parts[:-1]) if part == base_name]
    for path in (base / posix_entry, *(base.joinpath(*parts[start:]) for start in (*starts, *later_starts))):
        candidate = Path(os.path.normpath(path))
        if candidate.is_relative_to(os.path.normpath(root)) and _exists(candidate):
            return candidate
    return None


def _exists(path: Path) -> bool:
    try:
        return path.is_dir() or path.is_file()
    except (OSError, ValueError):  # a name too long for the file system, or one with a NUL in it
        return False
