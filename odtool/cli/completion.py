"""What the shell offers after a Tab: the runs, models, formats and classes that there are."""

from __future__ import annotations

import re
from collections.abc import Iterable

import typer

from odtool import printable
from odtool.api import names

_PLAIN = re.compile(r"[^\W_][\w.+@%:/-]*")
"""Names that a shell takes as they are. What it is offered becomes a part of the line that is about to be run, zsh even
evaluates it before, and a label map may be anybody's: a class may be called `x;rm -r .`."""


def complete_runs(context: typer.Context, incomplete: str) -> list[str]:
    """Names of runs."""
    return _offer(names.list_run_names(_find_workspace(context)), incomplete)


def complete_models(context: typer.Context, incomplete: str) -> list[str]:
    """Names of models to start from."""
    return _offer(names.list_model_names(_find_workspace(context)), incomplete)


def complete_formats(incomplete: str) -> list[str]:
    """Names of the formats of annotations."""
    return _offer(["auto", *names.list_format_names()], incomplete)


def complete_classes(context: typer.Context, incomplete: str) -> list[str]:
    """Names of classes; after a comma, the next of a list."""
    before, comma, last = incomplete.rpartition(",")
    return [before + comma + name for name in _offer(names.list_class_names(_find_workspace(context)), last)]


def _find_workspace(context: typer.Context) -> str:
    return str(context.params.get("workspace") or ".")


def _offer(known: Iterable[str], incomplete: str) -> list[str]:
    names = (name for name in known if _PLAIN.fullmatch(name) and printable.show(name) == name)
    return list(dict.fromkeys(name for name in names if name.startswith(incomplete)))
