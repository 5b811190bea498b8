"""problems.csv: every problem with its file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from odtool.dataset.survey import image_checks
from odtool.dataset.types import Problem


class ProblemList:
    """The file while it is written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rows = csv.writer(stream)
        self.clear()

    def clear(self) -> None:
        """Begins anew, as each pass over the annotations does."""
        self._stream.seek(0)
        self._stream.truncate()
        self._rows.writerow(("kind", "level", "file", "detail", "action"))

    def add(self, problem: Problem) -> None:
        check = image_checks.CATALOGUE[problem.kind]
        self._rows.writerow((problem.kind, check.level, problem.file, problem.detail, check.action))


@contextmanager
def open_problem_list(path: Path) -> Iterator[ProblemList]:
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        yield ProblemList(stream)
