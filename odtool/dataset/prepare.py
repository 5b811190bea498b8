"""The flow from annotations to a folder of records: choose the reader, survey, split, write, swap in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from odtool import __version__
from odtool.dataset import label_map, splits, statistics
from odtool.dataset.classes import ALL_CLASSES, ClassChoice, follow_label_map, refuse_unknown
from odtool.dataset.dialects import Reading
from odtool.dataset.images.tiles import Tiling
from odtool.dataset.progress import Progress, Report, silent
from odtool.dataset.readers import format_choice
from odtool.dataset.readers.common import source_folders
from odtool.dataset.readers.format_choice import FormatChoice
from odtool.dataset.readers.registry import READERS, Reader
from odtool.dataset.records import beam, shards, spool, staging
from odtool.dataset.records.record_writer import keep_draft, keep_whole, read_image
from odtool.dataset.records.spool import Index
from odtool.dataset.statistics import DatasetSummary, ProblemSummary, ShardFigures
from odtool.dataset.survey import coverage, duplicates, image_checks, problem_list, refusals
from odtool.dataset.survey.annotated_size import Basis
from odtool.dataset.survey.first_pass import PassSettings, Survey
from odtool.dataset.survey.grouping import Grouping
from odtool.dataset.survey.image_checks import Rules
from odtool.dataset.survey.problem_list import ProblemList
from odtool.dataset.survey.source_survey import Choices, survey_sources
from odtool.dataset.types import Problem, Source
from odtool.dataset.workers import Crew, open_crew
from odtool.errors import DataError
from odtool.files import write_atomically
from odtool.workspace import Dataset


@dataclass(frozen=True)
class PrepareSettings:
    """What `odtool prepare` is asked to do."""

    sources: tuple[Source, ...]
    out: Path
    format: str = "auto"
    val: float = 0.1
    test: float = 0.0
    seed: int = 0
    resplit: bool = False
    """Split again, whatever splits the data set has."""
    grouping: Grouping | None = None
    """Images that stay together when a split is cut."""
    tiling: Tiling | None = None
    """How images that are larger than a tile are cut."""
    masks: bool = False
    """Write instance masks."""
    keypoints: bool = False
    """Write keypoints; those of records are written in any case."""
    shards: int | None = None
    """Shards a split; None lets their size decide."""
    label_map: Path | None = None
    """A label map to follow; else classes are numbered in the order of their sorted names."""
    workers: int | None = None
    """Worker processes; None for one a core."""
    beam: str | None = None
    """Options of an Apache Beam pipeline that writes the shards in place of the workers."""
    strict: bool = False
    """Refuse where any problem of level 'warning' or 'error' was met."""
    rules: Rules = image_checks.USUAL
    """How closely images are looked at."""
    chosen: ClassChoice = ALL_CLASSES
    """Classes that are renamed, kept or dropped."""
    skip_missing: bool = False
    """Leave out annotations whose image is missing, in place of refusing."""
    skip_broken: bool = False
    """Leave out files, rows and objects that are broken, in place of refusing."""
    coordinates: Reading | None = None
    """What the four numbers of a box mean; None lets the boxes decide."""
    annotated_size: Basis | None = None
    """Which size boxes are in where an annotation declares another than the image's; None lets the boxes decide."""


@dataclass(frozen=True)
class Prepared:
    """What was written, and why it was read as it was."""

    dataset: Dataset
    summary: DatasetSummary
    choices: tuple[tuple[FormatChoice, ...], ...]
    """The formats of each source."""
    first: Mapping[str, Problem]
    """The first problem of each kind."""


def _now() -> datetime:
    return datetime.now(timezone.utc)


def prepare(settings: PrepareSettings, *, progress: Progress = silent, now: Callable[[], datetime] = _now) -> Prepared:
    """Writes records, label map, dataset.json and problems.csv into `settings.out`, whole or not at all.

    Raises:
        DataError: there is nothing to read, something is broken or missing, or `out` is not ours to replace.
    """
    label_items = label_map.read(settings.label_map) if settings.label_map else None
    if label_items:
        settings = replace(settings, chosen=follow_label_map(settings.chosen, label_items))
    with ExitStack() as stack:
        # Workers come first: what is forked stays as small as the command is before it lists any folder.
        workers = stack.enter_context(open_crew(settings.workers))
        listing = stack.enter_context(ExitStack())
        listing.enter_context(source_folders.remember_listings())
        choices = _choose_formats(settings)
        folder = stack.enter_context(staging.replacing(settings.out))
        stack.enter_context(closing(workers))  # before the folder goes that they may be writing into
        dataset, stored = Dataset(folder), folder / "spool"
        with problem_list.open_list(dataset.problems, settings.out) as problems:
            with progress("images read", None) as report:
                result, choices = _survey_sources(settings, choices, stored, workers, problems, report)
            on_problem = problems.add
            display_names = (
                label_map.display_names(label_items)
                if label_items
                else _find_display_names(settings, choices, result.classes)
            )
            listing.close()
            classes = {item.name: item.id for item in label_items} if label_items else _number_classes(result.classes)
            _refuse_unusable(result, classes, settings)
            positions_by_split = _assign_splits(result, stored, settings, workers, on_problem)
            if settings.strict:
                refusals.refuse_any_problem(result)
        plans = shards.plan_shards(
            result.index,
            positions_by_split,
            stored,
            dataset,
            classes,
            shard_count=settings.shards,
            masks=settings.masks,
        )
        with progress("records", len(result.index)) as report:
            figures = shards.write_shards(plans, sum(result.index.bytes), workers, report, on_beam=settings.beam)
        stored.unlink()
        summary = _summarise(result, classes, figures, choices, settings, now())
        write_atomically(dataset.label_map, label_map.dump(classes, display_names))
        write_atomically(dataset.summary, statistics.dump(summary))
    problem_list.remove_refused(settings.out)
    return Prepared(Dataset(settings.out), summary, choices, result.first)


def _choose_formats(settings: PrepareSettings) -> Choices:
    """The formats of each source. Raises DataError for what can be refused before anything is read."""
    splits.check_shares(settings.val, settings.test)
    staging.refuse_foreign(settings.out)
    if settings.beam is not None:
        beam.check(settings.beam)
    choices = tuple(format_choice.choose(source, settings.format) for source in settings.sources)
    if settings.masks:
        _refuse_formats_without("masks", choices, lambda reader: reader.masks)
    if settings.keypoints:
        _refuse_formats_without("keypoints", choices, lambda reader: reader.keypoints)
    return choices


def _refuse_formats_without(what: str, choices: Choices, carries: Callable[[Reader], bool]) -> None:
    """Raises DataError where a source has no format that carries what an option asks for."""
    titles = [reader.title for reader in READERS.values() if carries(reader)]
    for formats in choices:
        if not any(carries(choice.reader) for choice in formats):
            raise DataError(
                f"--{what}: {formats[0].reader.title} has no {what} that odtool reads",
                f"{what.capitalize()} are read from {', '.join(titles)}.",
            )


def _survey_sources(
    settings: PrepareSettings,
    choices: Choices,
    stored: Path,
    workers: Crew,
    problems: ProblemList,
    report: Report,
) -> tuple[Survey, Choices]:
    sources = [
        replace(source, masks=settings.masks, keypoints=settings.keypoints, label_map=settings.label_map)
        for source in settings.sources
    ]
    pass_settings = PassSettings(
        settings.rules,
        settings.chosen,
        settings.grouping,
        settings.tiling,
        keep_whole if settings.masks else keep_draft,
    )

    return survey_sources(
        sources,
        choices,
        stored,
        workers,
        pass_settings,
        problems,
        report,
        looks_further=settings.format == "auto",
        coordinates=settings.coordinates,
        annotated_size=settings.annotated_size,
    )


def _refuse_unusable(result: Survey, classes: Mapping[str, int], settings: PrepareSettings) -> None:
    """Raises DataError where what was found is not what was asked for, or nothing to train on."""
    where = ", ".join(str(source.path) for source in settings.sources)
    if not settings.skip_broken:
        refusals.refuse_broken(result)
    refusals.refuse_contradictions(result)
    refusals.refuse_unwritable_classes(result)
    refuse_unknown(settings.chosen, result.changes, result.classes)
    refusals.refuse_nothing_to_train_on(result, where, skip_missing=settings.skip_missing)
    refusals.refuse_unknown_classes(result, classes, settings.label_map)


def _number_classes(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(names), start=1)}


def _find_display_names(settings: PrepareSettings, choices: Choices, classes: Collection[str]) -> dict[str, str]:
    """Display names by name, from the sources whose format has any; of several for one class the first."""
    names: dict[str, str] = {}
    for source, formats in zip(settings.sources, choices, strict=True):
        for choice in formats:
            if choice.reader.display_names is not None:
                names = {**choice.reader.display_names(source), **names}
    return {
        name: display_name for name, display_name in names.items() if name in classes and display_name not in classes
    }


def _assign_splits(
    result: Survey, stored: Path, settings: PrepareSettings, workers: Crew, on_problem: Callable[[Problem], None]
) -> dict[str, list[int]]:
    """Positions in the index by split. Problems that only the whole set shows are counted on the way."""
    index = result.index
    duplicate_groups = duplicates.find_identical(index.fingerprints, stored, index.extent, workers)
    declared = [None] * len(index) if settings.resplit else index.list_declared_splits()
    if settings.grouping and not splits.find_shares_to_cut(declared, val=settings.val, test=settings.test):
        raise DataError(
            f"--group-by '{settings.grouping.by}': the data set has its own splits, so none is cut",
            "Add --resplit to split it again, or leave --group-by out.",
        )
    positions_by_split = splits.assign_splits(
        index.keys,
        declared,
        val=settings.val,
        test=settings.test,
        seed=settings.seed,
        groups=splits.join_groups(index.groups, duplicate_groups),
        labels=index.make_class_lookup(),
    )
    source = settings.sources[0].path
    set_problems = (
        *coverage.report_keypoint_counts(result.keypoints, source),
        *coverage.report_undeclared_splits(declared, source),
    )
    for problem in (*_find_set_problems(index, duplicate_groups, positions_by_split, stored, source), *set_problems):
        result.count(problem)
        on_problem(problem)
    return positions_by_split


def _find_set_problems(
    index: Index,
    duplicate_groups: Iterable[Sequence[int]],
    positions_by_split: Mapping[str, Sequence[int]],
    stored: Path,
    source: Path,
) -> Iterator[Problem]:
    """Identical images, and classes that are rare or missing from a split."""
    split_of: list[str | None] = [None] * len(index)
    names, numbers_of = sorted(index.names), index.make_class_lookup()
    images: dict[str, Counter[str]] = {name: Counter() for name in names}
    for split, positions in positions_by_split.items():
        for position in positions:
            split_of[position] = split
            for number in numbers_of(position):
                images[names[number]][split] += 1
    with spool.open_spool(stored) as reader:
        yield from coverage.report_duplicates(
            duplicate_groups, split_of, lambda position: read_image(reader, index.extent(position))
        )
    yield from coverage.report_classes(images, list(positions_by_split), source)


def _summarise(
    result: Survey,
    classes: dict[str, int],
    figures: Mapping[str, Iterable[ShardFigures]],
    choices: Choices,
    settings: PrepareSettings,
    created: datetime,
) -> DatasetSummary:
    return DatasetSummary(
        classes=classes,
        splits={split: statistics.summarise(of_split) for split, of_split in figures.items()},
        format="+".join(dict.fromkeys(choice.name for formats in choices for choice in formats)),
        sources=tuple(str(source.path) for source in settings.sources),
        seed=settings.seed,
        odtool=__version__,
        created=created.isoformat(timespec="seconds"),
        problems={
            kind: ProblemSummary(image_checks.CATALOGUE[kind].level, count, image_checks.CATALOGUE[kind].action)
            for kind, count in sorted(result.problems.items())
        },
        masks=settings.masks,
        keypoints=max(result.keypoints, default=0),
        class_changes=statistics.class_changes(result.changes),
    )
