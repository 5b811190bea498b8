"""Documents that are one long list, read an item at a time."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odtool.dataset.readers.common.image_lists import ImageEntry
from odtool.dataset.readers.common.streams import json_items, json_text
from odtool.dataset.readers.common.streams.json_lines import Line, ParseRow
from odtool.dataset.types import AnnotatedImage, Problem, Source
from odtool.errors import DataError


def read(text: str | bytes) -> tuple[dict[str, Any], list[tuple[int, Any]]]:
    data = text.encode() if isinstance(text, str) else text
    items = json_items.ItemStream(io.BytesIO(data), Path("a.json"), "items")
    return items.fields, list(items)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"a": 1},\n {"b": [2]}]', ({}, [(1, {"a": 1}), (2, {"b": [2]})])),
        ('\ufeff{"x": {"items": []},\n"items": [\n{"a": 1}\n], "y": 1}', ({"x": {"items": []}}, [(3, {"a": 1})])),
        ("[]", ({}, [])),
        ("[12, 3]", ({}, [(1, 12), (1, 3)])),
    ],
)
def test_items_have_their_lines_and_what_stands_before_them_is_kept(text: str, expected: Any) -> None:
    assert read(text) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@settings(max_examples=50)
@given(st.lists(JSON), st.integers(1, 40), st.sampled_from([None, 1]), st.booleans())
def test_it_is_what_the_whole_parser_reads_whatever_the_size_of_the_pieces(
    items: list[Any], piece: int, indent: int | None, plain: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_PIECE", piece)
        fields, found = read(json.dumps({"head": items, "items": items}, indent=indent, ensure_ascii=plain))
    assert fields == {"head": items}
    assert [item for _, item in found] == items


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a.json:1: broken JSON: expecting a list"),
        ('[{"a": 1}', "a.json:1: broken JSON: Expecting ',' delimiter"),
        ('[{"a": 1}\n{"b": 1}]', "a.json:2: broken JSON: Expecting ',' delimiter"),
        ('[{"a": 1},\n{"b": }]', "a.json:2: broken JSON: Expecting value"),
        ('{"x": 1}', "a.json: has no list 'items'"),
        ('{"items": 3}', "a.json: has no list 'items'"),
        ("[" * 100_000, "a.json:1: broken JSON: nested too deeply"),
        (b'[{"a": "\xff"}]', "a.json:1: broken JSON: not UTF-8"),
    ],
)
def test_where_a_document_breaks_is_named(text: str | bytes, says: str) -> None:
    with pytest.raises(DataError) as error:
        read(text)
    assert error.value.message.startswith(says)


def test_a_value_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_MOST_VALUE", 1 << 20)
    monkeypatch.setattr(json_text, "_PIECE", 1 << 10)
    with pytest.raises(DataError, match=r"a\.json:2: a value of more than 1 MB"):
        read('[1,\n"' + "x" * (1 << 22))


def test_a_broken_item_is_told_and_the_others_are_read(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    for number in range(60):
        write_image(tmp_path / "photos" / f"{number}.jpg")
    rows: list[Any] = [{"name": f"{number}.jpg"} for number in range(60)]
    rows[3:3] = [7, {"other": 1}]
    (tmp_path / "a.json").write_text(json.dumps({"classes": ["cat"], "items": rows}, indent=0))

    def make_parser(fields: dict[str, Any], _: Path) -> ParseRow:
        assert fields == {"classes": ["cat"]}
        return parse

    def parse(row: dict[str, Any], line: Line) -> ImageEntry:
        if "name" not in row:
            raise line.error("no name")
        return ImageEntry((row["name"],))

    found = list(json_items.read_json_items(Source(tmp_path), ".json", lambda _: True, "items", make_parser))
    images = [item.path for item in found if isinstance(item, AnnotatedImage)]
    assert images == [tmp_path / "photos" / f"{number}.jpg" for number in range(60)]
    assert [(item.kind, item.detail) for item in found if isinstance(item, Problem)] == [
        ("record_broken", "line 15: an item that is not an object"),
        ("record_broken", "line 16: no name"),
    ]
