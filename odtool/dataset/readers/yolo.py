"""YOLO text: Ultralytics data.yaml, Darknet's obj.data, or images and labels beside a list of classes."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from odtool.dataset import masks
from odtool.dataset.image_file import EXTENSIONS
from odtool.dataset.readers import documents, dota, yolo_layout
from odtool.dataset.readers.folders import image_folders, nearest_first, walk
from odtool.dataset.readers.lookup import Places, find_image, find_stem
from odtool.dataset.splits import split_of_name
from odtool.dataset.types import AnnotatedImage, Box, Deferred, Finding, ObjectAnnotation, Problem, Source
from odtool.errors import DataError

_IMAGE_FOLDERS = ("images", "jpegimages")
_MOST = 50
"""Folders in which the labels of one folder of images are looked for."""
_LABEL_FOLDERS = ("labels", "Labels", "annotations", "Annotations")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as YOLO, or None."""
    if path.is_file():
        if path.suffix.lower() in yolo_layout.YAML and yolo_layout.looks_like(path):
            return f"{path.name} has names and train"
        return f"{path.name} has names and train" if path.suffix == ".data" and yolo_layout.looks_like(path) else None
    folders = list(walk(path))
    if (layout := yolo_layout.layout_file(folders)) is None:
        return None
    texts = [file for folder in folders for file in folder.ending(".txt")]
    label = next(filter(is_label, texts), None)
    if layout.name in yolo_layout.NAME_LISTS or layout.suffix == ".names":
        return f"{layout} names the classes of text files such as {label}" if label else None
    # Exports of oriented boxes have a data.yaml beside labels in DOTA's own form.
    other = label is None and any(map(dota.looks_like, texts))
    return None if other else f"{layout} has names and train"


def is_label(path: Path) -> bool:
    """Whether the first line is a class number and four or more numbers."""
    if path.name in yolo_layout.NAME_LISTS:
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
    file = source.path if source.path.is_file() else yolo_layout.layout_file(folders)
    if file is None:
        raise DataError(
            f"{source.path}: no data.yaml, obj.data or classes.txt", "YOLO labels need a file that names the classes."
        )
    layout = yolo_layout.load(file)
    if not layout.names:
        raise DataError(f"{file}: names no class", "Write the class names into it.")
    if layout.keypoints:
        yield Problem("keypoints_dropped", file, f"kpt_shape: {layout.keypoints} numbers follow each box")
    found_any = False
    met: dict[tuple[Path, Path], set[str]] = {}
    for split, entries in layout.entries.items():
        for entry in entries or ("",):
            images = _images(entry, layout, source)
            if images is None:
                yield Problem("split_missing", file, f"{split or 'images'}: '{entry}' is not in {source.root}")
                continue
            found_any = True
            for image in images:
                label = _label_file(image, source)
                if label is not None:
                    met.setdefault((label.parent, image.parent), set()).add(image.stem)
                own = split or _split_of_folder(image, source)
                yield Deferred(parse_file, (image, label, own, layout.names, file, layout.keypoints, source.masks))
    yield from _without_image(met)
    if not found_any:
        raise DataError(
            f"{file}: none of its images is in {source.root}",
            "Name their folder with --images, or put the YAML into the data set's own folder.",
        )


def _without_image(met: Mapping[tuple[Path, Path], set[str]]) -> Iterator[Problem]:
    """Text files beside others, for which there is no image; those of images that no split lists are left alone."""
    images: dict[Path, list[Path]] = {}
    stems: dict[Path, set[str]] = {}
    for (labels, folder), found in met.items():
        images.setdefault(labels, []).append(folder)
        stems.setdefault(labels, set()).update(found)
    for labels, folders in images.items():
        for file in sorted(labels.glob("*.txt")):
            if file.stem not in stems[labels] and is_label(file) and find_stem(file.stem, folders) is None:
                yield Problem("image_missing", file, f"no image '{file.stem}' in {folders[0]}")


def parse_file(
    image: Path,
    label: Path | None,
    split: str | None,
    names: Mapping[int, str],
    layout: Path,
    keypoints: int,
    with_outlines: bool,
) -> Iterator[AnnotatedImage]:
    """One image with its text file; without one it is background."""
    if label is None:
        yield AnnotatedImage(image, image, (), "fraction", split)
        return
    objects = parse(documents.read_bytes(label), label, names, layout, keypoints, with_outlines=with_outlines)
    yield AnnotatedImage(image, label, objects, "fraction", split)


def parse(
    data: bytes,
    path: Path,
    names: Mapping[int, str],
    layout: Path,
    keypoints: int = 0,
    *,
    with_outlines: bool = False,
) -> tuple[ObjectAnnotation, ...]:
    """Parses a label file's bytes; the paths are only named in errors.

    A line is a class and a box (centre, width, height), perhaps with a confidence; or a class and the corners
    of a polygon or of an oriented box, of which the envelope is taken; or a class, a box and so many numbers for
    key points.

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
        if keypoints and len(values) in (4 + keypoints, 5 + keypoints):
            values = values[:4]
        elif keypoints and len(values) > 5:
            what = f"not a box and {keypoints} numbers for key points: '{line[:60]}'"
            raise documents.broken(path, number, what, f"They are as many as kpt_shape in {layout} says.")
        if len(values) < 4 or (len(values) > 5 and len(values) % 2):
            raise documents.broken(path, number, f"not a YOLO line: {len(words)} numbers: '{line[:60]}'")
        if index not in names:
            raise documents.broken(
                path,
                number,
                f"class {index} has no name in {layout}",
                f"It names {len(names)} classes; add the missing ones.",
            )
        corners = list(zip(values[0::2], values[1::2], strict=True)) if len(values) > 5 else []
        outline = masks.polygon(corners) if with_outlines and corners else None
        objects.append(ObjectAnnotation(names[index], _box(values), outline=outline))
    return tuple(objects)


def _box(values: list[float]) -> Box:
    if len(values) <= 5:
        x, y, width, height = values[:4]
        return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    xs, ys = values[0::2], values[1::2]
    return Box(min(xs), min(ys), max(xs), max(ys))


def _images(entry: str, layout: yolo_layout.Layout, source: Source) -> list[Path] | None:
    """The images of one entry, sorted within each folder; None where it leads nowhere."""
    if source.images is not None:
        place: Path | None = source.images
        if layout.entries.keys() - {None} and entry:
            # With several splits the named folder is where the entries are looked for.
            place = yolo_layout.within(entry, source.images, source.images) or source.images
    elif not entry:
        place = source.root
    else:
        bases = [yolo_layout.within(layout.base, layout.file.parent, source.root), layout.file.parent, source.root]
        places = (yolo_layout.within(entry, base, source.root) for base in bases if base is not None)
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
    known = Places(tuple(dict.fromkeys(places)))
    for line in documents.lines_of(file):
        if line:
            yield find_image(line, known, within=source.root).path


def _split_of_folder(image: Path, source: Source) -> str | None:
    """Where no file speaks of splits, the folders do: images/train, train/images."""
    for root in (source.root, source.images):
        if root is not None and image.is_relative_to(root):
            return next(filter(None, map(split_of_name, reversed(image.relative_to(root).parts[:-1]))), None)
    return None


def _label_file(image: Path, source: Source) -> Path | None:
    """The image's text file, looked for in the folders of labels that go with its own."""
    names = [f"{image.stem}.txt", f"{image.stem}.TXT"]
    if not image.stem.isascii():
        # macOS takes accents apart where most others leave them whole.
        names += [unicodedata.normalize(form, names[0]) for form in ("NFC", "NFD")]
    folders = _label_folders(image.parent, source)
    for name in names:
        for folder in folders:
            # As text: pathlib's own way took longer than the reading of the label.
            if os.path.isfile(path := f"{folder}/{name}"):  # noqa: PTH113
                return Path(path)
    return None


@lru_cache(maxsize=64)
def _label_folders(folder: Path, source: Source) -> tuple[Path, ...]:
    """labels/ in place of the last images/ above the images, else beside them, else in a folder of labels beside.

    Only those that are there, as they are looked into for each image.
    """
    parts = folder.parts
    found: list[Path] = []
    for position in range(len(parts) - 1, -1, -1):
        if parts[position].lower() in _IMAGE_FOLDERS:
            found += [Path(*parts[:position], name, *parts[position + 1 :]) for name in _LABEL_FOLDERS]
            break
    found += [folder, *(source.root / name for name in _LABEL_FOLDERS)]
    if source.images is not None and folder.is_relative_to(source.images):
        # The labels are laid out as the images are, or nearly so.
        place = source.root / folder.relative_to(source.images)
        texts = [folder.path for folder in walk(source.root) if folder.ending(".txt")]
        found = [*nearest_first(texts, place, Source(source.root))[:_MOST], *found]
    return tuple(place for place in dict.fromkeys(found) if place.is_dir())
