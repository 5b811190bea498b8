"""Annotations of several formats side by side, merged image by image: what says the same counts once.

Each format is read as if it were alone. Then an image that several of them speak of keeps the first annotation that has
objects, and what the others say of it is compared with that. An image of which no annotation file speaks is background
only where the format that explains most of the images takes it for that.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from pathlib import Path, PurePath

from odtool.dataset.classes import Changes
from odtool.dataset.pickling import by_position
from odtool.dataset.records.spool import Index, open_spool
from odtool.dataset.splits import SPLITS
from odtool.dataset.survey import duplicates
from odtool.dataset.survey.merging.statements import Statements, find_difference, read_statement, sort_places
from odtool.dataset.types import Problem
from odtool.dataset.workers import Crew

_CHUNK = 64
"""Comparisons a task, as images in the survey."""
_ALONE = 8
"""Tasks done before workers are started, as in the survey."""


@dataclass
class Merged:
    """What came of merging."""

    known: array[int] = field(default_factory=lambda: array("Q"))
    """Places of all images that stay, sorted."""
    changes: Changes = field(default_factory=Counter)
    """Changes that were counted for annotations which are left out."""
    classes: set[str] = field(default_factory=set)
    """Classes of objects that are left out."""


def merge(
    statements: Statements,
    index: Index,
    spool: Path,
    sources: Sequence[int],
    removed: bytearray,
    crew: Crew,
    on_problem: Callable[[Problem], None],
) -> Merged:
    """Decides which annotation of each image stays, and reports what the others say of it.

    An image takes its split, in the index, from whichever annotation has one, the one that stays first.

    Args:
        spool: the file of the checked images.
        sources: the number of the source of each reading.
        removed: for each image of the set whether it is left out; those are added of which another annotation stays,
            or no file speaks.
    """
    statements.stream.flush()
    merged, pairs = Merged(), _Pairs()
    main = _find_main_readings(statements, sources)
    for group in _group(_join_copies(statements, index, spool, sources, crew)):
        numbers = [number for number in group if not removed[statements.positions[number]]]
        kept = _choose(numbers, statements, main)
        for number in numbers:
            removed[statements.positions[number]] = number != kept
        if kept is not None:
            merged.known.extend([statements.places[number] for number in numbers])
            pairs.add(kept, [number for number in numbers if number != kept])
    merged.known = sort_places(merged.known)
    for (kept, other), comparison in zip(pairs, _compare(pairs, statements, crew), strict=True):
        merged.changes.update(comparison.changes)
        merged.classes.update(comparison.classes)
        position = statements.positions[kept]
        split, other_split = index.splits[position], index.splits[statements.positions[other]]
        if split < 0 <= other_split:
            index.splits[position] = other_split
        is_same_format = statements.readings[kept] == statements.readings[other]
        for problem in _report(comparison, split, other_split, is_same_format=is_same_format):
            on_problem(problem)
    return merged


class _Pairs:
    """Statements of one image, two and two: the one that stays, and one beside it. 16 bytes of each two."""

    def __init__(self) -> None:
        self._kept, self._others = array("Q"), array("Q")

    def add(self, kept: int, others: Sequence[int]) -> None:
        self._kept.extend([kept] * len(others))
        self._others.extend(others)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """In the order of reading."""
        import numpy as np

        for place in np.argsort(np.asarray(self._others, np.uint64), kind="stable"):
            yield self._kept[place], self._others[place]


def _find_main_readings(statements: Statements, sources: Sequence[int]) -> frozenset[int]:
    """Of each source the reading whose files speak of most images, the first of equals."""
    images = Counter(reading for reading, filed in zip(statements.readings, statements.is_filed, strict=True) if filed)
    main: dict[int, int] = {}
    for reading, source in enumerate(sources):
        if source not in main or images[reading] > images[main[source]]:
            main[source] = reading
    return frozenset(main.values())


def _group(places: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of statements by the image that they are of, each list in the order of reading."""
    import numpy as np

    column = np.asarray(places, np.uint64)
    order = np.argsort(column, kind="stable")
    ends = [0, *(np.flatnonzero(np.diff(column[order])) + 1).tolist(), len(order)]
    for start, end in pairwise(ends):
        yield order[start:end].tolist()


def _choose(numbers: Sequence[int], statements: Statements, main: Collection[int]) -> int | None:
    """Whose annotation of an image stays: one in a file before none, one with objects, and then the main format's."""
    filed = [number for number in numbers if statements.is_filed[number]]
    background = [number for number in numbers if statements.readings[number] in main]
    if not filed:
        return background[0] if background else None
    return min(
        filed, key=lambda number: (not statements.is_annotated[number], statements.readings[number] not in main, number)
    )


def _join_copies(
    statements: Statements, index: Index, spool: Path, sources: Sequence[int], crew: Crew
) -> Sequence[int]:
    """The place of each statement, with one for copies: formats in folders of their own bring the same image again.

    Copies have the same bytes and the same name, and no format has files that speak of more than one of them.
    """
    fingerprints = array("Q", map(index.fingerprints.__getitem__, statements.positions))
    candidates = _find_alike(fingerprints, statements.places)
    if not candidates:
        return statements.places
    readings = dict.fromkeys([statements.places[number] for number in candidates], 0)  # a bit of each
    for place, reading, filed in zip(statements.places, statements.readings, statements.is_filed, strict=True):
        if filed and place in readings:
            readings[place] |= 1 << reading
    identical = duplicates.find_identical(
        [fingerprints[number] for number in candidates],
        spool,
        lambda place: index.extent(statements.positions[candidates[place]]),
        crew,
    )
    joined: dict[int, int] = {}
    for same_bytes in identical:
        for first, *others in _group_by_name([candidates[place] for place in same_bytes], statements, sources):
            for other in others:
                if not readings[first] & readings[other]:
                    readings[first] |= readings[other]
                    joined[other] = first
    return array("Q", [joined.get(place, place) for place in statements.places])


def _find_alike(fingerprints: Sequence[int], places: Sequence[int]) -> list[int]:
    """A statement of each place whose image may have the same bytes as the image of another place."""
    import numpy as np

    prints, column = np.asarray(fingerprints, np.uint64), np.asarray(places, np.uint64)
    order = np.lexsort((column, prints))
    prints, column = prints[order], column[order]
    is_first = np.concatenate(([True], (prints[1:] != prints[:-1]) | (column[1:] != column[:-1])))
    firsts = order[is_first]
    _, numbers, counts = np.unique(prints[is_first], return_inverse=True, return_counts=True)
    return sorted(firsts[counts[numbers] > 1].tolist())


def _group_by_name(numbers: Iterable[int], statements: Statements, sources: Sequence[int]) -> Iterable[list[int]]:
    """Places of the statements whose images have the same name in the same source."""
    places: dict[tuple[int, str], list[int]] = {}
    with open_spool(statements.path) as reader:
        for number in numbers:
            name = PurePath(read_statement(reader, statements.extent(number)).name).stem
            places.setdefault((sources[statements.readings[number]], name), []).append(statements.places[number])
    return places.values()


@by_position
@dataclass(frozen=True, slots=True)
class _Comparison:
    """What is said of an image beside the annotation that stays."""

    source: str
    name: str
    first: str
    """The annotation file that stays."""
    difference: str | None
    is_filed: bool
    is_empty: bool
    """Whether this has no objects where the one that stays has."""
    changes: Changes
    classes: frozenset[str]


def _report(comparison: _Comparison, split: int, other_split: int, *, is_same_format: bool) -> Iterator[Problem]:
    """What there is to say of it. The splits are as the index has them, that of the annotation that stays first."""
    file, name = Path(comparison.source), comparison.name
    if comparison.is_filed and comparison.is_empty:
        yield Problem("annotation_empty", file, f"{name} has objects in {comparison.first}")
    elif comparison.is_filed and comparison.difference:
        kind = "image_repeated" if is_same_format else "annotations_differ"
        yield Problem(kind, file, f"{name}: {comparison.difference}")
    elif comparison.is_filed:
        yield Problem("annotation_agrees", file, f"{name}: {comparison.first} says the same")
    if 0 <= split != other_split >= 0:
        detail = f"{name} is in {SPLITS[other_split]} here, and in {SPLITS[split]} by {comparison.first}"
        yield Problem("splits_differ", file, detail)


_Extents = tuple[tuple[int, int], tuple[int, int]]


def _compare(pairs: Iterable[tuple[int, int]], statements: Statements, crew: Crew) -> Iterator[_Comparison]:
    remaining = ((statements.extent(kept), statements.extent(other)) for kept, other in pairs)
    chunks = iter(lambda: list(islice(remaining, _CHUNK)), [])
    tasks = ((statements.path, chunk) for chunk in chunks)
    return chain.from_iterable(crew.map(_compare_pairs, tasks, tasks_here=_ALONE))


def _compare_pairs(task: tuple[Path, list[_Extents]]) -> list[_Comparison]:
    """Runs in a worker."""
    path, pairs = task
    comparisons = []
    with open_spool(path) as reader:
        for kept_extent, other_extent in pairs:
            first, other = read_statement(reader, kept_extent), read_statement(reader, other_extent)
            is_empty = bool(first.objects) and not other.objects
            difference = None if is_empty else find_difference(first, other)
            classes = frozenset(label for label, *_ in other.objects)
            comparisons.append(
                _Comparison(
                    other.source,
                    other.name,
                    first.source,
                    difference,
                    is_filed=other.is_filed,
                    is_empty=is_empty,
                    changes=other.changes,
                    classes=classes,
                )
            )
    return comparisons
