"""Where the Object Detection API finds records: `input_path` is a list of glob patterns."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path

_GLOB_CHARACTER = re.compile(r"[*?\[\\]")


def escape(path: Path) -> str:
    r"""A pattern that matches this very path.

    TensorFlow's glob knows `*`, `?`, `[...]` and the backslash as an escape (measured on 2.20: 'a [b]' is found as
    'a [[]b]', 'a\z' as 'a\\z'; braces are plain characters).
    """
    return _GLOB_CHARACTER.sub(lambda match: r"\\" if match[0] == "\\" else f"[{match[0]}]", str(path))


def pattern(folder: Path, split: str, shards: int) -> str:
    """The pattern of a split's shards, as the tutorials write it."""
    return f"{escape(folder.absolute())}/{split}-?????-of-{shards:05d}.tfrecord"


def matches(patterns: Iterable[str]) -> list[Path]:
    """The files that TensorFlow's glob would find, sorted within each pattern."""
    # Path.glob takes patterns below one folder; here every part of the path may be a pattern.
    return [Path(name) for each in patterns for name in sorted(glob.glob(_to_python(each)))]  # noqa: PTH207


def _to_python(pattern: str) -> str:
    """TensorFlow's glob as Python's, which has no escape character."""
    return re.sub(r"\\(.)", lambda match: f"[{match[1]}]" if match[1] in "*?[" else match[1], pattern)
