"""What --help prints: a command's options in panels by purpose, each with what it takes and its default."""

from __future__ import annotations

import inspect
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from typer.core import TyperCommand, TyperGroup
from typer.models import ArgumentInfo, OptionInfo

from odtool import parts
from odtool.cli import option_defaults
from odtool.cli.panels import PANELS, find_panel, find_place

if TYPE_CHECKING:
    from rich.text import Text

ARGUMENTS, OPTIONS, ANY_COMMAND = "Arguments", "Options", "Any command"
_SHARED = ("workspace", "as_json", "debug")
"""Options that every command has: in the last panel, where they are not in the way."""
_FIRST_COLUMN = 28
"""Most characters of the first column."""


@dataclass(frozen=True)
class Parameter:
    """An argument or option as it is typed, what it means, what holds without it."""

    name: str
    spelling: str
    help: str
    default: str
    is_argument: bool


def describe_parameters(function: Callable[..., Any]) -> Iterator[Parameter]:
    """The arguments and options of a command, from the signature of its function."""
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        details = [each for each in get_args(parameter.annotation) if isinstance(each, (ArgumentInfo, OptionInfo))]
        if details and not details[0].hidden:
            yield _describe(parameter, details[0])


def _describe(parameter: inspect.Parameter, details: ArgumentInfo | OptionInfo) -> Parameter:
    accepted = get_args(parameter.annotation)[0]
    if isinstance(details, ArgumentInfo):
        spelling = details.metavar or parameter.name.upper()
    else:
        # Inside Annotated, the first spelling stands where a default would.
        spellings = [details.default] if isinstance(details.default, str) else []
        spellings += details.param_decls or ()
        spelling = ", ".join(spellings) or f"--{parameter.name.replace('_', '-')}"
        is_switch = accepted is bool or set(get_args(accepted)) == {bool, type(None)}
        spelling = spelling.replace("/", " / ") if is_switch else f"{spelling} {details.metavar or _kind(accepted)}"
    return Parameter(
        name=parameter.name,
        spelling=spelling,
        help=" ".join((details.help or "").split()),
        default=_show_default(parameter.default),
        is_argument=isinstance(details, ArgumentInfo),
    )


def _kind(accepted: Any) -> str:
    kinds = [each for each in get_args(accepted) or (accepted,) if each is not type(None)]
    if isinstance(kinds[0], type) and issubclass(kinds[0], Enum):
        return "|".join(member.value for member in kinds[0])
    return {int: "N", float: "X", str: "TEXT", Path: "PATH"}.get(kinds[0], "VALUE")


def _show_default(default: Any) -> str:
    absent = default is None or isinstance(default, bool) or default is inspect.Parameter.empty or default in {(), ""}
    return "" if absent else str(getattr(default, "value", default))


class HelpfulCommand(TyperCommand):
    """A command whose help is the page of this module, and whose options have the defaults of the users' files."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Takes the arguments apart, once the context knows the files' defaults."""
        option_defaults.apply(self, ctx, args)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Click calls it so
        """Prints the help; the formatter that Click would collect it in is not used."""
        assert self.callback is not None
        _print_page(self, ctx, inspect.unwrap(self.callback))


class OneProcessCommand(HelpfulCommand):
    """A command whose work is not shared out: several tasks of a Slurm step would each do all of it."""

    def invoke(self, ctx: Any) -> Any:
        """Calls the command, after a word where others do the same."""
        from odtool.cli import console

        if repeated := parts.describe_repeated_work(os.environ):
            console.warn(repeated)
        return super().invoke(ctx)


class HelpfulGroup(TyperGroup):
    """A group of commands, of which the same holds."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As of a command."""
        option_defaults.apply(self, ctx, args)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Click calls it so
        """Prints the help; the formatter that Click would collect it in is not used."""
        assert self.callback is not None
        _print_page(self, ctx, inspect.unwrap(self.callback), self._list_commands(ctx))

    def _list_commands(self, ctx: Any) -> dict[str, list[tuple[str, str]]]:
        panels: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command and not command.hidden:
                text = inspect.cleandoc(command.help or "").split("\n\n")[0]
                panels[getattr(command, "rich_help_panel", None) or "Commands"].append((name, text))
        return panels


def _print_page(
    command: TyperCommand | TyperGroup,
    context: Any,
    function: Callable[..., Any],
    commands: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> None:
    from rich.markdown import Markdown
    from rich.padding import Padding
    from rich.text import Text

    from odtool.cli import console

    shared, own = _arrange(command, context, function)
    panels = {**own, **(commands or {}), ANY_COMMAND if own or commands else OPTIONS: shared}
    usage = f"Usage: {context.command_path} {' '.join(command.collect_usage_pieces(context))}"
    console.stdout.print(Padding(Text(usage, style="bold"), (1, 1)), soft_wrap=False)
    console.stdout.print(Padding(Markdown(inspect.cleandoc(command.help or "")), (0, 1, 1, 1)), soft_wrap=False)
    width = min(_FIRST_COLUMN, max(len(left) for rows in panels.values() for left, _ in rows))
    for title, rows in panels.items():
        _print_panel(title, rows, width)


def _arrange(
    command: TyperCommand | TyperGroup, context: Any, function: Callable[..., Any]
) -> tuple[list[tuple[str, str]], dict[str, list[tuple[str, str]]]]:
    """The rows that every command has, and its own by panel."""
    name = command.name or ""
    own: dict[str, list[tuple[str, str]]] = {title: [] for title in (ARGUMENTS, *PANELS.get(name, ()), OPTIONS)}
    shared: list[tuple[str, str]] = []
    parameters = {parameter.name: parameter for parameter in describe_parameters(function)}
    for parameter in sorted(parameters.values(), key=lambda each: find_place(name, each.name)):
        panel = ARGUMENTS if parameter.is_argument else find_panel(name, parameter.name) or OPTIONS
        rows = shared if parameter.name in _SHARED else own[panel]
        rows.append((parameter.spelling, _explain(parameter, context)))
    # --help, and those for completion, which no function declares
    undeclared = [option for option in command.get_params(context) if option.name not in parameters]
    shared += [(", ".join(sorted(option.opts, key=len)), getattr(option, "help", None) or "") for option in undeclared]
    return shared, {title: rows for title, rows in own.items() if rows}


def _explain(parameter: Parameter, context: Any) -> str:
    """What a parameter means, and what holds where it is not given."""
    settings = getattr(context, "default_map", None) or {}
    own = settings.get(parameter.name)
    default = str(own).lower() if isinstance(own, bool) else _show_default(own) or parameter.default
    return f"{parameter.help} [default: {default}]" if default else parameter.help


def _print_panel(title: str, rows: Sequence[tuple[str, str]], width: int) -> None:
    from rich.panel import Panel
    from rich.table import Table

    from odtool.cli import console

    table = Table(box=None, show_header=False, pad_edge=False, expand=True)
    table.add_column(width=width, style="bold cyan")
    table.add_column(ratio=1)
    for left, right in rows:
        # An option and what it takes stand below each other where both do not fit.
        table.add_row(left if len(left) <= width else left.replace(" ", "\n  "), _style(right))
    console.stdout.print(Panel(table, title=title, title_align="left", border_style="dim"), soft_wrap=False)


def _style(text: str) -> Text:
    """A text in which what stands between backticks is to be typed."""
    from rich.text import Text

    return Text.assemble(*((part, "bold cyan" if typed % 2 else "") for typed, part in enumerate(text.split("`"))))
