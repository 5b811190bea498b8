"""Paths of a run's config that lie in its workspace: where that was moved or copied to, they are followed.

The API wants absolute paths, so a config names the place where it was written. A workspace has an identity, a file
beside its folders that moves and is copied with them, and a config has the identity and the place of its workspace in a
comment. Where both have the same identity and the places differ, the workspace was moved or copied; a run that was
copied into another workspace is left alone, whose records are others, and so is a config without the comment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtool.pipeline import addresses, record_patterns
from odtool.pipeline.text import workspace_identity
from odtool.pipeline.text.workspace_identity import Origin
from odtool.workspace import Workspace

_PATTERNS = "input_path"
"""The one field whose paths are patterns."""
_DEPTH = 3
"""Folders from the workspace to a config: train/<run>/pipeline.config."""
_ESCAPED = re.compile(r"\[([*?\[])\]|\\(.)")
"""What `record_patterns.escape` writes, and TensorFlow's other way to write the same."""
_PLAIN = re.compile(r"[\w./-]+")
"""A path that needs no escapes in a shell, in sed or in a config."""


@dataclass(frozen=True)
class Followed:
    """Paths that were changed in memory, and lead to where the workspace is now."""

    old: str
    new: Path
    count: int

    def describe(self) -> str:
        """For people, in one line."""
        paths = _count_paths(self.count)
        return f"the workspace was moved or copied: {paths} in pipeline.config followed from {self.old} to {self.new}"


@dataclass(frozen=True)
class LeftAlone:
    """Paths that lead to another workspace, and are not followed to the one that the config lies in."""

    old: str
    new: Path
    count: int
    reason: str
    fix: str

    def describe(self) -> str:
        """For people, in one line."""
        paths = f"{_count_paths(self.count)} in pipeline.config lead{'s' if self.count == 1 else ''} to {self.old}"
        return f"{paths}, {self.reason}. {self.fix}"


def _count_paths(count: int) -> str:
    return "1 path" if count == 1 else f"{count} paths"


def describe_origin(config: Path) -> str:
    """The comment for a config in a workspace that has an identity; '' for any other."""
    return workspace_identity.describe_origin(find_root(config))


def find_root(config: Path) -> Path | None:
    """The workspace that a config is of, by where it lies: in a folder of a run or of an export; None for any other."""
    absolute = Path(os.path.abspath(config))  # noqa: PTH100 - Path.absolute() leaves '..' in it
    if absolute.name != "pipeline.config" or len(absolute.parents) < _DEPTH:
        return None
    workspace = Workspace(absolute.parents[_DEPTH - 1])
    return workspace.root if absolute.parents[1] in (workspace.train, workspace.exports) else None


def follow(message: Any, text: str, config: Path) -> Followed | LeftAlone | None:
    """Changes the paths of a config that lie in its workspace to where that is now.

    Args:
        message: the config, whose paths are changed.
        text: its text, with comments.
        config: the file.

    Returns:
        What was done, or why it was not; None where the workspace is where it was, or the config is of no workspace.

    Raises:
        ConfigError: paths lead elsewhere, and workspace.json, which tells whether they are to be followed, is damaged.
    """
    if (root := find_root(config)) is None:
        return None
    if (origin := workspace_identity.parse_origin(text)) is None:
        return _find_left_behind(message, root, config)
    if origin.lies_in(root):
        return None
    known, fault = workspace_identity.read_identity(root)
    is_same = known == origin.id
    count = _replace(message, origin.place, root, dry=not is_same)
    if count and fault:
        raise workspace_identity.refuse_damaged(root, fault, origin)
    if not count:
        return None
    return Followed(origin.place, root, count) if is_same else _explain_other(origin, root, count, known)


def _explain_other(origin: Origin, root: Path, count: int, known: str | None) -> LeftAlone:
    if known:
        reason, fix = f"which is not the workspace {root}", "For the data here, write a config here: odtool configure"
    else:
        reason = f"as {root} has no workspace.json that would say it is the same workspace"
        fix = "If it is, moved or copied, copy that file, too"
    return LeftAlone(origin.place, root, count, reason, fix)


def _find_left_behind(message: Any, root: Path, config: Path) -> LeftAlone | None:
    """Of a config that does not name its workspace: paths that lead nowhere, where the same files lie in this one."""
    gone = [path for path in _list_data_paths(message) if not _exists(path)]
    old = next((place for path in gone if (place := _find_old_place(path, root))), None)
    if old is None:
        return None
    if not (count := _replace(message, old, root, dry=True)):
        return None
    change = f"Replace that place by {root} in {config}"
    if _PLAIN.fullmatch(old) and _PLAIN.fullmatch(f"{root}{config}"):
        change += f": sed -i 's#{old}/#{root}/#g' {config}"
    return LeftAlone(old, root, count, f"which is not there, and the same files lie in {root}", change)


def _list_data_paths(message: Any) -> Iterator[str]:
    """Patterns of the files that a config needs, without addresses."""
    for reader in (message.train_input_reader, *message.eval_input_reader):
        paths = [record_patterns.escape(reader.label_map_path), *record_patterns.list_patterns(reader)]
        yield from (path for path in paths if path and not addresses.is_remote(path))
    checkpoint = message.train_config.fine_tune_checkpoint
    if checkpoint and not addresses.is_remote(checkpoint):
        yield f"{record_patterns.escape(checkpoint)}.index"


def _exists(pattern: str) -> bool:
    return bool(record_patterns.match(pattern))


def _find_old_place(pattern: str, root: Path) -> str | None:
    """The folder before the longest ending, of a folder and a file at least, that leads to something in a workspace."""
    parts = pattern.split("/")
    if parts[0] or ".." in parts:
        return None
    for start in range(2, len(parts) - 1):
        if _exists("/".join((record_patterns.escape(root), *parts[start:]))):
            return _ESCAPED.sub(lambda match: match[1] or match[2], "/".join(parts[:start]))
    return None


def _replace(message: Any, old: str, new: Path, *, dry: bool) -> int:
    """Moves every path of a message; returns how many. Dry, all stay as they are."""
    return _replace_texts(message, lambda name, value: _move(value, old, new, is_pattern=name == _PATTERNS), dry=dry)


def _move(value: str, old: str, new: Path, *, is_pattern: bool) -> str:
    """The path or pattern in its new place, or as it is where it does not lie in the old one."""
    before, after = (record_patterns.escape(Path(old)), record_patterns.escape(new)) if is_pattern else (old, str(new))
    plain = os.path.normpath(value) if value.startswith("/") else value  # '..' may lead out of the workspace
    return after + plain[len(before) :] if plain.startswith(f"{before}/") else value


def _replace_texts(message: Any, move: Callable[[str, str], str], *, dry: bool) -> int:
    """Replaces every text of a message, by its field's name and value; returns how many have changed."""
    count = 0
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            is_map = field.message_type.GetOptions().map_entry
            count += sum(_replace_texts(part, move, dry=dry) for part in _list_parts(value) if not is_map)
        elif field.type == field.TYPE_STRING:
            texts = [value] if isinstance(value, str) else list(value)
            all_moved = [move(field.name, one) for one in texts]
            count += sum(one != other for one, other in zip(all_moved, texts, strict=True))
            if dry:
                continue
            if isinstance(value, str):
                setattr(message, field.name, all_moved[0])
            else:
                value[:] = all_moved
    return count


def _list_parts(value: Any) -> Iterator[Any]:
    return iter((value,) if hasattr(value, "ListFields") else value)
