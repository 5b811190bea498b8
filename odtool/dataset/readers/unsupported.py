"""What is recognized but not read: broken files, class folders, archives, other formats and images alone."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import faults, parsing, source_folders
from odtool.dataset.readers.common.source_folders import select_image_folders, walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.registry import READERS
from odtool.dataset.readers.unread import recognition
from odtool.dataset.readers.unread.recognition import Likeness
from odtool.dataset.splits import parse_split
from odtool.errors import DataError

_PARSERS = {
    ".json": parsing.parse_json,
    ".xml": parsing.parse_xml,
    ".yaml": parsing.parse_yaml,
    ".yml": parsing.parse_yaml,
}
_MOST_PARSED = 20
"""Documents that are parsed to see whether one is broken."""
_MOST_RECOGNISED = 200
"""Files that are looked into to see what they are."""
_MOST_NAMED = 3
"""Kinds of files that are named."""
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".7z", ".rar")
_TABLES = (".parquet", ".arrow")
_CONTAINERS = {
    **dict.fromkeys((".mat", ".vbb"), "a MATLAB file"),
    **dict.fromkeys((".pkl", ".pickle"), "a pickle of Python"),
    **dict.fromkeys((".npy", ".npz"), "a file of numpy"),
    **dict.fromkeys((".h5", ".hdf5"), "an HDF5 file"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "a spreadsheet"),
    **dict.fromkeys((".sqlite", ".db"), "a database"),
    **dict.fromkeys((".gz", ".bz2", ".zst"), "compressed"),
}
"""What endings of files stand for in which annotations may be, and which only their own programs read."""
_NOT_CLASSES = {
    "images", "image", "imgs", "img", "jpegimages", "photos", "pictures", "labels", "annotations", "masks",
}  # fmt: skip


def refuse(path: Path) -> NoReturn:
    """Raises DataError for a file or folder that looks like no format: what is there instead, and what to do."""
    _refuse_broken_documents(path)
    refuse_near_misses(path)
    _refuse_class_folders(path)
    _refuse_packed(path)
    _refuse_endless(path)
    note = _describe_skipped_folders(path) + _describe_containers(path)
    folders = sum(bool(folder.find_files(*EXTENSIONS)) for folder in walk(path))
    if folders:
        raise DataError(
            f"{path}: images in {folders} folder{'s' * (folders != 1)}, but no annotations found{note}",
            "Detection needs boxes; folders named after classes have none. Name the annotations, or the --format.",
        )
    raise DataError(
        f"{path}: no annotations found{note}",
        f"Name the folder or file that holds them. Known formats: "
        f"{', '.join(reader.title for reader in READERS.values())}. One that is not recognized is named with --format.",
    )


def refuse_near_misses(path: Path) -> None:
    """Raises DataError where something is nearly of a format, or looks like annotations of another one."""
    for reader in READERS.values():
        if reader.refuse_near_miss is not None:
            reader.refuse_near_miss(path)
    _refuse_other_annotations(path)


def _refuse_other_annotations(path: Path) -> None:
    """Files that look like annotations: the first of each kind is named, with what is in it."""
    files = source_folders.list_files(path, *recognition.SUFFIXES)[:_MOST_RECOGNISED]
    kinds: dict[str, list[Likeness]] = {}
    for likeness in recognition.recognise_files(files):
        kinds.setdefault(likeness.title, []).append(likeness)
    if not kinds:
        return
    (first, *rest), *others = kinds.values()
    notes = [f"so are {len(rest)} more"] if rest else []
    notes += [f"{kind[0].file} is {kind[0].title}" for kind in others[: _MOST_NAMED - 1]]
    notes += [f"{len(others) - _MOST_NAMED + 1} more kinds"] if len(others) >= _MOST_NAMED else []
    reads = "reads with --columns" if first.by_columns else "does not read"
    what = f"{first.title} with {first.evidence}, which odtool {reads}"
    raise DataError(
        f"{first.file}: {'; '.join([what, *notes])}",
        first.advice or f"Known formats: {', '.join(reader.title for reader in READERS.values())}.",
    )


def _refuse_endless(path: Path) -> None:
    """A pipe or device in the place of annotations, which nothing was read from."""
    for place, kind in source_folders.find_endless(path):
        raise DataError(f"{place}: it is {kind}, not a file", input_files.IN_A_FILE)


def _refuse_broken_documents(path: Path) -> None:
    """A document that cannot be parsed is the likeliest reason why no format was seen; says where each breaks."""
    files = source_folders.list_files(path, *_PARSERS)[:_MOST_PARSED]
    problems = [problem for problem in (faults.attempt(_parse_document, file) for file in files) if problem]
    if problems:
        first, *others = problems
        total_note = f"; {len(problems)} of the {len(files)} files looked into are broken" if others else ""
        details = tuple(problem.describe() for problem in others)
        raise DataError(f"{first.describe()}{total_note}", faults.FIX, details)


def _parse_document(file: Path) -> None:
    parse, data = _PARSERS.get(file.suffix.lower()), input_files.read_bytes(file)
    if parse and not recognition.is_json_lines(file, data):
        parse(data, file)


def _refuse_class_folders(path: Path) -> None:
    if names := class_folders(path):
        name_list = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise DataError(
            f"{path}: a folder for each class ({name_list}), but no bounding boxes",
            "This is a classification dataset. Detection needs boxes: name the annotations, or draw some.",
        )


def class_folders(path: Path) -> list[str]:
    """The classes of a set for classification, sorted; none where its images are not in two or more sibling folders.

    Folders of splits may stand above them (train/cat, train/dog, val/cat, ...).
    """
    names: set[str] = set()
    parents: set[Path] = set()
    for folder in select_image_folders(list(walk(path))):
        if folder == path or folder.name.lower() in _NOT_CLASSES or parse_split(folder.name):
            return []
        names.add(folder.name)
        parents.add(folder.parent)
    siblings = all(parent == path or parse_split(parent.name) for parent in parents)
    return sorted(names) if siblings and len(names) > 1 else []


def _refuse_packed(path: Path) -> None:
    """Archives, and tables of a Hugging Face data set that hold the images too."""
    for file in source_folders.list_files(path, *_ARCHIVES, *_TABLES):
        if file.name.lower().endswith(_ARCHIVES):
            raise DataError(f"{file}: an archive", "Unpack it, and name the folder with its contents.")
        if file.suffix.lower() in _TABLES:
            raise DataError(
                f"{file}: a table without boxes that odtool knows",
                "Parquet is read with columns for the image and for objects (bbox, category), as Hugging Face's "
                "datasets write them; Arrow files are not: load_from_disk(...).to_parquet(...).",
            )


def _describe_containers(path: Path) -> str:
    """Files of other programs in which annotations may be."""
    files = source_folders.list_files(path, *_CONTAINERS)
    notes = [f"{file} is {_CONTAINERS[suffix]}" for file in files if (suffix := file.suffix.lower()) in _CONTAINERS]
    return "".join(f"; {note}, which odtool does not read" for note in notes[:_MOST_NAMED])


def _describe_skipped_folders(root: Path) -> str:
    folders = [str(folder.relative_to(root)) for folder in source_folders.find_skipped_folders(root)]
    folder_list = ", ".join(folders[:3]) + (", ..." if len(folders) > 3 else "")
    return f"; {folder_list}, which odtool or a training wrote, can be named as the source" if folders else ""
