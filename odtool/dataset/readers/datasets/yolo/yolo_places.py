"""Which images a YOLO data set has, by split, and which file names the classes of their labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.lookup import Places, find_image
from odtool.dataset.readers.common.source_folders import Folder, image_folders, walk
from odtool.dataset.readers.datasets.yolo import yolo_layout
from odtool.dataset.readers.datasets.yolo.yolo_labels import any_beside
from odtool.dataset.readers.datasets.yolo.yolo_layout import Layout
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
    """The images of each data.yaml or obj.data; without any, all that are there, with lists of names.

    Raises:
        DataError: a layout is broken, or of none a folder is there.
    """
    folders = list(walk(source.root))
    found = [files for files in map(yolo_layout.documents_in, folders) if files]
    # What lies beside a file that the user names is not asked for.
    files = [[source.path]] if source.path.is_file() else found
    if not files:
        yield from _of_lists(folders, source)
        return
    layouts = []
    for item in _layouts(files, source):
        if isinstance(item, Problem):
            yield item
        else:
            layouts.append(item)
    given = _Given()
    for layout in layouts:
        yield from _of_document(layout, source, given)
    if files == found:
        yield from _unlisted(given, layouts, source)


@dataclass(frozen=True)
class _Given:
    """What entries have named so far."""

    folders: set[str] = field(default_factory=set)
    """Of which all images are named."""
    images: set[str] = field(default_factory=set)
    """Those named one by one, in lists."""
    touched: set[str] = field(default_factory=set)
    """Folders of any images that are named, without links."""

    def new(self, images: Sequence[Path], *, whole: bool) -> list[Path]:
        """Those that no entry has named before; from now on they are."""
        named = [(image, str(image)) for image in images]
        placed = [(image, path, path.rpartition("/")[0]) for image, path in named]
        found = [each for each in placed if each[2] not in self.folders and each[1] not in self.images]
        folders = {folder for _, _, folder in found}
        self.touched.update(map(os.path.realpath, folders))
        if whole:
            self.folders.update(folders)
        else:
            self.images.update(path for _, path, _ in found)
        return [image for image, _, _ in found]


def _layouts(found: Sequence[Sequence[Path]], source: Source) -> Iterator[Layout | Problem]:
    """Of each folder the likeliest file that leads to images; what lies below it is part of its data set."""
    used: list[Path] = []
    for files in found:
        above = next((file for file in used if files[0].is_relative_to(file.parent)), None)
        for file in files:
            if above is not None:
                yield Problem("layout_unused", file, f"{above} is read")
                continue
            layout = yolo_layout.load(file)
            if any(place for _, _, place in _places(layout, source)):
                used.append(above := file)
                yield layout
            else:
                yield Problem("layout_unused", file, f"none of its images is in {source.root}")
    if not used:
        raise DataError(
            f"{found[0][0]}: none of its images is in {source.root}",
            "Name their folder with --images, or put the YAML into the data set's own folder.",
        )


def _of_document(layout: Layout, source: Source, given: _Given) -> Iterator[Part | Problem]:
    _check_names(layout)
    if layout.keypoints:
        yield Problem("keypoints_dropped", layout.file, f"kpt_shape: {layout.keypoints} numbers follow each box")
    for split, entry, place in _places(layout, source):
        if place is None:
            where = source.images or source.root
            yield Problem("split_missing", layout.file, f"{split or 'images'}: '{entry}' is not in {where}")
            continue
        images = _images(place, layout, source)
        new = given.new(images, whole=place.is_dir())
        if len(new) < len(images):
            detail = f"{split or 'images'}: '{entry}': {len(images) - len(new)} of its {len(images)} images"
            yield Problem("split_repeated", layout.file, f"{detail} have been named before")
        yield Part(new, split, lambda _: layout)


def _unlisted(given: _Given, layouts: Sequence[Layout], source: Source) -> Iterator[Problem]:
    """Folders of which no entry names any image; a file of a list may well name only some."""
    named = f"{layouts[0].file} names" if len(layouts) == 1 else f"{len(layouts)} files such as {layouts[0].file} name"
    for folder in walk(source.images or source.root):
        images = folder.ending(*EXTENSIONS)
        if images and os.path.realpath(folder.path) not in given.touched:
            kind = "images_unlisted" if any_beside(folder.path) else "not_in_split"
            yield Problem(kind, folder.path, f"{len(images)} images, none of which {named}")


def _of_lists(folders: Sequence[Folder], source: Source) -> Iterator[Part | Problem]:
    """All images, each text file with the nearest list of names."""
    found = [files for files in map(yolo_layout.lists_in, folders) if files]
    if not found:
        raise DataError(
            f"{source.path}: no data.yaml, obj.data or classes.txt", "YOLO labels need a file that names the classes."
        )
    load = cache(yolo_layout.load)
    for file, *others in found:
        for other in others:
            if load(other).names != load(file).names:
                yield Problem("layout_unused", other, f"{file.name} beside it is read, which has other names")

    @cache
    def nearest(folder: Path) -> Layout:
        layout = load(yolo_layout.nearest_list([files[0] for files in found], folder))
        _check_names(layout)
        return layout

    yield Part(_images_in(source.images or source.root), None, lambda label: nearest(label.parent))


def _check_names(layout: Layout) -> None:
    if not layout.names:
        raise DataError(f"{layout.file}: names no class", "Write the class names into it.")


def _places(layout: Layout, source: Source) -> list[tuple[str | None, str, Path | None]]:
    """Split, entry, and the folder or file that it leads to, or None."""
    if source.images is not None:
        home = source.images / layout.file.parent.relative_to(source.root)
        root, bases = source.images, [home, source.images]
    else:
        base = yolo_layout.within(layout.base, layout.file.parent, source.root)
        root, bases = source.root, [*([base] if base else []), layout.file.parent, source.root]
    made: list[tuple[str | None, str, Path | None]] = []
    for split, entries in layout.entries.items():
        kept = split if len(layout.entries) > 1 else None
        for entry in entries:
            places = [yolo_layout.within(entry, base, root, kept) for base in bases] if entry else [root]
            made.append((split, entry, next(filter(None, places), None)))
    if source.images is not None and not any(place for _, _, place in made):
        # The named folder is that of the images, however they are called.
        home = next(filter(Path.is_dir, bases), root)
        return [(made[0][0], "", home)] if len(made) == 1 else [*made, (None, "", home)]
    return made


def _images(place: Path, layout: Layout, source: Source) -> list[Path]:
    """The images of a folder, sorted within each below it, or of a list; or the image itself."""
    if place.is_dir():
        return _images_in(place)
    if place.suffix.lower() == ".txt":
        return list(_listed_images(place, layout, source))
    return [place]


def _images_in(place: Path) -> list[Path]:
    return [file for folder in walk(place) for file in folder.ending(*EXTENSIONS)]


def _listed_images(file: Path, layout: Layout, source: Source) -> Iterator[Path]:
    """Images that a list names: relative to it or to the source, or by their last part, the set's own folders first."""
    with_images = image_folders(list(walk(source.images or source.root)))
    with_images.sort(key=lambda folder: not folder.is_relative_to(layout.file.parent))
    places = Places(tuple(dict.fromkeys([file.parent, layout.file.parent, source.root, *with_images])))
    for line in parsing.lines_of(file):
        if line:
            yield find_image(line, places, within=source.root).path


def split_of_folder(image: Path, source: Source) -> str | None:
    """Where no file speaks of splits, the folders do: images/train, train/images."""
    for root in (source.root, source.images):
        if root is not None and image.is_relative_to(root):
            return next(filter(None, map(split_of_name, reversed(image.relative_to(root).parts[:-1]))), None)
    return None
