"""The flow from annotations to a folder of records: choose the reader, survey, split, write, swap in."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from odtool import __version__
from odtool.dataset import label_map, readers, splits, statistics
from odtool.dataset.classes import ALL_CLASSES, ClassChoice, following, refuse_unknown
from odtool.dataset.images.tiles import Tiling
from odtool.dataset.progress import Progress, Report, silent
from odtool.dataset.readers import Choice
from odtool.dataset.readers.common import source_folders
from odtool.dataset.readers.records.tfrecord import tfrecord
from odtool.dataset.records import beam, shards, spool, staging
from odtool.dataset.records.record_writer import drafted, image_at, whole
from odtool.dataset.records.spool import Index
from odtool.dataset.statistics import DatasetSummary, ProblemSummary, ShardFigures
from odtool.dataset.survey import coverage, duplicates, image_checks, refusals
from odtool.dataset.survey.first_pass import Survey, survey
from odtool.dataset.survey.grouping import Grouping
from odtool.dataset.survey.image_checks import Rules
from odtool.dataset.types import Problem, Source
from odtool.dataset.workers import Crew, crew
from odtool.errors import DataError
from odtool.files import write_atomically
from odtool.workspace import Dataset

WITH_MASKS = ("coco", "cvat", "label_studio", "labelme", "labelme_xml", "supervisely", "tfrecord", "via", "yolo")
"""Formats whose reader gives outlines."""
WITH_KEYPOINTS = ("coco", "tfrecord")
"""Formats whose reader gives key points."""


@dataclass(frozen=True)
class Settings:
    """What `odtool prepare` is asked to do."""

    sources: tuple[Source, ...]
    out: Path
    format: str = "auto"
    val: float = 0.1
    test: float = 0.0
    seed: int = 0
    resplit: bool = False
    """Split anew, whatever splits the data set has."""
    grouping: Grouping | None = None
    """Images that stay together when a split is cut."""
    tiling: Tiling | None = None
    """How images that are larger than a tile are cut."""
    masks: bool = False
    """Write instance masks."""
    keypoints: bool = False
    """Write key points; those of records are written in any case."""
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


@dataclass(frozen=True)
class Prepared:
    """What was written, and why it was read as it was."""

    dataset: Dataset
    summary: DatasetSummary
    choices: tuple[Choice, ...]
    """The format of each source."""
    first: Mapping[str, Problem]
    """The first problem of each kind."""


def _now() -> datetime:
    return datetime.now(timezone.utc)


def prepare(settings: Settings, *, progress: Progress = silent, now: Callable[[], datetime] = _now) -> Prepared:
    """Writes records, label map, dataset.json and problems.csv into `settings.out`, whole or not at all.

    Raises:
        DataError: there is nothing to read, something is broken or missing, or `out` is not ours to replace.
    """
    given = label_map.read(settings.label_map) if settings.label_map else None
    if given:
        settings = replace(settings, chosen=following(settings.chosen, given))
    with ExitStack() as stack:
        # Workers come first: what is forked stays as small as the command is before it lists any folder.
        workers = stack.enter_context(crew(settings.workers))
        listing = stack.enter_context(ExitStack())
        listing.enter_context(source_folders.remembered())
        choices = _choices(settings)
        folder = stack.enter_context(staging.replacing(settings.out))
        stack.enter_context(closing(workers))  # before the folder goes that they may be writing into
        dataset, stored = Dataset(folder), folder / "spool"
        with _problem_list(dataset.problems) as on_problem:
            with progress("images read", None) as report:
                found = _surveyed(settings, choices, stored, workers, on_problem, report)
            shown = label_map.display_names(given) if given else _display_names(settings, choices, found.classes)
            listing.close()
            classes = {item.name: item.id for item in given} if given else _numbered(found.classes)
            _refuse(found, classes, settings)
            assigned = _assigned(found, stored, settings, workers, on_problem)
        if settings.strict:
            refusals.any_problem(found)
        planned = shards.plans(
            found.index, assigned, stored, dataset, classes, wanted=settings.shards, masks=settings.masks
        )
        with progress("records", len(found.index)) as report:
            figures = shards.write(planned, sum(found.index.bytes), workers, report, on_beam=settings.beam)
        stored.unlink()
        summary = _summary(found, classes, figures, choices, settings, now())
        write_atomically(dataset.label_map, label_map.dump(classes, shown))
        write_atomically(dataset.summary, statistics.dump(summary))
    return Prepared(Dataset(settings.out), summary, choices, found.first)


def _choices(settings: Settings) -> tuple[Choice, ...]:
    """The format of each source. Raises DataError for what can be refused before anything is read."""
    splits.check_shares(settings.val, settings.test)
    staging.refuse_foreign(settings.out)
    if settings.beam is not None:
        beam.check(settings.beam)
    choices = tuple(readers.choose(source, settings.format) for source in settings.sources)
    _refuse_without(choices, "masks", WITH_MASKS if settings.masks else ())
    _refuse_without(choices, "key points", WITH_KEYPOINTS if settings.keypoints else ())
    return choices


def _refuse_without(choices: Iterable[Choice], what: str, formats: Collection[str]) -> None:
    """Raises DataError where a source has a format that is none of those, unless that is none at all."""
    if formats and (without := [choice for choice in choices if choice.name not in formats]):
        raise DataError(
            f"--{what.replace(' ', '')}: {without[0].reader.title} has no {what} that odtool reads",
            f"{what.capitalize()} are read from {', '.join(readers.READERS[name].title for name in formats)}.",
        )


def _surveyed(
    settings: Settings,
    choices: Iterable[Choice],
    stored: Path,
    workers: Crew,
    on_problem: Callable[[Problem], None],
    report: Report,
) -> Survey:
    sources = [replace(source, masks=settings.masks, keypoints=settings.keypoints) for source in settings.sources]
    findings = ((source, choice.reader.read(source)) for source, choice in zip(sources, choices, strict=True))
    with spool.created(stored) as writer:
        return survey(
            findings,
            writer,
            workers,
            rules=settings.rules,
            chosen=settings.chosen,
            grouping=settings.grouping,
            tiling=settings.tiling,
            keep=whole if settings.masks else drafted,
            on_problem=on_problem,
            report=report,
        )


def _refuse(found: Survey, classes: Mapping[str, int], settings: Settings) -> None:
    """Raises DataError where what was found is not what was asked for, or nothing to train on."""
    where = ", ".join(str(source.path) for source in settings.sources)
    refusals.unwritable_classes(found)
    refuse_unknown(settings.chosen, found.changes, found.classes)
    refusals.nothing_to_train_on(found, where, skip_missing=settings.skip_missing)
    refusals.unknown_classes(found, classes, settings.label_map)


@contextmanager
def _problem_list(path: Path) -> Iterator[Callable[[Problem], None]]:
    """problems.csv: every problem with its file."""
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("kind", "level", "file", "detail", "action"))

        def add(problem: Problem) -> None:
            check = image_checks.CATALOGUE[problem.kind]
            rows.writerow((problem.kind, check.level, problem.file, problem.detail, check.action))

        yield add


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(names), start=1)}


def _display_names(settings: Settings, choices: Iterable[Choice], classes: Collection[str]) -> dict[str, str]:
    """Display names by name, from the label maps of records."""
    found: dict[str, str] = {}
    for source, choice in zip(settings.sources, choices, strict=True):
        if choice.name == "tfrecord":
            found = tfrecord.display_names(source) | found
    return {name: shown for name, shown in found.items() if name in classes and shown not in classes}


def _assigned(
    found: Survey, stored: Path, settings: Settings, workers: Crew, on_problem: Callable[[Problem], None]
) -> dict[str, list[int]]:
    """Positions in the index by split. Problems that only the whole set shows are counted on the way."""
    index = found.index
    same = duplicates.identical(index.fingerprints, stored, index.extent, workers)
    declared = [None] * len(index) if settings.resplit else index.declared()
    if settings.grouping and not splits.to_cut(declared, val=settings.val, test=settings.test):
        raise DataError(
            f"--group-by '{settings.grouping.by}': the data set has its own splits, so none is cut",
            "Add --resplit to split it anew, or leave --group-by out.",
        )
    assigned = splits.assign(
        index.keys,
        declared,
        val=settings.val,
        test=settings.test,
        seed=settings.seed,
        groups=splits.joined(index.groups, same),
        labels=index.class_numbers(),
    )
    source = settings.sources[0].path
    told = (*coverage.of_key_points(found.keypoints, source), *coverage.of_declared(declared, source))
    for problem in (*_of_the_whole(index, same, assigned, stored, source), *told):
        found.count(problem)
        on_problem(problem)
    return assigned


def _of_the_whole(
    index: Index, same: Iterable[Sequence[int]], assigned: Mapping[str, Sequence[int]], stored: Path, source: Path
) -> Iterator[Problem]:
    """Identical images, and classes that are rare or missing from a split."""
    split_of: list[str | None] = [None] * len(index)
    names, numbers_of = sorted(index.names), index.class_numbers()
    images: dict[str, Counter[str]] = {name: Counter() for name in names}
    for split, positions in assigned.items():
        for position in positions:
            split_of[position] = split
            for number in numbers_of(position):
                images[names[number]][split] += 1
    with spool.opened(stored) as reader:
        yield from coverage.of_duplicates(same, split_of, lambda position: image_at(reader, index.extent(position)))
    yield from coverage.of_classes(images, list(assigned), source)


def _summary(
    found: Survey,
    classes: dict[str, int],
    figures: Mapping[str, Iterable[ShardFigures]],
    choices: Iterable[Choice],
    settings: Settings,
    created: datetime,
) -> DatasetSummary:
    return DatasetSummary(
        classes=classes,
        splits={split: statistics.summarise(of_split) for split, of_split in figures.items()},
        format="+".join(dict.fromkeys(choice.name for choice in choices)),
        sources=tuple(str(source.path) for source in settings.sources),
        seed=settings.seed,
        odtool=__version__,
        created=created.isoformat(timespec="seconds"),
        problems={
            kind: ProblemSummary(image_checks.CATALOGUE[kind].level, count, image_checks.CATALOGUE[kind].action)
            for kind, count in sorted(found.problems.items())
        },
        masks=settings.masks,
        keypoints=max(found.keypoints, default=0),
        class_changes=statistics.class_changes(found.changes),
    )
