"""Parquet tables of Hugging Face data sets: a row an image, with its bytes or the name of its file, and its objects.

pyarrow reads them, a few rows at a time. Rows have the fields of an image folder's metadata.jsonl (hf_imagefolder).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from odtool.dataset.readers.common import faults, values
from odtool.dataset.readers.common.annotation_files import find_evidence
from odtool.dataset.readers.common.faults import AnnotationError, Skipping
from odtool.dataset.readers.common.image_lists import Documents, find_documents, locate
from odtool.dataset.readers.common.source_folders import find_file_split
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.records.hf_imagefolder import hf_card, hf_imagefolder
from odtool.dataset.readers.records.hf_parquet.image_scratch import ImageScratch, open_scratch
from odtool.dataset.types import AnnotatedImage, Extent, Finding, Match, ObjectAnnotation, Problem, Source
from odtool.errors import DataError

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_MAGIC = b"PAR1"
_BOXES = tuple(f"{key}".encode() for key in hf_imagefolder.BOX_KEYS)
_BATCH = 16
"""Rows in memory at a time."""
_BUFFER = 1 << 20
"""Bytes of a column that are read at once; without, a column of a whole row group would be."""
_ID_KEYS = ("image_id", "id", "file_name", "filename")
_HINT = "Install it with: pip install 'odtool[parquet]'"


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as a Hugging Face table, or None."""
    return find_evidence(path, ".parquet", _looks_like, "is a Parquet table with images and boxes")


def _looks_like(path: Path) -> bool:
    """The names of the columns stand in the footer as they are; tables for classification have no boxes there."""
    ends = input_files.read_ends(path)
    if not (ends.startswith(_MAGIC) and ends.endswith(_MAGIC)):
        return False
    return any(key in ends for key in _BOXES) and any(key in ends for key in (b"bytes", b"file_name", b"image"))


def read(source: Source) -> Iterator[Finding]:
    """Every row of the tables.

    Raises:
        DataError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401 - whether it can be imported
    except ImportError:
        raise DataError(f"{source.path}: Parquet is read with pyarrow, which is not installed", _HINT) from None
    documents = find_documents(source, ".parquet", _looks_like)
    for number, file in enumerate(documents.files):
        yield from faults.report_broken(_read_file, documents, file, number)


def _read_file(documents: Documents, file: Path, number: int) -> Iterator[AnnotatedImage | Problem]:
    import pyarrow

    source = documents.source
    try:
        with _open_table(file) as table, open_scratch(file, number, source) as scratch:
            reader = _TableReader(documents, file, table, scratch)
            for batch in table.iter_batches(batch_size=_BATCH, use_threads=False):
                for row in batch.to_pylist():
                    yield from reader.read_row(row)
            yield from reader.report_unnamed()
    except (pyarrow.ArrowException, OSError) as error:
        raise AnnotationError(file, f"broken Parquet: {str(error)[:200]}") from None


def _open_table(file: Path) -> ParquetFile:
    from pyarrow.parquet import ParquetFile

    return ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False, memory_map=False)


class _TableReader:
    """Rows of one table as images."""

    def __init__(self, documents: Documents, file: Path, table: ParquetFile, scratch: ImageScratch) -> None:
        self._source, self._file, self._scratch = documents.source, file, scratch
        self._names = find_class_names(table, file, documents.source)
        self._places, self._split = documents.find_places(file), find_file_split(file, documents.source)
        self._number = 0
        self._unnamed: dict[int, int] = {}

    def read_row(self, row: dict[str, Any]) -> Iterator[AnnotatedImage | Problem]:
        """The image of a row, and what is wrong with it."""
        self._number += 1
        problems: list[tuple[str, str]] = []
        image = None
        with Skipping(problems):
            image = self._parse_row(row, problems)
        for kind, detail in problems:
            said = detail.removeprefix(f"line {self._number}: ")
            yield Problem(kind, self._file, f"row {self._number}: {said}")
        if image is not None:
            yield image

    def _parse_row(self, row: dict[str, Any], problems: list[tuple[str, str]]) -> AnnotatedImage | None:
        name, data = find_image_data(row, f"{self._file.stem}-{self._number:06d}")
        # Some tables have the boxes beside the image, and objects as a list of them.
        plain = {key: value for key, value in row.items() if not isinstance(value, bytes)} | {"file_name": name}
        _, objects = hf_imagefolder.parse(plain, self._file, self._number, self._names, problems)
        if faults.is_nothing_left(objects, problems):
            return None
        self._note_unnamed(objects, row)
        path, extent, match = self._find_image(name, data)
        identity = f"{self._file.stem}/{self._number:06d}-{PurePosixPath(name).name}" if extent else None
        return AnnotatedImage(
            path,
            self._file,
            objects,
            split=self._split,
            source_id=identity,
            declared_size=values.parse_size(row.get("width"), row.get("height")),
            extent=extent,
            match=match,
            dialect="hf_imagefolder",
        )

    def _find_image(self, name: str, data: bytes | None) -> tuple[Path, Extent | None, Match]:
        if data is not None:
            return self._scratch.path, self._scratch.add(data, PurePosixPath(name).name), "named"
        image = locate([name], self._places, within=self._source.root)
        return image.path, None, image.match

    def _note_unnamed(self, objects: tuple[ObjectAnnotation, ...], row: dict[str, Any]) -> None:
        for item in objects:
            if item.label.isdecimal() and int(item.label) not in self._names and not hf_imagefolder.is_text(row):
                self._unnamed.setdefault(int(item.label), self._number)

    def report_unnamed(self) -> Iterator[Problem]:
        """Classes that are numbers, as neither the table nor a card says what they are called."""
        for index, number in sorted(self._unnamed.items()):
            detail = f"row {number}: neither the table nor README.md or dataset_infos.json names class {index}"
            yield Problem("class_unnamed", self._file, detail)


def find_class_names(table: ParquetFile, file: Path, source: Source) -> dict[int, str]:
    """Class names by number: as the table's own features have them, else as the card beside it."""
    metadata: Mapping[bytes, bytes] = table.schema_arrow.metadata or {}
    features = metadata.get(b"huggingface")
    names = hf_card.parse_infos(features, file, hf_imagefolder.CLASS_KEYS) if features else {}
    return names or hf_card.find_class_names(file, source, hf_imagefolder.CLASS_KEYS)


def find_image_data(row: Mapping[str, Any], fallback: str) -> tuple[str, bytes | None]:
    """What the image of a row is called, and its bytes where the row has them.

    Images are objects with `bytes` and `path`, or bytes alone; `image` comes before other columns.
    """
    columns = sorted(row, key=lambda key: key != "image")
    for key in columns:
        value = row[key]
        if isinstance(value, bytes) and value:
            return _find_name(row, fallback), value
        if isinstance(value, dict) and "bytes" in value:
            path, data = value.get("path"), value["bytes"]
            named = path if isinstance(path, str) and path.strip() else ""
            return named or _find_name(row, fallback), data if isinstance(data, bytes) and data else None
    return _find_name(row, fallback), None


def _find_name(row: Mapping[str, Any], fallback: str) -> str:
    names = [values.parse_label(row.get(key)) for key in _ID_KEYS]
    return next(filter(None, [*names[2:], *names[:2]]), fallback)
