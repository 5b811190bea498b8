"""Files from which nothing was read: formats that show in them, and those that speak of the set's images.

A reader takes the files that it knows; what lies beside them is passed over without a word. So what is left when all is
read is looked into once more, and named where it looks like annotations or lists images of the set.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import source_folders
from odtool.dataset.readers.common.source_folders import walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.format_choice import COPIES, FormatChoice, find_owner
from odtool.dataset.readers.registry import READERS
from odtool.dataset.readers.unread import recognition
from odtool.dataset.splits import parse_split
from odtool.dataset.types import Problem, Source

_MOST = 2000
"""Files that are looked into."""
_FEWEST_LETTERS = 4
"""Of a word without an ending that may be an image's name: shorter ones are in every text."""
_LINES = 20
"""Lines of a list that are looked at."""
_WORD = re.compile(r"[^\s,;\"'<>=|{}\[\]]+")
_GENERAL = ("JSON", "JSON Lines", "XML", "CSV", "text")
"""What recognition calls files of which it knows no more."""
_OURS = ".problems.csv"
"""What prepare leaves beside a folder that it refused to write."""
_LISTS = (".txt", ".csv", ".json", ".lst", ".list")


def find_late_formats(source: Source, files: Iterable[Path], known: Collection[str]) -> tuple[FormatChoice, ...]:
    """Formats, other than those that are known already, which show in files that nothing was read from."""
    choices: dict[str, FormatChoice] = {}
    for file in islice(files, _MOST):
        owner = find_owner(file)
        if owner is None or owner in known or owner in COPIES or owner in choices:
            continue
        reader = READERS[owner]
        if evidence := reader.detect(source.path) or (reader.detect(file) if reader.looks_like is None else None):
            choices[owner] = FormatChoice(owner, evidence)
    return tuple(choices.values())


def report_unread(
    source: Source,
    files: Iterable[Path],
    used_lists: Collection[Path],
    known: Collection[str],
    *,
    has_splits: bool,
) -> Iterator[Problem]:
    """What is to be said of files from which nothing was read, one problem for those of a kind in a folder.

    Pipes and devices that are called as annotations are among them.

    Args:
        files: those of which no reader has said yet that it takes nothing from them.
        used_lists: texts of which a reader read the lines.
        known: the formats as which the source was read.
        has_splits: whether the set has splits of its own.
    """
    images = _ImageNames(source)
    kinds: dict[tuple[Path, str, str], list[tuple[Path, str]]] = {}
    for file in islice(files, _MOST):
        if file in used_lists or file.name.endswith(_OURS):
            continue
        unread = _look_into(file, images, known) or _find_list(file, images, used_lists, has_splits=has_splits)
        if unread is not None:
            kinds.setdefault((file.parent, unread.kind, unread.title), []).append((file, unread.detail))
    for file, what in islice(source_folders.find_endless(source.path), _MOST):
        if file.name.lower().endswith(recognition.SUFFIXES):
            kinds.setdefault((file.parent, "file_unread", what), []).append((file, f"it is {what}, not a file"))
    for (_, kind, _), ((file, detail), *others) in kinds.items():
        more = f"; and {len(others)} more in this folder" if others else ""
        yield Problem(kind, file, f"{detail}{more}")


class _Unread(NamedTuple):
    """What there is to say of a file."""

    kind: str
    """Of the problem."""
    title: str
    """What the file is, in a word."""
    detail: str


def _look_into(file: Path, images: _ImageNames, known: Collection[str]) -> _Unread | None:
    """What there is to say of a file that looks like annotations; None for others."""
    owner = find_owner(file)
    if owner is not None and owner in COPIES:
        title = READERS[owner].title
        return _Unread("file_skipped", title, f"{title}, made of annotations such as those beside them")
    if owner is not None and owner in known:
        detail = f"{READERS[owner].title}, but it belongs to nothing that was read"
        return _Unread("file_unread", READERS[owner].title, detail) if images.are_named_by(file) else None
    if owner is not None and images.are_named_by(file):
        title = READERS[owner].title
        reason = "but nothing names its classes" if READERS[owner].looks_like else "but nothing could be read from it"
        return _Unread("file_unread", title, f"{title}, {reason}")
    likeness = recognition.recognise(file)
    if likeness is not None and (likeness.title not in _GENERAL or images.are_named_by(file)):
        detail = f"{likeness.title} with {likeness.evidence}, which odtool does not read"
        return _Unread("file_unread", likeness.title, detail)
    return None


def _find_list(file: Path, images: _ImageNames, used_lists: Collection[Path], *, has_splits: bool) -> _Unread | None:
    """What there is to say of a file that names the set's images and nothing more.

    Lists of single classes repeat those of the splits that lie beside them.
    """
    if file.suffix.lower() not in _LISTS or not images.are_listed_by(file):
        return None
    split = parse_split(file.stem)
    if split and not has_splits:
        return _Unread("split_unused", "list", f"a list of images for {split}")
    if split and any(used.parent == file.parent for used in used_lists):
        return None
    return _Unread("list_unused", "list", "a list of images of the set")


@dataclass(frozen=True)
class _ImageNames:
    """The names of the images below a source."""

    source: Source

    @cached_property
    def _stems(self) -> frozenset[int]:
        """Hashes of the names without endings."""
        folders = walk(self.source.images or self.source.root)
        return frozenset(
            hash(name.rpartition(".")[0])
            for folder in folders
            for name in folder.files
            if name.lower().endswith(EXTENSIONS)
        )

    def are_named_by(self, file: Path) -> bool:
        """Whether a file has the name of an image, or names one within."""
        if hash(file.name.rpartition(".")[0]) in self._stems:
            return True
        text = input_files.read_ends(file).decode("utf-8", "replace")
        return any(map(self._is_name, _WORD.findall(text)))

    def are_listed_by(self, file: Path) -> bool:
        """Whether most lines at the beginning of a file name an image."""
        lines = input_files.read_ends(file).decode("utf-8", "replace").splitlines()
        lines = [line.strip() for line in lines if line.strip()][:_LINES]
        named = [line for line in lines if self._is_stem(line) or any(map(self._is_name, _WORD.findall(line)))]
        named += [line for line in lines if line not in named and self._is_stem(line.rpartition(" ")[0])]
        return bool(lines) and 2 * len(named) > len(lines)

    def _is_stem(self, word: str) -> bool:
        return hash(PurePosixPath(word.replace("\\", "/")).name) in self._stems

    def _is_name(self, word: str) -> bool:
        name = PurePosixPath(word.replace("\\", "/")).name
        if name.lower().endswith(EXTENSIONS):
            return hash(name.rpartition(".")[0]) in self._stems
        return len(name) >= _FEWEST_LETTERS and hash(name) in self._stems
