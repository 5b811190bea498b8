"""Whether a file looks like annotations, whoever wrote it: what it is, what in it says so, and what to do with it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from odtool.dataset.images.image_file import EXTENSIONS
from odtool.dataset.readers.common import rows
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.tables.any_csv.suggestion import suggest_columns
from odtool.dataset.readers.unread import icdar, signatures

_JSON_LINES = (".jsonl", ".ndjson", ".manifest", ".odgt", ".jsonlines")
_JSON = (".json", ".geojson", ".vott", *_JSON_LINES)
_TABLES = (".csv", ".tsv")
_YAML = (".yaml", ".yml")
SUFFIXES = (*_JSON, ".xml", *_YAML, *_TABLES, ".txt")
"""Endings, in lower case, of the files that may be annotations."""
_NOT_ANNOTATIONS = {
    "package.json", "package-lock.json", "tsconfig.json", "dataset_infos.json", "dataset_info.json", "meta.json",
    "key_id_map.json", "pom.xml", "requirements.txt", "readme.txt", "license.txt", "results.csv",
}  # fmt: skip
_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}\[\]]')
_KEY = re.compile(rb'"([^"\\\n]{1,60})"\s*:')
_YAML_BOX = re.compile(
    rb"(?:^[\s-]*|[{,]\s*)[\"']?(?:b?box|bndbox|boxes|bounding_box|x_?min|x1)[\"']?\s*:", re.MULTILINE | re.IGNORECASE
)
_NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?")
_IMAGE = re.compile(rb"(?:%s)\b" % b"|".join(re.escape(ending.encode()) for ending in EXTENSIONS), re.IGNORECASE)
_TAG = re.compile(rb"<([A-Za-z_][\w.:-]*)")
_XML_VALUE = re.compile(rb">\s*[-+]?\d+(?:\.\d+)?\s*<|=\s*[\"']\s*[-+]?\d+(?:\.\d+)?\s*[\"']|\d[,;]\s*-?\d")
_BOX_COLUMN = re.compile(
    r"b(?:ounding)?[ _-]?box|\bbox|^[xy][ _-]?(?:\d|min|max|center|centre|c)?$|^[xy](?:tl|br)$|^(?:min|max)[ _-]?[xy]$|"
    r"^[xy][ _-]?(?:lower|upper|left|right|top|bottom)|^(?:left|top|right|bottom|xmin|ymin|xmax|ymax|polygon|rle)$",
    re.IGNORECASE,
)
_HEAD = 1 << 16
"""Bytes at the beginning of a JSON file of which the depth of each key is known."""
_CONVERT = "Convert it to COCO JSON, or to a CSV that is read with --columns."
_AS_CSV = "Write it as CSV, which is read with --columns."
_SCENE_TEXT = "What is written is no class: put one class, such as text, in its place, and read it with --format dota."
_FEWEST = 4
"""Numbers that a box has."""
_MOST_KEYS = 8
"""Keys, tags or columns that are named."""
_LINES = 20
"""Lines of a text that are looked into."""


@dataclass(frozen=True)
class Likeness:
    """What a file that looks like annotations is."""

    file: Path
    title: str
    """As in 'Datumaro JSON'; 'JSON', 'JSON Lines', 'XML', 'CSV' or 'text' where nothing says more."""
    evidence: str
    """What is in it, as in 'the keys info, categories, items'."""
    advice: str = ""
    """What to do with it; '' where nothing is known of its kind."""
    by_columns: bool = False
    """Whether it can be read where --columns says what is in it."""

    def describe(self) -> str:
        """As in 'a.json is Datumaro JSON with the keys info, categories, items'."""
        return f"{self.file} is {self.title} with {self.evidence}"


def recognise(file: Path) -> Likeness | None:
    """What a file is that looks like annotations; None for one that does not. Reads its beginning and its end."""
    suffix = file.suffix.lower()
    name = file.name.lower()
    if suffix not in SUFFIXES or name in _NOT_ANNOTATIONS or name.endswith("problems.csv"):
        return None
    text = input_files.read_ends(file)
    if suffix in _JSON:
        return _recognise_json(file, text)
    if suffix == ".xml":
        return _recognise_xml(file, text)
    if suffix in _YAML:
        return _recognise_yaml(file, text)
    lines = [line.strip() for line in rows.read_opening(file)]
    lines = [line for line in lines if line][:_LINES]
    return _recognise_table(file, lines) if suffix in _TABLES else _recognise_text(file, lines)


def recognise_files(files: Iterable[Path]) -> Iterator[Likeness]:
    """Those of the files that look like annotations, in their order."""
    return filter(None, map(recognise, files))


def is_json_lines(file: Path, text: bytes) -> bool:
    """Whether a file with this beginning has a JSON document in each line."""
    lines = list(islice((line for line in text.split(b"\n") if line.strip()), 2))
    if not lines or not lines[0].lstrip(b"\xef\xbb\xbf \t").startswith(b"{"):
        return False
    if file.suffix.lower() in _JSON_LINES:
        return True
    return lines[0].rstrip().endswith(b"}") and len(lines) == 2 and lines[1].startswith(b"{")


def _recognise_json(file: Path, text: bytes) -> Likeness | None:
    first, keys = _list_keys(text)
    signature = signatures.find(signatures.JSON, frozenset(keys))
    if signature is None and len(_NUMBER.findall(text)) < _FEWEST and not _IMAGE.search(text):
        return None
    if not first:
        return None
    kind = "JSON Lines" if is_json_lines(file, text) else "JSON"
    if signature is None:
        return Likeness(file, kind, f"the keys {_join(first)}", _CONVERT)
    title = signature.title if "JSON" in signature.title or kind == "JSON" else f"{signature.title} ({kind})"
    return Likeness(file, title, f"the keys {_join(first)}", signature.advice)


def _list_keys(text: bytes) -> tuple[list[str], set[str]]:
    """The keys of the outermost objects of a JSON text that may be cut off, in their order, and those at any depth.

    Keys with a blank have an underscore there.
    """
    first = dict[str, int]()
    depth = lists = 0
    for match in _TOKEN.finditer(text[:_HEAD]):
        token = match[0]
        if token in (b"{", b"["):
            lists += token == b"[" and depth == lists
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            lists = min(lists, max(depth, 0))
        elif match[2] and depth == lists + 1:
            first.setdefault(match[1].decode("utf-8", "replace"), depth)
    return list(first), {key.decode("utf-8", "replace").replace(" ", "_") for key in _KEY.findall(text)}


def _recognise_xml(file: Path, text: bytes) -> Likeness | None:
    tags = list(dict.fromkeys(tag.decode("utf-8", "replace") for tag in _TAG.findall(text)))
    signature = signatures.find(signatures.XML, frozenset(tags))
    if not tags or (signature is None and len(_XML_VALUE.findall(text)) < _FEWEST):
        return None
    title, advice = (signature.title, signature.advice) if signature else ("XML", _CONVERT)
    return Likeness(file, title, f"the tags {_join([f'<{tag}>' for tag in tags])}", advice)


def _recognise_yaml(file: Path, text: bytes) -> Likeness | None:
    """YAML with boxes in it; most YAML is a layout or somebody's settings."""
    key = _YAML_BOX.search(text)
    if key is None or len(_NUMBER.findall(text)) < _FEWEST:
        return None
    line = text[text.rfind(b"\n", 0, key.end()) + 1 :].split(b"\n", 1)[0]
    return Likeness(file, "YAML", f"lines such as '{line.strip()[:80].decode('utf-8', 'replace')}'", _CONVERT)


def _recognise_table(file: Path, lines: Sequence[str]) -> Likeness | None:
    if not lines:
        return None
    delimiter = max(",;\t", key=lines[0].count)
    table = [_split_cells(line, delimiter) for line in lines]
    has_header = len(table) > 1 and not any(map(rows.is_number, table[0])) and not _names_image(table[0])
    columns, body = (table[0], table[1:]) if has_header else ([], table)
    about_boxes = any(_BOX_COLUMN.search(column) for column in columns)
    if not any(_looks_like_row(cells, about_boxes) for cells in body):
        return None
    if has_header:
        return Likeness(
            file, "CSV", f"the columns {_join(columns)}", _advise_columns(columns, body[0]), by_columns=True
        )
    return Likeness(
        file, "CSV", f"no header and lines such as '{lines[0][:80]}'", _advise_columns(body[0]), by_columns=True
    )


def _advise_columns(columns: Sequence[str], row: Sequence[str] = ()) -> str:
    return f"Say which columns hold what, as in {suggest_columns(columns, row)}"


def _split_cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]
    except csv.Error:
        return [cell.strip() for cell in line.split(delimiter)]


def _looks_like_row(cells: Sequence[str], about_boxes: bool) -> bool:
    """Four numbers, in cells of their own or within one, in a row about an image, an object or boxes."""
    words = [word for cell in cells for word in re.split(r"[\s,;\[\](){}]+", cell) if word]
    numbers = sum(map(rows.is_number, words))
    texts = sum(bool(cell) and not rows.is_number(cell) for cell in cells)
    return (numbers >= _FEWEST and (about_boxes or _names_image(cells) or texts > 1)) or (
        _names_image(cells) and about_boxes
    )


def _names_image(cells: Iterable[str]) -> bool:
    return any(cell.lower().endswith(EXTENSIONS) for cell in cells)


def _recognise_text(file: Path, lines: Sequence[str]) -> Likeness | None:
    """Lines of numbers, with a class or an image's name perhaps; prose has more words than numbers."""
    matching = [line for line in lines if _is_numeric(line)]
    if not matching or len(matching) < min(len(lines) / 3, 3):
        return None
    evidence = f"lines such as '{matching[0][:80]}'"
    if icdar.looks_like(file, lines):
        return Likeness(file, "ICDAR's scene text", evidence, _SCENE_TEXT)
    return Likeness(file, "text", evidence, _AS_CSV)


def _is_numeric(line: str) -> bool:
    words = [word for word in re.split(r"[\s,;]+", line) if word]
    numbers = sum(map(rows.is_number, words))
    return numbers >= _FEWEST and 2 * numbers >= len(words)


def _join(names: Sequence[str]) -> str:
    shown = [name[:40] for name in names[:_MOST_KEYS]]
    return ", ".join(shown) + (", ..." if len(names) > _MOST_KEYS else "")
