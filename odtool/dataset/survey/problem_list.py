"""problems.csv: every problem with its file, in the data set's folder, or beside it where the data set is refused."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from odtool.dataset.survey import problem_kinds
from odtool.dataset.types import Problem
from odtool.errors import DataError
from odtool.files import write_atomically

_COLUMNS = ("kind", "level", "file", "detail", "action")


class ProblemList:
    """The list while it is written."""

    def __init__(self, stream: TextIO, *, is_begun: bool) -> None:
        self._stream = stream
        self._rows = csv.writer(stream)
        self.told = 0
        """Problems that are more than information; of a list that was begun elsewhere those since then."""
        if not is_begun:
            self.clear()

    def clear(self) -> None:
        """Begins anew, as each pass over the annotations does."""
        self._stream.seek(0)
        self._stream.truncate()
        self._rows.writerow(_COLUMNS)
        self.told = 0

    def add(self, problem: Problem) -> None:
        check = problem_kinds.CATALOGUE[problem.kind]
        self.told += check.level != "info"
        self._rows.writerow((problem.kind, check.level, problem.file, problem.detail, check.action))


def locate_refused(out: Path) -> Path:
    """Where the list lies of a data set that is not written: beside the folder that would hold it."""
    place = out.resolve()
    return place.with_name(f"{place.name}.problems.csv")


@contextmanager
def open_list(path: Path, out: Path, *, begun: Path | None = None) -> Iterator[ProblemList]:
    """The list at `path`, empty, or as another one has begun it.

    Where the block refuses a data set that was to become `out`, the list goes beside it, and the error says where.

    Args:
        begun: a list that this one goes on from, in its own file or in another.
    """
    told = 0
    if begun is not None and begun != path:
        shutil.copyfile(begun, path)
    try:
        with open(path, "a" if begun else "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            problems = ProblemList(stream, is_begun=begun is not None)
            try:
                yield problems
            finally:
                told = problems.told
    except DataError as error:
        refused = locate_refused(out)
        if (told or begun is not None) and _is_ours(refused):
            with suppress(OSError):  # that the disk is full is not what is to be said
                write_atomically(refused, path.read_bytes())
                separator = " " if error.hint.endswith((".", "?")) else ". "
                error.hint = f"{error.hint}{separator if error.hint else ''}All problems are listed in {refused}"
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
