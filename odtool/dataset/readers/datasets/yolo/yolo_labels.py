"""Which text file belongs to a YOLO data set's image: that of one folder of labels for each folder of images."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from urllib.parse import unquote

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.source_folders import find_image_folders, sort_nearest_first, walk
from odtool.dataset.types import Source

_IMAGE_FOLDERS = ("images", "jpegimages")
_LABEL_FOLDERS = ("labels", "Labels", "annotations", "Annotations")
_MOST = 50
"""Folders in which the labels of one folder of images are looked for."""


@dataclass(frozen=True)
class Labels:
    """The folders of labels of one source, looked for once for each folder of images."""

    source: Source
    _first: dict[Path, Path | None] = field(default_factory=dict)
    _all: dict[str, tuple[Path, ...]] = field(default_factory=dict)

    def find_text(self, image: Path) -> Path | None:
        """The image's text file; None where it has none and is background."""
        # As text: pathlib's own way took longer than the reading of the label.
        folder = str(image).rpartition("/")[0]
        if folder not in self._all:
            self._all[folder] = tuple(self._find_folders(image.parent))
        for labels in self._all[folder]:
            if text := _find_text(labels, image.stem):
                return text
        return None

    def _find_folders(self, images: Path) -> Iterator[Path]:
        """The first folder with a text for any of the images, and no other: that may be another split's.

        Where the labels lie apart from the images, what lies beside it and is no other images' first goes with it:
        labels/train and labels/val, for images in one folder.
        """
        first = self.find_first_folder(images)
        if first is None:
            return
        yield first
        if self.source.images is None or not images.is_relative_to(self.source.images):
            return
        own_folders = {first, *map(self.find_first_folder, self._image_folders)}
        yield from (
            folder for folder in self._list_apart(images) if folder.parent == first.parent and folder not in own_folders
        )

    def find_first_folder(self, images: Path) -> Path | None:
        """The likeliest folder that has a text for any image of a folder; None where there is none."""
        if images not in self._first:
            stems = _list_stems(images)
            candidates = [
                *self._list_apart(images),
                *list_label_folders(images),
                *(self.source.root / name for name in _LABEL_FOLDERS),
            ]
            self._first[images] = next((folder for folder in candidates if _has_any(folder, stems)), None)
        return self._first[images]

    def _list_apart(self, images: Path) -> list[Path]:
        """Folders of texts for images that lie apart: laid out as the images are, or nearly so."""
        root = self.source.images
        if root is None or not images.is_relative_to(root):
            return []
        place = self.source.root / images.relative_to(root)
        return sort_nearest_first(self._text_folders, place, Source(self.source.root))[:_MOST]

    @cached_property
    def _text_folders(self) -> list[Path]:
        return [folder.path for folder in walk(self.source.root) if folder.find_files(".txt")]

    @cached_property
    def _image_folders(self) -> list[Path]:
        return find_image_folders(self.source)


def list_label_folders(images: Path) -> Iterator[Path]:
    """labels/ in place of the last images/ above the images, and the images' own folder."""
    parts = images.parts
    for position in range(len(parts) - 1, -1, -1):
        if parts[position].lower() in _IMAGE_FOLDERS:
            yield from (Path(*parts[:position], name, *parts[position + 1 :]) for name in _LABEL_FOLDERS)
            break
    yield images


def has_labels_beside(images: Path) -> bool:
    """Whether there is a text for any of a folder's images where labels usually are."""
    stems = _list_stems(images)
    return any(_has_any(folder, stems) for folder in list_label_folders(images))


def _list_stems(images: Path) -> list[str]:
    """Names of the images in a folder, without endings; of one that is not there, none."""
    try:
        return [name.rpartition(".")[0] for name in os.listdir(images) if name.lower().endswith(EXTENSIONS)]  # noqa: PTH208 - names alone
    except OSError:
        return []  # a list names images that are not there, which is reported when they are opened


def _has_any(folder: Path, stems: list[str]) -> bool:
    return folder.is_dir() and any(_find_text(folder, stem) for stem in stems)


def _find_text(folder: Path, stem: str) -> Path | None:
    names = [f"{stem}.txt", f"{stem}.TXT"]
    if not stem.isascii():
        # macOS takes accents apart where most others leave them whole.
        names += [unicodedata.normalize(form, names[0]) for form in ("NFC", "NFD")]
    if (text := _find_file(folder, names)) or ("%" in stem and (text := _find_file(folder, [f"{unquote(stem)}.txt"]))):
        return text
    try:
        escaped_name = _index_escaped(folder, folder.stat().st_mtime_ns).get(unicodedata.normalize("NFC", stem))
    except OSError:
        return None
    return folder / escaped_name if escaped_name else None


@lru_cache(maxsize=64)
def _index_escaped(folder: Path, _changed: int) -> dict[str, str]:
    """Texts whose names passed through addresses, by the name of the image; '' for one that several have.

    Label Studio's export names the text of an uploaded "my photo.jpg" my%20photo.txt, and that of a file which it
    serves from a folder ?d=folder%5Cphoto.txt.
    """
    names: dict[str, str] = {}
    for name in os.listdir(folder):  # noqa: PTH208 - names alone
        if name.endswith(".txt") and ("%" in name or name.startswith("?d=")):
            key = unicodedata.normalize("NFC", unescape(name[:-4]))
            names[key] = "" if key in names else name
    return names


def unescape(stem: str) -> str:
    """The name of the image for a text file of this name, without folders."""
    return unquote(stem).removeprefix("?d=").replace("\\", "/").rpartition("/")[2]


def _find_file(folder: Path, names: Iterable[str]) -> Path | None:
    return next((Path(path) for name in names if os.path.isfile(path := f"{folder}/{name}")), None)  # noqa: PTH113
