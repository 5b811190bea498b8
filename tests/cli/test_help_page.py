"""What --help prints: at 80 columns, in panels by purpose, in the words of a user."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from odtool.cli import app, help_page, panels


def list_commands(
    group: typer.Typer, prefix: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Callable[..., Any]]]:
    for command in group.registered_commands:
        assert command.callback
        yield (*prefix, command.name or command.callback.__name__), command.callback
    for child in group.registered_groups:
        assert child.typer_instance
        yield from list_commands(child.typer_instance, (*prefix, str(child.name)))


COMMANDS = dict(list_commands(app))


@pytest.fixture(autouse=True)
def on_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_fits_and_speaks_of_no_types(odtool: Callable, words: tuple[str, ...]) -> None:
    said = odtool(*words, "-h")
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= 80
    for machine_word in ("<bool>", "<str>", "<int", "<=", "[x>"):
        assert machine_word not in said.out
    assert "Example:" in said.out
    assert odtool(*words, "--help") == said


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_parameter_is_explained_in_one_panel(odtool: Callable, words: tuple[str, ...]) -> None:
    page = odtool(*words, "-h").out
    described = list(help_page.describe_parameters(COMMANDS[words]))
    assert {each.name for each in described} == inspect.signature(COMMANDS[words]).parameters.keys() - {"context"}
    firsts = [line.split()[1].rstrip(",") for line in page.splitlines() if line.startswith("│ ")]
    for parameter in described:
        assert firsts.count(parameter.spelling.split()[0].rstrip(",")) == 1, parameter


def test_an_option_of_a_command_with_panels_stands_in_one_of_them() -> None:
    for name, found in panels.PANELS.items():
        options = [option for option in help_page.describe_parameters(COMMANDS[name,]) if not option.is_argument]
        own = [option.name for option in options if option.name not in {"workspace", "as_json", "debug"}]
        assert sorted(own) == sorted(option for listed in found.values() for option in listed), name


def test_commands_with_many_options_have_panels() -> None:
    for words, function in COMMANDS.items():
        assert len(list(help_page.describe_parameters(function))) <= 11 or words[0] in panels.PANELS, words


def test_the_first_page_names_every_command(odtool: Callable) -> None:
    page = odtool("-h").out
    assert {words[0] for words in COMMANDS} <= set(re.findall(r"^│ ([a-z]+) ", page, re.MULTILINE))
    assert max(map(len, page.splitlines())) <= 80
