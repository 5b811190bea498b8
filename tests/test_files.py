"""Files that appear whole or not at all."""

from __future__ import annotations

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
    with pytest.raises(OSError, match="No space"):
        files.write_atomically(tmp_path / "file", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]
