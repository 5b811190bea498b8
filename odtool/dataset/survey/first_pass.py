"""The first pass: annotations read, images' headers and boxes checked, all problems known before any writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from odtool.dataset.classes import Changes
from odtool.dataset.progress import Report
from odtool.dataset.readers.common import faults
from odtool.dataset.readers.unread.accounting import FileAccount
from odtool.dataset.records.spool import Index, SpoolWriter
from odtool.dataset.survey.backlog import Backlog, Waiting, open_backlog
from odtool.dataset.survey.claims import Claims
from odtool.dataset.survey.conventions.interpretation import Heard
from odtool.dataset.survey.examination import ExaminationTask, Examined, PassSettings, examine
from odtool.dataset.survey.merging.merge import merge
from odtool.dataset.survey.merging.settling import Settling, find_absent
from odtool.dataset.survey.merging.statements import Statements, open_statements
from odtool.dataset.types import Deferred, Finding, Problem, Source
from odtool.dataset.workers import Crew
from odtool.errors import DataError

_CHUNK = 64
"""Images a task: a task then takes milliseconds, against which handing it over is nothing."""
_ALONE = 8
"""Chunks looked at before workers are started where they cannot be forked, which takes as long as they do."""
_MOST_NAMED = 10
"""Broken annotations that are named one by one; all are counted."""


@dataclass
class Survey:
    """What the first pass found."""

    index: Index = field(default_factory=Index)
    classes: dict[str, Path] = field(default_factory=dict)
    """Class names, each with the first file that uses it."""
    problems: Counter[str] = field(default_factory=Counter)
    """Problems by kind."""
    first: dict[str, Problem] = field(default_factory=dict)
    """The first problem of each kind."""
    faults: list[Problem] = field(default_factory=list)
    """The first of those for which prepare refuses: broken annotations."""
    changes: Changes = field(default_factory=Counter)
    """Objects whose class was renamed or dropped as asked."""
    keypoints: set[int] = field(default_factory=set)
    """Numbers of keypoints that objects have; empty where none has any."""
    heard: Heard = field(default_factory=Heard)
    """What the boxes say of how they are to be read."""
    account: FileAccount = field(default_factory=FileAccount)
    """Files that something was taken from."""
    productive: set[int] = field(default_factory=set)
    """Numbers of the readings that gave any image."""
    imageless: dict[int, str] = field(default_factory=dict)
    """An annotation file of each reading of which images are missing or cannot be read."""

    def count(self, problem: Problem) -> None:
        self.problems[problem.kind] += 1
        self.first.setdefault(problem.kind, problem)
        if problem.kind in faults.KINDS and len(self.faults) < _MOST_NAMED:
            self.faults.append(problem)


@dataclass(frozen=True)
class SourceReading:
    """What the reader of one format yields of a source."""

    source: Source
    findings: Iterable[Finding]
    beside_others: bool = False
    """Whether the source is read as other formats, too."""
    compares: bool = False
    """Whether annotations of one image are compared, and merged: those of formats beside each other, and those of one
    format where an image turned out to have several."""


def survey(
    readings: Iterable[SourceReading],
    spool: SpoolWriter,
    crew: Crew,
    pass_settings: PassSettings,
    *,
    on_problem: Callable[[Problem], None] = lambda _: None,
    report: Report = lambda _images, _bytes: None,
) -> Survey:
    """Reads everything into the spool. The result does not depend on the number of workers.

    Args:
        on_problem: called with each problem in the order of reading, once all is read: only then it is known which
            annotation of an image stays.
        report: called now and then with the number of images read, and no bytes.
    """
    totals = Survey(spool.index)
    started: list[SourceReading] = []
    tasks = (
        ExaminationTask(number, reading.source, reading.compares, chunk, pass_settings)
        for number, reading, chunk in _split_into_chunks(readings, started)
    )
    claims = Claims()
    settling: Settling | None = None
    with open_backlog(spool.path.parent) as backlog, open_statements(spool.path.with_name("statements")) as statements:
        with _handing_over(backlog, on_problem):
            for result in crew.map(examine, tasks, tasks_here=_ALONE):
                claims.begin(result.reading)
                _add_result(result, claims, totals, spool, backlog, statements)
                report(len(totals.index), 0)
        backlog.add([Waiting(problem) for problem in pass_settings.interpretation.coordinates.notices])
        removed, lost_classes = bytearray(len(totals.index)), set[str]()
        for position in claims.removed:
            removed[position] = 1
        if len(statements):
            spool.flush()
            settling, lost_classes = _merge_formats(totals, removed, statements, spool.path, started, crew, backlog)
        told_files = set[Problem]()
        for waiting in backlog.read():
            if waiting.problem in told_files:
                continue  # one format has said already that the file is broken
            if waiting.problem.kind == faults.FILE and len(started) > 1:
                told_files.add(waiting.problem)
            if not waiting.is_of(removed) and not (settling and settling.is_settled(waiting)):
                totals.count(waiting.problem)
                on_problem(waiting.problem)
    if any(removed):
        totals.index = totals.index.without(removed)
    for label in lost_classes.difference(totals.index.names):
        del totals.classes[label]
    return totals


@contextmanager
def _handing_over(backlog: Backlog, on_problem: Callable[[Problem], None]) -> Iterator[None]:
    """What was met before an error ends the reading is handed over all the same."""
    try:
        yield
    except DataError:
        for waiting in backlog.read():
            on_problem(waiting.problem)
        raise


def _add_result(
    result: Examined, claims: Claims, totals: Survey, spool: SpoolWriter, backlog: Backlog, statements: Statements
) -> None:
    """Takes what a worker found into the survey."""
    positions, claim_problems = _settle_claims(result, claims, len(totals.index), statements)
    if positions:
        totals.productive.add(result.reading)
    for file in result.imageless:
        totals.imageless.setdefault(result.reading, file)
    for file in (*result.imageless, *(source for source, _ in result.annotations)):
        totals.account.add_source(file, result.reading)
    for problem in result.problems:
        totals.account.add_problem(problem, result.reading)
    spool.add(result.piece, list(positions))
    images = [positions.get(number, -1) for number in result.images]
    backlog.add(
        [
            *(
                Waiting(problem, result.reading, image, place)
                for problem, image, place in zip(result.problems, images, result.image_places, strict=True)
            ),
            *(Waiting(problem, result.reading) for problem in claim_problems),
        ]
    )
    for label, path in result.classes.items():
        totals.classes.setdefault(label, path)
    totals.changes.update(result.changes)
    totals.keypoints |= result.keypoints
    totals.heard.add(result.heard)


def _settle_claims(
    result: Examined, claims: Claims, start: int, statements: Statements
) -> tuple[dict[int, int], list[Problem]]:
    """Position in the set by that in the result, of the images that their annotations get, and what others met.

    Args:
        start: the next position in the set.
    """
    positions: dict[int, int] = {}
    problems = []
    for number, key in enumerate(result.piece.index.keys):
        place, position = result.places.get(number, key), start + len(positions)
        # What is repeated stays until it is compared with what was said before.
        waits = bool(result.statements) and claims.is_taken(place)
        is_kept, problem = claims.settle(
            key, place, result.annotations[number], position, certain=number not in result.unsure
        )
        if waits and problem is not None and problem.kind == "image_repeated":
            is_kept, problem = True, None
        if is_kept:
            positions[number] = position
            if result.statements:
                statements.add(result.statements[number], position=position, place=place, reading=result.reading)
        if problem:
            problems.append(problem)
    return positions, problems


def _merge_formats(
    totals: Survey,
    removed: bytearray,
    statements: Statements,
    stored: Path,
    readings: Sequence[SourceReading],
    crew: Crew,
    backlog: Backlog,
) -> tuple[Settling, set[str]]:
    """Leaves in the survey one annotation of each image that several formats speak of.

    Returns what is to be known of the problems, and the classes of the objects that are left out.
    """
    numbers: dict[Source, int] = {}
    problems: list[Waiting] = []

    def add(problem: Problem) -> None:
        problems.append(Waiting(problem))
        if len(problems) >= _CHUNK:
            backlog.add(problems)
            problems.clear()

    of_readings = [numbers.setdefault(reading.source, len(numbers)) for reading in readings]
    merged = merge(statements, totals.index, stored, of_readings, removed, crew, add)
    sources = [reading.source if reading.beside_others else None for reading in readings]
    absent = find_absent(backlog, sources, set(statements.readings), totals.imageless)
    left_out = {waiting.place for waiting in backlog.read() if waiting.place}
    settling = Settling(totals.account, sources, merged.known, left_out, absent)
    for problem in (*absent.values(), *settling.report_unannotated()):
        add(problem)
    backlog.add(problems)
    doubtful = settling.find_doubtful(backlog, removed)
    backlog.add([Waiting(problem) for problem in doubtful.values()])
    for position in doubtful:
        removed[position] = 1
    totals.changes -= merged.changes
    return settling, merged.classes


def _split_into_chunks(
    readings: Iterable[SourceReading], started: list[SourceReading]
) -> Iterator[tuple[int, SourceReading, tuple[Finding, ...]]]:
    """Findings by reading, of which each is added to those that have started."""
    for number, reading in enumerate(readings):
        started.append(reading)
        chunk: list[Finding] = []
        images = 0
        for item in faults.report_unreadable(reading.findings):
            chunk.append(item)
            images += item.files if isinstance(item, Deferred) else 1
            if images >= _CHUNK:
                yield number, reading, tuple(chunk)
                chunk, images = [], 0
        if chunk:
            yield number, reading, tuple(chunk)
