"""Which sets are written, one or one a fold, and which images each split of them has, how often and in which order."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat

from odtool.dataset import splits
from odtool.dataset.ordering import order_by
from odtool.dataset.records.shards import ImageList
from odtool.dataset.records.spool import Index
from odtool.dataset.sets import repeat_factors
from odtool.dataset.statistics import Balance, ClassRepeats
from odtool.errors import DataError


@dataclass(frozen=True)
class SplitSettings:
    """How the images are split, and what of them is trained on."""

    val: float
    """Share of the images to validate on, where the set has no such split; folds have their own."""
    test: float
    seed: int
    folds: int | None
    """Sets for cross-validation, each with another part to validate on; None for one set."""
    fraction: float | None
    """Share of the training images that is kept; None keeps all."""
    balance: float | None
    """Share of the training images below which a class is repeated; None repeats nothing."""


@dataclass(frozen=True)
class SetPlan:
    """One data set folder."""

    splits: Mapping[str, tuple[ImageList, ...]]
    fold: int = 0
    """From 1; 0 where there are no folds."""
    left_out: int = 0
    """Training images that `fraction` leaves out."""
    balance: Balance | None = None

    def list_positions(self, split: str) -> array[int]:
        """The images of a split, each once."""
        return array(
            "I",
            (
                position
                for images in self.splits[split]
                for position, repetition in zip(images.positions, images.repetitions or repeat(0), strict=False)
                if not repetition
            ),
        )


@dataclass(frozen=True)
class _Images:
    """What is known of the images, by position."""

    keys: Sequence[int]
    groups: Sequence[int]
    names: Sequence[str]
    """Of the classes, by number."""
    labels: Callable[[int], Sequence[int]] = field(repr=False)


def plan_sets(
    index: Index, declared: Sequence[str | None], groups: Sequence[int], settings: SplitSettings
) -> tuple[SetPlan, ...]:
    """The sets that are to be written.

    Args:
        declared: the data set's own split of each image, or None.
        groups: one number an image, equal for images that stay together.

    Raises:
        DataError: there are fewer groups than folds, or `fraction` leaves a fold nothing to train on.
    """
    images = _Images(index.keys, groups, sorted(index.names), index.make_class_lookup())
    if settings.folds is None:
        plan = _plan_single_set(images, declared, settings)
        return (_balance(plan, images, settings),)
    return tuple(_balance(plan, images, settings) for plan in _plan_folds(images, declared, settings))


def _plan_single_set(images: _Images, declared: Sequence[str | None], settings: SplitSettings) -> SetPlan:
    positions = splits.assign_splits(
        images.keys,
        declared,
        val=settings.val,
        test=settings.test,
        seed=settings.seed,
        groups=images.groups,
        labels=images.labels,
    )
    lists = {name: (ImageList(of_split),) for name, of_split in positions.items()}
    if settings.fraction is None or "train" not in positions:
        return SetPlan(lists)
    kept = splits.keep_fraction(positions["train"], settings.fraction, images.groups, images.labels)
    return SetPlan({**lists, "train": (ImageList(kept),)}, left_out=len(positions["train"]) - len(kept))


def _plan_folds(images: _Images, declared: Sequence[str | None], settings: SplitSettings) -> list[SetPlan]:
    """Each fold validates on one part and trains on the others, or on what `fraction` keeps of them.

    Raises:
        DataError: there are fewer groups than folds, or the fraction leaves one nothing to train on.
    """
    parts, test = splits.assign_folds(
        images.keys,
        declared,
        folds=settings.folds or 0,
        test=settings.test,
        seed=settings.seed,
        groups=images.groups,
        labels=images.labels,
    )
    evaluated = [ImageList(part) for part in parts]
    # The same lists where nothing is left out: they are written once.
    trained = (
        evaluated if settings.fraction is None else _keep_of_parts(parts, images, settings.fraction, settings.seed)
    )
    tested = {"test": (ImageList(test),)} if test else {}
    plans = []
    for number, part in enumerate(evaluated):
        others = [place for place in range(len(parts)) if place != number]
        training = tuple(trained[place] for place in others if trained[place].positions)
        left_out = sum(len(parts[place]) - len(trained[place].positions) for place in others)
        if not training:
            raise DataError(
                f"--fraction {settings.fraction:g} leaves fold {number + 1} no images to train on",
                "Keep a larger share, or ask for fewer folds.",
            )
        plans.append(SetPlan({"train": training, "val": (part,), **tested}, fold=number + 1, left_out=left_out))
    return plans


def _keep_of_parts(parts: Sequence[Sequence[int]], images: _Images, fraction: float, seed: int) -> list[ImageList]:
    """What a fraction of all parts together leaves of each."""
    dealt = array("I", chain.from_iterable(parts))
    ranks = splits.rank_keys(map(images.keys.__getitem__, dealt), seed)
    pool = array("I", map(dealt.__getitem__, order_by(ranks)))
    is_kept = bytearray(len(images.keys))
    for position in splits.keep_fraction(pool, fraction, images.groups, images.labels):
        is_kept[position] = 1
    return [ImageList(array("I", filter(is_kept.__getitem__, part))) for part in parts]


def _balance(plan: SetPlan, images: _Images, settings: SplitSettings) -> SetPlan:
    """The plan with images of rare classes repeated in its training split, spread over it by the seed."""
    if settings.balance is None or "train" not in plan.splits:
        return plan
    positions = plan.list_positions("train")
    repeats = repeat_factors.choose_repeats(
        positions, images.keys, images.labels, threshold=settings.balance, seed=settings.seed
    )
    copied = array("I", chain.from_iterable(map(repeat, positions, repeats.times)))
    repetitions = array("I", chain.from_iterable(map(range, repeats.times)))
    # The key of a repetition differs from the image's, or all copies would come one after the other.
    ranks = splits.rank_keys(
        ((images.keys[position] + number) % 2**64 for position, number in zip(copied, repetitions, strict=True)),
        settings.seed,
    )
    order = order_by(ranks)
    repeated = ImageList(array("I", map(copied.__getitem__, order)), array("I", map(repetitions.__getitem__, order)))
    balance = _summarise_balance(settings.balance, positions, repeats, images)
    return replace(plan, splits={**plan.splits, "train": (repeated,)}, balance=balance)


def _summarise_balance(
    threshold: float, positions: Sequence[int], repeats: repeat_factors.Repeats, images: _Images
) -> Balance:
    before, after = Counter[int](), Counter[int]()
    for position, times in zip(positions, repeats.times, strict=True):
        for label in images.labels(position):
            before[label] += 1
            after[label] += times
    return Balance(
        threshold=threshold,
        repeated_images=sum(times > 1 for times in repeats.times),
        repetitions=sum(repeats.times) - len(positions),
        classes={
            images.names[label]: ClassRepeats(round(factor, 4), before[label], after[label])
            for label, factor in sorted(repeats.factors.items(), key=lambda item: images.names[item[0]])
        },
    )
