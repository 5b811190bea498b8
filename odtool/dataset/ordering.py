"""Sorting images by numbers of 64 bits: some bytes an image, of which Python's lists take forty."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

_BUCKETS = 256


def order_by(values: Sequence[int]) -> array[int]:
    """Positions of the values in ascending order, of equal ones in theirs.

    Values go into buckets by their first byte, so that Python's own sort, which takes objects, has few at a time:
    hashes fill all of them alike.

    Args:
        values: from 0 to 2**64 - 1, fewer than 2**32 of them.
    """
    buckets = [array("I") for _ in range(_BUCKETS)]
    for position, value in enumerate(values):
        buckets[value >> 56].append(position)
    order = array("I")
    for bucket in buckets:
        order.extend(sorted(bucket, key=values.__getitem__))
    return order


def list_runs(values: Sequence[int], order: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where in `order`, as of `order_by`, each run of equal values begins and ends."""
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or values[order[end]] != values[order[start]]:
            yield start, end
            start = end
