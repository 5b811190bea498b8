"""State files are read as what anybody may have put there."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool import state_files
from odtool.state_files import Count, StateError, Time


@dataclass(frozen=True)
class Part:
    name: str
    size: tuple[int, int]


@dataclass(frozen=True)
class Whole:
    state: Literal["good", "bad"]
    when: Time
    count: Count = 0
    ratio: float | None = None
    parts: dict[str, Part] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    labels: dict[int, str] = field(default_factory=dict)
    flag: bool = False


PARTS = '"parts": {"a": {"name": "x", "size": [1, 2]}}'
GOOD = f'{{"state": "good", "when": 5, {PARTS}, "words": ["w"], "labels": {{"1": "l"}}}}'


def test_an_object_becomes_what_its_fields_say(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(GOOD)
    whole = state_files.read(tmp_path / "state.json", Whole)
    assert whole == Whole("good", 5.0, 0, None, {"a": Part("x", (1, 2))}, ("w",), {1: "l"})
    assert type(whole.when) is float


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe\xff", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" * 40 + "]" * 40, "nested too deeply"),
        ("[]", "it is list, not an object"),
        ("7", "it is 7, not an object"),
        ("{}", "it has no state"),
        ('{"state": "good"}', "it has no when"),
        ('{"state": "ugly", "when": 5}', "state is 'ugly', which is none of good, bad"),
        ('{"state": ["good"], "when": 5}', "state is list, which is none of"),
        ('{"state": "good", "when": "today"}', "when is 'today', not a number"),
        ('{"state": "good", "when": true}', "when is True, not a number"),
        ('{"state": "good", "when": -1}', "when is -1, which is outside"),
        ('{"state": "good", "when": 1e300}', "when is 1e\\+300, which is outside"),
        ('{"state": "good", "when": NaN}', "when is None, not a number"),
        ('{"state": "good", "when": 1e999}', "when is None"),
        (f'{{"state": "good", "when": {"9" * 400}}}', "it has a number of 400 digits"),
        (f'{{"state": "good", "when": -{"9" * 5000}}}', "it has a number of 5000 digits"),
        ('{"state": "good", "when": 5, "count": 1.5}', "count is 1.5, not a whole number"),
        ('{"state": "good", "when": 5, "count": -1}', "count is -1, which is outside"),
        ('{"state": "good", "when": 5, "ratio": "x"}', "ratio is 'x', not a number"),
        ('{"state": "good", "when": 5, "parts": {"a": 1}}', "parts.a is 1, not an object"),
        ('{"state": "good", "when": 5, "parts": {"a": {"name": 1, "size": [1, 2]}}}', "parts.a.name is 1, not a text"),
        ('{"state": "good", "when": 5, "parts": {"a": {"name": "", "size": [1]}}}', "size has 1 values, not 2"),
        ('{"state": "good", "when": 5, "words": "w"}', "words is 'w', not a list"),
        ('{"state": "good", "when": 5, "words": [null]}', r"words\[0\] is None, not a text"),
        ('{"state": "good", "when": 5, "words": ["\\ud800"]}', "not a text of Unicode"),
        ('{"state": "good", "when": 5, "labels": {"one": "l"}}', "labels has 'one' for a key"),
        ('{"state": "good", "when": 5, "labels": {"\\u00b2": "l"}}', "labels has '²' for a key"),
        ('{"state": "good", "when": 5, "flag": 1}', "flag is 1, not true or false"),
        ('{"state": "good", "when": 5, "stranger": 1}', "a field that is not known: 'stranger'"),
    ],
)
def test_anything_else_is_an_error_that_says_what_is_wrong(tmp_path: Path, text: str | bytes, problem: str) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    with pytest.raises(StateError, match=problem):
        state_files.read(path, Whole)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (os.mkfifo, "a named pipe, not a file"),
        (Path.mkdir, "a folder, not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "a device, not a file"),
        (make_socket, "a socket, not a file"),
        (lambda path: path.write_text("[" + " " * 200 + "]"), "it has 202 bytes, where at most 100 are expected"),
    ],
)
def test_what_is_no_file_or_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    make(Path("state"))
    with pytest.raises(StateError, match=problem):
        state_files.read_object(Path("state"), largest=100)


def test_a_file_that_is_not_there_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        state_files.read_object(tmp_path / "state.json")


@given(content=st.binary(max_size=200) | st.text(alphabet='{}[]":,0123456789e-+.truefalsnui\\', max_size=200))
def test_any_bytes_are_read_or_refused(content: Any) -> None:
    with suppress(StateError):
        state_files.build(Whole, state_files.parse(content))
