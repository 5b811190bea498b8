"""Which images a YOLO data set has, by split, and which file names the classes of their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from odtool.dataset.image_file import EXTENSIONS
from odtool.dataset.readers import documents, yolo_layout
from odtool.dataset.readers.folders import Folder, find_image, image_folders, walk
from odtool.dataset.readers.yolo_layout import Layout
from odtool.dataset.splits import split_of_name
from odtool.dataset.types import Problem, Source
from odtool.errors import DataError


@dataclass(frozen=True)
class Part:
    """Images that go together."""

    images: Sequence[Path]
    split: str | None
    """As a layout has it; None where only the folders may say."""
    layout: Callable[[Path], Layout]
    """What names the classes of a text file."""


def parts(source: Source) -> Iterator[Part | Problem]:
    """The images of the source's data.yaml or obj.data; without one, all that are there, with lists of names.

    Raises:
        DataError: the layout is broken, or none of its folders is there.
    """
    folders = list(walk(source.root))
    if source.path.is_file():
        yield from _of_document(yolo_layout.load(source.path), source)
        return
    found = [files for files in map(yolo_layout.documents_in, folders) if files]
    if not found:
        yield from _of_lists(folders, source)
        return
    file, *others = found[0]
    for other in others:
        yield Problem("layout_unused", other, f"{file.name} beside it is read")
    yield from _of_document(yolo_layout.load(file), source)


def _of_document(layout: Layout, source: Source) -> Iterator[Part | Problem]:
    _check_names(layout)
    if layout.keypoints:
        yield Problem("keypoints_dropped", layout.file, f"kpt_shape: {layout.keypoints} numbers follow each box")
    found_any = False
    for split, entries in layout.entries.items():
        for entry in entries:
            images = _images(entry, layout, source)
            if images is None:
                detail = f"{split or 'images'}: '{entry}' is not in {source.root}"
                yield Problem("split_missing", layout.file, detail)
                continue
            found_any = True
            yield Part(images, split, lambda _: layout)
    if not found_any:
        raise DataError(
            f"{layout.file}: none of its images is in {source.root}",
            "Name their folder with --images, or put the YAML into the data set's own folder.",
        )


def _of_lists(folders: Sequence[Folder], source: Source) -> Iterator[Part | Problem]:
    """All images, each text file with the nearest list of names."""
    found = [files for files in map(yolo_layout.lists_in, folders) if files]
    if not found:
        raise DataError(
            f"{source.path}: no data.yaml, obj.data or classes.txt", "YOLO labels need a file that names the classes."
        )
    load = cache(yolo_layout.load)
    for file, *others in found:
        _check_names(load(file))
        for other in others:
            if load(other).names != load(file).names:
                yield Problem("layout_unused", other, f"{file.name} beside it is read, which has other names")

    @cache
    def nearest(folder: Path) -> Layout:
        return load(yolo_layout.nearest_list([files[0] for files in found], folder))

    yield Part(_images_in(source.images or source.root), None, lambda label: nearest(label.parent))


def _check_names(layout: Layout) -> None:
    if not layout.names:
        raise DataError(f"{layout.file}: names no class", "Write the class names into it.")


def _images(entry: str, layout: Layout, source: Source) -> list[Path] | None:
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
        return _images_in(place)
    if place.suffix.lower() == ".txt":
        return list(_listed_images(place, source))
    return [place]


def _images_in(place: Path) -> list[Path]:
    return [file for folder in walk(place) for file in folder.ending(*EXTENSIONS)]


def _listed_images(file: Path, source: Source) -> Iterator[Path]:
    """Images of a list file: relative to it, to the source, or by their last part in any folder."""
    places = [file.parent, source.root, *image_folders(list(walk(source.images or source.root)))]
    places = list(dict.fromkeys(places))
    for line in documents.lines_of(file):
        if line:
            yield find_image(line, places, within=source.root).path


def split_of_folder(image: Path, source: Source) -> str | None:
    """Where no file speaks of splits, the folders do: images/train, train/images."""
    for root in (source.root, source.images):
        if root is not None and image.is_relative_to(root):
            return next(filter(None, map(split_of_name, reversed(image.relative_to(root).parts[:-1]))), None)
    return None
