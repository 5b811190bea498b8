"""JSON Lines: each line by itself, with its number."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.image_lists import ImageEntry
from odtool.dataset.readers.common.streams import json_lines
from odtool.dataset.types import AnnotatedImage, Problem, Source
from odtool.errors import DataError


@pytest.mark.parametrize("text", ['{"a": 1}\n\n{"a": 2}\n', '\ufeff{"a": 1}\r\n \r\n{"a": 2}'])
def test_rows_have_the_numbers_of_their_lines(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.jsonl").write_text(text, newline="")
    assert list(json_lines.read_rows(tmp_path / "a.jsonl", [])) == [(1, {"a": 1}), (3, {"a": 2})]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"a": }', "a.jsonl:2: broken JSON: Expecting value"),
        (b"[1]", "a.jsonl:2: the line is not a JSON object"),
        (b'{"a": "\xff"}', "a.jsonl:2: broken JSON: it cannot be read"),
        (b"[" * 100_000, "a.jsonl:2: broken JSON: it cannot be read"),
    ],
)
def test_a_line_that_is_no_object_is_named_and_the_next_is_read(
    tmp_path: Path, line: bytes, says: str, fault: Any
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{}\n" + line + b"\n{}\n")
    assert says in fault(lambda problems: list(json_lines.read_rows(path, problems)), path)
    assert list(json_lines.read_rows(path, [])) == [(1, {}), (3, {})]


def test_a_line_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "_MOST_LINE", 1 << 20)
    (tmp_path / "a.jsonl").write_bytes(b"{}\n" + b" " * ((1 << 20) + 1))
    with pytest.raises(DataError, match=r"a\.jsonl:2: a line of more than 1 MB"):
        list(json_lines.read_rows(tmp_path / "a.jsonl", []))


def test_samples_are_taken_from_all_parts_of_a_file_and_each_row_once(tmp_path: Path) -> None:
    rows = [{"number": number} for number in range(10_000)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    numbers = [row["number"] for row in json_lines.sample_rows(tmp_path / "a.jsonl")]
    assert len(numbers) == len(set(numbers)) == 50
    assert numbers[0] == 0
    assert max(second - first for first, second in pairwise(numbers)) < 300
    (tmp_path / "b.jsonl").write_text('{"number": 1}\nbroken\n{"number": 3}')
    assert [row["number"] for row in json_lines.sample_rows(tmp_path / "b.jsonl")] == [1, 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1, "b": 2}\n', True),
        ('{"c": 1}\n{"a": 1, "b": 2}\n', True),
        ('{"a": 1}\n{"b": 2}\n', False),
        ('{\n"a": 1, "b": 2}\n', False),
        ('[{"a": 1, "b": 2}]', False),
        ("", False),
    ],
)
def test_keys_are_looked_for_in_the_first_lines(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    assert json_lines.has_keys(tmp_path / "a.jsonl", "a", "b") == expected
    assert not json_lines.has_keys(tmp_path / "absent", "a")


def test_images_of_a_long_file_are_found_in_the_folder_that_has_them(
    tmp_path: Path, write_image: Callable[..., Path]
) -> None:
    for number in range(100):
        write_image(tmp_path / "photos" / f"{number}.jpg")
    write_image(tmp_path / "other" / "x.jpg")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"name": f"{number}.jpg"}) + "\n" for number in range(100)))

    def parse(row: dict[str, Any], line: json_lines.Line) -> ImageEntry:
        line.report("entry_ignored", "x")
        return ImageEntry((row["name"],))

    found = list(json_lines.read_json_lines(Source(tmp_path), ".jsonl", lambda path: True, parse))
    images = [item for item in found if isinstance(item, AnnotatedImage)]
    assert [item.path for item in images] == [tmp_path / "photos" / f"{number}.jpg" for number in range(100)]
    assert [item.detail for item in found if not isinstance(item, AnnotatedImage)][99] == "line 100: x"


def test_a_broken_line_is_told_and_the_others_are_read(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    write_image(tmp_path / "a.jpg")
    (tmp_path / "a.jsonl").write_text('{"name": "a.jpg"}\n{broken\n{"other": 1}\n{"name": "b.jpg"}\n')

    def parse(row: dict[str, Any], line: json_lines.Line) -> ImageEntry:
        if "name" not in row:
            raise line.error("no name")
        return ImageEntry((row["name"],))

    found = list(json_lines.read_json_lines(Source(tmp_path), ".jsonl", lambda path: True, parse))
    assert [item.path.name for item in found if isinstance(item, AnnotatedImage)] == ["a.jpg", "b.jpg"]
    assert [(item.kind, item.detail[:20]) for item in found if isinstance(item, Problem)] == [
        ("record_broken", "line 2: broken JSON:"),
        ("record_broken", "line 3: no name"),
    ]
