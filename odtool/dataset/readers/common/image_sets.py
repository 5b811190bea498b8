"""ImageSets, as the VOC challenge and KITTI's users lay them out: text files that name the images of each split."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.source_folders import Folder
from odtool.dataset.types import Problem

_LISTS = {"trainval": "train", "train": "train", "val": "val", "test": "test"}
"""Lists and the splits they stand for; of an image in several, the last counts."""


@dataclass(frozen=True)
class Names:
    """What the lists of one folder say, seen from a folder of annotation files."""

    splits: dict[str, str]
    """Split by name."""
    inner: tuple[str, ...]
    """Folders between the two, with any of which, or none, a list may write a name."""

    def take(self, stem: str) -> str | None:
        """The split of the file with this name, which is thereby met; None where no list names it."""
        listed_name = stem
        for part in (*reversed(self.inner), ""):
            if listed_name in self.splits:
                return self.splits.pop(listed_name)
            listed_name = f"{part}/{listed_name}"
        return None


@dataclass(frozen=True)
class ImageSets:
    """The lists of a source. Those of one folder speak of what is below it: each year of VOC has its own."""

    splits: dict[Path, dict[str, str]]
    """Folder above ImageSets → split by name; names that were met are taken out."""
    are_of_classes: bool = False
    """Whether these are the lists of single classes, which need not name every image."""
    contradiction: str = ""
    """An image that is in several splits, and in which; '' where there is none."""
    overlaps: int = 0
    """Names that are in several splits, but for those of val in trainval."""

    def report_overlaps(self) -> Iterator[Problem]:
        """Says that lists share images, which the last of them gets."""
        if self.overlaps:
            folder = next(iter(self.splits)) / "ImageSets"
            yield Problem("lists_overlap", folder, f"{self.overlaps} in all; {self.contradiction}")

    def find_lists(self, folder: Path, root: Path) -> list[Names]:
        """The lists that may speak of the annotation files in a folder, the nearest first."""
        above = [base for base in (folder, *folder.parents) if base in self.splits]
        if not above and len(self.splits) == 1:
            above = list(self.splits)
        return [
            Names(self.splits[base], folder.relative_to(base if folder.is_relative_to(base) else root).parts)
            for base in above
        ]

    def find_unmatched(self) -> Iterator[tuple[Path, str, str]]:
        """Folder, name and split of what was not met."""
        for folder, names in self.splits.items():
            for name, split in names.items():
                yield folder, name, split


def find_image_sets(
    folders: Sequence[Folder], kinds: Sequence[str] = tuple(_LISTS), *, of_classes: bool = False
) -> ImageSets | None:
    """The lists in ImageSets/Main, else in ImageSets itself.

    Args:
        of_classes: whether those of single classes count where there are no others. VoTT writes nothing but
            <class>_train.txt and <class>_val.txt, each with all images of the split.
    """
    lists = {kind: split for kind, split in _LISTS.items() if kind in kinds}

    @cache
    def annotated() -> frozenset[str]:
        return frozenset(name.rpartition(".")[0] for folder in folders for name in folder.files if _is_annotation(name))

    splits: dict[Path, dict[str, str]] = {}
    contradiction, overlaps = "", 0
    for folder in sorted(folders, key=lambda folder: folder.path.name != "Main"):
        path = folder.path.parent if folder.path.name == "Main" else folder.path
        if path.name != "ImageSets" or path.parent in splits:
            continue
        files = _select_lists(folder.find_files(".txt"), lists, of_classes=of_classes)
        if not files:
            continue
        names = splits[path.parent] = {}
        for kind, split in lists.items():
            for file in files.get(kind, ()):
                for line in parsing.read_lines(file):
                    name = parse_listed_name(line, lambda name: name in annotated())
                    if name and names.setdefault(name, split) != split:
                        told = f"{name} is in lists of {names[name]} and of {split}"
                        if "trainval" not in files or split == "test":
                            contradiction, overlaps = contradiction if overlaps else told, overlaps + 1
                        contradiction = contradiction or told
                        names[name] = split
    return (
        ImageSets(splits, are_of_classes=of_classes, contradiction=contradiction, overlaps=overlaps) if splits else None
    )


def _select_lists(files: Sequence[Path], kinds: Collection[str], *, of_classes: bool) -> dict[str, list[Path]]:
    """The lists among the files of a folder, by their kind."""
    selected: dict[str, list[Path]] = {}
    for file in files:
        stem = file.stem.lower()
        if (kind := stem.rpartition("_")[2] if of_classes else stem) in kinds:
            selected.setdefault(kind, []).append(file)
    if "train" in selected:
        selected.pop("trainval", None)
    return selected


def _is_annotation(name: str) -> bool:
    return name.lower().endswith((".xml", ".txt"))


def parse_listed_name(line: str, has_annotation: Callable[[str], bool] = lambda _: False) -> str:
    """'"a b" 1', 'a -1', 'a.jpg' and 'a' all name an image; a comment names none.

    Args:
        has_annotation: whether an annotation file has this name, and so 'a 1' is one, not 'a' with the flag of a class.
    """
    if line.startswith("#"):
        return ""
    if line.startswith('"') and '"' in line[1:]:
        line = line[1:].split('"', maxsplit=1)[0]
    elif re.search(r"\s-?[01]$", line) and not has_annotation(re.split(r"[/\\]", line)[-1]):
        line = line.rsplit(maxsplit=1)[0]
    name = PurePosixPath(line.strip().replace("\\", "/"))
    return str(name.with_suffix("")) if name.suffix.lower() in (*EXTENSIONS, ".xml") else str(name) if line else ""
