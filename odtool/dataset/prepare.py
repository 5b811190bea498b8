"""The flow from annotations to a folder of records: choose the reader, survey, split, write, swap in."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from odtool import __version__
from odtool.dataset import (
    beam,
    checks,
    coverage,
    duplicates,
    label_map,
    readers,
    shards,
    splits,
    spool,
    staging,
    statistics,
)
from odtool.dataset.checks import Rules
from odtool.dataset.classes import ALL_CLASSES, ClassChoice, refuse_unknown
from odtool.dataset.grouping import Grouping
from odtool.dataset.readers import Choice
from odtool.dataset.records import checked_at
from odtool.dataset.spool import Index
from odtool.dataset.statistics import ClassChange, DatasetSummary, ProblemSummary
from odtool.dataset.survey import Survey, survey
from odtool.dataset.tiles import Tiling
from odtool.dataset.types import Problem, Source
from odtool.dataset.workers import Crew, crew
from odtool.errors import DataError
from odtool.files import write_atomically
from odtool.workspace import Dataset

_WITH_MASKS = ("coco",)
"""Formats whose reader gives outlines."""

Report = Callable[[int, int], None]
"""Called with images and bytes done so far."""
Progress = Callable[[str, int], AbstractContextManager[Report]]
"""Given a label and the number of images, a context that shows the progress reported to it."""


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
    rules: Rules = checks.USUAL
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


def _silent(_label: str, _total: int) -> AbstractContextManager[Report]:
    return nullcontext(lambda _done, _bytes: None)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def prepare(settings: Settings, *, progress: Progress = _silent, now: Callable[[], datetime] = _now) -> Prepared:
    """Writes records, label map, dataset.json and problems.csv into `settings.out`, whole or not at all.

    Raises:
        DataError: there is nothing to read, something is broken or missing, or `out` is not ours to replace.
    """
    given = label_map.load(settings.label_map) if settings.label_map else None
    splits.check_shares(settings.val, settings.test)
    staging.refuse_foreign(settings.out)
    if settings.beam is not None:
        beam.check(settings.beam)
    choices = tuple(readers.choose(source, settings.format) for source in settings.sources)
    if settings.masks and (without := [choice for choice in choices if choice.name not in _WITH_MASKS]):
        raise DataError(
            f"--masks: {without[0].reader.title} has no masks that odtool reads", "Masks are read from COCO JSON."
        )
    with staging.replacing(settings.out) as folder, crew(settings.workers) as workers:
        dataset = Dataset(folder)
        stored = folder / "spool"
        with _problem_list(dataset.problems) as on_problem:
            found = _surveyed(settings, choices, stored, workers, on_problem)
            refuse_unknown(settings.chosen, found.changes, found.classes)
            _refuse(found, settings)
            classes = given or _numbered(found.classes)
            _refuse_unknown(found, classes, settings.label_map)
            same = _identical(found.index, stored, workers)
            assigned = _assigned(found.index, same, settings)
            for problem in _of_the_whole(found.index, same, assigned, stored, settings.sources[0].path):
                found.count(problem)
                on_problem(problem)
        _refuse_strictly(found, settings)
        planned = shards.plans(
            found.index, assigned, stored, dataset, classes, wanted=settings.shards, masks=settings.masks
        )
        with progress("records", len(found.index)) as report:
            figures = shards.write(planned, sum(found.index.bytes), workers, report, on_beam=settings.beam)
        stored.unlink()
        summary = DatasetSummary(
            classes=classes,
            splits={split: statistics.summarise(of_split) for split, of_split in figures.items()},
            format="+".join(dict.fromkeys(choice.name for choice in choices)),
            sources=tuple(str(source.path) for source in settings.sources),
            seed=settings.seed,
            odtool=__version__,
            created=now().isoformat(timespec="seconds"),
            problems=_problem_summary(found),
            masks=settings.masks,
            class_changes=tuple(
                ClassChange(old, new or None, count) for (old, new), count in sorted(found.changes.items())
            ),
        )
        write_atomically(dataset.label_map, label_map.dump(classes))
        write_atomically(dataset.summary, statistics.dump(summary))
    return Prepared(Dataset(settings.out), summary, choices, found.first)


def _surveyed(
    settings: Settings, choices: Iterable[Choice], stored: Path, workers: Crew, on_problem: Callable[[Problem], None]
) -> Survey:
    sources = [replace(source, masks=settings.masks) for source in settings.sources]
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
            on_problem=on_problem,
        )


@contextmanager
def _problem_list(path: Path) -> Iterator[Callable[[Problem], None]]:
    """problems.csv: every problem with its file."""
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("kind", "level", "file", "detail", "action"))

        def add(problem: Problem) -> None:
            check = checks.CATALOGUE[problem.kind]
            rows.writerow((problem.kind, check.level, problem.file, problem.detail, check.action))

        yield add


def _refuse(found: Survey, settings: Settings) -> None:
    """Raises DataError where what was found is nothing to train on."""
    where = ", ".join(str(source.path) for source in settings.sources)
    missing = found.problems["image_missing"]
    if missing and (not settings.skip_missing or not len(found.index)):
        first = found.first["image_missing"]
        others = f"; {missing} images are missing in all" if missing > 1 else ""
        hint = "Name the folder of the images with --images" + (
            "." if settings.skip_missing else ", or leave such annotations out with --skip-missing."
        )
        raise DataError(f"{first.file}: {first.detail}{others}", hint)
    if not found.classes:
        raise DataError(f"{where}: no annotated object in {len(found.index)} images", "Is it the right folder?")
    if not len(found.index):
        raise DataError(f"{where}: none of the images can be used", f"Met: {dict(found.problems)}")


def _refuse_strictly(found: Survey, settings: Settings) -> None:
    counted = {kind: count for kind, count in found.problems.items() if checks.CATALOGUE[kind].level != "info"}
    if settings.strict and counted:
        kind = next(iter(counted))
        first = found.first[kind]
        listed = ", ".join(f"{count} {kind}" for kind, count in counted.items())
        raise DataError(
            f"refused by --strict: {listed}. First: {first.file}: {first.detail}",
            "Mend these, or prepare without --strict.",
        )


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(names), start=1)}


def _refuse_unknown(found: Survey, classes: Mapping[str, int], path: Path | None) -> None:
    unknown = sorted(set(found.classes) - set(classes))
    if unknown:
        others = f" (nor are {', '.join(unknown[1:6])})" if len(unknown) > 1 else ""
        raise DataError(
            f"{found.classes[unknown[0]]}: class '{unknown[0]}' is not in {path}{others}",
            "Add it to the label map, or prepare without --label-map to have one made.",
        )


def _identical(index: Index, stored: Path, workers: Crew) -> list[list[int]]:
    """Positions of images with the same bytes."""
    return duplicates.identical(index.fingerprints, stored, index.extent, workers)


def _assigned(index: Index, same: Iterable[Sequence[int]], settings: Settings) -> dict[str, list[int]]:
    """Positions in the index by split."""
    declared = [None] * len(index) if settings.resplit else index.declared()
    if settings.grouping and not splits.to_cut(declared, val=settings.val, test=settings.test):
        raise DataError(
            f"--group-by '{settings.grouping.by}': the data set has its own splits, so none is cut",
            "Add --resplit to split it anew, or leave --group-by out.",
        )
    return splits.assign(
        index.keys,
        declared,
        val=settings.val,
        test=settings.test,
        seed=settings.seed,
        groups=splits.joined(index.groups, same),
        labels=index.class_numbers(),
    )


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
        yield from coverage.of_duplicates(
            same, split_of, lambda position: checked_at(reader, index.extent(position)).image
        )
    yield from coverage.of_classes(images, list(assigned), source)


def _problem_summary(found: Survey) -> dict[str, ProblemSummary]:
    return {
        kind: ProblemSummary(checks.CATALOGUE[kind].level, count, checks.CATALOGUE[kind].action)
        for kind, count in sorted(found.problems.items())
    }
