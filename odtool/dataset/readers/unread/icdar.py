"""ICDAR's scene text: corners or a box and what is written there, which is no class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_LINE = re.compile(r"(?:\ufeff)?\s*(?:-?\d+(?:\.\d+)?\s*,\s*){8}\S.*")
"""Eight numbers and a text, with commas between them."""
_UNREADABLE = "###"
"""What stands for a text that nobody can read."""
_FEWEST = 4
_SHARE = 0.8
"""Of at least so many texts, those that differ from all others, above which they are no classes."""


def looks_like(path: Path, lines: Sequence[str]) -> bool:
    """Whether the lines of a file, whose form DOTA's users write too, have texts in place of classes."""
    if not lines or not all(map(_LINE.fullmatch, lines)):
        return False
    texts = [line.split(",", 8)[8].strip() for line in lines]
    is_varied = len(texts) >= _FEWEST and len(set(texts)) >= len(texts) * _SHARE
    return path.name.lower().startswith("gt_") or _UNREADABLE in texts or is_varied
