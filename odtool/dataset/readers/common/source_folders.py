"""Folders of a source: which files are in them, and which of them are nearest to a place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, takewhile
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.splits import parse_split
from odtool.dataset.types import Source

_OURS = ({"dataset.json", "label_map.pbtxt"}, {"pipeline.config"}, {"predictions.json", "detections.jsonl"})
"""What folders hold that odtool or a training wrote, which are no annotations."""
_SIGNED = b'"odtool"'
"""The key by which a dataset.json is odtool's: COCO's annotations have that name, too."""


@dataclass(frozen=True)
class Folder:
    """One folder and the names of the files in it, sorted."""

    path: Path
    files: tuple[str, ...]
    endless: tuple[str, ...] = ()
    """Pipes, sockets and devices, which are no files: opening or reading one may take for ever."""

    def find_files(self, *suffixes: str) -> list[Path]:
        """Files with one of these endings, in lower case."""
        return list(self.iterate_files(*suffixes))

    def iterate_files(self, *suffixes: str) -> Iterator[Path]:
        """The same one by one."""
        return (self.path / name for name in self._list_candidates(suffixes) if name.lower().endswith(suffixes))

    def _list_candidates(self, suffixes: tuple[str, ...]) -> Sequence[str]:
        """Names with the right part behind the last point: some forty formats ask each folder, and most are images."""
        if not all("." in suffix for suffix in suffixes):
            return self.files
        endings = {suffix.rpartition(".")[2] for suffix in suffixes}
        lists = [self._by_ending[ending] for ending in endings if ending in self._by_ending]
        return lists[0] if len(lists) == 1 else sorted(chain.from_iterable(lists))

    @cached_property
    def _by_ending(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for name in self.files:
            names.setdefault(name.rpartition(".")[2].lower(), []).append(name)
        return names


_remembered: ContextVar[dict[Path, tuple[Folder, ...]] | None] = ContextVar("remembered", default=None)


@contextmanager
def remember_listings() -> Iterator[None]:
    """Within the outermost block a tree is listed once, however many walk it: every format's detector does."""
    if _remembered.get() is not None:
        yield
        return
    token = _remembered.set({})
    try:
        yield
    finally:
        _remembered.reset(token)


def walk(root: Path) -> Iterator[Folder]:
    """The folder and those below it, in a fixed order; hidden ones, records, runs and predictions are passed over."""
    listings = _remembered.get()
    if listings is None:
        return _list_folders(root)
    if root not in listings:
        listings[root] = tuple(_list_folders(root))
    return iter(listings[root])


def list_files(path: Path, *suffixes: str) -> list[Path]:
    """The file itself, whatever its ending; of a folder, the files in it and below it with one of these endings."""
    return [path] if path.is_file() else [file for folder in walk(path) for file in folder.find_files(*suffixes)]


def find_endless(path: Path) -> Iterator[tuple[Path, str]]:
    """Pipes, sockets and devices in a folder and below it, or the path itself, each with what it is."""
    found = (folder.path / name for folder in walk(path) for name in folder.endless) if path.is_dir() else iter([path])
    for place in found:
        with suppress(OSError):  # gone meanwhile
            if kind := input_files.describe_endless(place.stat().st_mode):
                yield place, kind


def _list_folders(root: Path) -> Iterator[Folder]:
    within = os.path.realpath(root)
    linked: list[str] = []
    pending = [str(root)]
    while pending:
        path = pending.pop()
        if (entries := _scan(path)) is None:
            continue
        folders, files, endless = entries
        if path != str(root) and _is_ours(path, files):
            continue
        # macOS leaves "._name" files beside the real ones in archives.
        yield Folder(Path(path), tuple(sorted([name for name in files if not name.startswith(".")])), tuple(endless))
        inner = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        subfolders = [f"{path}/{name}" for name in inner if _is_entered(f"{path}/{name}", within, linked)]
        pending += reversed(subfolders)


def _scan(path: str) -> tuple[list[str], list[str], list[str]] | None:
    """Folders, files and all else in a folder; None where it cannot be looked into, which is passed over.

    Links that lead nowhere are files, as whoever reads them says so.
    """
    folders, files, endless = list[str](), list[str](), list[str]()
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path)):  # noqa: PTH110 - for each
                    files.append(entry.name)
                else:
                    endless.append(entry.name)
    except OSError:
        return None
    return folders, files, sorted(endless)


def _is_ours(path: str, files: Sequence[str]) -> bool:
    names = set(files)
    marks = next((marks for marks in _OURS if marks <= names), None)
    return marks is not None and (
        "dataset.json" not in marks or _SIGNED in input_files.read_ends(Path(path, "dataset.json"))
    )


def find_skipped_folders(root: Path) -> Iterator[Path]:
    """Folders below the root that `walk` leaves out for what odtool or a training wrote into them."""
    for path, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if path != str(root) and _is_ours(path, files):
            folders.clear()
            yield Path(path)


def _is_entered(path: str, root: str, linked: list[str]) -> bool:
    """Whether a folder is walked. Links that lead out of the source are, as images are often linked into one.

    Links to what is walked anyway are not, nor links below others, so that no walk goes in a circle.
    """
    if not os.path.islink(path):  # noqa: PTH114 - done for each folder of large trees
        return True
    target = os.path.realpath(path)
    if f"{root}/".startswith(f"{target}/") or target.startswith(f"{root}/"):
        return False
    if any(path.startswith(f"{link}/") for link in linked):
        return False
    linked.append(path)
    return True


def select_image_folders(folders: Sequence[Folder]) -> list[Path]:
    """Those of the folders that hold images."""
    return [folder.path for folder in folders if any(name.lower().endswith(EXTENSIONS) for name in folder.files)]


def find_image_folders(source: Source) -> list[Path]:
    """The folders with images below --images, else below the source."""
    return select_image_folders(list(walk(source.images or source.root)))


def sort_nearest_first(folders: Sequence[Path], place: Path, source: Source, split: str | None = None) -> list[Path]:
    """Folders of images, those first that go with a folder of annotations; equals keep their order.

    They are of its split, or of the one that is given; share more of its path, where --images stands for the source;
    and have more names in common with it, as imgs/a has with labels/a.
    """
    root = source.root
    if source.images is not None and place.is_relative_to(root):
        root, place = source.images, source.images / place.relative_to(root)
    return sorted(folders, key=measure_distance(place, root, split))


def measure_distance(place: Path, root: Path, split: str | None = None) -> Callable[[Path], tuple[bool, int, int]]:
    """A key that is the smaller, the better a folder of images goes with a folder of annotations, as above."""
    split = split or find_split(place, root)
    names = set(place.parts)

    def distance(folder: Path) -> tuple[bool, int, int]:
        is_other_split = split is not None and find_split(folder, root) != split
        return is_other_split, -count_shared(folder, place), -len(names & set(folder.parts))

    return distance


def find_split(folder: Path, root: Path) -> str | None:
    """The split of the innermost folder below the root whose name speaks of one."""
    parts = folder.relative_to(root).parts if folder.is_relative_to(root) else ()
    return next(filter(None, map(parse_split, reversed(parts))), None)


def find_file_split(file: Path, source: Source) -> str | None:
    """By the file's name, else by the innermost folder that speaks of a split."""
    folders = file.relative_to(source.root).parent.parts
    return next(filter(None, map(parse_split, (file.name, *reversed(folders)))), None)


def count_shared(first: Path, second: Path) -> int:
    """The number of folders that both paths begin with."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(first.parts, second.parts, strict=False))))


def count_steps(start: Path, end: Path) -> int:
    """Steps up and down from one folder to the other."""
    return len(start.parts) + len(end.parts) - 2 * count_shared(start, end)
