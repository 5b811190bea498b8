"""Files that appear whole or not at all."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest

from odtool import files, locks


@pytest.mark.parametrize("name", ["report.html", "n" * 255, "\N{CJK UNIFIED IDEOGRAPH-753B}" * 85])
def test_a_name_as_long_as_file_systems_take_can_be_written(name: str, tmp_path: Path) -> None:
    for content in ("old", b"new"):
        files.write_atomically(tmp_path / name, content)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "new")]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    files.write_atomically(tmp_path / "file", "old")
    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="No space") as caught:
        files.write_atomically(tmp_path / "file", "new")
    assert caught.value.filename == str(tmp_path / "file")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_line_that_a_full_disk_cuts_is_taken_back(
    tmp_path: Path,
    mounted: Callable[[Path, str], AbstractContextManager[None]],
    fill: Callable[[Path], OSError],
) -> None:
    with mounted(tmp_path / "small", "size=64k"):
        path, large = tmp_path / "small" / "lines", tmp_path / "small" / "large"
        files.append_line(path, b"first\n")
        fill(large)
        with pytest.raises(OSError, match="disk"):
            files.append_line(path, b"x" * 10_000 + b"\n")  # more than the rest of the file's own block
        assert path.read_text() == "first\n"
        large.unlink()
        files.append_line(path, b"second\n")
        assert path.read_text() == "first\nsecond\n"


def test_a_reserve_that_does_not_fit_is_refused(
    tmp_path: Path, mounted: Callable[[Path, str], AbstractContextManager[None]]
) -> None:
    with mounted(tmp_path / "small", "size=32k"):
        with pytest.raises(OSError, match="No space"):
            files.keep_reserve(tmp_path / "small" / "reserve")
        assert list((tmp_path / "small").iterdir()) == []


@pytest.mark.parametrize("old", [None, "old"])
def test_killed_at_any_call_a_file_is_old_or_new_and_the_next_call_clears_up(
    tmp_path: Path, killed_at: Callable[[int, Callable[[], object]], bool], old: str | None
) -> None:
    path = tmp_path / "state.json"
    for count in itertools.count():
        path.unlink(missing_ok=True)
        if old is not None:
            path.write_text(old)
        killed = killed_at(count, lambda: files.write_atomically(path, "new"))
        assert (path.read_text() if path.exists() else None) in (old, "new")
        files.write_atomically(path, "next")
        assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("state.json", "next")]
        if not killed:
            assert count > 1
            return


def test_what_another_process_is_writing_is_no_leftover(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    (tmp_path / ".state.json.notes.txt").touch()
    with files.replacing(path) as unfinished:
        unfinished.write_text("theirs")
        files.write_atomically(path, "ours")
        assert unfinished.read_text() == "theirs"
    assert path.read_text() == "theirs"
    assert {entry.name for entry in tmp_path.iterdir()} == {"state.json", ".state.json.notes.txt"}


def test_a_file_that_is_written_bit_by_bit_appears_whole_or_not_at_all(tmp_path: Path, killed_at: Any) -> None:
    path = tmp_path / "list"

    def write() -> None:
        with files.replacing(path) as unfinished, unfinished.open("w") as stream:
            stream.write("whole")

    path.write_text("old")
    with suppress(ValueError), files.replacing(path) as unfinished:
        unfinished.write_text("half")
        raise ValueError
    assert path.read_text() == "old"
    for count in itertools.count():
        killed = killed_at(count, write)
        assert path.read_text() in ("old", "whole")
        if not killed:
            break
    assert count > 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["list"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_is_created_whole_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    if not links:
        monkeypatch.setattr("os.link", refuse)
    path = tmp_path / "secret"
    files.create_atomically(path, "first", rights=0o600)
    with pytest.raises(FileExistsError):
        files.create_atomically(path, "second")
    assert path.read_text() == "first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_rights_are_those_that_the_umask_leaves(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        files.write_atomically(tmp_path / "file", "x")
        files.create_atomically(tmp_path / "created", "x")
        with files.replacing(tmp_path / "replaced") as unfinished:
            unfinished.write_text("x")
        files.append_line(tmp_path / "lines", b"x\n")
        files.keep_reserve(tmp_path / "reserve")
        descriptor = locks.acquire(tmp_path / "lock")
    finally:
        os.umask(before)
    assert descriptor is not None
    os.close(descriptor)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~mask}


def test_a_folder_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    for write in (files.write_atomically, files.append_line):
        with pytest.raises(FileNotFoundError):
            write(tmp_path / "gone" / "file", b"x\n")
    with pytest.raises(FileNotFoundError):
        files.write_from_reserve(tmp_path / "gone" / "jobs" / "file", "x", tmp_path / "reserve")
    assert list(tmp_path.iterdir()) == []
