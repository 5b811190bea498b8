"""Images of a VOC set that no XML file is about."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common.source_folders import Folder
from odtool.dataset.types import Problem


def report_unannotated(
    folder_files: list[tuple[Path, list[str]]], folders: list[Folder], read_image_name: Callable[[Path], str]
) -> Iterator[Problem]:
    """Images that nobody has annotated: they are no background. One problem a folder.

    Nothing is said where most XML files have no image of their name: they are paired by what is in them then.
    """
    annotated = _hash_stems(file for _, files in folder_files for file in files)
    images = {folder.path: [name for name in folder.files if name.lower().endswith(EXTENSIONS)] for folder in folders}
    pictured = _hash_stems(name for names in images.values() for name in names)
    without_namesake = [
        folder / file for folder, files in folder_files for file in files if not _holds(pictured, _hash_stem(file))
    ]
    if 2 * len(without_namesake) > len(annotated):
        return
    if without_namesake:
        annotated = array("q", sorted([*annotated, *_hash_stems(map(read_image_name, without_namesake))]))
    for path, names in images.items():
        unannotated = [name for name in names if not _holds(annotated, _hash_stem(name))]
        if unannotated:
            detail = f"{len(unannotated)} images without an XML file of the same name, such as {unannotated[0]}"
            yield Problem("file_skipped", path, detail)


def _hash_stems(names: Iterable[str]) -> array[int]:
    """Names without their endings, sorted: eight bytes each, where sets of text made the peak of prepare's memory."""
    return array("q", sorted(map(_hash_stem, names)))


def _hash_stem(name: str) -> int:
    """Python's hash of 64 bits, which is good enough to pair names."""
    return hash(name.rpartition(".")[0])


def _holds(stems: array[int], stem: int) -> bool:
    place = bisect_left(stems, stem)
    return place < len(stems) and stems[place] == stem
