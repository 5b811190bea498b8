"""The options' defaults from the users' files, checked against the commands that there are, for Click to take over."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from typer.core import TyperGroup
from typer.models import OptionInfo

from odtool.cli.error_boundary import UsageError
from odtool.errors import ConfigError, OdtoolError
from odtool.settings import user_settings
from odtool.settings.user_settings import FileKind, Setting

_DECIDING = {
    "workspace": "decides which odtool.toml is read",
    "help": "is not a setting",
    "version": "is not a setting",
}
"""Options that no file can set, with the reason."""
_OWN_FILE_ONLY = {
    "notify_target": "may run a command or send to an address, which a workspace of somebody else's must not"
}
"""Options that a workspace's file cannot set: a workspace may have come from anywhere."""
_HELP = {"-h", "--help"}
_WHATEVER_IS_SET = {("doctor",), ("settings",), ("version",)}
"""Commands that go on without the files' defaults where these are broken; the former two tell what is wrong."""


@dataclass(frozen=True)
class OptionDefault:
    """A default, as it holds."""

    setting: Setting
    parameter: str
    """Name of the command's parameter."""
    option: str
    """As it is typed: --checkpoint-every."""
    value: Any
    """As Click takes it for a default."""


def apply(command: Any, context: Any, args: Sequence[str]) -> None:
    """Gives a command the defaults of the files, before its own arguments are read.

    Args:
        command: of Click; its name and those of the groups above it are the table's.
        context: its context, whose default_map is set.
        args: what was typed after its name.

    Raises:
        ConfigError: a file says what cannot hold; names the file and the line. Help is shown all the same.
    """
    if context.resilient_parsing or context.parent is None:
        return
    words = _list_words(context)
    try:
        defaults = load(context, _find_workspace(command, context, args))
    except OdtoolError:
        if words in _WHATEVER_IS_SET or _HELP.intersection(args):
            return
        raise
    own = {each.parameter: each.value for each in defaults if each.setting.command == words}
    context.default_map = {**(context.default_map or {}), **own}
    _let_be_undone(command, own)


def _let_be_undone(command: Any, defaults: Mapping[str, Any]) -> None:
    """Gives switches that a file sets a --no-... where they have none, as the command line goes before every file."""
    for parameter in command.params:
        if getattr(parameter, "is_bool_flag", False) and defaults.get(parameter.name) and not parameter.secondary_opts:
            parameter.secondary_opts = [f"--no-{on[2:]}" for on in parameter.opts if on.startswith("--")]


def load(context: Any, workspace: Path) -> list[OptionDefault]:
    """All defaults that hold in a workspace, in the order of the files; of one that is set twice both.

    Raises:
        ConfigError: as `apply`.
    """
    commands = list_commands(context.find_root().command, context)
    return [_check(setting, commands) for setting in user_settings.read(workspace, commands)]


def load_sound_files(context: Any, workspace: Path) -> tuple[list[OptionDefault], dict[FileKind, ConfigError]]:
    """The defaults of those files that can be read, and what is wrong with each of the others."""
    commands = list_commands(context.find_root().command, context)
    defaults: list[OptionDefault] = []
    faults: dict[FileKind, ConfigError] = {}
    for kind, path in user_settings.list_files(workspace).items():
        try:
            defaults += [_check(setting, commands) for setting in user_settings.read_file(kind, path, commands)]
        except ConfigError as error:
            faults[kind] = error
    return defaults, faults


def list_commands(group: TyperGroup, context: Any, above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """All commands below a group, by their words."""
    commands: dict[tuple[str, ...], Any] = {}
    for name in group.list_commands(context):
        command: Any = group.get_command(context, name)
        words = (*above, name)
        commands[words] = command
        if isinstance(command, TyperGroup):
            commands |= list_commands(command, context, words)
    return commands


@dataclass(frozen=True)
class Option:
    """An option, from the signature of its command's function."""

    name: str
    """Of the parameter."""
    on: tuple[str, ...]
    """Long spellings without dashes; of a flag those that switch it on."""
    off: tuple[str, ...]
    kind: Any
    """bool, int, float, str or Path, or an Enum."""
    is_list: bool
    choices: tuple[str, ...]
    """Texts of which it takes one; none where it takes any."""
    details: OptionInfo
    default: Any

    @property
    def spelling(self) -> str:
        """As it is typed."""
        return f"--{(self.on or self.off)[0]}"


def list_options(command: Any) -> Iterator[Option]:
    """The options of a command; not its arguments."""
    for parameter in inspect.signature(inspect.unwrap(command.callback), eval_str=True).parameters.values():
        for details in get_args(parameter.annotation)[1:]:
            if isinstance(details, OptionInfo):
                yield _build_option(parameter, details)


def _build_option(parameter: inspect.Parameter, details: OptionInfo) -> Option:
    # Inside Annotated, the first spelling stands where a default would.
    first = [details.default] if isinstance(details.default, str) else []
    spellings = [*first, *(details.param_decls or ())] or [f"--{parameter.name.replace('_', '-')}"]
    pairs = [spelling.partition("/") for spelling in spellings]
    accepted = get_args(parameter.annotation)[0]
    kinds = [kind for kind in get_args(accepted) or (accepted,) if kind is not type(None)]
    if get_origin(accepted) is Literal:
        kinds = [str]
    is_list = any(get_origin(kind) is list for kind in (accepted, *kinds))
    kind = (get_args(kinds[0]) or (str,))[0] if get_origin(kinds[0]) is list else kinds[0]
    choices = get_args(accepted) if get_origin(accepted) is Literal else ()
    if isinstance(kind, type) and issubclass(kind, Enum):
        choices = tuple(str(member.value) for member in kind)
    return Option(
        name=parameter.name,
        on=tuple(on[2:] for on, _, _ in pairs if on.startswith("--")),
        off=tuple(off[2:] for _, _, off in pairs if off.startswith("--")),
        kind=kind,
        is_list=is_list,
        choices=choices,
        details=details,
        default=parameter.default,
    )


def _list_words(context: Any) -> tuple[str, ...]:
    words: list[str] = []
    while context.parent is not None:
        words.insert(0, context.info_name)
        context = context.parent
    return tuple(words)


def _find_workspace(command: Any, context: Any, args: Sequence[str]) -> Path:
    """What --workspace says; read as Click itself will, whose word it is if it cannot be."""
    parser = command.make_parser(context)
    parser.ignore_unknown_options = True  # a --no-... may come with the file that is to be found
    try:
        options, _, _ = parser.parse_args(args=list(args))
    except UsageError:
        return Path.cwd()
    value = options.get("workspace")
    return Path(value).resolve() if isinstance(value, str) and Path(value).is_dir() else Path.cwd()


def _check(setting: Setting, commands: Mapping[tuple[str, ...], Any]) -> OptionDefault:
    options = {name: option for option in list_options(commands[setting.command]) for name in (*option.on, *option.off)}
    name = setting.name.replace("_", "-").lstrip("-")
    option = options.get(name)
    words = " ".join(setting.command)
    if option is None:
        close = get_close_matches(name, options, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"See: odtool {words} --help"
        raise ConfigError(f"{setting.where}: odtool {words} has no option '{setting.name}'", hint)
    if reason := _DECIDING.get(option.name):
        raise ConfigError(f"{setting.where}: {setting.name} {reason}", "Remove the line.")
    if setting.kind == "workspace" and (reason := _OWN_FILE_ONLY.get(option.name)):
        own = user_settings.find_user_file()
        raise ConfigError(f"{setting.where}: {setting.name} {reason}", f"Set it in your own file: {own}")
    return OptionDefault(setting, option.name, option.spelling, _convert(setting, option, is_off=name in option.off))


def _convert(setting: Setting, option: Option, *, is_off: bool) -> Any:
    """The value as Click takes it; raises ConfigError where it is of another type, or out of range."""
    value = setting.value
    if option.kind is bool:
        if not isinstance(value, bool):
            raise _refuse(setting, f"{_show(value)} is not true or false")
        return value != is_off
    if not option.is_list:
        return _convert_one(setting, option, value)
    if not isinstance(value, list):
        raise _refuse(
            setting, f"{_show(value)} is not a list", f"Write it in brackets: {json.dumps([value], default=str)}"
        )
    return [_convert_one(setting, option, item) for item in value]


def _convert_one(setting: Setting, option: Option, value: Any) -> Any:
    wanted = {int: "a whole number", float: "a number"}.get(option.kind, "a text")
    kinds = {int: (int,), float: (int, float)}.get(option.kind, (str, int, float))
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not isinstance(value, kinds) or not (isinstance(value, str) or (is_number and math.isfinite(value))):
        raise _refuse(setting, f"{_show(value)} is not {wanted}")
    if option.kind not in (int, float):
        if option.choices and str(value) not in option.choices:
            raise _refuse(setting, f"{_show(value)} is not one of {', '.join(option.choices)}")
        return str(value)  # as it would be typed: 0 stands for "0" where an option takes a text
    least, most = _parse_bound(option.details.min), _parse_bound(option.details.max)
    if not (-math.inf if least is None else least) <= float(value) <= (math.inf if most is None else most):
        span = f"{least:g} or more" if most is None else f"from {least or 0:g} to {most:g}"
        raise _refuse(setting, f"{value} is not {span}")
    return value


def _parse_bound(bound: Any) -> float | None:
    """A bound as a number; later versions of Typer take texts, too."""
    return None if bound is None else float(bound)


def _show(value: Any) -> str:
    return f"'{str(value).lower() if isinstance(value, bool) else value}'"


def _refuse(setting: Setting, problem: str, hint: str = "") -> ConfigError:
    words = " ".join(setting.command)
    return ConfigError(f"{setting.where}: {setting.name}: {problem}", hint or f"See: odtool {words} --help")
