"""The fields of a dataclass as words of a command line, and back: the one place that knows either form."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from odtool.workspace import Run

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Kind = TypeVar("Kind", bound=DataclassInstance)
else:
    Kind = TypeVar("Kind")

_KEY = "argument"


@dataclass(frozen=True)
class Argument:
    """How a field stands on a command line."""

    help: str
    metavar: str
    positional: bool
    repeated: bool
    """A tuple is one option a word; else its words are separated by commas."""
    least: int | None
    """The lowest number that is taken."""


def argument(
    help: str,  # noqa: A002 - argparse's own word
    metavar: str | None = None,
    *,
    positional: bool = False,
    repeated: bool = False,
    least: int | None = None,
) -> dict[str, Argument]:
    """Metadata for a field: `field(default=5, metadata=argument("newest checkpoints to keep", "N", least=1))`."""
    return {_KEY: Argument(help, metavar or "", positional, repeated, least)}


def to_argv(request: DataclassInstance) -> list[str]:
    """Words that `from_options` reads the same request from, in the order of its fields.

    What is None, False or empty is left out: a positional None is for the caller to append.
    """
    hints = get_type_hints(type(request))
    return [word for item in fields(request) for word in _words(item, getattr(request, item.name), hints[item.name])]


def _words(item: Field[Any], value: Any, hint: Any) -> Iterator[str]:
    form, option = _form(item), _option(item)
    if hint is bool:
        if value is not item.default:
            yield option
    elif value is None or value in ((), {}):
        return
    elif form.positional:
        yield from ("--", *value) if isinstance(value, tuple) else (_text(value),)
    else:
        for word in value if form.repeated else [value]:
            text = _text(word)
            # A word that begins with a dash would be taken for an option.
            yield from (f"{option}={text}",) if text.startswith("-") else (option, text)


def _text(value: Any) -> str:
    if isinstance(value, Run):
        return str(value.path)
    if isinstance(value, tuple):
        return ",".join(value)
    return json.dumps(value) if isinstance(value, dict) else str(value)


def add_arguments(parser: argparse.ArgumentParser, kind: type[DataclassInstance]) -> None:
    """Adds an argument for each field."""
    hints = get_type_hints(kind)
    for item in fields(kind):
        form, hint = _form(item), hints[item.name]
        name = [item.name] if form.positional else [_option(item)]
        if hint is bool:
            parser.add_argument(*name, dest=item.name, action=f"store_{str(not item.default).lower()}", help=form.help)
            continue
        options: dict[str, Any] = {"metavar": form.metavar or None, "help": form.help}
        required = item.default is MISSING and item.default_factory is MISSING
        if form.positional:
            options |= {"nargs": "+" if required else "*"} if get_origin(hint) is tuple else {}
            options |= {} if required else {"default": argparse.SUPPRESS}
        else:
            options |= {"dest": item.name, "required": required}
            options |= {"default": argparse.SUPPRESS}  # the dataclass has them
        whole = get_origin(hint) is tuple and not (form.positional or form.repeated)
        options |= {"action": "append"} if form.repeated else {}
        parser.add_argument(*name, type=_split if whole else _parser(hint, form.least), **options)


def from_options(kind: type[Kind], options: argparse.Namespace) -> Kind:
    """The request that the parsed options make."""
    hints = get_type_hints(kind)
    given = {item.name: getattr(options, item.name) for item in fields(kind) if hasattr(options, item.name)}
    return kind(**{name: tuple(value) if get_origin(hints[name]) is tuple else value for name, value in given.items()})


def _form(item: Field[Any]) -> Argument:
    form: Argument = item.metadata[_KEY]
    return form


def _option(item: Field[Any]) -> str:
    name = item.name.replace("_", "-")
    return f"--no-{name}" if item.default is True else f"--{name}"


def _split(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _parser(hint: Any, least: int | None) -> Callable[[str], Any]:
    """What makes a value of one of a field's types from a word."""
    kinds = [kind for kind in (_parts(hint)) if kind is not NoneType]
    words = {word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)}
    (read,) = [_READERS[kind] for kind in kinds if get_origin(kind) is not Literal]

    def parse(text: str) -> Any:
        if text in words:
            return text
        try:
            value = read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        if least is not None and value < least:
            raise argparse.ArgumentTypeError(f"{value} is not {least} or more")
        return value

    return parse


def _parts(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is tuple:
        return (str,)
    if get_origin(hint) is dict:
        return (dict,)
    return (hint,) if hint in _READERS else get_args(hint)


_READERS: dict[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    str: str,
    Path: lambda text: Path(text).absolute(),
    Run: lambda text: Run(Path(text).absolute()),
    dict: json.loads,
}
