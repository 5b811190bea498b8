"""Data set folders: each with its shards, label map, dataset.json and list of problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from odtool.dataset import label_map, statistics
from odtool.dataset.progress import Progress
from odtool.dataset.records import shards
from odtool.dataset.sets.set_plans import SetPlan
from odtool.dataset.sets.set_problems import find_set_problems
from odtool.dataset.statistics import DatasetSummary, ProblemSummary, ShardFigures
from odtool.dataset.survey import problem_kinds, problem_list, refusals
from odtool.dataset.survey.first_pass import Survey
from odtool.dataset.survey.resemblance import Resemblance
from odtool.dataset.workers import Crew
from odtool.files import sync, write_atomically
from odtool.workspace import Dataset


@dataclass(frozen=True)
class SurveyedSet:
    """A set that is to be written, with all problems that it has."""

    dataset: Dataset
    plan: SetPlan
    survey: Survey


def survey_sets(
    result: Survey,
    plans: Iterable[SetPlan],
    dataset: Dataset,
    out: Path,
    resemblance: Resemblance,
    stored: Path,
    source: Path,
    *,
    strict: bool,
) -> tuple[SurveyedSet, ...]:
    """What was found, and the problems of each set with it, which go into a list of its own.

    Args:
        dataset: the folder of the only set, or of the folds. It holds the list of the problems that all sets have.
        out: what the folder becomes.
        resemblance: identical images, and similar ones where they are asked for.
        stored: the spool.
        source: what problems of a whole set name.
        strict: whether any problem is refused that is more than information.

    Raises:
        DataError: there is such a problem.
    """
    sets = []
    for plan in plans:
        place = dataset.fold(plan.fold) if plan.fold else dataset
        place.path.mkdir(exist_ok=True)
        of_set = replace(result, problems=Counter(result.problems), first=dict(result.first))
        with problem_list.open_list(place.problems, out, begun=dataset.problems) as problems:
            for problem in find_set_problems(result.index, plan, resemblance, stored, source):
                of_set.count(problem)
                problems.add(problem)
            if strict:
                refusals.refuse_any_problem(of_set)
        sets.append(SurveyedSet(place, plan, of_set))
    if all(item.plan.fold for item in sets):
        dataset.problems.unlink()
    return tuple(sets)


def write_sets(
    sets: Sequence[SurveyedSet],
    stored: Path,
    common: DatasetSummary,
    display_names: Mapping[str, str],
    workers: Crew,
    *,
    shard_count: int | None,
    progress: Progress,
) -> list[DatasetSummary]:
    """Writes all of each set but its list of problems.

    Args:
        stored: the spool, which is removed as soon as the records are written.
        common: what is the same in the dataset.json of each.
        shard_count: as for `shards.plan_shards`.
    """
    index = sets[0].survey.index
    layout = shards.plan_shards(
        index,
        [(item.dataset, item.plan.splits) for item in sets],
        stored,
        common.classes,
        shard_count=shard_count,
        masks=common.masks,
    )
    with progress("records", layout.records) as report:
        figures = shards.write_shards(layout, sum(index.bytes), workers, report)
    stored.unlink()
    summaries = []
    for number, item in enumerate(sets):
        summary = _summarise(item, common, {split: figures[number, split] for split in item.plan.splits})
        write_atomically(item.dataset.label_map, label_map.dump(common.classes, display_names))
        write_atomically(item.dataset.summary, statistics.dump(summary))
        if item.plan.fold:
            sync(item.dataset.path)
        summaries.append(summary)
    return summaries


def _summarise(
    item: SurveyedSet, common: DatasetSummary, figures: Mapping[str, Iterable[ShardFigures]]
) -> DatasetSummary:
    return replace(
        common,
        splits={split: statistics.summarise(of_split) for split, of_split in figures.items()},
        problems={
            kind: ProblemSummary(problem_kinds.CATALOGUE[kind].level, count, problem_kinds.CATALOGUE[kind].action)
            for kind, count in sorted(item.survey.problems.items())
        },
        fold=item.plan.fold,
        left_out=item.plan.left_out,
        balance=item.plan.balance,
    )
