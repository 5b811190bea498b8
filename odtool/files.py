"""Files that appear whole or not at all, and stay."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_SHOWN = 32
"""Characters of a file's name that its temporary one begins with; with all of them it could become too long."""


def sync(path: Path) -> None:
    """Waits until a file's bytes, or the names in a folder, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replaces `path` with `content` in one step; a crash leaves the old file or the new one.

    Raises:
        OSError: the folder cannot be written or the disk is full; nothing is left behind.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:_SHOWN]}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise
