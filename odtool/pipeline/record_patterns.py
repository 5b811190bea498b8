"""Which files a config's records are: `input_path` is a list of glob patterns, matched as TensorFlow matches them."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path
from typing import Any

from odtool.errors import DataError
from odtool.pipeline import addresses

_GLOB_CHARACTER = re.compile(r"[*?\[\\]")
_UNLIKE_PYTHON = re.compile(r"\\(.)|\[\[\]|\[\^")
"""What fnmatch reads differently: an escape and [^…]. [[] means the same, and must not be taken for their beginning."""


def escape(path: Path | str) -> str:
    r"""A pattern that matches this very path.

    TensorFlow's glob knows `*`, `?`, `[...]` and the backslash as an escape (measured on 2.20: 'a [b]' is found as
    'a [[]b]', 'a\z' as 'a\\z'; braces are plain characters).
    """
    return _GLOB_CHARACTER.sub(lambda match: r"\\" if match[0] == "\\" else f"[{match[0]}]", str(path))


def build_pattern(folder: Path, split: str, shards: int) -> str:
    """The pattern of a split's shards, as the tutorials write it."""
    return f"{escape(folder.absolute())}/{split}-?????-of-{shards:05d}.tfrecord"


def find_files(*readers: Any) -> list[Path]:
    """The files that InputReader messages name, in the order of their patterns, sorted within each pattern.

    Those of addresses such as gs://bucket are not among them: only the engine can tell, `input/record_files.py`.
    """
    return [file for reader in readers for pattern in list_patterns(reader) for file in match(pattern)]


def is_remote(reader: Any) -> bool:
    """Whether an InputReader message names records by an address."""
    return any(map(addresses.is_remote, list_patterns(reader)))


def require_files(reader: Any) -> list[Path]:
    """The files that an InputReader message names.

    Raises:
        DataError: it names no pattern, or a pattern matches no file.
    """
    patterns = list_patterns(reader)
    if not patterns:
        raise DataError("tf_record_input_reader.input_path names no records", _HINT)
    for pattern in patterns:
        if not addresses.is_remote(pattern) and not match(pattern):
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
    if addresses.is_remote(pattern):
        return []
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


def list_patterns(reader: Any) -> list[str]:
    """As they stand in the message."""
    return list(reader.tf_record_input_reader.input_path)
