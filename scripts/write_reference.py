"""Writes the generated pages of docs/reference: commands, formats and problems, from the code that they describe.

    python scripts/write_reference.py            # after a change to a command, a format or a problem
    python scripts/write_reference.py --check    # exit code 1 where a page is out of date

The pages are committed, so that they can be read without building anything; a test holds that they are current.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

import odtool
from odtool.cli import app
from odtool.cli.help_page import describe_parameters
from odtool.dataset.readers.registry import READERS
from odtool.dataset.statistics import Balance, ClassChange, ClassRepeats, DatasetSummary, ProblemSummary, SplitSummary
from odtool.dataset.survey.problem_kinds import CATALOGUE

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
_NOTE = "<!-- Written by scripts/write_reference.py. -->\n\n"
_INTRODUCTIONS = {
    "commands.md": """# Commands

Every command takes `--help`, `--json` (one object on stdout, messages on stderr) and `--debug`. Exit codes: 0
done, 1 it could not be done, 2 wrong usage, 75 (of `--foreground`) stopped before it was done. An error is one
line that names the file and the cause, and one that says what to do.
""",
    "dataset_json.md": """# dataset.json

The figures of a prepared data set: the contract between `odtool prepare` and everything after it. `odtool
prepare --json` prints the same with `path` and `evidence`.
""",
    "formats.md": """# Annotation formats

`--format` of `odtool prepare` and `odtool inspect` takes these names; without it, the format is detected.

""",
    "problems.md": """# Problems

What `odtool prepare` and `odtool inspect` look for in images and boxes, and what is done about it. Each
occurrence is a line of `problems.csv`; the counts are in `dataset.json`. `--strict` refuses a set with problems
of the levels error and warning.

""",
    "python_api.md": """# Python API

Every command is a function of the same name with the same options; `odtool eval` is `evaluate`. `import odtool`
alone loads nothing heavy. Arguments are checked before anything is done. Errors are `odtool.errors.OdtoolError`
with `message`, `hint` and `details` (further lines). Nothing is printed: `progress` and `notify` are called with what
is being done.
""",
}


def render() -> Mapping[str, str]:
    """The pages by file name."""
    return {name: _NOTE + _INTRODUCTIONS[name] + "".join(lines()) for name, lines in _PAGES.items()}


def _commands() -> Iterator[str]:
    yield from _group(app, "odtool")


def _group(group: typer.Typer, prefix: str) -> Iterator[str]:
    callback = group.registered_callback
    if prefix != "odtool" and callback and callback.callback:
        yield from _command(prefix, callback.callback)
    for command in group.registered_commands:
        if command.callback and not command.hidden:
            yield from _command(f"{prefix} {command.name or command.callback.__name__}", command.callback)
    for child in group.registered_groups:
        if child.typer_instance:
            yield from _group(child.typer_instance, f"{prefix} {child.name}")


def _command(path: str, function: Callable[..., Any]) -> Iterator[str]:
    yield f"\n## {path}\n\n{inspect.cleandoc(function.__doc__ or '')}\n"
    yield "\n| argument or option | meaning | default |\n|---|---|---|\n"
    for parameter in describe_parameters(function):
        shown = f"`{parameter.default}`" if parameter.default else ""
        yield f"| {_cell(f'`{parameter.spelling}`')} | {_cell(parameter.help)} | {shown} |\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _formats() -> Iterator[str]:
    yield "| `--format` | annotations | masks | keypoints | what is read and left out |\n|---|---|---|---|---|\n"
    for name, reader in READERS.items():
        carried = ("yes" if flag else "" for flag in (reader.masks, reader.keypoints))
        yield f"| `{name}` | {_cell(reader.title)} | {' | '.join(carried)} | {_cell(reader.notes)} |\n"


def _problems() -> Iterator[str]:
    yield "| problem | level | what is done |\n|---|---|---|\n"
    for name, check in CATALOGUE.items():
        yield f"| `{name}` | {check.level} | {_cell(check.action)} |\n"


def _dataset_json() -> Iterator[str]:
    for title, kind in _DATASET_PARTS.items():
        yield f"\n## {title}\n\n{inspect.cleandoc(kind.__doc__ or '')}\n\n"
        yield from _fields(kind)


def _fields(kind: type[Any]) -> Iterator[str]:
    """The fields of a dataclass with the strings that stand behind them in its source."""
    body = ast.parse(inspect.cleandoc("\n" + inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    yield "| field | type | meaning |\n|---|---|---|\n"
    for node, after in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            meaning = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
            if node.target.id != "_":
                yield f"| `{node.target.id}` | `{_cell(ast.unparse(node.annotation))}` | {_cell(str(meaning))} |\n"


def _python_api() -> Iterator[str]:
    for name in sorted(set(odtool.__all__) - {"__version__"}):
        function = getattr(odtool, name)
        yield f"\n## odtool.{name}\n\n{_prose(function)}\n"
        request = getattr(sys.modules[function.__module__], f"{name.capitalize()}Request", None)
        if request is not None:
            yield "\n"
            yield from _fields(request)


def _prose(function: Callable[..., Any]) -> str:
    """A docstring as Markdown: its sections become paragraphs of their own."""
    lines = inspect.cleandoc(function.__doc__ or "").splitlines()
    return "\n".join(f"**{line}**\n" if line in ("Args:", "Raises:") else line.strip() for line in lines)


_DATASET_PARTS: Mapping[str, type[Any]] = {
    "The file": DatasetSummary,
    "splits": SplitSummary,
    "problems": ProblemSummary,
    "class_changes": ClassChange,
    "balance": Balance,
    "balance.classes": ClassRepeats,
}
_PAGES = {
    "dataset_json.md": _dataset_json,
    "commands.md": _commands,
    "formats.md": _formats,
    "problems.md": _problems,
    "python_api.md": _python_api,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a page is out of date")
    check: bool = parser.parse_args().check
    stale = {
        FOLDER / name: text
        for name, text in render().items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text() != text
    }
    for path, text in stale.items():
        if not check:
            path.write_text(text)
        print(f"{path}: {'out of date' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
