"""The flow of inspect: annotations read and checked as prepare does, counted, and sampled; nothing is kept on disk."""

from __future__ import annotations

import heapq
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

from odtool.dataset import label_map, statistics
from odtool.dataset.classes import ALL_CLASSES, ClassChoice, follow_label_map, refuse_unknown
from odtool.dataset.dialects import Reading
from odtool.dataset.inspect import box_statistics
from odtool.dataset.inspect.box_statistics import Figures
from odtool.dataset.progress import Progress, silent
from odtool.dataset.readers import format_choice
from odtool.dataset.readers.common import source_folders
from odtool.dataset.records import spool
from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.records.record_writer import read_checked_image
from odtool.dataset.records.spool import Index, SpoolReader, hash_id
from odtool.dataset.statistics import ClassChange
from odtool.dataset.survey import coverage, duplicates, image_checks, refusals
from odtool.dataset.survey.annotated_size import Basis
from odtool.dataset.survey.first_pass import PassSettings, Survey
from odtool.dataset.survey.image_checks import Check, Rules
from odtool.dataset.survey.source_survey import Choices, survey_sources
from odtool.dataset.types import Problem, Source
from odtool.dataset.workers import Crew, open_crew

_EXAMPLES = 10
"""Problems kept of each kind, to be named; all are counted."""
_SHOWN_PER_KIND = 3
"""Images shown for each kind of problem."""
_LEVELS = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class InspectSettings:
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
    coordinates: Reading | None = None
    """What the four numbers of a box mean; None lets the boxes decide."""
    annotated_size: Basis | None = None
    """Which size boxes are in where an annotation declares another than the image's; None lets the boxes decide."""


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
    choices: Choices
    """The formats of each source."""
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


def inspect(settings: InspectSettings, *, progress: Progress = silent) -> Inspection:
    """Reads and checks everything that prepare would, and counts it.

    Raises:
        DataError: there is nothing to read, or something is broken.
    """
    log = _Log()
    label_items = label_map.read(settings.label_map) if settings.label_map else []
    settings = replace(settings, chosen=follow_label_map(settings.chosen, label_items))
    with open_crew(settings.workers) as workers, tempfile.TemporaryDirectory(prefix="odtool-inspect-") as folder:
        sources = tuple(replace(source, label_map=settings.label_map) for source in settings.sources)
        choices = tuple(format_choice.choose(source, settings.format) for source in sources)
        stored = Path(folder) / "spool"
        with source_folders.remember_listings(), progress("images read", None) as report:
            result, choices = survey_sources(
                sources,
                choices,
                stored,
                workers,
                PassSettings(settings.rules, settings.chosen),
                log,
                report,
                looks_further=settings.format == "auto",
                coordinates=settings.coordinates,
                annotated_size=settings.annotated_size,
            )
        _refuse_nothing(settings, result)
        refuse_unknown(settings.chosen, result.changes, result.classes)
        with spool.open_spool(stored) as reader:
            for problem in _find_duplicates(result, reader, stored, workers):
                log.add(problem)
            if settings.label_map is not None:
                names = [item.name for item in label_items]
                for problem in coverage.report_unknown_classes(result.classes, names, settings.label_map):
                    log.add(problem)
            figures, samples = _count(result.index, reader, _choose_samples(log, result.index, settings))
    images = {item.name: item.splits for item in figures.classes}
    source = settings.sources[0].path
    class_problems = coverage.report_classes(images, list(figures.splits), source)
    for problem in (*class_problems, *coverage.report_undeclared_splits(result.index.list_declared_splits(), source)):
        log.add(problem)
    return Inspection(settings.sources, choices, figures, log.kinds(), samples, dict(result.changes))


class _Log:
    """Problems by kind: how many, the first ones, and of which images."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[Problem]] = {}

    def clear(self) -> None:
        """Begins anew, as each pass over the annotations does."""
        self._counts.clear()
        self._examples.clear()

    def add(self, problem: Problem) -> None:
        self._counts[problem.kind] += 1
        examples = self._examples.setdefault(problem.kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(problem)

    def kinds(self) -> tuple[ProblemKind, ...]:
        kinds = [
            ProblemKind(kind, image_checks.CATALOGUE[kind], count, tuple(self._examples[kind]))
            for kind, count in self._counts.items()
        ]
        return tuple(sorted(kinds, key=lambda item: (_LEVELS[item.check.level], -item.count, item.kind)))

    def images(self) -> dict[str, list[str]]:
        """Kinds of problems by source id, for a few images of each kind; the gravest first."""
        images: dict[str, list[str]] = {}
        for kind in self.kinds():
            names = dict.fromkeys(problem.image for problem in kind.examples if problem.image)
            for name in list(names)[:_SHOWN_PER_KIND]:
                images.setdefault(name, [])
        for kind in self.kinds():
            for problem in kind.examples:
                if problem.image in images and kind.kind not in images[problem.image]:
                    images[problem.image].append(kind.kind)
        return images


def _refuse_nothing(settings: InspectSettings, result: Survey) -> None:
    if len(result.index) or result.problems["image_missing"]:
        return
    where = ", ".join(str(source.path) for source in settings.sources)
    raise refusals.unusable_error(result, where)


def _find_duplicates(result: Survey, reader: SpoolReader, stored: Path, workers: Crew) -> Iterator[Problem]:
    index = result.index
    duplicate_groups = duplicates.find_identical(index.fingerprints, stored, index.extent, workers)
    yield from coverage.report_duplicates(
        duplicate_groups,
        index.list_declared_splits(),
        lambda position: read_checked_image(reader, index.extent(position)).image,
    )


def _choose_samples(log: _Log, index: Index, settings: InspectSettings) -> dict[int, tuple[str, ...]]:
    """Kinds of problems by the position of each image to show, in the order of showing."""
    positions = {key: position for position, key in enumerate(index.keys)}
    samples: dict[int, tuple[str, ...]] = {}
    for name, kinds in log.images().items():
        position = positions.get(hash_id(name))
        if position is not None and len(samples) < settings.samples:
            samples[position] = tuple(kinds)

    def rank(position: int) -> bytes:
        salt = settings.seed.to_bytes(16, "big", signed=True)
        return blake2b(index.keys[position].to_bytes(8, "big"), digest_size=8, key=salt).digest()

    for position in heapq.nsmallest(settings.samples, range(len(index)), key=rank):
        if len(samples) < settings.samples:
            samples.setdefault(position, ())
    return samples


def _count(
    index: Index, reader: SpoolReader, sample_kinds: Mapping[int, tuple[str, ...]]
) -> tuple[Figures, tuple[Sample, ...]]:
    collector = box_statistics.FiguresCollector()
    samples: dict[int, Sample] = {}
    for position in range(len(index)):
        checked = read_checked_image(reader, index.extent(position))
        collector.add(checked)
        if position in sample_kinds:
            samples[position] = Sample(checked, sample_kinds[position])
    return collector.finish(), tuple(samples[position] for position in sample_kinds)
