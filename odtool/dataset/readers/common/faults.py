"""Faults in annotations: the error of a broken file or record, and how reading goes on past it with a problem.

Nothing ends at the first fault: a parser raises AnnotationError, the block around one record (`Skipping`) or one file
(`report_broken`, `attempt`) turns it into a problem, and prepare refuses when all are known (survey/refusals.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Protocol, TypeVar

from odtool.dataset.types import Problem
from odtool.errors import DataError

SOURCE, FILE, RECORD, UNDEFINED = "source_broken", "annotation_broken", "record_broken", "class_undefined"
"""Kinds of problems: what a whole source depends on, such as a data.yaml; a file; a row, line or object in one; an
object whose class nothing defines."""
KINDS = (SOURCE, FILE, RECORD, UNDEFINED)
FIX = "Fix the file or remove it, then try again."
P = ParamSpec("P")
T = TypeVar("T")


class CollectedProblems(Protocol):
    """Kind and detail of each problem that is met, in memory or on disk."""

    def append(self, value: tuple[str, str], /) -> None:
        """Adds one."""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """All of them, as often as it is asked for."""


class AnnotationError(DataError):
    """A file of annotations, or a record in one, that is not what its format asks for.

    Args:
        file: the file to look at.
        what: what is wrong, in one line.
        hint: what to do, where it is more than fixing the file.
        line: where it is, from 1; 0 where no line tells.
        kind: of the problem that is counted where it is met in a record.
    """

    def __init__(self, file: Path, what: str, hint: str = FIX, line: int = 0, kind: str = RECORD) -> None:
        what = " ".join(what.split())
        super().__init__(f"{file}:{line}: {what}" if line else f"{file}: {what}", hint)
        self.file = file
        self.kind = kind
        self.detail = (f"line {line}: " if line else "") + what + (f". {hint}" if hint not in ("", FIX) else "")
        self._arguments = (file, what, hint, line, kind)

    def __reduce__(self) -> tuple[type[AnnotationError], tuple[Any, ...]]:
        """Workers hand errors over by pickling them."""
        return type(self), self._arguments


def undefined_class(file: Path, what: str, hint: str = FIX, line: int = 0) -> AnnotationError:
    """The error for an object whose class nothing defines."""
    return AnnotationError(file, what, hint, line, UNDEFINED)


class NoBoxesError(DataError):
    """Files of a format without any boxes in them, as of captions: no matter where another format has some.

    Args:
        file: the file, where no problem names it.
    """

    def __init__(self, message: str, hint: str, file: Path | None = None) -> None:
        super().__init__(message, hint)
        self.file = file


@dataclass(frozen=True, slots=True)
class Skipping:
    """A block for one record: a fault in it goes into the list, and what follows the block goes on."""

    problems: CollectedProblems

    def __enter__(self) -> None:
        """Nothing is set up."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, AnnotationError):
            return False
        self.problems.append((error.kind, error.detail))
        return True


def take(problems: list[tuple[str, str]], file: Path) -> Iterator[Problem]:
    """The problems of a list, which is empty afterwards."""
    taken = problems.copy()
    problems.clear()
    return (Problem(kind, file, detail) for kind, detail in taken)


def report_broken(read: Callable[P, Iterable[T]], *args: P.args, **kwargs: P.kwargs) -> Iterator[T | Problem]:
    """What the reader of one file yields; where the file is broken, a problem and nothing after it."""
    try:
        yield from read(*args, **kwargs)
    except AnnotationError as error:
        yield Problem(FILE, error.file, error.detail)


def report_unreadable(read: Iterable[T]) -> Iterator[T | Problem]:
    """What the reader of a source yields; where a file is broken that all depends on, a problem and no more."""
    try:
        yield from read
    except AnnotationError as error:
        yield Problem(SOURCE, error.file, error.detail)


def attempt(parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Problem:
    """What the parser of one file gives, or the problem where the file is broken."""
    try:
        return parse(*args, **kwargs)
    except AnnotationError as error:
        return Problem(FILE, error.file, error.detail)


def refuse_all_broken(objects: Iterable[object], problems: Sequence[tuple[str, str]], file: Path) -> None:
    """Raises AnnotationError with the first fault where a file has records, and all are broken.

    It is broken as a whole then, or of another format, as which it may be read.
    """
    if problems and not any(True for _ in objects) and all(kind == RECORD for kind, _ in problems):
        raise AnnotationError(file, problems[0][1])


def is_nothing_left(objects: Iterable[object], problems: Iterable[tuple[str, str]]) -> bool:
    """Whether an image lost all its objects to faults: it is no background then."""
    return not any(True for _ in objects) and any(kind in KINDS for kind, _ in problems)
