"""workspace.json: what tells a workspace from all others, and the comment of a config that names its workspace."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from odtool import files, state_files
from odtool.errors import ConfigError
from odtool.state_files import StateError
from odtool.workspace import Workspace

_ORIGIN = re.compile(r'^# Workspace ([0-9a-f]{32}) in (".*")$', re.MULTILINE)
_LARGEST = 1 << 12
_LARGEST_CONFIG = 1 << 24
"""Bytes, as of a pipeline.config."""


@dataclass(frozen=True)
class WorkspaceIdentity:
    """What workspace.json holds. A copy of a workspace has that of its original."""

    id: str


@dataclass(frozen=True)
class Origin:
    """The workspace that a config was written in, as its comment says, which anybody may have written."""

    id: str
    place: str
    """An absolute path, never '/', which would have everything in it."""

    def lies_in(self, root: Path) -> bool:
        """Whether that was this folder, by whatever name."""
        try:
            return Path(self.place) == root or Path(self.place).samefile(root)
        except (OSError, ValueError):
            return False


def identify(workspace: Workspace) -> str | None:
    """The identity of a workspace, which gets one where it has none; None where that cannot be written.

    One that was lost or damaged is the one that the configs of its runs name.

    Raises:
        ConfigError: it is damaged, and the configs were written in another place: a new one would cut them off.
    """
    known, fault = read_identity(workspace.root)
    if known is not None:
        return known
    origins = list(_list_origins(workspace))
    own = {origin.id for origin in origins if origin.lies_in(workspace.root)}
    if fault and origins and not own:
        raise refuse_damaged(workspace.root, fault, origins[0])
    chosen = own.pop() if len(own) == 1 else secrets.token_hex(16)
    with suppress(OSError):
        if fault:  # what is there is not an identity
            workspace.identity.unlink()
        # Of several processes that do this at once, all take what the first one wrote.
        files.create_atomically(workspace.identity, json.dumps({"id": chosen}) + "\n")
    return read_identity(workspace.root)[0]


def read_identity(root: Path) -> tuple[str | None, str]:
    """The identity of the workspace in a folder; None where it has none, with what is wrong with one that is there."""
    try:
        known = state_files.read(Workspace(root).identity, WorkspaceIdentity, largest=_LARGEST).id
    except (FileNotFoundError, NotADirectoryError):
        return None, ""
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
    except StateError as error:
        return None, f"not what odtool writes there: {error}"
    if not re.fullmatch(r"[0-9a-f]{32}", known):
        return None, "not what odtool writes there: id is not 32 hexadecimal digits"
    return known, ""


def refuse_damaged(root: Path, fault: str, origin: Origin) -> ConfigError:
    """The error where nobody can say whether a config's paths are those of a workspace that was moved or copied."""
    return ConfigError(
        f"{Workspace(root).identity}: {fault}; so it is not known whether this is the workspace that was in "
        f"{origin.place}, where the paths of its runs lead to",
        f'If it is that one, moved or copied, write {{"id": "{origin.id}"}} into the file; if not, remove the file.',
    )


def describe_origin(root: Path | None) -> str:
    """The comment for a config in a workspace that has an identity; '' for any other."""
    known = read_identity(root)[0] if root else None
    return f"Workspace {known} in {json.dumps(str(root))}" if known else ""


def parse_origin(text: str) -> Origin | None:
    """What a config's comment says; None where it has none, or one that names no folder."""
    if (match := _ORIGIN.search(text)) is None:
        return None
    try:
        place = json.loads(match[2])
    except ValueError:
        return None
    named = isinstance(place, str) and place.startswith("/") and os.path.normpath(place) == place != "/"
    return Origin(match[1], place) if named else None


def _list_origins(workspace: Workspace) -> Iterator[Origin]:
    for run in workspace.runs():
        with suppress(OSError, StateError, UnicodeDecodeError):
            text = state_files.read_bytes(run.pipeline_config, largest=_LARGEST_CONFIG).decode("utf-8")
            if (origin := parse_origin(text)) is not None:
                yield origin
