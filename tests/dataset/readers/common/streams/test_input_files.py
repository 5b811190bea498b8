"""Files of annotations as bytes: pipes and devices, ends that are kept, words across pieces."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from odtool.dataset.readers.common.streams import input_files
from odtool.errors import DataError


def test_words_are_found_across_the_pieces_of_a_long_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x" * 5 + b'"images"' + b"y" * 9 + b'"annotations"' + b"z" * 9)
    for size in range(1, 40):
        monkeypatch.setattr(input_files, "_LONG_PIECE", size)
        words = (b'"images"', b'"absent"', b'"annotations"')
        assert input_files.find_words(tmp_path / "a", words) == [True, False, True]
    assert input_files.find_words(tmp_path, [b"a"]) == input_files.find_words(tmp_path / "absent", [b"a"]) == [False]


def test_what_is_kept_of_a_files_ends_is_not_taken_for_those_of_a_changed_file(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    for age in (0, 10):
        for text in (b"first", b"other"):
            file.write_bytes(text)
            os.utime(file, ns=(time.time_ns(), time.time_ns() - age * 10**9))
            assert input_files.read_ends(file) == text
    assert input_files.read_ends(tmp_path) == b""


def test_a_files_ends_are_read_once_as_long_as_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"text")
    os.utime(file, (0, 0))
    assert input_files.read_ends(file) == b"text"
    monkeypatch.setattr(input_files, "open_regular", None)  # nothing can be opened by it
    assert input_files.read_ends(file) == b"text"


def test_pipes_and_devices_are_neither_waited_for_nor_read_without_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.xml")
    for path, what in ((tmp_path / "a.xml", "a named pipe"), (Path("/dev/zero"), "a device")):
        with pytest.raises(DataError, match=f"it is {what}, not a file"):
            input_files.read_bytes(path)


def test_a_file_that_is_read_in_pieces_is_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a").write_bytes(b"text")
    with input_files.open_binary(tmp_path / "a") as stream:
        assert stream.read() == b"text"
    for name, says in (("pipe", "it is a named pipe"), ("absent", "no such file"), (".", "no such file")):
        with pytest.raises(DataError, match=says), input_files.open_binary(tmp_path / name):
            pass
