"""Defaults for options of commands: odtool.toml of the workspace, and the user's own, which the former goes before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from odtool.errors import ConfigError
from odtool.settings import setting_file
from odtool.settings.setting_file import SettingFile

NAME = "odtool.toml"
FileKind = Literal["user", "workspace"]


@dataclass(frozen=True)
class Setting:
    """One line of a file."""

    keys: tuple[str, ...]
    """The tables that it stands in, as ('models', 'pull'), and its name."""
    value: Any
    kind: FileKind
    where: str
    """'file:line'."""

    @property
    def command(self) -> tuple[str, ...]:
        return self.keys[:-1]

    @property
    def name(self) -> str:
        """Of the option, without dashes before it."""
        return self.keys[-1]


def find_user_file() -> Path:
    """Where the user's own file lies, there or not: ~/.config/odtool/odtool.toml on Linux."""
    import platformdirs

    return platformdirs.user_config_path("odtool", appauthor=False) / NAME


def list_files(workspace: Path) -> dict[FileKind, Path]:
    """The files that are read, there or not; what a later one says holds."""
    return {"user": find_user_file(), "workspace": workspace / NAME}


def read(workspace: Path, commands: Mapping[tuple[str, ...], object]) -> list[Setting]:
    """All settings of the files that are there, those of the user first.

    Args:
        commands: the commands that there are, by their words, to tell a command's name from an option's.

    Raises:
        ConfigError: a file cannot be read, or sets something outside of a command's table; names the line.
    """
    return [setting for kind, path in list_files(workspace).items() for setting in read_file(kind, path, commands)]


def read_file(kind: FileKind, path: Path, commands: Mapping[tuple[str, ...], object]) -> list[Setting]:
    """The settings of one file, none where it is not there. Raises as `read`."""
    if path.exists() or path.is_symlink():  # a link that leads nowhere was meant to set something
        return list(_list_settings(setting_file.read(path), kind, commands))
    return []


def _list_settings(
    document: SettingFile, kind: FileKind, commands: Mapping[tuple[str, ...], object]
) -> Iterator[Setting]:
    def walk(table: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[Setting]:
        for key, value in table.items():
            keys = (*above, key)
            if isinstance(value, Mapping) and (keys in commands or not above):
                if keys not in commands:
                    known = ", ".join(" ".join(words) for words in sorted(commands))
                    raise ConfigError(f"{document.locate(keys)}: '{key}' is not a command", f"Commands: {known}.")
                yield from walk(value, keys)
            elif not above:
                raise _refuse_outside(document.locate(keys), key, is_command=keys in commands)
            else:
                yield Setting(keys, value, kind, document.locate(keys))

    return walk(document.values, ())


def _refuse_outside(where: str, key: str, *, is_command: bool) -> ConfigError:
    if is_command:
        return ConfigError(f"{where}: {key} is a command, not an option", f"Begin its table, once: [{key}]")
    return ConfigError(
        f"{where}: {key}: stands in no command's table",
        f"Put it below the command's name: [train] and, in the next line, {key} = …",
    )
