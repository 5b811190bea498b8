"""The flow of inspect: annotations read and checked as prepare does, counted, and sampled; nothing is kept on disk."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from odtool import temporary_folders
from odtool.dataset import label_map, statistics
from odtool.dataset.classes import ALL_CLASSES, ClassChoice, follow_label_map, refuse_unknown
from odtool.dataset.dialects import Reading
from odtool.dataset.inspect import box_statistics
from odtool.dataset.inspect.box_statistics import Figures
from odtool.dataset.inspect.problem_log import ProblemKind, ProblemLog
from odtool.dataset.inspect.samples import Sample, SimilarImages, choose_groups, choose_samples
from odtool.dataset.progress import Progress, silent
from odtool.dataset.readers import format_choice
from odtool.dataset.readers.common import source_folders
from odtool.dataset.records import spool
from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.records.record_writer import read_checked_image
from odtool.dataset.records.spool import Index, SpoolReader
from odtool.dataset.sets.repeat_factors import compute_factors
from odtool.dataset.statistics import ClassChange
from odtool.dataset.survey import coverage, image_checks, refusals
from odtool.dataset.survey.conventions.annotated_size import Basis
from odtool.dataset.survey.examination import PassSettings
from odtool.dataset.survey.first_pass import Survey
from odtool.dataset.survey.image_checks import Rules
from odtool.dataset.survey.resemblance import Resemblance, find_resemblance
from odtool.dataset.survey.source_survey import Choices, survey_sources
from odtool.dataset.types import Problem, Source
from odtool.dataset.workers import Crew, open_crew


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
    similar: bool = False
    """Decode all images, and report those that look alike."""
    balance: float | None = None
    """Threshold of the repeat factors that prepare --balance would take."""
    coordinates: Reading | None = None
    """What the four numbers of a box mean; None lets the boxes decide."""
    annotated_size: Basis | None = None
    """Which size boxes are in where an annotation declares another than the image's; None lets the boxes decide."""


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
    similar: SimilarImages | None = None
    """None where they were not looked for."""
    repeat_factors: Mapping[str, float] | None = None
    """By class, those above 1; None where they were not asked for."""

    def class_changes(self) -> tuple[ClassChange, ...]:
        """The same, a row for each class that was changed."""
        return statistics.class_changes(self.changes)


def inspect(settings: InspectSettings, *, progress: Progress = silent) -> Inspection:
    """Reads and checks everything that prepare would, and counts it.

    Raises:
        DataError: there is nothing to read, or something is broken.
    """
    log = ProblemLog()
    label_items = label_map.read(settings.label_map) if settings.label_map else []
    settings = replace(settings, chosen=follow_label_map(settings.chosen, label_items))
    with open_crew(settings.workers) as workers, temporary_folders.make() as folder:
        stored = folder / "spool"
        result, choices = _survey_sources(settings, stored, workers, log, progress)
        index = result.index
        resemblance = find_resemblance(index, stored, workers, progress, similar=settings.similar)
        for problem in _report_resemblance(resemblance, index, stored):
            log.add(problem)
        with spool.open_spool(stored) as reader:
            if settings.label_map is not None:
                names = [item.name for item in label_items]
                for problem in coverage.report_unknown_classes(result.classes, names, settings.label_map):
                    log.add(problem)
            chosen = choose_samples(log.list_images(), index, settings.samples, settings.seed)
            alike = choose_groups(resemblance.similar, index.list_declared_splits())
            figures, shown = _count(index, reader, {position for group in alike for position in group} | set(chosen))
    for problem in _report_classes(figures, index, settings.sources[0].path):
        log.add(problem)
    similar = SimilarImages(
        len(resemblance.similar),
        sum(map(len, resemblance.similar)),
        tuple(tuple(Sample(shown[position], ()) for position in group) for group in alike),
    )
    return Inspection(
        settings.sources,
        choices,
        figures,
        log.list_kinds(),
        tuple(Sample(shown[position], kinds) for position, kinds in chosen.items()),
        dict(result.changes),
        similar if settings.similar else None,
        None if settings.balance is None else _find_repeat_factors(figures, settings.balance),
    )


def _survey_sources(
    settings: InspectSettings, stored: Path, workers: Crew, log: ProblemLog, progress: Progress
) -> tuple[Survey, Choices]:
    """Reads all sources into a spool; refuses where that leaves nothing."""
    sources = tuple(replace(source, label_map=settings.label_map) for source in settings.sources)
    choices = tuple(format_choice.choose(source, settings.format) for source in sources)
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
    return result, choices


def _report_classes(figures: Figures, index: Index, source: Path) -> Iterator[Problem]:
    """Classes and images that the data set's own splits leave out."""
    images = {item.name: item.splits for item in figures.classes}
    yield from coverage.report_classes(images, list(figures.splits), source)
    yield from coverage.report_undeclared_splits(index.list_declared_splits(), source)


def _refuse_nothing(settings: InspectSettings, result: Survey) -> None:
    if len(result.index) or result.problems["image_missing"]:
        return
    where = ", ".join(str(source.path) for source in settings.sources)
    raise refusals.unusable_error(result, where)


def _report_resemblance(resemblance: Resemblance, index: Index, stored: Path) -> Iterator[Problem]:
    """Identical images, and similar ones; in different splits where prepare would keep those."""
    declared = index.list_declared_splits()
    has_training = "train" in declared
    splits = [split if split and has_training else "train" for split in declared]
    yield from resemblance.report(stored, index)
    yield from resemblance.report_splits(splits, stored, index)


def _find_repeat_factors(figures: Figures, threshold: float) -> dict[str, float]:
    """What prepare --balance would take where it keeps the splits, and roughly that where it cuts a part off."""
    elsewhere = sum(count for split, count in figures.splits.items() if split != "train")
    has_training = "train" in figures.splits
    total = figures.images - elsewhere if has_training else figures.images
    images = {
        item.name: item.splits.get("train", 0) + item.splits.get("", 0) if has_training else item.images
        for item in figures.classes
    }
    factors = compute_factors({name: count for name, count in images.items() if count}, total, threshold)
    return {name: factor for name, factor in factors.items() if factor > 1}


def _count(index: Index, reader: SpoolReader, chosen: Collection[int]) -> tuple[Figures, dict[int, CheckedImage]]:
    """The figures of the set, and the images at some positions."""
    collector = box_statistics.FiguresCollector()
    shown: dict[int, CheckedImage] = {}
    for position, own_split in enumerate(index.list_declared_splits()):
        checked = read_checked_image(reader, index.extent(position))
        collector.add(checked, own_split)
        if position in chosen:
            shown[position] = checked
    return collector.finish(), shown
