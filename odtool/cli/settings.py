"""odtool settings: the defaults that hold for options, and where each comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odtool.cli import console, option_defaults
from odtool.cli.common_options import DebugOption, JsonOption, WorkspaceOption
from odtool.settings import user_settings

if TYPE_CHECKING:
    from rich.console import Console

    from odtool.cli.option_defaults import OptionDefault


def settings(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="List every option of this command; by default what the files set."),
    ] = None,
    workspace: WorkspaceOption = Path(),
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the defaults of options from odtool.toml in the workspace and from your own, and where each comes from.

    A file has a table for each command, and in it options without their dashes. The command line goes before the
    workspace's file, and that before your own. What is wrong with a file is told beside what the other sets.

    Example: `odtool settings train`
    """
    defaults, faults = option_defaults.load_sound_files(context, workspace)
    rows = _list_set(defaults) if not command else _list_all(context, tuple(command), defaults)
    files = [
        {
            "kind": kind,
            "path": str(path),
            "exists": path.exists(),
            "error": faults[kind].message if kind in faults else None,
        }
        for kind, path in user_settings.list_files(workspace).items()
    ]
    payload: dict[str, Any] = {"files": files, "settings": rows}
    first = next(iter(faults.values()), None)
    if first is not None:
        payload |= {"error": first.message, "hint": first.hint}
    console.show(payload, as_json=as_json, render=lambda screen: _render(screen, payload))
    if first is not None:
        raise first


def _list_set(defaults: list[OptionDefault]) -> list[dict[str, Any]]:
    """What the files set; of an option in both, the user's is overridden."""
    last = {(default.setting.command, default.parameter): default for default in defaults}
    return [
        _describe(
            default.setting.command,
            default.option,
            default.value,
            default.setting.where,
            holds=last[default.setting.command, default.parameter] is default,
        )
        for default in defaults
    ]


def _list_all(context: typer.Context, words: tuple[str, ...], defaults: list[OptionDefault]) -> list[dict[str, Any]]:
    """Every option of a command, with what holds for it."""
    commands = option_defaults.list_commands(context.find_root().command, context)  # type: ignore[arg-type]
    if words not in commands:
        known = ", ".join(" ".join(each) for each in sorted(commands))
        raise typer.BadParameter(f"'{' '.join(words)}' is not one of {known}", param_hint="COMMAND")
    own = {default.parameter: default for default in defaults if default.setting.command == words}
    rows = []
    for option in option_defaults.list_options(commands[words]):
        default = own.get(option.name)
        value = option.default if default is None else default.value
        where = "default" if default is None else default.setting.where
        rows.append(_describe(words, option.spelling, _to_json(value), where, holds=True))
    return rows


def _describe(words: tuple[str, ...], option: str, value: Any, where: str, *, holds: bool) -> dict[str, Any]:
    return {"command": " ".join(words), "option": option, "value": value, "source": where, "holds": holds}


def _to_json(value: Any) -> Any:
    value = getattr(value, "value", value)
    return str(value) if isinstance(value, Path) else value


def _render(screen: Console, payload: dict[str, Any]) -> None:
    rows = [
        [
            row["command"],
            row["option"],
            _format(row["value"]),
            row["source"] if row["holds"] else f"{row['source']} (overridden)",
        ]
        for row in payload["settings"]
    ]
    broken = any(entry["error"] for entry in payload["files"])
    if rows:
        screen.print(console.unfolded(console.table("", ["command", "option", "value", "from"], rows), screen))
    elif not broken:
        screen.print("no file sets anything: every option has its own default")
    for entry in payload["files"]:
        state = " (cannot be used)" if entry["error"] else "" if entry["exists"] else " (not there)"
        screen.print(f"{entry['kind']}: {entry['path']}{state}", markup=False)


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
