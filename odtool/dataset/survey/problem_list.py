"""problems.csv: every problem with its file, in the data set's folder, or beside it where the data set is refused."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from odtool.dataset.survey import image_checks
from odtool.dataset.types import Problem
from odtool.errors import DataError
from odtool.files import write_atomically

_COLUMNS = ("kind", "level", "file", "detail", "action")


def locate_refused(out: Path) -> Path:
    """Where the list lies of a data set that is not written: beside the folder that would hold it."""
    place = out.resolve()
    return place.with_name(f"{place.name}.problems.csv")


@contextmanager
def open_list(path: Path, out: Path, *, begun: Path | None = None) -> Iterator[Callable[[Problem], None]]:
    """The function that adds a problem to the list at `path`.

    Where the block refuses a data set that was to become `out`, the list goes beside it, and the error says where.

    Args:
        begun: a list that this one goes on from, in its own file or in another.
    """
    count = 0 if begun is None else 1
    if begun is not None and begun != path:
        shutil.copyfile(begun, path)
    try:
        with open(path, "a" if begun else "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            rows = csv.writer(stream)
            if begun is None:
                rows.writerow(_COLUMNS)

            def add(problem: Problem) -> None:
                nonlocal count
                check = image_checks.CATALOGUE[problem.kind]
                count += check.level != "info"
                rows.writerow((problem.kind, check.level, problem.file, problem.detail, check.action))

            yield add
    except DataError as error:
        refused = locate_refused(out)
        if count and _is_ours(refused):
            write_atomically(refused, path.read_bytes())
            error.hint = f"{error.hint} All problems are listed in {refused}".strip()
        raise


def remove_refused(out: Path) -> None:
    """Removes the list of an earlier call that refused, once a data set is written: it would mislead."""
    if _is_ours(refused := locate_refused(out)):
        refused.unlink(missing_ok=True)


def _is_ours(path: Path) -> bool:
    """Whether nothing lies there, or a list of problems."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.readline().strip() == ",".join(_COLUMNS)
    except FileNotFoundError:
        return True
    except OSError:
        return False
