"""Which images the page of inspect shows: some with each kind of problem, some of each class, some at random."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from odtool.dataset.records.checked_image import CheckedImage
from odtool.dataset.records.spool import Index, hash_id

_MOST_GROUPS = 12
"""Groups of similar images shown."""
_MOST_ALIKE = 4
"""Images shown of each."""


@dataclass(frozen=True)
class Sample:
    """An image to show."""

    checked: CheckedImage
    kinds: tuple[str, ...]
    """The problems that it has."""


@dataclass(frozen=True)
class SimilarImages:
    """Images that look alike, where they were looked for."""

    groups: int
    images: int
    """In all groups together."""
    samples: tuple[tuple[Sample, ...], ...]
    """Some images of some groups, those in different splits first, then the largest."""


def choose_samples(
    problems: Mapping[str, list[str]], index: Index, count: int, seed: int
) -> dict[int, tuple[str, ...]]:
    """Kinds of problems by the position of each image to show, in the order of showing.

    Those with problems come first, then one of each class that is not shown yet, the rarest first, then others.

    Args:
        problems: kinds of problems by source id.
        count: images to show at most.
        seed: decides among images without problems.
    """
    positions = {key: position for position, key in enumerate(index.keys)}
    samples: dict[int, tuple[str, ...]] = {}
    for name, kinds in problems.items():
        position = positions.get(hash_id(name))
        if position is not None and len(samples) < count:
            samples[position] = tuple(kinds)
    salt = seed.to_bytes(16, "big", signed=True)

    def rank(position: int) -> bytes:
        return blake2b(index.keys[position].to_bytes(8, "big"), digest_size=8, key=salt).digest()

    if len(samples) < count:
        for position in _choose_for_classes(index, samples, count - len(samples), rank):
            samples.setdefault(position, ())
    for position in heapq.nsmallest(count, range(len(index)), key=rank):
        if len(samples) < count:
            samples.setdefault(position, ())
    return samples


def _choose_for_classes(index: Index, shown: Iterable[int], count: int, rank: Callable[[int], bytes]) -> list[int]:
    """One image of each class that is not shown yet, the rarest classes first."""
    classes_of = index.make_class_lookup()
    images: dict[int, int] = {}
    best: dict[int, tuple[bytes, int]] = {}
    for position in range(len(index)):
        own_rank = None
        for number in classes_of(position):
            images[number] = images.get(number, 0) + 1
            own_rank = own_rank or rank(position)
            if number not in best or (own_rank, position) < best[number]:
                best[number] = own_rank, position
    seen = {number for position in shown for number in classes_of(position)}
    chosen: list[int] = []
    for number in sorted(images, key=lambda number: (images[number], number)):
        if number not in seen and len(chosen) < count:
            chosen.append(best[number][1])
            seen.update(classes_of(best[number][1]))
    return chosen


def choose_groups(groups: Sequence[Sequence[int]], splits: Sequence[str | None]) -> list[list[int]]:
    """Positions of similar images to show: some of each of some groups, of as many splits as there are.

    Args:
        splits: the data set's own split of each image, or None.
    """

    def is_parted(group: Sequence[int]) -> bool:
        return len({splits[position] for position in group}) > 1

    largest = heapq.nsmallest(_MOST_GROUPS, groups, key=lambda group: (not is_parted(group), -len(group), group[0]))
    return [_choose_alike(group, splits) for group in largest]


def _choose_alike(group: Sequence[int], splits: Sequence[str | None]) -> list[int]:
    first = {splits[position]: position for position in reversed(group)}
    rest = [position for position in group if position not in first.values()]
    return sorted([*first.values(), *rest][:_MOST_ALIKE])
