"""The flow from annotations to a folder of records: choose the reader, survey, split, write, swap in."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from odtool import __version__
from odtool.dataset import checks, label_map, readers, records, splits, spool, staging, statistics
from odtool.dataset.checks import Rules
from odtool.dataset.classes import ALL_CLASSES, ClassChoice, refuse_unknown
from odtool.dataset.readers import Choice
from odtool.dataset.records import ShardPlan
from odtool.dataset.spool import Index
from odtool.dataset.statistics import ClassChange, DatasetSummary, ProblemSummary, ShardFigures
from odtool.dataset.survey import Survey, survey
from odtool.dataset.types import Problem, Source
from odtool.dataset.workers import Crew, crew
from odtool.errors import DataError
from odtool.files import write_atomically
from odtool.workspace import Dataset

SHARD_BYTES = 64 << 20
"""Image bytes a shard where the number of shards is left to us: large enough to be read in one go, small enough
that cores share the work and a reader can interleave."""
_MOST_SHARDS = 1000
_ALONE_BYTES = 32 << 20
"""Data sets below this are written before workers would have started."""

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
    shards: int | None = None
    """Shards a split; None lets their size decide."""
    label_map: Path | None = None
    """A label map to follow; else classes are numbered in the order of their sorted names."""
    workers: int | None = None
    """Worker processes; None for one a core."""
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
    choices = tuple(readers.choose(source, settings.format) for source in settings.sources)
    with staging.replacing(settings.out) as folder, crew(settings.workers) as workers:
        dataset = Dataset(folder)
        stored = folder / "spool"
        found = _surveyed(settings, choices, stored, dataset, workers)
        refuse_unknown(settings.chosen, found.changes, found.classes)
        _refuse(found, settings)
        classes = given or _numbered(found.classes)
        _refuse_unknown(found, classes, settings.label_map)
        figures = _written(found.index, stored, dataset, classes, settings, workers, progress)
        stored.unlink()
        summary = DatasetSummary(
            classes=classes,
            splits={split: statistics.summarise(shards) for split, shards in figures.items()},
            format="+".join(dict.fromkeys(choice.name for choice in choices)),
            sources=tuple(str(source.path) for source in settings.sources),
            seed=settings.seed,
            odtool=__version__,
            created=now().isoformat(timespec="seconds"),
            problems=_problem_summary(found),
            class_changes=tuple(
                ClassChange(old, new or None, count) for (old, new), count in sorted(found.changes.items())
            ),
        )
        write_atomically(dataset.label_map, label_map.dump(classes))
        write_atomically(dataset.summary, statistics.dump(summary))
    return Prepared(Dataset(settings.out), summary, choices, found.first)


def _surveyed(settings: Settings, choices: Iterable[Choice], stored: Path, dataset: Dataset, workers: Crew) -> Survey:
    findings = ((source, choice.reader.read(source)) for source, choice in zip(settings.sources, choices, strict=True))
    with spool.created(stored) as writer, _problem_list(dataset.problems) as on_problem:
        return survey(findings, writer, workers, rules=settings.rules, chosen=settings.chosen, on_problem=on_problem)


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
    """Raises DataError where what was found is nothing to train on, or not what the user accepts."""
    where = ", ".join(str(source.path) for source in settings.sources)
    missing = found.problems["image_missing"]
    if missing and (not settings.skip_missing or not len(found.index)):
        first = found.first["image_missing"]
        others = f"; {missing} images are missing in all" if missing > 1 else ""
        hint = "Name the folder of the images with --images" + (
            "." if settings.skip_missing else ", or leave such annotations out with --skip-missing."
        )
        raise DataError(f"{first.file}: {first.detail}{others}", hint)
    counted = {kind: count for kind, count in found.problems.items() if checks.CATALOGUE[kind].level != "info"}
    if settings.strict and counted:
        kind = next(iter(counted))
        first = found.first[kind]
        listed = ", ".join(f"{count} {kind}" for kind, count in counted.items())
        raise DataError(
            f"refused by --strict: {listed}. First: {first.file}: {first.detail}",
            "Mend these, or prepare without --strict.",
        )
    if not found.classes:
        raise DataError(f"{where}: no annotated object in {len(found.index)} images", "Is it the right folder?")
    if not len(found.index):
        raise DataError(f"{where}: none of the images can be used", f"Met: {dict(found.problems)}")


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


def _written(
    index: Index,
    stored: Path,
    dataset: Dataset,
    classes: Mapping[str, int],
    settings: Settings,
    workers: Crew,
    progress: Progress,
) -> dict[str, list[ShardFigures]]:
    """Writes the shards of all splits; their figures by split."""
    assigned = splits.assign(index.keys, index.declared(), val=settings.val, test=settings.test, seed=settings.seed)
    plans: list[tuple[str, ShardPlan]] = []
    for split, positions in assigned.items():
        count = _shard_count(index, positions, settings.shards)
        for number in range(count):
            part = positions[len(positions) * number // count : len(positions) * (number + 1) // count]
            extents = tuple(map(index.extent, part))
            plans.append((split, ShardPlan(dataset.shard(split, number, count), stored, extents, classes)))
    figures: dict[str, list[ShardFigures]] = {split: [] for split in assigned}
    alone = len(plans) if sum(index.bytes) < _ALONE_BYTES else 0
    images = size = 0
    with progress("records", len(index)) as report:
        done = workers.map(records.write_shard, [plan for _, plan in plans], alone=alone)
        for (split, _), shard in zip(plans, done, strict=True):
            figures[split].append(shard)
            images, size = images + shard.images, size + shard.bytes
            report(images, size)
    return figures


def _shard_count(index: Index, positions: list[int], wanted: int | None) -> int:
    if wanted is None:
        wanted = -(-sum(index.bytes[position] for position in positions) // SHARD_BYTES)
    return max(1, min(wanted, _MOST_SHARDS, len(positions)))


def _problem_summary(found: Survey) -> dict[str, ProblemSummary]:
    return {
        kind: ProblemSummary(checks.CATALOGUE[kind].level, count, checks.CATALOGUE[kind].action)
        for kind, count in sorted(found.problems.items())
    }
