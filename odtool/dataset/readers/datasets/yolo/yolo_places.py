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
from odtool.dataset.readers.common.source_folders import Folder, find_image_folders, walk
from odtool.dataset.readers.datasets.yolo import yolo_layout
from odtool.dataset.readers.datasets.yolo.yolo_labels import has_labels_beside
from odtool.dataset.readers.datasets.yolo.yolo_layout import Layout
from odtool.dataset.readers.datasets.yolo.yolo_namesakes import leave_out_namesakes
from odtool.dataset.readers.tables import yolo_keras
from odtool.dataset.splits import parse_split
from odtool.dataset.types import Problem, Source
from odtool.errors import DataError
from odtool.units import format_count


@dataclass(frozen=True)
class Part:
    """Images that go together."""

    images: Sequence[Path]
    split: str | None
    """As a layout has it; None where only the folders may say."""
    layout: Callable[[Path], Layout]
    """What names the classes of a text file."""


def find_parts(source: Source) -> Iterator[Part | Problem]:
    """The images of each data.yaml or obj.data; without any, all that are there, with lists of names.

    Raises:
        DataError: a layout is broken, or of none a folder is there.
    """
    folders = list(walk(source.root))
    document_groups = [files for files in map(yolo_layout.find_documents, folders) if files]
    # What lies beside a file that the user names is not asked for.
    files = [[source.path]] if source.path.is_file() else document_groups
    if not files:
        yield from _read_lists(folders, source)
        return
    layouts = []
    for item in _load_layouts(files, source):
        if isinstance(item, Problem):
            yield item
        else:
            layouts.append(item)
    entries = _ListedImages()
    yield from _report_other_names(layouts, folders)
    for layout in layouts:
        yield from _read_document(layout, source, entries)
    if files == document_groups:
        yield from _report_unlisted(entries, layouts, source)


@dataclass(frozen=True)
class _ListedImages:
    """What entries have named so far."""

    folders: set[str] = field(default_factory=set)
    """Of which all images are named."""
    images: set[str] = field(default_factory=set)
    """Those named one by one, in lists."""
    missing: set[Problem] = field(default_factory=set)
    """Those of lists that are not there."""
    image_folders: set[str] = field(default_factory=set)
    """Folders of any images that are named, without links."""

    def take_new(self, images: Sequence[Path], *, is_folder: bool) -> list[Path]:
        """Those that no entry has named before; from now on they are."""
        paths = [(image, str(image)) for image in images]
        candidates = [(image, path, path.rpartition("/")[0]) for image, path in paths]
        unlisted = [
            candidate
            for candidate in candidates
            if candidate[2] not in self.folders and candidate[1] not in self.images
        ]
        folders = {folder for _, _, folder in unlisted}
        self.image_folders.update(map(os.path.realpath, folders))
        if is_folder:
            self.folders.update(folders)
        else:
            self.images.update(path for _, path, _ in unlisted)
        return [image for image, _, _ in unlisted]


def _load_layouts(document_groups: Sequence[Sequence[Path]], source: Source) -> Iterator[Layout | Problem]:
    """Of each folder the likeliest file that leads to images; what lies below it is part of its data set."""
    used_files: list[Path] = []
    for files in document_groups:
        above = next((file for file in used_files if files[0].is_relative_to(file.parent)), None)
        for file in files:
            if above is not None:
                yield Problem("layout_unused", file, f"{above} is read instead")
                continue
            layout = yolo_layout.load(file)
            if any(place for _, _, place in _resolve_entries(layout, source)):
                used_files.append(above := file)
                yield layout
            else:
                yield Problem("layout_unused", file, f"none of its images is in {source.root}")
    if not used_files:
        raise DataError(
            f"{document_groups[0][0]}: none of its images is in {source.root}",
            "Name their folder with --images, or put the YAML into the data set's own folder.",
        )


def _read_document(layout: Layout, source: Source, entries: _ListedImages) -> Iterator[Part | Problem]:
    _check_names(layout)
    yield from _report_repeated_names(layout)
    if layout.keypoints:
        yield Problem("keypoints_dropped", layout.file, f"kpt_shape: {layout.keypoints} numbers follow each box")
    for split, entry, place in _resolve_entries(layout, source):
        if place is None:
            where = source.images or source.root
            yield Problem("split_missing", layout.file, f"{split or 'images'}: '{entry}' is not in {where}")
            continue
        images = []
        for image in _list_images(place, layout, source):
            if not isinstance(image, Problem):
                images.append(image)
            elif image not in entries.missing:  # one list may be that of two splits
                entries.missing.add(image)
                yield image
        new = entries.take_new(images, is_folder=place.is_dir())
        if len(new) < len(images):
            detail = f"{split or 'images'}: '{entry}': {len(images) - len(new)} of its {len(images)} images"
            yield Problem("split_repeated", layout.file, f"{detail} were named before")
        yield Part(new, split, lambda _: layout)


def _report_other_names(layouts: Sequence[Layout], folders: Sequence[Folder]) -> Iterator[Problem]:
    """Lists of names that contradict the file that is read: labels may have been written by either."""
    for folder in folders:
        above = [layout for layout in layouts if folder.path.is_relative_to(layout.file.parent)]
        layout = max(above, key=lambda layout: len(layout.file.parts), default=None)
        for file in yolo_layout.find_name_lists(folder) if layout else ():
            try:
                names = yolo_layout.load(file).names
            except DataError:  # not a list of names, and not needed
                continue
            if layout and (number := yolo_layout.find_contradiction(layout.names, names)) is not None:
                here, there = (f"'{other[number]}'" if number in other else "none" for other in (names, layout.names))
                yield Problem("layout_unused", file, f"class {number} is {here}, and {there} in {layout.file}")


def _report_unlisted(entries: _ListedImages, layouts: Sequence[Layout], source: Source) -> Iterator[Problem]:
    """Folders of which no entry names any image; a file of a list may well name only some."""
    documents = (
        f"{layouts[0].file} names" if len(layouts) == 1 else f"{len(layouts)} files such as {layouts[0].file} name"
    )
    for folder in walk(source.images or source.root):
        images = folder.find_files(*EXTENSIONS)
        if images and os.path.realpath(folder.path) not in entries.image_folders:
            kind = "images_unlisted" if has_labels_beside(folder.path) else "not_in_split"
            yield Problem(kind, folder.path, f"{format_count(len(images), 'image')}, none of which {documents}")


def _read_lists(folders: Sequence[Folder], source: Source) -> Iterator[Part | Problem]:
    """All images, each text file with the nearest list of names."""
    list_groups = [files for files in map(yolo_layout.find_name_lists, folders) if files]
    if not list_groups:
        raise DataError(
            f"{source.path}: no data.yaml, obj.data or classes.txt", "YOLO labels need a file that names the classes."
        )
    load = cache(yolo_layout.load)
    for file, *ignored_lists in list_groups:
        for ignored_list in ignored_lists:
            if load(ignored_list).names != load(file).names:
                yield Problem(
                    "layout_unused", ignored_list, f"{file.name} beside it is read instead, and has other names"
                )

    if len(list_groups) == 1:
        yield from _report_repeated_names(load(list_groups[0][0]))

    @cache
    def nearest(folder: Path) -> Layout:
        layout = load(yolo_layout.choose_nearest_list([files[0] for files in list_groups], folder))
        _check_names(layout)
        return layout

    images, problems = leave_out_namesakes(_list_images_in(source.images or source.root), source)
    yield from problems
    yield Part(images, None, lambda label: nearest(label.parent))


def _report_repeated_names(layout: Layout) -> Iterator[Problem]:
    for detail in parsing.describe_repeated_names(layout.names):
        yield Problem("class_repeated", layout.file, detail)


def _check_names(layout: Layout) -> None:
    if not layout.names:
        raise DataError(f"{layout.file}: names no classes", "Write the class names into it.")


def _resolve_entries(layout: Layout, source: Source) -> list[tuple[str | None, str, Path | None]]:
    """Split, entry, and the folder or file that it leads to, or None."""
    if source.images is not None:
        home = source.images / layout.file.parent.relative_to(source.root)
        root, bases = source.images, [home, source.images]
    else:
        base = yolo_layout.resolve_entry(layout.base, layout.file.parent, source.root)
        root, bases = source.root, [*([base] if base else []), layout.file.parent, source.root]
    resolved: list[tuple[str | None, str, Path | None]] = []
    for split, entries in layout.entries.items():
        needed_split = split if len(layout.entries) > 1 else None
        for entry in entries:
            places = [yolo_layout.resolve_entry(entry, base, root, needed_split) for base in bases] if entry else [root]
            resolved.append((split, entry, next(filter(None, places), None)))
    if source.images is not None and not any(place for _, _, place in resolved):
        # The named folder is that of the images, however they are called.
        home = next(filter(Path.is_dir, bases), root)
        return [(resolved[0][0], "", home)] if len(resolved) == 1 else [*resolved, (None, "", home)]
    return resolved


def _list_images(place: Path, layout: Layout, source: Source) -> Iterator[Path | Problem]:
    """The images of a folder, sorted within each below it, or of a list; or the image itself."""
    if place.is_dir():
        images, problems = leave_out_namesakes(_list_images_in(place), source)
        yield from problems
        yield from images
    elif place.suffix.lower() == ".txt":
        yield from _read_image_list(place, layout, source)
    else:
        yield place


def _list_images_in(place: Path) -> list[Path]:
    return [file for folder in walk(place) for file in folder.find_files(*EXTENSIONS)]


def _read_image_list(file: Path, layout: Layout, source: Source) -> Iterator[Path | Problem]:
    """Images that a list names: relative to it or to the source, or by their last part, the set's own folders first."""
    with_images = find_image_folders(source)
    with_images.sort(key=lambda folder: not folder.is_relative_to(layout.file.parent))
    places = Places(tuple(dict.fromkeys([file.parent, layout.file.parent, source.root, *with_images])))
    for number, line in enumerate(parsing.read_lines(file), start=1):
        if yolo_keras.has_boxes(line):
            what = f"an image and boxes as x1,y1,x2,y2,class, where {layout.file} names a list of images: '{line[:60]}'"
            raise parsing.line_error(file, number, what, "Read the set with --format yolo_keras.")
        if not line:
            continue
        image = find_image(line, places, within=source.root)
        yield image.path if image.exists else Problem("image_missing", file, f"line {number}: no image '{line}'")


def find_folder_split(image: Path, source: Source) -> str | None:
    """Where no file speaks of splits, the folders do: images/train, train/images."""
    for root in (source.root, source.images):
        if root is not None and image.is_relative_to(root):
            return next(filter(None, map(parse_split, reversed(image.relative_to(root).parts[:-1]))), None)
    return None
