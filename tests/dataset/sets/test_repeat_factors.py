"""Repeat factors against a direct computation, and what their fractions are rounded to."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.sets.repeat_factors import choose_repeats, compute_factors

LABELS = st.lists(st.lists(st.integers(0, 8), max_size=4, unique=True), min_size=1, max_size=200)


def compute_directly(labels: list[list[int]], threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """r(c) and r(i) as the paper has them, from a table of images and classes."""
    has = np.zeros((len(labels), 9), bool)
    for number, found in enumerate(labels):
        has[number, found] = True
    with np.errstate(divide="ignore"):
        of_classes = np.maximum(1, np.sqrt(threshold / has.mean(axis=0)))
    return of_classes, np.where(has, of_classes, 1).max(axis=1)


@given(LABELS, st.floats(0.001, 1), st.integers(0, 2**63 - 1))
def test_factors_are_those_of_the_paper_and_images_take_the_highest_of_theirs(
    labels: list[list[int]], threshold: float, seed: int
) -> None:
    of_classes, of_images = compute_directly(labels, threshold)
    repeats = choose_repeats(range(len(labels)), range(len(labels)), labels.__getitem__, threshold=threshold, seed=seed)
    present = {label for found in labels for label in found}
    assert repeats.factors == pytest.approx({c: of_classes[c] for c in present if of_classes[c] > 1})
    times = np.array(repeats.times)
    assert (times >= np.floor(of_images - 1e-9)).all()
    assert (times <= np.ceil(of_images + 1e-9)).all()


def test_fractions_are_rounded_up_as_often_as_they_say() -> None:
    # 400 of 10,000 images have the class: its factor is sqrt(0.09 / 0.04) = 1.5.
    labels = [[1] if number < 400 else [0] for number in range(10_000)]
    totals = []
    for seed in range(5):
        times = choose_repeats(range(10_000), range(10_000), labels.__getitem__, threshold=0.09, seed=seed).times
        assert set(times[400:]) == {1}
        totals.append(sum(times[:400]))
    # The sum of 400 draws has a standard deviation of 10.
    assert all(550 <= total <= 650 for total in totals)
    assert len(set(totals)) > 1


@given(LABELS, st.randoms())
def test_the_seed_decides_whatever_the_order(labels: list[list[int]], random) -> None:  # type: ignore[no-untyped-def]
    def repeat(order: list[int]) -> dict[int, int]:
        times = choose_repeats(
            range(len(order)), order, lambda position: labels[order[position]], threshold=0.5, seed=7
        ).times
        return dict(zip(order, times, strict=True))

    keys = list(range(len(labels)))
    assert repeat(keys) == repeat(random.sample(keys, len(keys)))


def test_a_class_at_the_threshold_is_not_repeated() -> None:
    assert compute_factors(Counter({0: 10, 1: 100, 2: 1}), 100, 0.1) == pytest.approx({0: 1, 1: 1, 2: 10**0.5})
