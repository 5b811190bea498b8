"""The flow of inspect: annotations read and checked as prepare does, counted, and sampled; nothing is kept on disk."""

from __future__ import annotations

import heapq
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

from odtool.dataset import label_map, readers, statistics
from odtool.dataset.classes import ALL_CLASSES, ClassChoice, following, refuse_unknown
from odtool.dataset.inspect import box_statistics
from odtool.dataset.inspect.box_statistics import Figures
from odtool.dataset.progress import Progress, silent
from odtool.dataset.readers import Choice
from odtool.dataset.records import spool
from odtool.dataset.records.record_writer import CheckedImage, checked_at
from odtool.dataset.records.spool import Index, Reader
from odtool.dataset.statistics import ClassChange
from odtool.dataset.survey import coverage, duplicates, image_checks, refusals
from odtool.dataset.survey.first_pass import Survey, key_of, survey
from odtool.dataset.survey.image_checks import Check, Rules
from odtool.dataset.types import Problem, Source
from odtool.dataset.workers import Crew, crew

_EXAMPLES = 10
"""Problems kept of each kind, to be named; all are counted."""
_SHOWN_PER_KIND = 3
"""Images shown for each kind of problem."""
_LEVELS = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Settings:
    """What `odtool inspect` is asked to read, and how."""

    sources: tuple[Source, ...]
    format: str = "auto"
    label_map: Path | None = None
    workers: int | None = None
    """Worker processes; None for one a core."""
    rules: Rules = image_checks.USUAL
    chosen: ClassChoice = ALL_CLASSES
    samples: int = 24
    """Images to choose for showing, those with problems first."""
    seed: int = 0
    """Decides which images without problems are shown."""


@dataclass(frozen=True)
class ProblemKind:
    """One kind of problem that was met."""

    kind: str
    check: Check
    count: int
    examples: tuple[Problem, ...]
    """The first ones."""


@dataclass(frozen=True)
class Sample:
    """An image to show."""

    checked: CheckedImage
    kinds: tuple[str, ...]
    """The problems that it has."""


@dataclass(frozen=True)
class Inspection:
    """What was found."""

    sources: tuple[Source, ...]
    choices: tuple[Choice, ...]
    figures: Figures
    problems: tuple[ProblemKind, ...]
    """The gravest first."""
    samples: tuple[Sample, ...]
    """Those with problems first."""
    changes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Objects by old and new class name ('' where dropped), as --rename, --only and --drop ask."""

    def class_changes(self) -> tuple[ClassChange, ...]:
        """The same, a row for each class that was changed."""
        return statistics.class_changes(self.changes)


def inspect(settings: Settings, *, progress: Progress = silent) -> Inspection:
    """Reads and checks everything that prepare would, and counts it.

    Raises:
        DataError: there is nothing to read, or something is broken.
    """
    log = _Log()
    given = label_map.read(settings.label_map) if settings.label_map else []
    settings = replace(settings, chosen=following(settings.chosen, given))
    with crew(settings.workers) as workers, tempfile.TemporaryDirectory(prefix="odtool-inspect-") as folder:
        sources = settings.sources
        choices = tuple(readers.choose(source, settings.format) for source in sources)
        findings = ((source, choice.reader.read(source)) for source, choice in zip(sources, choices, strict=True))
        stored = Path(folder) / "spool"
        with spool.created(stored) as writer, progress("images read", None) as report:
            rules, chosen = settings.rules, settings.chosen
            found = survey(
                findings, writer, workers, rules=rules, chosen=chosen, on_problem=log.add, report=report
            )  # fmt: skip
        _refuse_nothing(settings, found)
        refuse_unknown(settings.chosen, found.changes, found.classes)
        with spool.opened(stored) as reader:
            for problem in _of_the_whole(found, reader, stored, workers):
                log.add(problem)
            if settings.label_map is not None:
                names = [item.name for item in given]
                for problem in coverage.of_label_map(found.classes, names, settings.label_map):
                    log.add(problem)
            counted, samples = _counted(found.index, reader, _shown(log, found.index, settings))
    images = {item.name: item.splits for item in counted.classes}
    source = settings.sources[0].path
    whole = coverage.of_classes(images, list(counted.splits), source)
    for problem in (*whole, *coverage.of_declared(found.index.declared(), source)):
        log.add(problem)
    return Inspection(settings.sources, choices, counted, log.kinds(), samples, dict(found.changes))


class _Log:
    """Problems by kind: how many, the first ones, and of which images."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[Problem]] = {}

    def add(self, problem: Problem) -> None:
        self._counts[problem.kind] += 1
        examples = self._examples.setdefault(problem.kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(problem)

    def kinds(self) -> tuple[ProblemKind, ...]:
        found = [
            ProblemKind(kind, image_checks.CATALOGUE[kind], count, tuple(self._examples[kind]))
            for kind, count in self._counts.items()
        ]
        return tuple(sorted(found, key=lambda item: (_LEVELS[item.check.level], -item.count, item.kind)))

    def images(self) -> dict[str, list[str]]:
        """Kinds of problems by source id, for a few images of each kind; the gravest first."""
        chosen: dict[str, list[str]] = {}
        for kind in self.kinds():
            names = dict.fromkeys(problem.image for problem in kind.examples if problem.image)
            for name in list(names)[:_SHOWN_PER_KIND]:
                chosen.setdefault(name, [])
        for kind in self.kinds():
            for problem in kind.examples:
                if problem.image in chosen and kind.kind not in chosen[problem.image]:
                    chosen[problem.image].append(kind.kind)
        return chosen


def _refuse_nothing(settings: Settings, found: Survey) -> None:
    if len(found.index) or found.problems["image_missing"]:
        return
    where = ", ".join(str(source.path) for source in settings.sources)
    raise refusals.unusable(found, where)


def _of_the_whole(found: Survey, reader: Reader, stored: Path, workers: Crew) -> Iterator[Problem]:
    index = found.index
    same = duplicates.identical(index.fingerprints, stored, index.extent, workers)
    yield from coverage.of_duplicates(
        same, index.declared(), lambda position: checked_at(reader, index.extent(position)).image
    )


def _shown(log: _Log, index: Index, settings: Settings) -> dict[int, tuple[str, ...]]:
    """Kinds of problems by the position of each image to show, in the order of showing."""
    positions = {key: position for position, key in enumerate(index.keys)}
    shown: dict[int, tuple[str, ...]] = {}
    for name, kinds in log.images().items():
        position = positions.get(key_of(name))
        if position is not None and len(shown) < settings.samples:
            shown[position] = tuple(kinds)

    def rank(position: int) -> bytes:
        salt = settings.seed.to_bytes(16, "big", signed=True)
        return blake2b(index.keys[position].to_bytes(8, "big"), digest_size=8, key=salt).digest()

    for position in heapq.nsmallest(settings.samples, range(len(index)), key=rank):
        if len(shown) < settings.samples:
            shown.setdefault(position, ())
    return shown


def _counted(index: Index, reader: Reader, shown: Mapping[int, tuple[str, ...]]) -> tuple[Figures, tuple[Sample, ...]]:
    collector = box_statistics.Collector()
    samples: dict[int, Sample] = {}
    for position in range(len(index)):
        checked = checked_at(reader, index.extent(position))
        collector.add(checked)
        if position in shown:
            samples[position] = Sample(checked, shown[position])
    return collector.done(), tuple(samples[position] for position in shown)
