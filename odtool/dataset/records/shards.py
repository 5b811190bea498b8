"""Shards: how the images of each split are parted among files, who writes the files, and which sets share them."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from odtool import files
from odtool.dataset.progress import Report
from odtool.dataset.records import record_writer
from odtool.dataset.records.record_writer import ShardPlan
from odtool.dataset.records.spool import Index
from odtool.dataset.statistics import ShardFigures
from odtool.dataset.workers import Crew
from odtool.errors import DataError
from odtool.workspace import Dataset

SHARD_BYTES = 32 << 20
"""Image bytes a shard where the number of shards is left to us: large enough to be read in one go, small enough that a
reader can interleave and cores share the work: in the end one waits for another for as long as half a shard takes."""
_MOST_SHARDS = 1000
_ALONE_BYTES = 32 << 20
"""Data sets below this are written before workers would have started where they cannot be forked."""


@dataclass(frozen=True, eq=False)
class ImageList:
    """Images that are written one after the other. The same list in several sets is written once."""

    positions: Sequence[int]
    """In the index."""
    repetitions: Sequence[int] = ()
    """For each of them 0, or the number of the repetition; empty where nothing is repeated."""


@dataclass(frozen=True)
class Shard:
    """A file of records in its place in a set."""

    path: Path
    written: Path
    """The file that is written with these records: its own, or an earlier one that it becomes a link to."""


@dataclass
class ShardLayout:
    """What is written, and where it appears."""

    plans: list[ShardPlan] = field(default_factory=list)
    """Each file that is written, once."""
    shards: dict[tuple[int, str], list[Shard]] = field(default_factory=dict)
    """The files of each set, by its number, and split."""

    @property
    def records(self) -> int:
        """Images that are written, and repetitions of them."""
        return sum(len(plan.offsets) for plan in self.plans)


def plan_shards(
    index: Index,
    sets: Sequence[tuple[Dataset, Mapping[str, Sequence[ImageList]]]],
    stored: Path,
    classes: Mapping[str, int],
    *,
    shard_count: int | None,
    masks: bool = False,
) -> ShardLayout:
    """What each shard of each set holds. A list of images that several sets have is written for the first of them.

    Args:
        sets: the folder of each, and by split the lists of images that it is made of.
        stored: the spool.
        shard_count: shards a list; None lets their size decide.
        masks: whether the objects' masks are written.
    """
    layout = ShardLayout()
    written_paths: dict[int, list[Path]] = {}
    for number, (dataset, splits) in enumerate(sets):
        for split, lists in splits.items():
            counts = [_count_shards(index, images.positions, shard_count) for images in lists]
            numbers = itertools.count()
            for images, count in zip(lists, counts, strict=True):
                paths = [dataset.shard(split, next(numbers), sum(counts)) for _ in range(count)]
                written = written_paths.setdefault(id(images), paths)
                if written is paths:
                    layout.plans += _plan_list(index, images, paths, stored, classes, masks=masks)
                layout.shards.setdefault((number, split), []).extend(map(Shard, paths, written))
    return layout


def _plan_list(
    index: Index,
    images: ImageList,
    paths: Sequence[Path],
    stored: Path,
    classes: Mapping[str, int],
    *,
    masks: bool,
) -> Iterator[ShardPlan]:
    cuts = [len(images.positions) * number // len(paths) for number in range(len(paths) + 1)]
    for path, (start, end) in zip(paths, pairwise(cuts), strict=True):
        yield ShardPlan(
            path,
            stored,
            index.select_offsets(images.positions[start:end]),
            index.select_lengths(images.positions[start:end]),
            classes,
            masks,
            images.repetitions[start:end],
        )


def _count_shards(index: Index, positions: Sequence[int], shard_count: int | None) -> int:
    if shard_count is None:
        shard_count = -(-sum(index.bytes[position] for position in positions) // SHARD_BYTES)
    return max(1, min(shard_count, _MOST_SHARDS, len(positions)))


def write_shards(
    layout: ShardLayout, size: int, workers: Crew, report: Report
) -> dict[tuple[int, str], list[ShardFigures]]:
    """Writes all shards; their figures by set and split.

    Args:
        size: of all images together, in bytes.
        report: called with images and bytes written so far.

    Raises:
        DataError: what is on the disk is not what was written; else as `record_writer.write_shard`.
    """
    plans = layout.plans
    for folder in {shard.path.parent for shards in layout.shards.values() for shard in shards}:
        folder.mkdir(exist_ok=True)
    attempts = {_get_attempts_folder(plan) for plan in plans}
    for folder in attempts:
        folder.mkdir()
    tasks_here = len(plans) if size < _ALONE_BYTES else 0
    figures: dict[Path, ShardFigures] = {}
    images = byte_count = 0
    for plan, attempt in zip(plans, workers.map(_attempt_shard, plans, tasks_here=tasks_here), strict=True):
        _put_in_place(attempt, plan)
        shard = figures[plan.path] = attempt.figures
        images, byte_count = images + len(plan.offsets), byte_count + shard.bytes
        report(images, byte_count)
    for folder in attempts:
        files.remove_contested(folder)
    for shards in layout.shards.values():
        for place in shards:
            if place.path != place.written:
                _link(place.written, place.path)
    return {key: [figures[shard.written] for shard in shards] for key, shards in layout.shards.items()}


@dataclass(frozen=True)
class _Attempt:
    """A shard that was written aside. An engine may have several workers write the same, of which one is heard."""

    path: Path
    figures: ShardFigures


def _get_attempts_folder(plan: ShardPlan) -> Path:
    return plan.spool.with_name("attempts")


def _attempt_shard(plan: ShardPlan) -> _Attempt:
    """Runs in a worker, which writes into a file that no other one has."""
    path = _get_attempts_folder(plan) / f"{plan.path.name}.{uuid.uuid4().hex}"
    return _Attempt(path, record_writer.write_shard(replace(plan, path=path)))


def _put_in_place(attempt: _Attempt, plan: ShardPlan) -> None:
    with open(attempt.path, "rb") as stream:  # a network's disk says the true size of what was opened
        size = os.fstat(stream.fileno()).st_size
    if size != attempt.figures.bytes:
        raise DataError(
            f"{plan.path.name}: has {size:,} bytes on the disk, of {attempt.figures.bytes:,} that were written",
            "Does whoever writes it see the same disk, and is there room on it?",
        )
    attempt.path.rename(plan.path)


def _link(written: Path, path: Path) -> None:
    """The same records under another name, which take no more room; a copy where the file system has no links."""
    try:
        path.hardlink_to(written)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        shutil.copyfile(written, path)
