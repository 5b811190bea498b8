"""Documents of which parts are asked for, without being in memory as a whole."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.faults import AnnotationError
from odtool.dataset.readers.common.streams import json_text
from odtool.dataset.readers.common.streams.json_document import JsonDocument

PATH = Path("a.json")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


def open_document(data: bytes, *keys: str) -> JsonDocument:
    return JsonDocument(io.BytesIO(data), PATH, keys)


def read_all(document: JsonDocument, key: str | None) -> Any:
    """A value, of a list or an object put together of what stands in it."""
    if document.is_list(key):
        return list(document.iterate(key))
    if document.is_object(key):
        return dict(document.iterate_members(key))
    return document.read(key)


@settings(max_examples=50)
@given(
    st.dictionaries(st.sampled_from("abcdé"), JSON, min_size=1),
    st.integers(1, 40),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.sampled_from(ENCODINGS),
)
def test_every_part_is_what_the_whole_parser_reads_whatever_the_size_of_the_pieces(
    value: dict[str, Any], piece: int, indent: int | None, plain: bool, encoding: str
) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=plain).encode(encoding, "surrogatepass")
    whole = json.loads(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_PIECE", piece)
        document = open_document(data, *value)
        # NaN is not equal to itself, but written like itself.
        assert json.dumps({key: read_all(document, key) for key in value}) == json.dumps(whole)
        assert json.dumps({key: document.read(key) for key in value}) == json.dumps(whole)
        assert json.dumps(read_all(document, None)) == json.dumps(whole)
    assert document.first_keys == list(whole)


@settings(max_examples=50)
@given(JSON, st.integers(1, 40), st.randoms(use_true_random=False))
def test_it_is_broken_where_the_whole_parser_says_so(value: Any, piece: int, chance: Any) -> None:
    text = json.dumps({"a": [value, value], "b": value}, indent=chance.choice([None, 1]))
    at = chance.randrange(len(text))
    broken = (text[:at] + chance.choice(["", ",", '"', "]", "}", "\n", "x", "1"]) + text[at + 1 :]).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_PIECE", piece)
        told = explain(lambda: open_document(broken, "a"))
    expected = explain(lambda: parsing.parse_json(broken, PATH))
    # Python 3.13 has words of its own for a comma too many; the line is the same.
    assert told.partition(" broken JSON")[0] == expected.partition(" broken JSON")[0]


def explain(read: Any) -> str:
    try:
        read()
    except AnnotationError as error:
        return error.message
    return ""


@pytest.mark.parametrize(
    "data",
    [
        b"", b" \n", b"{", b"[", b"[1", b"[1,", b"[1,\n", b"{\n1: 2}", b'{"a"', b'{"a" 1}', b'{"a": 1 "b"}', b'{"a":',
        b'{"a": [1\n2]}', b'{"a": nul}', b'{"a": -}', b'["\\u12"]', b'["a\nb"]', b'["abc', b"[1] 2", b"{}\n {}",
        b'{"a": 1}\n{"a": 2}', b"nul", b"[01]", b"NaN1", b'{"a": {"b": [}}', b"\xef\xbb\xbf[1,,2]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("piece", [1, 5, 1 << 20])
def test_faults_are_told_as_by_the_whole_parser(data: bytes, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_PIECE", piece)
    expected = explain(lambda: parsing.parse_json(data, PATH))
    assert expected.startswith("a.json:")
    assert explain(lambda: open_document(data, "a")) == expected


def test_of_a_key_that_stands_twice_the_last_value_counts() -> None:
    document = open_document(b'{"a": [1], "b": 2, "a": [3, 4]}', "a")
    assert (list(document.iterate("a")), document.first_keys) == ([3, 4], ["a", "b"])


def test_what_is_not_asked_for_is_not_there() -> None:
    document = open_document(b'{"a": {"b": 1}, "c": []}', "a", "d", "c")
    assert ["b" in document, "d" in document, "a" in document] == [False, False, True]
    assert (document.read("d"), document.is_list("d"), document.is_empty("c"), document.is_empty("a")) == (
        None,
        False,
        True,
        False,
    )
    assert list(document.iterate("a")) == [1]


def test_a_value_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_MOST_VALUE", 1 << 20)
    monkeypatch.setattr(json_text, "_PIECE", 1 << 10)
    with pytest.raises(AnnotationError, match=r"a\.json:2: a value of more than 1 MB"):
        open_document(b'{"a": 1,\n"b": ["' + b"x" * (1 << 22))


def test_a_fault_early_in_a_long_document_is_told_without_reading_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_PIECE", 1 << 10)
    stream = io.BytesIO(b'{"a": [1, {"b": x}, ' + b"1, " * (1 << 20) + b"1]}")
    with pytest.raises(AnnotationError, match="Expecting value"):
        JsonDocument(stream, PATH)
    assert stream.tell() < 1 << 13
