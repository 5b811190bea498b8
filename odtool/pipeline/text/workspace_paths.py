"""Paths of a run's config that lie in its workspace: where that was moved or copied to, they are followed.

The API wants absolute paths, so a config names the place where it was written. A workspace has an identity, a file
beside its folders that moves and is copied with them, and a config has the identity and the place of its workspace in a
comment. Where both have the same identity and the places differ, the workspace was moved or copied; a run that was
copied into another workspace is left alone, whose records are others.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtool import files, state_files
from odtool.pipeline import record_patterns
from odtool.state_files import StateError
from odtool.workspace import Workspace

_ORIGIN = re.compile(r'^# Workspace ([0-9a-f]{32}) in (".*")$', re.MULTILINE)
_PATTERNS = "input_path"
"""The one field whose paths are patterns."""
_LARGEST = 1 << 12


@dataclass(frozen=True)
class WorkspaceIdentity:
    """workspace.json: what tells a workspace from all others, wherever it lies. A copy has that of its original."""

    id: str


@dataclass(frozen=True)
class Followed:
    """Paths that were changed in memory, and lead to where the workspace is now."""

    old: str
    new: Path
    count: int

    def describe(self) -> str:
        paths = "1 path" if self.count == 1 else f"{self.count} paths"
        return f"the workspace was moved or copied: {paths} in pipeline.config followed from {self.old} to {self.new}"


def identify(workspace: Workspace) -> str | None:
    """The identity of a workspace, which gets one where it has none; None where that cannot be written."""
    is_there = os.path.lexists(workspace.identity)
    if (known := _read_identity(workspace.root)) is not None:
        return known
    with suppress(OSError):
        if is_there:  # and is not an identity
            workspace.identity.unlink()
        # Of several processes that do this at once, all take what the first one wrote.
        files.create_atomically(workspace.identity, json.dumps({"id": secrets.token_hex(16)}) + "\n")
    return _read_identity(workspace.root)


def describe_origin(config: Path) -> str:
    """The comment for a config in a workspace that has an identity; '' for any other."""
    root = find_root(config)
    known = _read_identity(root) if root else None
    return f"Workspace {known} in {json.dumps(str(root))}" if known else ""


def find_root(config: Path) -> Path | None:
    """The workspace that a config is of, by where it lies: train/<run>/pipeline.config; None for any other."""
    absolute = Path(os.path.abspath(config))  # noqa: PTH100 - Path.absolute() leaves '..' in it
    if absolute.name != "pipeline.config" or absolute.parent.parent.name != "train":
        return None
    return absolute.parents[2]


def follow(message: Any, text: str, config: Path) -> Followed | None:
    """Changes the paths of a config that lie in its workspace to where that is now.

    Args:
        message: the config, whose paths are changed.
        text: its text, with comments.
        config: the file.

    Returns:
        What was done; None where the workspace is where it was, or the config is of no workspace.
    """
    root, origin = find_root(config), _ORIGIN.search(text)
    if root is None or origin is None or _read_identity(root) != origin[1]:
        return None
    old = _parse_place(origin[2])
    if old is None or _is_same(Path(old), root):
        return None
    count = _replace(message, lambda name, value: _move(value, old, root, is_pattern=name == _PATTERNS))
    return Followed(old, root, count) if count else None


def _move(value: str, old: str, new: Path, *, is_pattern: bool) -> str:
    """The path or pattern in its new place, or as it is where it does not lie in the old one."""
    before, after = (record_patterns.escape(Path(old)), record_patterns.escape(new)) if is_pattern else (old, str(new))
    plain = os.path.normpath(value) if value.startswith("/") else value  # '..' may lead out of the workspace
    return after + plain[len(before) :] if plain.startswith(f"{before}/") else value


def _replace(message: Any, move: Callable[[str, str], str]) -> int:
    """Replaces every text of a message, by its field's name and value; returns how many have changed."""
    count = 0
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            is_map = field.message_type.GetOptions().map_entry
            count += sum(_replace(part, move) for part in _list_parts(value) if not is_map)
        elif field.type == field.TYPE_STRING:
            if isinstance(value, str):
                moved = move(field.name, value)
                count += moved != value
                setattr(message, field.name, moved)
            else:
                all_moved = [move(field.name, one) for one in value]
                count += sum(one != other for one, other in zip(all_moved, value, strict=True))
                value[:] = all_moved
    return count


def _list_parts(value: Any) -> Iterator[Any]:
    return iter((value,) if hasattr(value, "ListFields") else value)


def _read_identity(root: Path) -> str | None:
    try:
        known = state_files.read(Workspace(root).identity, WorkspaceIdentity, largest=_LARGEST).id
    except (OSError, StateError):
        return None
    return known if re.fullmatch(r"[0-9a-f]{32}", known) else None


def _parse_place(text: str) -> str | None:
    """The folder that a comment names, which anybody may have written; '/' has everything in it, and is none."""
    try:
        place = json.loads(text)
    except ValueError:
        return None
    return (
        place if isinstance(place, str) and place.startswith("/") and os.path.normpath(place) == place != "/" else None
    )


def _is_same(old: Path, new: Path) -> bool:
    """Whether both are one folder, by whatever name."""
    try:
        return old == new or old.samefile(new)
    except (OSError, ValueError):
        return False
