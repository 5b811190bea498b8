"""Records of the Object Detection API read back: TFRecord files or shards, with their label map."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from odtool.dataset import label_map
from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.lookup import Places, find_image
from odtool.dataset.readers.common.source_folders import Folder, image_folders, walk
from odtool.dataset.readers.records.tfrecord.tfrecord_example import parse
from odtool.dataset.records import record_reader
from odtool.dataset.splits import split_of_name
from odtool.dataset.types import AnnotatedImage, Extent, Finding, Match, Problem, Source

_NAME = re.compile(r"\.(tf)?rec(ord)?s?([-_.]|$)|-\d{5}-of-\d{5}$", re.IGNORECASE)
_SHARD = re.compile(r"-(\d{5,})-of-(\d{5,})")


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as records of the API, or None."""
    if path.is_file():
        named = bool(_NAME.search(path.name))
        return f"{path.name} is a TFRecord file" if _looks_like(path, named=named) else None
    files = [file for file in _files(walk(path)) if _looks_like(file, named=True)]
    return f"{len(files)} TFRecord files with annotated images, such as {files[0]}" if files else None


def _looks_like(path: Path, *, named: bool) -> bool:
    """Other TFRecords (TFDS, events) have no image/ keys. One that is damaged is taken by its name."""
    head = parsing.ends(path)
    return b"image/" in head if record_reader.is_tfrecord(path) else named and bool(head)


def _files(folders: Iterable[Folder]) -> list[Path]:
    return [folder.path / name for folder in folders for name in folder.files if _NAME.search(name)]


def read(source: Source) -> Iterator[Finding]:
    """Every record of every file, one at a time.

    Raises:
        DataError: a file or record is damaged, or a record is no annotated image.
    """
    folders = list(walk(source.root))
    files = _chosen(source, folders)
    yield from _absent(files)
    places = Places(tuple(image_folders(folders if source.images is None else list(walk(source.images)))))
    seen: set[int] = set()
    keys: set[str] = set()
    for file in files:
        names = _names(file, source, folders)
        split = _split(file, source)
        for record in record_reader.records(file):
            parsed = parse(record.data, file, record.number, names, with_outlines=source.masks)
            for kind, detail in parsed.problems:
                yield Problem(kind, file, detail)
            for key in sorted(set(parsed.unknown) - keys):
                keys.add(key)
                yield Problem("key_dropped", file, f"{key}, first in record {record.number}")
            identity = _unique(parsed.source_id or parsed.filename or f"{file.name}-{record.number}", seen)
            if parsed.source_id and identity != parsed.source_id:
                yield Problem("source_id_repeated", file, f"record {record.number}: '{parsed.source_id}'")
            name = PurePosixPath(parsed.filename.replace("\\", "/")).name or f"{file.name}-{record.number}"
            path, extent = file, None
            match: Match = "named"
            if parsed.encoded is not None:
                extent = Extent(record.offset + parsed.encoded[0], parsed.encoded[1], name)
            else:
                found = find_image(parsed.filename, places, within=source.root)
                path, match = found.path, found.match
            yield AnnotatedImage(
                path,
                file,
                parsed.objects,
                "fraction",
                split,
                identity,
                declared_size=parsed.size,
                extent=extent,
                match=match,
            )


def display_names(source: Source) -> dict[str, str]:
    """Display names by name, as the label maps of the records have them."""
    folders = list(walk(source.root))
    maps = {_map(file, source, folders) for file in _chosen(source, folders)}
    found: dict[str, str] = {}
    for path in sorted(path for path in maps if path):
        found = label_map.display_names(label_map.read(path)) | found
    return found


def _chosen(source: Source, folders: Iterable[Folder]) -> list[Path]:
    if source.path.is_dir():
        return [file for file in _files(folders) if _looks_like(file, named=True)]
    return [source.path]


def _absent(files: Iterable[Path]) -> Iterator[Problem]:
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
            detail = f"{before}-{first:05d}-of-{count:05d}{after} is not there ({missing} of {count} are missing)"
            yield Problem("shard_missing", folder, detail)


def _unique(identity: str, seen: set[int]) -> str:
    """The id, with a number behind it where an earlier record has it; evaluation matches images by their ids."""
    made, number = identity, 1
    while (key := _hash(made)) in seen:
        number += 1
        made = f"{identity}#{number}"
    seen.add(key)
    return made


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _split(file: Path, source: Source) -> str | None:
    """By the file's name, else by the innermost folder that speaks of a split."""
    inner = file.relative_to(source.root).parent.parts
    return next(filter(None, map(split_of_name, (file.name, *reversed(inner)))), None)


def _names(file: Path, source: Source, folders: Iterable[Folder]) -> dict[int, str]:
    """Class names by id."""
    path = _map(file, source, folders)
    return {number: name for name, number in label_map.load(path).items()} if path else {}


def _map(file: Path, source: Source, folders: Iterable[Folder]) -> Path | None:
    """The label map nearest to a file: beside it, above it, then anywhere in the source."""
    above = [folder for folder in file.parents if folder.is_relative_to(source.root)]
    maps = [path for folder in folders for path in folder.ending(".pbtxt")]
    maps.sort(
        key=lambda path: (above.index(path.parent) if path.parent in above else len(above), "label" not in path.name)
    )
    for path in maps:
        if re.search(rb"\bitem\s*:?\s*[{<]", parsing.ends(path)):
            return path
    return None
