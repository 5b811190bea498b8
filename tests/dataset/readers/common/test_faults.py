"""Past a broken record or file reading goes on, and what was broken becomes a problem."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from odtool.dataset.readers.common import faults
from odtool.dataset.readers.common.faults import AnnotationError, Skipping
from odtool.dataset.types import Problem
from odtool.errors import DataError

FILE = Path("a.json")


def test_a_block_leaves_out_what_is_broken_and_nothing_else_is_hidden() -> None:
    problems: list[tuple[str, str]] = []
    skipping, numbers = Skipping(problems), list[int]()
    for number in range(4):
        with skipping:
            if number % 2:
                raise AnnotationError(FILE, f"number\n{number} is odd", line=number)
            numbers.append(number)
    assert numbers == [0, 2]
    assert problems == [("record_broken", "line 1: number 1 is odd"), ("record_broken", "line 3: number 3 is odd")]
    for error in (DataError("a list of classes is missing"), ValueError("a fault of ours")):
        with pytest.raises(type(error)), skipping:
            raise error


def test_a_broken_file_is_a_problem_after_what_was_read_of_it() -> None:
    def read(count: int) -> Iterator[int]:
        yield from range(count)
        raise AnnotationError(FILE, "cut off", "Copy it again.", line=7)

    assert list(faults.report_broken(read, 2)) == [
        0,
        1,
        Problem("annotation_broken", FILE, "line 7: cut off. Copy it again."),
    ]
    assert faults.attempt(int, "3") == 3


def test_an_error_comes_whole_out_of_another_process() -> None:
    error = AnnotationError(FILE, "class 9 has no name", "Name it.", 3, faults.UNDEFINED)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.message, copy.hint, copy.kind, copy.detail) == (
        "a.json:3: class 9 has no name",
        "Name it.",
        "class_undefined",
        "line 3: class 9 has no name. Name it.",
    )


def test_taken_problems_are_taken_once() -> None:
    problems = [("record_broken", "x")]
    assert list(faults.take(problems, FILE)) == [Problem("record_broken", FILE, "x")]
    assert list(faults.take(problems, FILE)) == []


def test_a_file_all_of_whose_records_are_broken_is_broken_as_a_whole() -> None:
    broken, undefined = ("record_broken", "line 1: no box"), ("class_undefined", "line 2: class 9")
    with pytest.raises(AnnotationError, match="line 1: no box") as error:
        faults.refuse_all_broken([], [broken, broken], FILE)
    assert Problem("annotation_broken", FILE, error.value.detail).describe() == "a.json:1: no box"
    for objects, problems in (([1], [broken]), ([], [broken, undefined]), ([], [])):
        faults.refuse_all_broken(objects, problems, FILE)
