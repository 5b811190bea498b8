"""YOLO text: Ultralytics data.yaml, Darknet's obj.data, or images and labels beside a list of classes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtool.dataset.image_file import EXTENSIONS
from odtool.dataset.readers import documents
from odtool.dataset.readers.folders import Folder, find_image, image_folders, walk
from odtool.dataset.splits import split_of_name
from odtool.dataset.types import AnnotatedImage, Box, Deferred, Finding, ObjectAnnotation, Problem, Source
from odtool.errors import DataError

_YAML = (".yaml", ".yml")
_NAME_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt", "names.txt", "predefined_classes.txt")
_LABEL_FOLDERS = ("labels", "Labels", "annotations", "Annotations")


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


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as YOLO, or None."""
    if path.is_file():
        if path.suffix.lower() in _YAML and _looks_like(path):
            return f"{path.name} has names and train"
        return f"{path.name} has names and train" if path.suffix == ".data" and _looks_like(path) else None
    folders = list(walk(path))
    if (layout := _layout_file(folders)) is None:
        return None
    if layout.name in _NAME_LISTS or layout.suffix == ".names":
        labels = [file for folder in folders for file in folder.ending(".txt") if _is_label(file)]
        return f"{layout} names the classes of text files such as {labels[0]}" if labels else None
    return f"{layout} has names and train"


def _looks_like(path: Path) -> bool:
    starts = [
        line.replace(b"=", b":").split(b":")[0].strip().strip(b"'\"") for line in documents.ends(path).splitlines()
    ]
    return b"names" in starts and bool({b"train", b"val", b"test"} & set(starts))


def _layout_file(folders: Sequence[Folder]) -> Path | None:
    """The nearest data.yaml, else obj.data, else list of names."""
    for suffixes in (_YAML, (".data",)):
        for folder in folders:
            for file in folder.ending(*suffixes):
                if _looks_like(file):
                    return file
    for folder in folders:
        for file in [*(folder.path / name for name in folder.files if name in _NAME_LISTS), *folder.ending(".names")]:
            return file
    return None


def _is_label(path: Path) -> bool:
    """Whether the first line is a class number and four or more numbers."""
    if path.name in _NAME_LISTS:
        return False
    words = documents.ends(path).split(b"\n")[0].split()
    try:
        return len(words) >= 5 and words[0].isdigit() and all(abs(float(word)) < 10 for word in words[1:])
    except ValueError:
        return False


def read(source: Source) -> Iterator[Finding]:
    """Every image of the splits, with the objects of its text file.

    Raises:
        DataError: the layout is broken, or none of its folders is there.
    """
    folders = list(walk(source.root))
    file = source.path if source.path.is_file() else _layout_file(folders)
    if file is None:
        raise DataError(
            f"{source.path}: no data.yaml, obj.data or classes.txt", "YOLO labels need a file that names the classes."
        )
    layout = _layout(file)
    if not layout.names:
        raise DataError(f"{file}: names no class", "Write the class names into it.")
    found_any = False
    for split, entries in layout.entries.items():
        for entry in entries or ("",):
            images = _images(entry, layout, source)
            if images is None:
                yield Problem("split_missing", file, f"{split or 'images'}: '{entry}' is not in {source.root}")
                continue
            found_any = True
            for image in images:
                label = _label_file(image, source)
                own = split or _split_of_folder(image, source)
                yield Deferred(parse_file, (image, label, own, layout.names, file))
    if not found_any:
        raise DataError(
            f"{file}: none of its images is in {source.root}",
            "Name their folder with --images, or put the YAML into the data set's own folder.",
        )


def parse_file(
    image: Path, label: Path | None, split: str | None, names: Mapping[int, str], layout: Path
) -> Iterator[AnnotatedImage]:
    """One image with its text file; without one it is background."""
    if label is None:
        yield AnnotatedImage(image, image, (), "fraction", split)
        return
    objects = parse(documents.read_bytes(label), label, names, layout)
    yield AnnotatedImage(image, label, objects, "fraction", split)


def parse(data: bytes, path: Path, names: Mapping[int, str], layout: Path) -> tuple[ObjectAnnotation, ...]:
    """Parses a label file's bytes; the paths are only named in errors.

    A line is a class and a box (centre, width, height), perhaps with a confidence; or a class and the corners
    of a polygon or of an oriented box, of which the envelope is taken.

    Raises:
        DataError: a line is none of these, or its class has no name.
    """
    objects = []
    for number, line in enumerate(documents.text_of(data, path).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            index, values = int(float(words[0])), [float(word) for word in words[1:]]
        except (ValueError, OverflowError):
            raise documents.broken(path, number, f"not a YOLO line: '{line[:60]}'") from None
        if len(values) < 4 or (len(values) > 5 and len(values) % 2):
            raise documents.broken(path, number, f"not a YOLO line: {len(words)} numbers: '{line[:60]}'")
        if index not in names:
            raise documents.broken(
                path,
                number,
                f"class {index} has no name in {layout}",
                f"It names {len(names)} classes; add the missing ones.",
            )
        objects.append(ObjectAnnotation(names[index], _box(values)))
    return tuple(objects)


def _box(values: list[float]) -> Box:
    if len(values) <= 5:
        x, y, width, height = values[:4]
        return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    xs, ys = values[0::2], values[1::2]
    return Box(min(xs), min(ys), max(xs), max(ys))


def _layout(file: Path) -> Layout:
    data = documents.read_bytes(file)
    if file.suffix.lower() in _YAML:
        return layout_of_yaml(data, file)
    if file.suffix == ".data":
        return _layout_of_darknet(documents.text_of(data, file), file)
    return Layout(file, _listed_names(file), {None: ("",)})


def layout_of_yaml(data: bytes, file: Path) -> Layout:
    """Parses a data.yaml's bytes; raises DataError where it is broken or lacks names."""
    document = documents.yaml_of(data, file)
    if not isinstance(document, dict):
        raise DataError(f"{file}: not a mapping", "A data.yaml has names, train and val.")
    base = document.get("path", "")
    if not isinstance(base, str):
        raise DataError(f"{file}: path is not a text", "Write the data set's folder there, or leave it out.")
    entries: dict[str | None, tuple[str, ...]] = {}
    for key in ("train", "val", "valid", "test"):
        value = document.get(key)
        given = value if isinstance(value, list) else [value] if value else []
        if not all(isinstance(entry, str) for entry in given):
            raise DataError(f"{file}: {key} is neither a path nor a list of them", "Write folders or list files.")
        if given:
            entries[split_of_name(key)] = tuple(given)
    if not entries:
        raise DataError(f"{file}: neither train nor val nor test", "Name the folder of the training images there.")
    return Layout(file, _names_of_yaml(document.get("names"), file), entries, base)


def _names_of_yaml(names: Any, file: Path) -> dict[int, str]:
    pairs = (
        list(enumerate(names)) if isinstance(names, list) else list(names.items()) if isinstance(names, dict) else []
    )
    made: dict[int, str] = {}
    for key, name in pairs:
        if not isinstance(name, str) or not name.strip() or not str(key).strip().isdecimal():
            raise DataError(
                f"{file}: names: {key}: {name} is not a number with a name", "Write names: {0: cat, 1: dog}."
            )
        made[int(key)] = name.strip()
    return made


def _layout_of_darknet(text: str, file: Path) -> Layout:
    pairs = (line.split("#")[0].partition("=") for line in text.splitlines())
    fields = {key.strip(): value.strip() for key, _, value in pairs if value.strip()}
    entries = {split_of_name(key): (fields[key],) for key in ("train", "valid", "val", "test") if key in fields}
    if "names" not in fields:
        raise DataError(f"{file}: has no names", "Write names = obj.names there.")
    names = _within(fields["names"], file.parent, file.parent)
    if names is None:
        raise DataError(f"{file}: names: '{fields['names']}' is not in {file.parent}", "Put it beside the data file.")
    return Layout(file, _listed_names(names), dict(entries) or {None: ("",)})


def _listed_names(file: Path) -> dict[int, str]:
    lines = documents.lines_of(file)
    while lines and not lines[-1]:
        lines.pop()
    return dict(enumerate(lines))


def _images(entry: str, layout: Layout, source: Source) -> list[Path] | None:
    """The images of one entry, sorted within each folder; None where it leads nowhere."""
    if source.images is not None:
        place: Path | None = source.images
        if layout.entries.keys() - {None} and entry:
            # With several splits the named folder is where the entries are looked for.
            place = _within(entry, source.images, source.images) or source.images
    elif not entry:
        place = source.root
    else:
        bases = [_within(layout.base, layout.file.parent, source.root), layout.file.parent, source.root]
        places = (_within(entry, base, source.root) for base in bases if base is not None)
        place = next(filter(None, places), None)
    if place is None:
        return None
    if place.is_dir():
        return [file for folder in walk(place) for file in folder.ending(*EXTENSIONS)]
    if place.suffix.lower() == ".txt":
        return list(_listed_images(place, source))
    return [place]


def _listed_images(file: Path, source: Source) -> Iterator[Path]:
    """Images of a list file: relative to it, to the source, or by their last part in any folder."""
    places = [file.parent, source.root, *image_folders(list(walk(source.images or source.root)))]
    places = list(dict.fromkeys(places))
    for line in documents.lines_of(file):
        if line:
            yield find_image(line, places, within=source.root).path


def _within(entry: str, base: Path, root: Path) -> Path | None:
    """An existing file or folder that an entry leads to from `base` without leaving `root`.

    Leading '..' that lead outside are dropped, as Roboflow writes ../train/images into the data set's own folder;
    so are leading folders that are not there (Darknet's data/train.txt).
    """
    parts = [part for part in entry.replace("\\", "/").split("/") if part not in ("", ".")]
    whole = Path(os.path.normpath(base / entry.replace("\\", "/")))
    if whole.is_relative_to(os.path.normpath(root)) and _exists(whole):
        return whole
    while parts:
        candidate = Path(os.path.normpath(base.joinpath(*parts)))
        if candidate.is_relative_to(os.path.normpath(root)) and _exists(candidate):
            return candidate
        parts = parts[1:]
    return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long for the file system, or one with a NUL in it
        return False


def _split_of_folder(image: Path, source: Source) -> str | None:
    """Where no file speaks of splits, the folders do: images/train, train/images."""
    for root in (source.root, source.images):
        if root is not None and image.is_relative_to(root):
            return next(filter(None, map(split_of_name, reversed(image.relative_to(root).parts[:-1]))), None)
    return None


def _label_file(image: Path, source: Source) -> Path | None:
    """labels/ in place of the last images/ above the image, else beside it, else in a folder of labels beside."""
    parts = list(image.parts)
    for position in range(len(parts) - 2, -1, -1):
        if parts[position].lower() == "images":
            above, below = Path(*parts[:position]), parts[position + 1 : -1]
            for name in _LABEL_FOLDERS:
                candidate = above.joinpath(name, *below, f"{image.stem}.txt")
                if candidate.is_file():
                    return candidate
            break
    for folder in (image.parent, *(source.root / name for name in _LABEL_FOLDERS)):
        candidate = folder / f"{image.stem}.txt"
        if candidate.is_file():
            return candidate
    return None
