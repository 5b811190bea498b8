"""Similar images: near-duplicates by their perceptual hashes, found among millions without comparing each with each.

Two hashes that differ in at most six of 64 bits agree in at least two of eight bands of eight bits. For each of the 28
pairs of bands the hashes are sorted by these bits, and compared within the runs that agree: n log n, and vectorized.
Eight bytes an image are kept; what sorting takes is some ten times that, for a few seconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from odtool.dataset.images import image_file, perceptual_hash
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.perceptual_hash import SIMILAR
from odtool.dataset.progress import Report
from odtool.dataset.records import spool
from odtool.dataset.records.record_writer import read_image
from odtool.dataset.splits import SPLITS
from odtool.dataset.types import AnnotatedImage, Problem
from odtool.dataset.workers import Crew

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    _Ints: TypeAlias = npt.NDArray[np.int64]
    _Hashes: TypeAlias = npt.NDArray[np.uint64]

_CHUNK = 32
"""Images a task: some 100 milliseconds."""
_ALONE = 4
"""Tasks done before workers are started where they cannot be forked, which takes as long as they do."""
_BANDS = 8
_MOST_NEIGHBOURS = 256
"""Hashes after it in its run that one is compared with. Longer runs are of images that are hardly told apart by their
hashes, and are linked from neighbour to neighbour; comparing each with each would take hours."""
_MOST_PAIRS = 1 << 20
"""Pairs held at a time."""


@dataclass(frozen=True)
class ImageHashes:
    """The perceptual hashes of a set."""

    values: array[int]
    """By position; 0 for an image without features, or one that could not be decoded."""
    problems: tuple[Problem, ...]
    """Images that could not be decoded."""


def hash_images(
    stored: Path, extent: Callable[[int], tuple[int, int]], count: int, crew: Crew, report: Report
) -> ImageHashes:
    """Decodes and hashes every image, in worker processes.

    Args:
        stored: the spool, for their paths.
        extent: offset and length in the spool of the image at a position.
        count: number of images.
        report: called with the number of images done.
    """
    tasks = (
        (stored, [extent(position) for position in range(start, min(start + _CHUNK, count))])
        for start in range(0, count, _CHUNK)
    )
    values = array("Q")
    problems: list[Problem] = []
    for hashes, faults in crew.map(_hash_chunk, tasks, tasks_here=_ALONE):
        values.extend(hashes)
        problems.extend(faults)
        report(len(values), 0)
    return ImageHashes(values, tuple(problems))


def _hash_chunk(task: tuple[Path, list[tuple[int, int]]]) -> tuple[list[int], list[Problem]]:
    """Runs in a worker."""
    stored, extents = task
    hashes, problems = [], []
    with spool.open_spool(stored) as reader:
        for where in extents:
            image = read_image(reader, where)
            try:
                hashes.append(perceptual_hash.hash_image(image_file.read_bytes(image.path, image.extent)))
            except (ImageError, OSError) as error:
                detail = error.detail if isinstance(error, ImageError) else str(error)
                problems.append(Problem("image_uncompared", image.path, detail, image.source_id or ""))
                hashes.append(0)
    return hashes, problems


def group_similar(hashes: Sequence[int]) -> list[list[int]]:
    """Positions of images that are similar to each other or linked by similar ones, two or more in each list."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    unique, inverse = _find_unique(hashes)
    labels = np.arange(len(unique))
    for first, second in _batch_pairs(unique):
        links = coo_array((np.ones(len(first), bool), (labels[first], labels[second])), shape=(len(unique),) * 2)
        labels = connected_components(links, directed=False)[1][labels]
    group_of = np.where(inverse >= 0, labels[inverse] if len(unique) else -1, -1)
    order = np.argsort(group_of, kind="stable")
    order = order[group_of[order] >= 0]
    cuts = np.flatnonzero(np.diff(group_of[order])) + 1
    return [group.tolist() for group in np.split(order, cuts) if len(group) > 1]


def find_straddling(hashes: Sequence[int], splits: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """Positions of images in val or test, each with one that is similar to it in a split before its own.

    Args:
        splits: the split of each image by position; one without is not compared.
    """
    import numpy as np

    unique, inverse = _find_unique(hashes)
    # One image of each hash and split stands for all.
    images = np.full((len(SPLITS), len(unique)), -1, np.int64)
    for position in reversed(range(len(splits))):
        if (split := splits[position]) is not None and inverse[position] >= 0:
            images[SPLITS.index(split), inverse[position]] = position
    partners = np.full_like(images, -1)
    every = np.arange(len(unique))
    for first, second in chain([(every, every)], _batch_pairs(unique)):
        _link_splits(images, partners, first, second)
        _link_splits(images, partners, second, first)
    for position, split in enumerate(splits):
        if split is not None and inverse[position] >= 0:
            partner = int(partners[SPLITS.index(split), inverse[position]])
            if partner >= 0:
                yield position, partner


def _link_splits(images: _Ints, partners: _Ints, first: _Ints, second: _Ints) -> None:
    """Gives each split's image of a first hash that has none yet a partner among the second ones, in an earlier split.

    Where there are several the last wins; any will do as an example.
    """
    for split in range(1, len(SPLITS)):
        for earlier in range(split):
            lacking = (images[split][first] >= 0) & (images[earlier][second] >= 0) & (partners[split][first] < 0)
            partners[split][first[lacking]] = images[earlier][second[lacking]]


def _find_unique(hashes: Sequence[int]) -> tuple[_Hashes, _Ints]:
    """The hashes, sorted and each once, and the place among them of each image's, -1 for 0."""
    import numpy as np

    values = np.asarray(hashes, np.uint64)
    unique, inverse = np.unique(values, return_inverse=True)
    inverse = inverse.astype(np.int64).reshape(-1)
    if len(unique) and unique[0] == 0:
        return unique[1:], inverse - 1
    return unique, inverse


def _batch_pairs(unique: _Hashes) -> Iterator[tuple[_Ints, _Ints]]:
    """The pairs of `find_pairs`, many at a time."""
    import numpy as np

    batch: list[tuple[_Ints, _Ints]] = []
    size = 0
    for first, second in find_pairs(unique):
        batch.append((first, second))
        size += len(first)
        if size > _MOST_PAIRS:
            yield np.concatenate([one for one, _ in batch]), np.concatenate([other for _, other in batch])
            batch, size = [], 0
    if batch:
        yield np.concatenate([one for one, _ in batch]), np.concatenate([other for _, other in batch])


def find_pairs(unique: _Hashes) -> Iterator[tuple[_Ints, _Ints]]:
    """Places of hashes that differ in at most `SIMILAR` bits; a pair may come more than once.

    Args:
        unique: hashes, sorted, each once.
    """
    import numpy as np

    width = 64 // _BANDS
    bands = [np.uint64((1 << width) - 1 << number * width) for number in range(_BANDS)]
    # SIMILAR bits spoil at most as many bands, so that this many agree in full.
    for chosen in combinations(bands, _BANDS - SIMILAR):
        keys = unique & np.bitwise_or.reduce(chosen)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        starts = np.arange(len(unique))
        for step in range(1, _MOST_NEIGHBOURS + 1):
            starts = starts[starts < len(unique) - step]
            starts = starts[keys[starts] == keys[starts + step]]
            if not len(starts):
                break
            first, second = order[starts], order[starts + step]
            near = _count_bits(unique[first] ^ unique[second]) <= SIMILAR
            if near.any():
                yield first[near], second[near]


def _count_bits(values: _Hashes) -> _Hashes:
    """Set bits of each (Warren: Hacker's Delight, 5-1); NumPy has its own from 2.0 on."""
    import numpy as np

    values = values - ((values >> np.uint64(1)) & np.uint64(0x5555555555555555))
    values = (values & np.uint64(0x3333333333333333)) + ((values >> np.uint64(2)) & np.uint64(0x3333333333333333))
    values = (values + (values >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    counts: _Hashes = (values * np.uint64(0x0101010101010101)) >> np.uint64(56)
    return counts


def report_groups(groups: Iterable[Sequence[int]], image_at: Callable[[int], AnnotatedImage]) -> Iterator[Problem]:
    """One problem for each image that is similar to an earlier one of its group."""
    for positions in groups:
        first = image_at(positions[0])
        for position in positions[1:]:
            image = image_at(position)
            detail = f"{image.name} is similar to {first.path}"
            if len(positions) > 2:
                detail += f", one of {len(positions)} such images"
            yield Problem("image_similar", image.path, detail, image.source_id or "")


def report_straddling(
    hashes: Sequence[int],
    splits: Sequence[str | None],
    identical: Iterable[Sequence[int]],
    image_at: Callable[[int], AnnotatedImage],
) -> Iterator[Problem]:
    """One problem for each image of val or test that is similar to one in a split before its own.

    Args:
        identical: positions of images with the same bytes, which are reported as such.
    """
    groups = {position: number for number, positions in enumerate(identical) for position in positions}
    for position, partner in find_straddling(hashes, splits):
        if position in groups and groups[position] == groups.get(partner):
            continue
        image, other = image_at(position), image_at(partner)
        detail = f"{image.name} ({splits[position]}) is similar to {other.path} ({splits[partner]})"
        yield Problem("similar_straddles", image.path, detail, image.source_id or "")
