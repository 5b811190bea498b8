"""Records of the Object Detection API read back: TFRecord files or shards, with their label map."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from odtool.dataset.readers.common import faults
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.lookup import Places, find_image
from odtool.dataset.readers.common.source_folders import Folder, find_file_split, find_image_folders, walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.records.tfrecord.class_lookup import ClassLookup
from odtool.dataset.readers.records.tfrecord.tfrecord_example import Example, parse
from odtool.dataset.records import record_reader
from odtool.dataset.records.record_reader import Record
from odtool.dataset.records.spool import hash_id
from odtool.dataset.types import AnnotatedImage, Extent, Finding, Match, Problem, Source

_NAME = re.compile(r"\.(tf)?rec(ord)?s?([-_.]|$)|-\d{5}-of-\d{5}$", re.IGNORECASE)
_SHARD = re.compile(r"-(\d{5,})-of-(\d{5,})")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as records of the API, or None."""
    if path.is_file():
        has_usual_name = bool(_NAME.search(path.name))
        return f"{path.name} is a TFRecord file" if _looks_like(path, has_usual_name=has_usual_name) else None
    files = [file for file in _select_named(walk(path)) if _looks_like(file, has_usual_name=True)]
    return f"{len(files)} TFRecord files with annotated images, such as {files[0]}" if files else None


def _looks_like(path: Path, *, has_usual_name: bool) -> bool:
    """Other TFRecords (TFDS, events) have no image/ keys. One that is damaged is taken by its name."""
    head = input_files.read_ends(path)
    return b"image/" in head if record_reader.is_tfrecord(path) else has_usual_name and bool(head)


def _select_named(folders: Iterable[Folder]) -> list[Path]:
    return [folder.path / name for folder in folders for name in folder.files if _NAME.search(name)]


def read(source: Source) -> Iterator[Finding]:
    """Every record of every file, one at a time.

    Raises:
        DataError: a label map is broken.
    """
    folders = list(walk(source.root))
    files = _choose_files(source, folders)
    yield from _report_missing_shards(files)
    places = Places(tuple(find_image_folders(source)))
    id_hashes: set[int] = set()
    keys: set[str] = set()
    lookups: dict[Path | None, ClassLookup] = {}
    for file in files:
        map_path = _find_label_map(file, source, folders)
        lookup = lookups.setdefault(map_path, ClassLookup(map_path))
        yield from faults.report_broken(_read_file, file, lookup, places, id_hashes, keys, source)
    for lookup in lookups.values():
        yield from lookup.report()


def _read_file(
    file: Path, lookup: ClassLookup, places: Places, id_hashes: set[int], keys: set[str], source: Source
) -> Iterator[Finding]:
    split, problems = find_file_split(file, source), list[tuple[str, str]]()
    skipping = Skipping(problems)
    for record in record_reader.read_records(file, skipping=skipping):
        example = None
        with skipping:
            example = parse(record.data, file, record.number, lookup, with_outlines=source.masks)
        yield from faults.take(problems, file)
        if example is None:
            continue
        if example.repetition:
            yield Problem("record_repeated", file, f"record {record.number}: '{example.source_id}'")
            continue
        for kind, detail in example.problems:
            yield Problem(kind, file, detail)
        for key in sorted(set(example.unknown) - keys):
            keys.add(key)
            yield Problem("key_dropped", file, f"{key}, first in record {record.number}")
        identity = _make_unique(example.source_id or example.filename or f"{file.name}-{record.number}", id_hashes)
        if example.source_id and identity != example.source_id:
            yield Problem("source_id_repeated", file, f"record {record.number}: '{example.source_id}'")
        yield _make_image(example, record, file, split, identity, places, source)
    yield from faults.take(problems, file)


def _make_image(
    example: Example, record: Record, file: Path, split: str | None, identity: str, places: Places, source: Source
) -> AnnotatedImage:
    """The image within the record, or the one that it names."""
    name = PurePosixPath(example.filename.replace("\\", "/")).name or f"{file.name}-{record.number}"
    path, extent = file, None
    match: Match = "named"
    if example.encoded is not None:
        extent = Extent(record.offset + example.encoded[0], example.encoded[1], name)
    else:
        image = find_image(example.filename, places, within=source.root)
        path, match = image.path, image.match
    return AnnotatedImage(
        path,
        file,
        example.objects,
        "fraction",
        split,
        identity,
        declared_size=example.size,
        extent=extent,
        match=match,
    )


def read_display_names(source: Source) -> dict[str, str]:
    """Display names by name, as the label maps of the records have them."""
    folders = list(walk(source.root))
    maps = {_find_label_map(file, source, folders) for file in _choose_files(source, folders)}
    display_names: dict[str, str] = {}
    for path in sorted(path for path in maps if path):
        display_names = ClassLookup(path).display_names | display_names
    return display_names


def _choose_files(source: Source, folders: Iterable[Folder]) -> list[Path]:
    if source.path.is_dir():
        return [file for file in _select_named(folders) if _looks_like(file, has_usual_name=True)]
    return [source.path]


def _report_missing_shards(files: Iterable[Path]) -> Iterator[Problem]:
    """Shards that the names of the others speak of."""
    series: dict[tuple[Path, str, str, int], set[int]] = {}
    for file in files:
        if match := _SHARD.search(file.name):
            key = (file.parent, file.name[: match.start()], file.name[match.end() :], int(match[2]))
            series.setdefault(key, set()).add(int(match[1]))
    for (folder, before, after, count), numbers in series.items():
        # A number beyond the count is a renamed file's; the set says what is missing, in bounded words.
        if (missing := count - len(numbers)) > 0:
            first = next(number for number in range(count) if number not in numbers)
            detail = f"{before}-{first:05d}-of-{count:05d}{after} is missing ({missing} of {count} shards are missing)"
            yield Problem("shard_missing", folder, detail)


def _make_unique(identity: str, id_hashes: set[int]) -> str:
    """The id, with a number behind it where an earlier record has it; evaluation matches images by their ids."""
    candidate, number = identity, 1
    while (key := hash_id(candidate)) in id_hashes:
        number += 1
        candidate = f"{identity}#{number}"
    id_hashes.add(key)
    return candidate


def _find_label_map(file: Path, source: Source, folders: Iterable[Folder]) -> Path | None:
    """The label map nearest to a file: beside it, above it, then anywhere in the source, or the one to follow."""
    above = [folder for folder in file.parents if folder.is_relative_to(source.root)]
    maps = [path for folder in folders for path in folder.find_files(".pbtxt")]
    maps.sort(
        key=lambda path: (above.index(path.parent) if path.parent in above else len(above), "label" not in path.name)
    )
    for path in maps:
        if re.search(rb"\bitem\s*:?\s*[{<]", input_files.read_ends(path)):
            return path
    return source.label_map
