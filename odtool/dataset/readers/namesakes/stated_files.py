"""A folder farther away that holds the files which annotations state, where those near are others of their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from odtool.dataset.readers.namesakes.contender import Contender, State
from odtool.dataset.readers.namesakes.image_paths import find_as_spelt, get_last_part, is_file

_FEW = 3
"""Names for which such a folder is looked for."""
_FAR = 20
"""Folders farther away that are looked into for it, the likeliest first."""


def find_stated(near: Sequence[Path], others: Sequence[Path], names: Sequence[str], state: State) -> Path | None:
    """A folder farther away whose files are as annotations state them, where those of these names near are not."""
    few = names[:_FEW]
    files = next(filter(None, (_find_all(few, folder) for folder in near)), {})
    farther = [folder for folder in others if folder not in near][:_FAR] if files else []
    holders = [folder for folder in farther if all(is_file(f"{folder}/{file.name}") for file in files.values())]
    stated = {name: facts for name in few if any((facts := state(name))[:2])} if holders else {}
    if not stated:
        return None
    contenders = [Contender(folder, _find_all(few, folder), 0) for folder in (*near, *holders)]
    if any(
        contender.agrees(name, facts) or contender.was_resized(name, facts)
        for contender in contenders[: len(near)]
        for name, facts in stated.items()
        if name in contender.files
    ):
        return None
    agreeing = [
        contender.folder
        for contender in contenders[len(near) :]
        if all(map(contender.agrees, stated.keys(), stated.values()))
    ]
    return agreeing[0] if len(agreeing) == 1 else None


def _find_all(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """The files of all the names; none where one is missing."""
    files: dict[str, Path] = {}
    for name in names:
        file = find_as_spelt(get_last_part(name), [folder])
        if file is None:
            return {}
        files[name] = file
    return files
