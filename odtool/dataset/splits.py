"""Which image goes into which split or fold: the data set's own split, else a stratified cut that a seed decides."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b

from odtool.dataset import stratification
from odtool.dataset.ordering import order_by
from odtool.errors import DataError

SPLITS = ("train", "val", "test")

_NAMES = {
    "train": "train",
    "training": "train",
    "trainval": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "minival": "val",
    "eval": "val",
    "evaluation": "val",
    "test": "test",
    "testing": "test",
}


def parse_split(name: str) -> str | None:
    """The split that a file's or folder's name speaks of ('instances_val2017', 'Valid'), or None."""
    for word in reversed(re.split(r"[^a-z]+", name.lower())):
        if word in _NAMES:
            return _NAMES[word]
    return None


def check_shares(val: float, test: float) -> None:
    """Raises DataError where the shares leave nothing to train on."""
    if not (val >= 0 and test >= 0 and val + test < 1):
        shares = f"--val {val:g} and --test {test:g} leave" if val else f"--test {test:g} leaves"
        raise DataError(f"{shares} nothing to train on", "They must sum to less than 1.")


def find_shares_to_cut(declared_splits: Iterable[str | None], *, val: float, test: float) -> dict[str, float]:
    """Shares of the splits that are to be cut from the training images: those that the data set does not have itself.

    The data set's own splits count where it has any training images.
    """
    own_splits = set(declared_splits)
    shares = {"val": val, "test": test}
    return {
        name: share
        for name, share in shares.items()
        if share > 0 and not (name in own_splits and "train" in own_splits)
    }


def assign_splits(
    keys: Sequence[int],
    declared: Sequence[str | None],
    *,
    val: float,
    test: float,
    seed: int,
    groups: Sequence[int] | None = None,
    labels: Callable[[int], Sequence[int]] = lambda _: (),
) -> dict[str, Sequence[int]]:
    """Positions of the images by split, each split in an order that the seed decides.

    The data set's own splits hold where it has any training images; what it leaves undeclared is trained on.
    A split it does not have is cut from the training images. The result depends on the keys, not on their order.

    Args:
        keys: one number an image that says who it is.
        declared: 'train', 'val', 'test' or None an image.
        val: share of the training images to validate on, 0 to 1; exact where groups allow, not by chance.
        test: the same for the test split.
        groups: one number an image, equal for images that must stay together; the keys where it is left out.
        labels: the classes of an image, given its position, numbered alike whatever the order of the images.
    """
    order = order_by(rank_keys(keys, seed))
    has_training = "train" in declared
    splits: dict[str, Sequence[int]] = {}
    arrays = {name: array("I") for name in SPLITS}
    for position in order:
        own_split = declared[position] if has_training else None
        arrays[own_split or "train"].append(position)
    splits.update(arrays)
    pool = splits["train"]
    counts: dict[str, int] = {}
    for name, share in find_shares_to_cut(declared, val=val, test=test).items():
        # At least one image, and at least one left to train on.
        counts[name] = min(max(round(len(pool) * share), 1), len(pool) - sum(counts.values()) - 1)
    if any(counts.values()):
        group_keys = keys if groups is None else groups
        splits.update(stratification.stratify(pool, counts, group_keys, labels, main_part="train"))
    return {name: positions for name, positions in splits.items() if positions}


def assign_folds(
    keys: Sequence[int],
    declared: Sequence[str | None],
    *,
    folds: int,
    test: float,
    seed: int,
    groups: Sequence[int],
    labels: Callable[[int], Sequence[int]] = lambda _: (),
) -> tuple[list[Sequence[int]], Sequence[int]]:
    """Positions of the images by fold, and those of the test split, which is the same whatever fold is validated on.

    The data set's own test split holds; else one is cut first. All other images are dealt to the folds, those that the
    data set calls training or validation images alike. The result depends on the keys, not on their order.

    Args:
        folds: 2 or more.
        keys, declared, test, groups, labels: as for `assign_splits`.

    Raises:
        DataError: there are fewer groups than folds, so that one would be empty.
    """
    without_val = [None if split == "val" else split for split in declared]
    if "train" in declared:
        without_val = ["train" if split == "val" else split for split in declared]
    splits = assign_splits(keys, without_val, val=0, test=test, seed=seed, groups=groups, labels=labels)
    pool = splits.get("train", [])
    group_count = stratification.count_groups(pool, groups)
    if group_count < folds:
        noun, plural = ("image", "images") if group_count == len(pool) else ("group of images", "groups of images")
        count = f"is only 1 {noun}" if group_count == 1 else f"are only {group_count} {plural}"
        raise DataError(f"--folds {folds}: there {count} to deal to them", "Ask for fewer folds.")
    return stratification.deal_folds(pool, folds, groups, labels), splits.get("test", [])


def keep_fraction(
    pool: Sequence[int], fraction: float, groups: Sequence[int], labels: Callable[[int], Sequence[int]]
) -> Sequence[int]:
    """A stratified part of the images in `pool`, in their order; groups stay whole, and rare classes stay if they can.

    Args:
        fraction: of the images, above 0 and at most 1.
        groups, labels: as for `assign_splits`.
    """
    count = min(max(round(len(pool) * fraction), 1), len(pool))
    return stratification.keep_part(pool, count, groups, labels)


def rank_keys(keys: Iterable[int], seed: int) -> array[int]:
    """What images are sorted by for an order that the seed decides: 64 bits each."""
    secret = seed.to_bytes(16, "big", signed=True)
    digests = (blake2b(key.to_bytes(8, "big"), digest_size=8, key=secret).digest() for key in keys)
    return array("Q", (int.from_bytes(digest, "big") for digest in digests))


def join_groups(groups: Sequence[int], duplicate_groups: Iterable[Sequence[int]]) -> Sequence[int]:
    """The groups where the images at each of these lists of positions are in one group, too."""
    heads: dict[int, int] = {}

    def head(group: int) -> int:
        while (above := heads.get(group, group)) != group:
            group = above
        return group

    for positions in duplicate_groups:
        group_heads = {head(groups[position]) for position in positions}
        lowest = min(group_heads)
        heads.update((group, lowest) for group in group_heads)
    return array("Q", map(head, groups))
