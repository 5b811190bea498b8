"""The files that odtool takes a config's patterns for are those that TensorFlow reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odtool.pipeline import record_patterns

NAMES = [".hidden", "a", "b", "A", "^", "!", "-", "[a]", "a b", "back\\slash", "{x}", "folder/a", "folder/deeper/b"]
PATTERNS = [
    "*",
    "?",
    "[ab]",
    "[!a]",
    "[^a]",
    "[a-b]",
    "[[]a]",
    "[]a]",
    r"\[a\]",
    r"\[^",
    r"back\\slash",
    "back*",
    ".*",
    "{x}",
]
PATTERNS += ["**", "*/a", "f[o]lder/*", "**/b", "folder", "a/*", "none", "none/*", "a b", "folder//a", ""]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_matches_what_tensorflow_matches(api: Any, tmp_path: Path, pattern: str) -> None:
    (tmp_path / "folder" / "deeper").mkdir(parents=True)
    for name in NAMES:
        (tmp_path / name).touch()
    whole = f"{record_patterns.escape(tmp_path)}/{pattern}"
    assert record_patterns.match(whole) == sorted(Path(name) for name in api.io.gfile.glob(whole))


def test_a_relative_pattern_is_matched_from_the_current_folder(
    api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").touch()
    monkeypatch.chdir(tmp_path)
    for pattern in ("data/*", "./data/[a]", "data/a"):
        assert record_patterns.match(pattern) == [Path(name) for name in api.io.gfile.glob(pattern)]
