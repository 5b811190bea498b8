"""Rare classes seen more often: the repeat factors of LVIS, and the images that are written more than once.

Gupta, Dollár, Girshick: LVIS: A Dataset for Large Vocabulary Instance Segmentation (2019), appendix on repeat factor
sampling. There a factor's fraction is rounded anew in each epoch; records are written once, so that here the seed
rounds it once.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

Label = TypeVar("Label", bound=Hashable)


@dataclass(frozen=True)
class Repeats:
    """Which images are written how often."""

    factors: dict[int, float]
    """Repeat factors by class, of the classes whose factor is above 1."""
    times: array[int]
    """How often each image is written, in the order that they were given in."""


def compute_factors(images: Mapping[Label, int], total: int, threshold: float) -> dict[Label, float]:
    """Repeat factors by class: max(1, sqrt(threshold / share of images with the class)).

    Args:
        images: training images with each class, of those that any has.
        total: number of training images, those without objects among them.
    """
    return {label: max(1.0, math.sqrt(threshold * total / count)) for label, count in images.items()}


def choose_repeats(
    positions: Sequence[int],
    keys: Sequence[int],
    labels: Callable[[int], Sequence[int]],
    *,
    threshold: float,
    seed: int,
) -> Repeats:
    """How often each image is written: its rarest class's factor, of which the seed rounds the fraction up or down.

    Args:
        positions: of the training images.
        keys: by position, a number that says who an image is, so that the result does not depend on their order.
        labels: the classes of the image at a position, each once.
    """
    images = Counter(label for position in positions for label in labels(position))
    factors = compute_factors(images, len(positions), threshold)
    secret = seed.to_bytes(16, "big", signed=True)
    times = array("I")
    for position in positions:
        factor = max((factors[label] for label in labels(position)), default=1.0)
        whole = int(factor)
        if factor > whole:
            draw = blake2b(keys[position].to_bytes(8, "big"), digest_size=8, key=secret, person=b"repeats").digest()
            whole += int.from_bytes(draw, "big") < (factor - whole) * 2**64
        times.append(whole)
    return Repeats({label: factor for label, factor in factors.items() if factor > 1}, times)
