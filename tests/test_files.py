"""Files that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from odtool import files


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
