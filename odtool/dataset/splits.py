"""Which image goes into which split: the data set's own split, else an exact random cut that a seed decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

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


def split_of_name(name: str) -> str | None:
    """The split that a file's or folder's name speaks of ('instances_val2017', 'Valid'), or None."""
    for word in reversed(re.split(r"[^a-z]+", name.lower())):
        if word in _NAMES:
            return _NAMES[word]
    return None


def check_shares(val: float, test: float) -> None:
    """Raises DataError where the shares leave nothing to train on."""
    if not (val >= 0 and test >= 0 and val + test < 1):
        raise DataError(f"--val {val:g} and --test {test:g} leave nothing to train on", "Let them sum to less than 1.")


def assign(
    keys: Sequence[int], declared: Sequence[str | None], *, val: float, test: float, seed: int
) -> dict[str, list[int]]:
    """Positions of the images by split, each split in an order that the seed decides.

    The data set's own splits hold where it has any training images; what it leaves undeclared is trained on.
    A split it does not have is cut from the training images. The result depends on the keys, not on their order.

    Args:
        keys: one number an image that says who it is (equal for images that must stay together).
        declared: 'train', 'val', 'test' or None an image.
        val: share of the training images to validate on, 0 to 1; exact, not by chance.
        test: the same for the test split.
    """
    order = sorted(range(len(keys)), key=lambda position: _rank(keys[position], seed))
    owned = "train" in declared
    splits: dict[str, list[int]] = {name: [] for name in SPLITS}
    for position in order:
        own = declared[position] if owned else None
        splits[own or "train"].append(position)
    total = len(splits["train"])
    for name, share in (("val", val), ("test", test)):
        if not splits[name] and share > 0:
            # At least one image, and at least one left to train on.
            count = min(max(round(total * share), 1), len(splits["train"]) - 1)
            splits[name] = _cut(splits["train"], keys, count)
    return {name: positions for name, positions in splits.items() if positions}


def _rank(key: int, seed: int) -> bytes:
    return blake2b(key.to_bytes(8, "big"), digest_size=8, key=seed.to_bytes(16, "big", signed=True)).digest()


def _cut(pool: list[int], keys: Sequence[int], count: int) -> list[int]:
    """Takes `count` images from the end of the pool; equal keys, which stand side by side, are not parted."""
    start = len(pool) - count
    while 0 < start < len(pool) and keys[pool[start - 1]] == keys[pool[start]]:
        start -= 1
    taken = pool[start:]
    del pool[start:]
    return taken
