"""Splits that are far from the size asked for, as groups of images were too large to be cut otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from odtool.dataset import splits
from odtool.dataset.sets.set_plans import SetPlan, SplitSettings
from odtool.dataset.survey.grouping import Grouping
from odtool.dataset.types import Problem
from odtool.errors import DataError


def report_uneven_splits(
    plans: Sequence[SetPlan],
    declared: Sequence[str | None],
    settings: SplitSettings,
    grouping: Grouping | None,
    file: Path,
) -> Iterator[Problem]:
    """One problem for each split or fold whose size differs from what was asked for by more than half.

    Args:
        declared: the data set's own split of each image, or None.
        grouping: what --group-by asks for; identical images are groups, too.
        file: what the problems name.

    Raises:
        DataError: the groups that were asked for leave a split empty.
    """
    for name, wanted, count in _list_sizes(plans, declared, settings):
        if wanted and not count and grouping is not None:
            raise DataError(
                f"--group-by '{grouping.by}' leaves no images for {name}: nearly all of them are in one group",
                "Group them by something finer, or leave --group-by out.",
            )
        if abs(count - wanted) > max(1, wanted / 2):
            yield Problem("split_uneven", file, f"{name} has {count:,} images, not {wanted:,}")


def _list_sizes(
    plans: Sequence[SetPlan], declared: Sequence[str | None], settings: SplitSettings
) -> Iterator[tuple[str, int, int]]:
    """What each split that was cut is called, the images that it should have, and those that it has."""
    sizes = [{name: len(plan.list_positions(name)) for name in plan.splits} for plan in plans]
    if settings.folds is not None:
        dealt = sum(of_set["val"] for of_set in sizes)
        for plan, of_set in zip(plans, sizes, strict=True):
            yield f"val of fold {plan.fold}", round(dealt / settings.folds), of_set["val"]
    val = 0 if settings.folds else settings.val
    shares = splits.find_shares_to_cut(declared, val=val, test=settings.test)
    cut = sum(sizes[0].get(name, 0) for name in shares)
    if settings.folds is not None:
        cut += sum(of_set["val"] for of_set in sizes)
    else:
        cut += sizes[0].get("train", 0) + plans[0].left_out
    for name, share in shares.items():
        # As they are cut: one image at least, and one left to train on.
        yield name, min(max(round(cut * share), 1), cut - 1), sizes[0].get(name, 0)
