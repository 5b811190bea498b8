"""Which files a config's records are: `input_path` is a list of glob patterns, matched as TensorFlow matches them."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path
from typing import Any

from odtool.errors import DataError

_GLOB_CHARACTER = re.compile(r"[*?\[\\]")
_UNLIKE_PYTHON = re.compile(r"\\(.)|\[\[\]|\[\^")
"""What fnmatch reads differently: an escape and [^…]. [[] means the same, and must not be taken for their beginning."""


def escape(path: Path) -> str:
    r"""A pattern that matches this very path.

    TensorFlow's glob knows `*`, `?`, `[...]` and the backslash as an escape (measured on 2.20: 'a [b]' is found as
    'a [[]b]', 'a\z' as 'a\\z'; braces are plain characters).
    """
    return _GLOB_CHARACTER.sub(lambda match: r"\\" if match[0] == "\\" else f"[{match[0]}]", str(path))


def build_pattern(folder: Path, split: str, shards: int) -> str:
    """The pattern of a split's shards, as the tutorials write it."""
    return f"{escape(folder.absolute())}/{split}-?????-of-{shards:05d}.tfrecord"


def find_files(*readers: Any) -> list[Path]:
    """The files that InputReader messages name, in the order of their patterns, sorted within each pattern."""
    return [file for reader in readers for pattern in _list_patterns(reader) for file in match(pattern)]


def require_files(reader: Any) -> list[Path]:
    """The files that an InputReader message names.

    Raises:
        DataError: it names no pattern, or a pattern matches no file.
    """
    patterns = _list_patterns(reader)
    if not patterns:
        raise DataError("tf_record_input_reader.input_path names no records", _HINT)
    for pattern in patterns:
        if not match(pattern):
            raise DataError(
                f"tf_record_input_reader.input_path: no file matches {pattern}",
                f"{_HINT.rstrip('.')}; [ ] * and ? in a path must be escaped.",
            )
    return find_files(reader)


_HINT = "Run odtool prepare, then odtool configure."


def match(pattern: str) -> list[Path]:
    """The files and folders that `tf.io.gfile.glob` finds, sorted.

    Unlike Python's glob it takes hidden files as well, knows the backslash as an escape, and [^a] beside [!a]. A test
    beside the engine holds that both find the same.
    """
    paths = [Path("/" if pattern.startswith("/") else "")]
    for part in pattern.split("/"):
        if part:
            paths = [path / name for path in paths for name in _match_names(path, part)]
    return sorted(paths, key=str) if pattern else []


def _match_names(folder: Path, part: str) -> list[str]:
    """The names in a folder that one part of a pattern matches."""
    if not _GLOB_CHARACTER.search(part):
        return [part] if os.path.lexists(folder / part) else []
    expression = re.compile(fnmatch.translate(_to_python(part)))
    try:
        return [name for name in os.listdir(folder) if expression.match(name)]  # noqa: PTH208 - names are what is matched
    except OSError:  # not a folder, or not readable
        return []


def _to_python(part: str) -> str:
    """A part of TensorFlow's pattern as fnmatch's."""
    return _UNLIKE_PYTHON.sub(_rewrite, part)


def _rewrite(match: re.Match[str]) -> str:
    if escaped := match[1]:
        return f"[{escaped}]" if escaped in "*?[" else str(escaped)
    return "[!" if match[0] == "[^" else match[0]


def _list_patterns(reader: Any) -> list[str]:
    return list(reader.tf_record_input_reader.input_path)
