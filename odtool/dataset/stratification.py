"""A cut in which every class is in every part in the same proportion, and rare classes reach every part."""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from odtool.dataset.ordering import list_runs, order_by

_NO_CLASS = -1
"""Stands for images without objects, which are spread like a class of their own."""


def stratify(
    pool: Sequence[int],
    counts: Mapping[str, int],
    groups: Sequence[int],
    labels: Callable[[int], Sequence[int]],
    *,
    main_part: str,
) -> dict[str, Sequence[int]]:
    """Iterative stratification (Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label Data, 2011).

    The rarest class is dealt first, each of its images to the part that lacks it most. Other than in the paper, a class
    with as many groups as there are parts has at least one in each part, and parts have exact sizes.

    Args:
        pool: positions of images in the order that decides between equals.
        counts: images wanted by part; met exactly where groups are single images, nearly where they are not.
        groups: by position; images of one group stay together.
        labels: the classes of the image at a position.
        main_part: the part that takes what the others leave; it is never left empty.

    Returns:
        Positions by part, in the order of the pool.
    """
    units = _Units(pool, groups, labels)
    parts = _Quotas(main_part, counts, len(pool))
    part_of = _deal(units, parts, reserve=1)
    _fill_empty_parts(part_of, units, parts.numbers.values())
    return {**dict.fromkeys((main_part, *counts), ()), **_list_parts(pool, units, part_of, parts, len(groups))}


def deal_folds(
    pool: Sequence[int], folds: int, groups: Sequence[int], labels: Callable[[int], Sequence[int]]
) -> list[Sequence[int]]:
    """The same cut into parts of equal size, none of which is empty where there are as many groups.

    Large groups are dealt before small ones, and one that fits nowhere goes where there is most room.

    Returns:
        Positions by fold, each in the order of the pool.
    """
    units = _Units(pool, groups, labels, largest_first=True)
    names = [str(number) for number in range(folds)]
    share, surplus = divmod(len(pool), folds)
    counts = {name: share + (number < surplus) for number, name in enumerate(names[1:], start=1)}
    parts = _Quotas(names[0], counts, len(pool), are_equal=True)
    part_of = _deal(units, parts, reserve=1)
    _fill_empty_parts(part_of, units, parts.numbers.values())
    return list(_list_parts(pool, units, part_of, parts, len(groups)).values())


def keep_part(
    pool: Sequence[int], count: int, groups: Sequence[int], labels: Callable[[int], Sequence[int]]
) -> Sequence[int]:
    """A part of `count` images, in the order of the pool: exactly so many where groups are single images.

    Every class is in it as far as there is room, even one of a single image.
    """
    if count >= len(pool):
        return array("I", pool)
    units = _Units(pool, groups, labels)
    parts = _Quotas("left", {"kept": count}, len(pool))
    part_of = _deal(units, parts, reserve=0)
    _fill_empty_parts(part_of, units, (parts.numbers["kept"],))
    return _list_parts(pool, units, part_of, parts, len(groups))["kept"]


def count_groups(pool: Sequence[int], groups: Sequence[int]) -> int:
    """How many groups the images in `pool` are of."""
    of_pool = array("Q", map(groups.__getitem__, pool))
    return sum(1 for _ in list_runs(of_pool, order_by(of_pool)))


class _Units:
    """What is dealt: images that stay together, in the order of the first of each, in arrays as there may be millions.

    Args:
        pool, groups, labels: as for `stratify`.
        largest_first: whether units of more images come before others.
    """

    def __init__(
        self,
        pool: Sequence[int],
        groups: Sequence[int],
        labels: Callable[[int], Sequence[int]],
        *,
        largest_first: bool = False,
    ) -> None:
        self._labels = labels
        # Positions, unit by unit, and each unit's in the order of the pool; and where in them each unit ends.
        self._images, self._ends = array("I"), array("I", [0])
        of_pool = array("Q", map(groups.__getitem__, pool))
        by_group = order_by(of_pool)
        # Where in them a group lies, at the place in the pool of its first image.
        starts, ends = array("I", bytes(4 * len(pool))), array("I", bytes(4 * len(pool)))
        for start, end in list_runs(of_pool, by_group):
            starts[by_group[start]], ends[by_group[start]] = start, end
        firsts = array("I", (place for place, end in enumerate(ends) if end))
        if largest_first:
            firsts = array("I", sorted(firsts, key=lambda place: starts[place] - ends[place]))
        for first in firsts:
            self._images.extend([pool[place] for place in by_group[starts[first] : ends[first]]])
            self._ends.append(len(self._images))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> Sequence[int]:
        return self._images[self._ends[number] : self._ends[number + 1]]

    def count_images(self, number: int) -> int:
        return self._ends[number + 1] - self._ends[number]

    def count_classes(self, number: int) -> Mapping[int, int]:
        """A unit's images by class."""
        if self.count_images(number) == 1:
            return dict.fromkeys(self._labels(self._images[self._ends[number]]) or (_NO_CLASS,), 1)
        return Counter(label for position in self[number] for label in self._labels(position) or (_NO_CLASS,))


def _list_parts(
    pool: Sequence[int], units: _Units, part_of: Sequence[int], parts: _Quotas, total: int
) -> dict[str, array[int]]:
    """Positions by part, in the order of the pool; `total` is above all of them."""
    part_at = array("H", bytes(2 * total))
    for number in range(len(units)):
        for position in units[number]:
            part_at[position] = part_of[number]
    lists = {number: array("I") for number in parts.numbers.values()}
    for position in pool:
        lists[part_at[position]].append(position)
    return {name: lists[number] for name, number in parts.numbers.items()}


def _deal(units: _Units, parts: _Quotas, *, reserve: int) -> array[int]:
    """The number of each unit's part.

    Args:
        reserve: units of a class that the main part is left before each smaller one has one.
    """
    members, image_counts = _index_members(units)
    for label, count in image_counts.items():
        parts.want(label, count)
    part_of = array("H", bytes(2 * len(units)))
    for number, part in _deal_rare_classes(members, units, parts, reserve):
        part_of[number] = parts.numbers[part]
    remaining_counts = {label: sum(not part_of[number] for number in numbers) for label, numbers in members.items()}
    queue = [(count, label) for label, count in remaining_counts.items()]
    heapq.heapify(queue)
    while queue:
        count, label = heapq.heappop(queue)
        if count != remaining_counts[label]:
            continue  # an older count: a newer one is in the queue
        changed: dict[int, None] = {}
        for number in (n for n in members[label] if not part_of[n]):
            size, weight = units.count_images(number), units.count_classes(number)
            part = parts.lacking_most(label, size, weight)
            parts.take(part, size, weight)
            part_of[number] = parts.numbers[part]
            for other_label in weight:
                remaining_counts[other_label] -= 1
            changed.update(dict.fromkeys(weight))
        for other_label in changed:
            if other_label != label and remaining_counts[other_label]:
                heapq.heappush(queue, (remaining_counts[other_label], other_label))
    return part_of


def _index_members(units: _Units) -> tuple[dict[int, array[int]], Counter[int]]:
    """Units by class, and images by class."""
    members: dict[int, array[int]] = {}
    image_counts = Counter[int]()
    for number in range(len(units)):
        for label, count in units.count_classes(number).items():
            members.setdefault(label, array("I")).append(number)
            image_counts[label] += count
    return members, image_counts


def _deal_rare_classes(
    members: Mapping[int, Sequence[int]], units: _Units, parts: _Quotas, reserve: int
) -> Iterator[tuple[int, str]]:
    """One unit of each class for each of the smaller parts, the rarest classes first, as far as there is room."""
    dealt_units: set[int] = set()
    for label in sorted(members, key=lambda label: (len(members[label]), label)):
        if len(members[label]) < len(parts.smaller) + reserve:
            continue
        for part in parts.smaller:
            if parts.has(part, label):
                continue
            free = (n for n in members[label] if n not in dealt_units and parts.fits(part, units.count_images(n)))
            if (number := next(free, None)) is not None:
                dealt_units.add(number)
                parts.take(part, units.count_images(number), units.count_classes(number))
                yield number, part


class _Quotas:
    """How much each part still has room for, and how much it lacks of each class."""

    def __init__(self, main_part: str, counts: Mapping[str, int], total: int, *, are_equal: bool = False) -> None:
        self._rest = main_part
        self._are_equal = are_equal
        """Whether what fits nowhere goes where there is most room, and not to the main part."""
        self._shares = {name: count / total for name, count in counts.items() if count}
        self._room = {main_part: total - sum(counts.values()), **{name: counts[name] for name in self._shares}}
        self.numbers = {name: number for number, name in enumerate(self._room, start=1)}
        """From 1, the main part's first; 0 stands for none yet."""
        self._lacking: dict[str, dict[int, float]] = {name: {} for name in self._room}
        self._held: dict[str, set[int]] = {name: set() for name in self._room}
        self._wanted: dict[int, int] = {}
        """Images with each class in all parts together."""

    @property
    def smaller(self) -> Sequence[str]:
        """All parts but the rest."""
        return tuple(self._shares)

    def want(self, label: int, images: int) -> None:
        """Sets what each part is to have of a class."""
        self._wanted[label] = images
        for name, share in self._shares.items():
            self._lacking[name][label] = images * share
        self._lacking[self._rest][label] = images * (1 - sum(self._shares.values()))

    def has(self, name: str, label: int) -> bool:
        return label in self._held[name]

    def fits(self, name: str, size: int) -> bool:
        """Whether there is room for at least half of a unit."""
        return self._room[name] > 0 and 2 * self._room[name] >= size

    def lacking_most(self, label: int, size: int, weight: Mapping[int, int]) -> str:
        """The part with room for a unit that lacks the class most, or of equal parts all classes of a group.

        Args:
            size: images of the unit.
            weight: its images by class.
        """
        part, maximum = self._rest, (-math.inf, 0.0)
        if self._are_equal:
            part = max(self._room, key=self._room.__getitem__)
        for name, room in self._room.items():
            if not self.fits(name, size):
                continue
            lacking = self._lacking[name][label], float(room)
            if self._are_equal and size > 1:
                lacking = self._compare_with_group(name, weight), float(room)
            if lacking > maximum:
                part, maximum = name, lacking
        return part

    def _compare_with_group(self, name: str, weight: Mapping[int, int]) -> float:
        """How much of what a part lacks a group would bring: the sum over classes, in shares of each class.

        By its rarest class alone groups would be dealt as by chance in respect of the others.
        """
        lacking = self._lacking[name]
        return sum(
            (lacking[label] ** 2 - (lacking[label] - count) ** 2) / self._wanted[label]
            for label, count in weight.items()
        )

    def take(self, name: str, size: int, weight: Mapping[int, int]) -> None:
        """Puts a unit into a part."""
        self._room[name] -= size
        self._held[name].update(weight)
        for label, count in weight.items():
            self._lacking[name][label] -= count


def _fill_empty_parts(part_of: array[int], units: _Units, parts: Collection[int]) -> None:
    """Gives each part at least one unit, the first of `parts` before the others, as long as there are units.

    Only large groups leave a part empty: none of them fits.
    """
    first = next(iter(parts))
    for part in parts:
        unit_counts = Counter(part_of)
        if unit_counts[part]:
            continue
        spare = [number for number, own in enumerate(part_of) if unit_counts[own] > 1 or part == first]
        if spare:
            part_of[min(spare, key=units.count_images)] = part
