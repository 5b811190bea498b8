"""A cut in which every class is in every part in the same proportion, and rare classes reach every part."""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

_NO_CLASS = -1
"""Stands for images without objects, which are spread like a class of their own."""


def stratify(
    pool: Sequence[int],
    counts: Mapping[str, int],
    groups: Sequence[int],
    labels: Callable[[int], Sequence[int]],
    *,
    main_part: str,
) -> dict[str, list[int]]:
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
    units = _group_units(pool, groups)
    class_counts: dict[tuple[int, ...], Mapping[int, int]] = {}
    weights = [_count_classes(unit, labels, class_counts) for unit in units]
    part_of = _deal(units, weights, _Quotas(main_part, counts, len(pool)), reserve=1)
    _fill_empty_parts(part_of, units, (main_part, *(name for name, count in counts.items() if count)))
    return _list_parts(pool, units, part_of, (main_part, *counts), len(groups))


def deal_folds(
    pool: Sequence[int], folds: int, groups: Sequence[int], labels: Callable[[int], Sequence[int]]
) -> list[list[int]]:
    """The same cut into parts of equal size, none of which is empty where there are as many groups.

    Large groups are dealt before small ones, and one that fits nowhere goes where there is most room.

    Returns:
        Positions by fold, each in the order of the pool.
    """
    units = sorted(_group_units(pool, groups), key=len, reverse=True)
    class_counts: dict[tuple[int, ...], Mapping[int, int]] = {}
    weights = [_count_classes(unit, labels, class_counts) for unit in units]
    names = [str(number) for number in range(folds)]
    share, surplus = divmod(len(pool), folds)
    counts = {name: share + (number < surplus) for number, name in enumerate(names[1:], start=1)}
    part_of = _deal(units, weights, _Quotas(names[0], counts, len(pool), are_equal=True), reserve=1)
    _fill_empty_parts(part_of, units, names)
    return list(_list_parts(pool, units, part_of, names, len(groups)).values())


def keep_part(
    pool: Sequence[int], count: int, groups: Sequence[int], labels: Callable[[int], Sequence[int]]
) -> list[int]:
    """A part of `count` images, in the order of the pool: exactly so many where groups are single images.

    Every class is in it as far as there is room, even one of a single image.
    """
    if count >= len(pool):
        return list(pool)
    units = _group_units(pool, groups)
    class_counts: dict[tuple[int, ...], Mapping[int, int]] = {}
    weights = [_count_classes(unit, labels, class_counts) for unit in units]
    part_of = _deal(units, weights, _Quotas("left", {"kept": count}, len(pool)), reserve=0)
    _fill_empty_parts(part_of, units, ("kept",))
    return _list_parts(pool, units, part_of, ("left", "kept"), len(groups))["kept"]


def _list_parts(
    pool: Sequence[int], units: Sequence[Sequence[int]], part_of: Sequence[str], names: Sequence[str], total: int
) -> dict[str, list[int]]:
    """Positions by part, in the order of the pool; `total` is above every position."""
    parts: dict[str, list[int]] = {name: [] for name in names}
    numbers = {name: number for number, name in enumerate(names)}
    part_at = array("H", bytes(2 * total))
    for unit, part in zip(units, part_of, strict=True):
        for position in unit:
            part_at[position] = numbers[part]
    for position in pool:
        parts[names[part_at[position]]].append(position)
    return parts


def _deal(
    units: Sequence[Sequence[int]], weights: Sequence[Mapping[int, int]], parts: _Quotas, *, reserve: int
) -> list[str]:
    """The part of each unit.

    Args:
        reserve: units of a class that the main part is left before each smaller one has one.
    """
    members = _index_members(weights)
    for label, numbers in members.items():
        parts.want(label, sum(weights[number][label] for number in numbers))
    part_of = [""] * len(units)
    for number, part in _deal_rare_classes(members, units, weights, parts, reserve):
        part_of[number] = part
    remaining_counts = {label: sum(not part_of[number] for number in numbers) for label, numbers in members.items()}
    queue = [(count, label) for label, count in remaining_counts.items()]
    heapq.heapify(queue)
    while queue:
        count, label = heapq.heappop(queue)
        if count != remaining_counts[label]:
            continue  # an older count: a newer one is in the queue
        for number in members[label]:
            if part_of[number]:
                continue
            part_of[number] = parts.lacking_most(label, len(units[number]), weights[number])
            parts.take(part_of[number], len(units[number]), weights[number])
            for other_label in weights[number]:
                remaining_counts[other_label] -= 1
                if other_label != label and remaining_counts[other_label]:
                    heapq.heappush(queue, (remaining_counts[other_label], other_label))
    return part_of


def _index_members(weights: Sequence[Mapping[int, int]]) -> dict[int, list[int]]:
    """Units by class."""
    members: dict[int, list[int]] = {}
    for number, weight in enumerate(weights):
        for label in weight:
            members.setdefault(label, []).append(number)
    return members


def _deal_rare_classes(
    members: Mapping[int, Sequence[int]],
    units: Sequence[Sequence[int]],
    weights: Sequence[Mapping[int, int]],
    parts: _Quotas,
    reserve: int,
) -> Iterator[tuple[int, str]]:
    """One unit of each class for each of the smaller parts, the rarest classes first, as far as there is room."""
    dealt_units: set[int] = set()
    for label in sorted(members, key=lambda label: (len(members[label]), label)):
        if len(members[label]) < len(parts.smaller) + reserve:
            continue
        for part in parts.smaller:
            if parts.has(part, label):
                continue
            free = (n for n in members[label] if n not in dealt_units and parts.fits(part, len(units[n])))
            if (number := next(free, None)) is not None:
                dealt_units.add(number)
                parts.take(part, len(units[number]), weights[number])
                yield number, part


def _group_units(pool: Sequence[int], groups: Sequence[int]) -> list[tuple[int, ...]]:
    """What is dealt: positions that stay together."""
    units: dict[int, tuple[int, ...]] = {}
    larger: dict[int, list[int]] = {}
    for position in pool:
        group = groups[position]
        if units.setdefault(group, (position,)) != (position,):
            larger.setdefault(group, [*units[group]]).append(position)
    return [tuple(larger.get(group, unit)) for group, unit in units.items()]


def _count_classes(
    unit: Sequence[int], labels: Callable[[int], Sequence[int]], class_counts: dict[tuple[int, ...], Mapping[int, int]]
) -> Mapping[int, int]:
    """Images by class; single images with the same classes share one of `class_counts`, to save memory."""
    if len(unit) == 1:
        classes = tuple(labels(unit[0])) or (_NO_CLASS,)
        return class_counts.get(classes) or class_counts.setdefault(classes, dict.fromkeys(classes, 1))
    return Counter(label for position in unit for label in labels(position) or (_NO_CLASS,))


class _Quotas:
    """How much each part still has room for, and how much it lacks of each class."""

    def __init__(self, main_part: str, counts: Mapping[str, int], total: int, *, are_equal: bool = False) -> None:
        self._rest = main_part
        self._are_equal = are_equal
        """Whether what fits nowhere goes where there is most room, and not to the main part."""
        self._shares = {name: count / total for name, count in counts.items() if count}
        self._room = {main_part: total - sum(counts.values()), **{name: counts[name] for name in self._shares}}
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


def _fill_empty_parts(part_of: list[str], units: Sequence[Sequence[int]], parts: Sequence[str]) -> None:
    """Gives each part at least one unit, the first of `parts` before the others, as long as there are units.

    Only large groups leave a part empty: none of them fits.
    """
    for name in parts:
        unit_counts = Counter(part_of)
        if unit_counts[name]:
            continue
        spare = [number for number, part in enumerate(part_of) if unit_counts[part] > 1 or name == parts[0]]
        if spare:
            part_of[min(spare, key=lambda number: len(units[number]))] = name
