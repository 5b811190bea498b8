"""Shards: how the images of each split are parted among files, and who writes the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from odtool.dataset.progress import Report
from odtool.dataset.records import beam, record_writer
from odtool.dataset.records.record_writer import ShardPlan
from odtool.dataset.records.spool import Index
from odtool.dataset.statistics import ShardFigures
from odtool.dataset.workers import Crew
from odtool.workspace import Dataset

SHARD_BYTES = 32 << 20
"""Image bytes a shard where the number of shards is left to us: large enough to be read in one go, small enough that a
reader can interleave and cores share the work: in the end one waits for another for as long as half a shard takes."""
_MOST_SHARDS = 1000
_ALONE_BYTES = 32 << 20
"""Data sets below this are written before workers would have started where they cannot be forked."""

Plans = dict[str, list[ShardPlan]]
"""By split."""


def plan_shards(
    index: Index,
    splits: Mapping[str, Sequence[int]],
    stored: Path,
    dataset: Dataset,
    classes: Mapping[str, int],
    *,
    shard_count: int | None,
    masks: bool = False,
) -> Plans:
    """What each shard of `dataset` holds.

    Args:
        splits: positions in the index by split.
        stored: the spool.
        shard_count: shards a split; None lets their size decide.
        masks: whether the objects' masks are written.
    """
    plans: Plans = {}
    for split, positions in splits.items():
        count = _count_shards(index, positions, shard_count)
        cuts = [len(positions) * number // count for number in range(count + 1)]
        plans[split] = [
            ShardPlan(
                dataset.shard(split, number, count),
                stored,
                index.select_offsets(positions[start:end]),
                index.select_lengths(positions[start:end]),
                classes,
                masks,
            )
            for number, (start, end) in enumerate(pairwise(cuts))
        ]
    return plans


def _count_shards(index: Index, positions: Sequence[int], shard_count: int | None) -> int:
    if shard_count is None:
        shard_count = -(-sum(index.bytes[position] for position in positions) // SHARD_BYTES)
    return max(1, min(shard_count, _MOST_SHARDS, len(positions)))


def write_shards(
    plans: Plans, size: int, workers: Crew, report: Report, *, on_beam: str | None
) -> dict[str, list[ShardFigures]]:
    """Writes all shards; their figures by split.

    Args:
        size: of all images together, in bytes.
        report: called with images and bytes written so far.
        on_beam: options of an Apache Beam pipeline that is to do it in place of the workers.
    """
    split_plans = [(split, plan) for split, shard_plans in plans.items() for plan in shard_plans]
    if on_beam is not None:
        results = iter(beam.write([plan for _, plan in split_plans], on_beam))
    else:
        tasks_here = len(split_plans) if size < _ALONE_BYTES else 0
        results = workers.map(record_writer.write_shard, [plan for _, plan in split_plans], tasks_here=tasks_here)
    figures: dict[str, list[ShardFigures]] = {split: [] for split in plans}
    images = byte_count = 0
    for (split, plan), shard in zip(split_plans, results, strict=True):
        figures[split].append(shard)
        images, byte_count = images + len(plan.offsets), byte_count + shard.bytes
        report(images, byte_count)
    return figures
