"""Class folders, as for classification: one folder a class and no boxes. They are seen only to say so."""

from __future__ import annotations

from pathlib import Path

from odtool.dataset.readers.common.source_folders import image_folders, walk
from odtool.dataset.splits import split_of_name

_NO_CLASSES = {"images", "image", "imgs", "img", "jpegimages", "photos", "pictures", "labels", "annotations", "masks"}


def classes(path: Path) -> list[str]:
    """The names of the classes, sorted; none where the images' folders are not two or more side by side.

    Folders of splits may stand above them (train/cat, train/dog, val/cat, ...).
    """
    names: set[str] = set()
    parents: set[Path] = set()
    for folder in image_folders(list(walk(path))):
        if folder == path or folder.name.lower() in _NO_CLASSES or split_of_name(folder.name):
            return []
        names.add(folder.name)
        parents.add(folder.parent)
    beside = all(parent == path or split_of_name(parent.name) for parent in parents)
    return sorted(names) if beside and len(names) > 1 else []
