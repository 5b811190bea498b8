"""Rows of large text files."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from odtool.dataset.readers.common import rows
from odtool.dataset.readers.common.faults import AnnotationError

PATH = Path("a.csv")


def grouped(
    text: str | bytes, problems: list[tuple[str, str]] | None = None, *, header: bool = False
) -> list[list[rows.Row]]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(rows.group_rows(io.BytesIO(data), PATH, [] if problems is None else problems, header=header))


@pytest.mark.parametrize(
    "text",
    ["a,1\na,2\nb,3\n", "\ufeffa,1\r\na,2\r\n\r\nb,3", "a , 1\na, 2\nb,3"],
)
def test_rows_with_the_same_first_cell_come_together(text: str) -> None:
    assert [[cells[1] for _, cells in group] for group in grouped(text)] == [["1", "2"], ["3"]]


def test_rows_of_an_unsorted_file_come_together_with_their_lines() -> None:
    assert grouped("h,h\nb,1\na,2\n\nb,3\nc,4\na,5\n", header=True) == [
        [(2, ["b", "1"]), (5, ["b", "3"])],
        [(3, ["a", "2"]), (7, ["a", "5"])],
        [(6, ["c", "4"])],
    ]


def test_unsorted_keys_that_stand_side_by_side_are_not_looked_up_again() -> None:
    assert [group[0][1][0] for group in grouped("c,1\na,2\na,3\nb,4\n")] == ["c", "a", "b"]


def test_quoted_cells_may_have_commas() -> None:
    assert grouped('"a,b.jpg",1\n"a,b.jpg","2, 3"\n') == [[(1, ["a,b.jpg", "1"]), (2, ["a,b.jpg", "2, 3"])]]


@pytest.mark.parametrize("text", [b"a,1\nb,\xff\n", b'a,1\nb,"2\n'])
def test_what_cannot_be_read_is_named_with_its_line_and_the_rest_is_read(text: bytes) -> None:
    for whole in (text, b"z,1\n" + text[4:] + b"z,2\n"):
        problems: list[tuple[str, str]] = []
        groups = grouped(whole, problems)
        assert [(kind, detail[:8]) for kind, detail in problems] == [("record_broken", "line 2: ")]
        assert sum(map(len, groups)) == whole.count(b"\n") - 1


def test_rows_that_are_not_csv_are_problems_and_the_others_are_read() -> None:
    problems: list[tuple[str, str]] = []
    text = 'name,x\na,1\nb\nc,"3\nd,4\n"e"f,5\ng,"6,\n7"\nh,8,9\n'
    table = list(rows.parse_csv(text, PATH, problems))
    assert table == [(1, ["name", "x"]), (2, ["a", "1"]), (5, ["d", "4"]), (8, ["g", "6,\n7"])]
    assert [detail.partition(": ")[0] for _, detail in problems] == ["line 3", "line 4", "line 6", "line 9"]


def test_a_header_that_is_not_csv_is_a_broken_file() -> None:
    with pytest.raises(AnnotationError, match=r"a\.csv:1: broken CSV"):
        list(rows.parse_csv('na"me,"x\na,1\n', PATH, []))


def test_a_file_that_is_no_text_has_no_opening(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00")
    assert rows.read_opening(tmp_path / "a") == rows.read_opening(tmp_path / "absent") == []


def test_the_opening_of_a_long_file_ends_with_a_whole_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a long line\n" * 10_000)
    assert set(rows.read_opening(tmp_path / "a")) == {"a long line"}


@pytest.mark.parametrize("text", ["a,b\nc,d", "a,b\r\nc,d\r\n", "a,b\rc,d\r", '\ufeffa,b\n"x\ny",d\n', "", "\n\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lines_taken_one_by_one_are_the_rows_of_the_whole_text(text: str, encoding: str) -> None:
    stream = io.BytesIO(text.encode(encoding))
    streamed = list(rows.parse_csv(rows.iterate_lines(stream, PATH), PATH, []))
    assert streamed == list(rows.parse_csv(text.removeprefix("\ufeff"), PATH, []))


def test_a_line_that_is_no_text_is_named() -> None:
    with pytest.raises(AnnotationError, match=r"a\.csv:2: not UTF-8 text"):
        list(rows.iterate_lines(io.BytesIO(b"a\n\xff\n"), PATH))
