"""Every source read as all of its formats, into one survey, until no file is left that another format would read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Protocol, TypeAlias

from odtool.dataset.dialects import Reading
from odtool.dataset.progress import Report
from odtool.dataset.readers.common import parsing
from odtool.dataset.readers.common.faults import NoBoxesError
from odtool.dataset.readers.format_choice import FormatChoice, take_samples
from odtool.dataset.readers.registry import READERS
from odtool.dataset.readers.unread import unread_files
from odtool.dataset.records import spool
from odtool.dataset.survey.conventions.annotated_size import Basis
from odtool.dataset.survey.conventions.interpretation import Interpretation, read_until_settled
from odtool.dataset.survey.examination import PassSettings
from odtool.dataset.survey.first_pass import SourceReading, Survey, survey
from odtool.dataset.types import Finding, Problem, Source
from odtool.dataset.workers import Crew

Choices: TypeAlias = tuple[tuple[FormatChoice, ...], ...]
"""The formats of each source."""


class Problems(Protocol):
    """Where problems go."""

    def clear(self) -> None:
        """Begins anew, as each pass over the annotations does."""

    def add(self, problem: Problem) -> None:
        """One more."""


def survey_sources(
    sources: Sequence[Source],
    choices: Choices,
    stored: Path,
    crew: Crew,
    pass_settings: PassSettings,
    problems: Problems,
    report: Report,
    *,
    looks_further: bool,
    coordinates: Reading | None = None,
    annotated_size: Basis | None = None,
) -> tuple[Survey, Choices]:
    """What the sources hold, and the formats as which they were read.

    Args:
        choices: the formats that show at first sight.
        stored: the file of the spool.
        looks_further: whether files that nothing was read from are looked into for other formats, and named.
    """

    repeats = False

    def read(interpretation: Interpretation) -> Survey:
        problems.clear()
        with spool.create_spool(stored) as writer:
            settings = replace(pass_settings, interpretation=interpretation)
            return survey(
                _list_readings(sources, choices, repeats),
                writer,
                crew,
                settings,
                on_problem=problems.add,
                report=report,
            )

    while True:
        with parsing.remember_lists() as lists:
            result = read_until_settled(read, coordinates, annotated_size)
        if result.problems["image_repeated"] and not repeats:
            repeats = True
            continue
        if not looks_further:
            return result, choices
        unread = [list(take_samples(result.account.list_unread(source))) for source in sources]
        more = tuple(
            _add_late_formats(source, formats, files)
            for source, formats, files in zip(sources, choices, unread, strict=True)
        )
        if more == choices:
            break
        choices = more
    has_splits = any(split is not None for split in result.index.list_declared_splits())
    for source, formats, files in zip(sources, choices, unread, strict=True):
        known = {choice.name for choice in formats}
        untold = [file for file in files if not result.account.is_passed_over(file)]
        for problem in unread_files.report_unread(source, untold, lists, known, has_splits=has_splits):
            result.count(problem)
            problems.add(problem)
    return result, _select_productive(choices, result)


def _select_productive(choices: Choices, result: Survey) -> Choices:
    """The formats of each source that gave any image; all of them where none did."""
    numbers = count()
    marked = [[(choice, next(numbers) in result.productive) for choice in formats] for formats in choices]
    return tuple(
        tuple(choice for choice, is_productive in formats if is_productive) or tuple(choice for choice, _ in formats)
        for formats in marked
    )


def _add_late_formats(
    source: Source, formats: tuple[FormatChoice, ...], files: Sequence[Path]
) -> tuple[FormatChoice, ...]:
    """The formats with those that show in files which nothing was read from, in the order of the registry."""
    known = {choice.name for choice in formats}
    late = unread_files.find_late_formats(source, files, known)
    order = list(READERS)
    return tuple(sorted((*formats, *late), key=lambda choice: order.index(choice.name)))


def _list_readings(sources: Sequence[Source], choices: Choices, repeats: bool) -> Iterator[SourceReading]:
    """A reading for each format of each source, in the order of the sources and of their formats.

    Args:
        repeats: whether any annotations of one format are of the same image.
    """
    for source, formats in zip(sources, choices, strict=True):
        for choice in formats:
            if len(formats) == 1:
                yield SourceReading(source, choice.reader.read(source), compares=repeats)
            else:
                yield SourceReading(source, _read_beside(choice, source), beside_others=True, compares=True)


def _read_beside(choice: FormatChoice, source: Source) -> Iterator[Finding]:
    """What a reader yields, where it does not matter that its files may have no boxes: others' have."""
    try:
        yield from choice.reader.read(source)
    except NoBoxesError as error:
        if error.file is not None:
            yield Problem("file_skipped", error.file, error.message.removeprefix(f"{error.file}: "))
