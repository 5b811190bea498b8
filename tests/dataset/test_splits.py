"""Who is trained on and who is held back."""

from __future__ import annotations

import tracemalloc
from array import array
from itertools import chain
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from odtool.dataset.splits import assign_folds, assign_splits, check_shares, join_groups, keep_fraction, parse_split
from odtool.errors import DataError


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("instances_val2017", "val"),
        ("train", "train"),
        ("Valid", "val"),
        ("validation", "val"),
        ("test_labels", "test"),
        ("trainval", "train"),
        ("training", "train"),
        ("images", None),
        ("trains", None),
        ("contest", None),
    ],
)
def test_names_speak_of_splits_word_by_word(name: str, split: str | None) -> None:
    assert parse_split(name) == split


KEYS = st.lists(st.integers(0, 2**64 - 1), unique=True, min_size=2, max_size=200)


@given(KEYS, st.floats(0, 0.5), st.floats(0, 0.4), st.integers(0, 2**63 - 1), st.randoms())
def test_a_random_cut_is_exact_and_does_not_depend_on_the_order(keys, val, test, seed, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(keys, len(keys))
    one = assign_splits(keys, [None] * len(keys), val=val, test=test, seed=seed)
    other = assign_splits(shuffled, [None] * len(keys), val=val, test=test, seed=seed)
    named = {name: [keys[position] for position in found] for name, found in one.items()}
    assert named == {name: [shuffled[position] for position in found] for name, found in other.items()}
    assert sorted(chain.from_iterable(named.values())) == sorted(keys)
    assert named["train"]
    if val:
        assert len(named["val"]) == min(max(round(len(keys) * val), 1), len(keys) - 1)


def test_a_cut_of_many_images_takes_little_memory() -> None:
    count = 20_000
    keys = array("Q", map(Random(1).getrandbits, [64] * count))
    tracemalloc.start()
    try:
        splits = assign_splits(keys, [None] * count, val=0.1, test=0.1, seed=0, labels=lambda at: (at % 9, at % 7 + 9))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(splits["val"]) == count // 10
    assert peak < 80 * count


def test_another_seed_cuts_otherwise() -> None:
    keys = list(range(100))
    cuts = {tuple(assign_splits(keys, [None] * 100, val=0.1, test=0, seed=seed)["val"]) for seed in range(5)}
    assert len(cuts) == 5


def test_the_own_splits_hold_and_only_what_is_lacking_is_cut() -> None:
    declared = ["train"] * 10 + ["test"] * 4 + [None]
    splits = assign_splits(range(15), declared, val=0.2, test=0.5, seed=1)
    assert sorted(splits["test"]) == [10, 11, 12, 13]
    assert {name: len(found) for name, found in splits.items()} == {"train": 9, "val": 2, "test": 4}


def test_a_set_that_calls_all_of_itself_val_is_split_anew() -> None:
    splits = assign_splits(range(10), ["val"] * 10, val=0.1, test=0, seed=1)
    assert {name: len(found) for name, found in splits.items()} == {"train": 9, "val": 1}


def test_equal_keys_stay_together() -> None:
    splits = assign_splits([1, 1, 2, 2, 3, 3, 4, 4], [None] * 8, val=0.35, test=0, seed=3)
    sides = [{[1, 1, 2, 2, 3, 3, 4, 4][position] for position in found} for found in splits.values()]
    assert not set.intersection(*sides)


@pytest.mark.parametrize(("val", "test"), [(1, 0), (0.5, 0.5), (-0.1, 0), (float("nan"), 0)])
def test_shares_that_leave_nothing_are_refused(val: float, test: float) -> None:
    with pytest.raises(DataError, match="nothing to train on"):
        check_shares(val, test)


def test_a_rare_class_reaches_every_split() -> None:
    # One class of 1000 images, one of 5; by chance the five would often miss the 60 images held back.
    classes = [[0]] * 1000 + [[1]] * 5
    for seed in range(20):
        splits = assign_splits(range(1005), [None] * 1005, val=0.03, test=0.03, seed=seed, labels=classes.__getitem__)
        assert {name: len(found) for name, found in splits.items()} == {"train": 945, "val": 30, "test": 30}
        rare = {name: sum(position >= 1000 for position in found) for name, found in splits.items()}
        assert rare == {"train": 3, "val": 1, "test": 1}


def test_images_without_objects_are_spread_like_a_class() -> None:
    splits = assign_splits(range(100), [None] * 100, val=0.2, test=0, seed=1, labels=lambda p: [0] if p < 50 else [])
    assert sum(position < 50 for position in splits["val"]) == 10


LABELS = st.lists(st.lists(st.integers(0, 6), max_size=4, unique=True), min_size=2, max_size=120)


@given(
    LABELS, st.lists(st.integers(0, 9), min_size=120, max_size=120), st.floats(0, 0.5), st.floats(0, 0.4), st.randoms()
)
def test_groups_stay_together_whatever_the_order(labels, groups, val, test, random) -> None:  # type: ignore[no-untyped-def]
    def cut(order):  # type: ignore[no-untyped-def]
        found = assign_splits(
            order,
            [None] * len(order),
            val=val,
            test=test,
            seed=3,
            groups=[groups[key] for key in order],
            labels=lambda position: labels[order[position]],
        )
        return {name: [order[position] for position in positions] for name, positions in found.items()}

    keys = list(range(len(labels)))
    splits = cut(keys)
    assert splits == cut(random.sample(keys, len(keys)))
    assert sorted(chain.from_iterable(splits.values())) == keys
    assert splits["train"]
    sides = [{groups[key] for key in found} for found in splits.values()]
    assert sum(map(len, sides)) == len(set.union(*sides))


@given(LABELS, st.floats(0.05, 0.4), st.integers(0, 100))
def test_each_class_is_held_back_in_proportion(labels, val, seed) -> None:  # type: ignore[no-untyped-def]
    single = [found[:1] for found in labels]
    splits = assign_splits(
        range(len(labels)), [None] * len(labels), val=val, test=0, seed=seed, labels=single.__getitem__
    )
    held = [single[position] for position in splits.get("val", [])]
    assert len(held) == min(max(round(len(labels) * val), 1), len(labels) - 1)
    kinds = [found for found in ([], *([number] for number in range(7))) if single.count(found)]
    share = len(held) / len(labels)
    for kind in kinds:
        # Whole images and the one image at least that a class has in each split may add up to a few.
        assert abs(held.count(kind) - single.count(kind) * share) <= len(kinds)
    if sum(single.count(kind) > 1 for kind in kinds) <= len(held):
        assert all(kind in held for kind in kinds if single.count(kind) > 1)


def test_a_group_too_large_for_a_split_is_given_to_it_rather_than_nothing() -> None:
    splits = assign_splits(
        range(40), [None] * 40, val=0.05, test=0.05, seed=1, groups=[position // 10 for position in range(40)]
    )
    assert {name: len(found) for name, found in splits.items()} == {"train": 20, "val": 10, "test": 10}


def test_one_group_is_trained_on() -> None:
    assert list(assign_splits(range(5), [None] * 5, val=0.5, test=0.4, seed=1, groups=[7] * 5)) == ["train"]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.data())
def test_joined_groups_hold_what_is_alike_together(groups, data) -> None:  # type: ignore[no-untyped-def]
    places = st.lists(st.integers(0, len(groups) - 1), min_size=2, max_size=4)
    same = data.draw(st.lists(places, max_size=5))
    made = join_groups(groups, same)
    for positions in same:
        assert len({made[position] for position in positions}) == 1
    for number in range(len(groups)):
        assert all(made[other] == made[number] for other in range(len(groups)) if groups[other] == groups[number])
    assert len(set(made)) >= len(set(groups)) - sum(len(positions) - 1 for positions in same)


def fold(labels, groups, folds, *, order=None, declared=None, test=0.0, seed=3):  # type: ignore[no-untyped-def]
    """Folds and test split of images that are called by their place in `labels`, whatever their order."""
    keys = list(order if order is not None else range(len(labels)))
    parts, tested = assign_folds(
        keys,
        [declared[key] for key in keys] if declared else [None] * len(keys),
        folds=folds,
        test=test,
        seed=seed,
        groups=[groups[key] for key in keys],
        labels=lambda position: labels[keys[position]],
    )
    return [[keys[position] for position in part] for part in parts], [keys[position] for position in tested]


MANY_GROUPS = st.lists(st.integers(0, 30), min_size=120, max_size=120)


@given(LABELS, MANY_GROUPS, st.integers(2, 8), st.floats(0, 0.4), st.randoms())
def test_every_image_is_validated_on_in_exactly_one_fold_and_groups_stay_together(  # type: ignore[no-untyped-def]
    labels, groups, folds, test, random
) -> None:
    keys = list(range(len(labels)))
    group_count = len(set(groups[: len(labels)]))
    if group_count < folds:
        with pytest.raises(DataError, match=rf"--folds {folds}: there (is|are) only {group_count} "):
            fold(labels, groups, folds)
        return
    try:
        parts, tested = fold(labels, groups, folds, test=test)
    except DataError:  # the test split has taken too many groups
        assume(False)
    assert (parts, tested) == fold(labels, groups, folds, test=test, order=random.sample(keys, len(keys)))
    assert sorted(chain(tested, *parts)) == keys
    assert len(parts) == folds
    assert all(parts)
    sides = [{groups[key] for key in part} for part in (*parts, tested)]
    assert sum(map(len, sides)) == len(set.union(*sides))


@given(LABELS, st.integers(2, 6), st.integers(0, 100))
def test_folds_have_equal_sizes_and_each_class_in_proportion(labels, folds, seed) -> None:  # type: ignore[no-untyped-def]
    single = [found[:1] for found in labels] * folds
    parts, _ = fold(single, range(len(single)), folds, seed=seed)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    for kind in ([], *([number] for number in range(7))):
        held = [sum(single[key] == kind for key in part) for part in parts]
        # Quotas are whole images, of several classes at once.
        assert max(held) - min(held) <= 2
        if single.count(kind) >= folds:
            assert min(held) > 0


def test_groups_of_many_sizes_are_dealt_to_folds_of_about_equal_size() -> None:
    sizes = [40, 30, 30, 20, 20, 10, 10, 10, 5, 5, *[1] * 20]
    groups = [number for number, size in enumerate(sizes) for _ in range(size)]
    for seed in range(10):
        parts, _ = fold([[0]] * len(groups), groups, 5, seed=seed)
        assert all(abs(len(part) - len(groups) / 5) <= 4 for part in parts)


def test_folds_of_groups_have_frequent_and_rare_classes_in_proportion() -> None:
    # 300 groups of seven images. By their rarest class alone they would be dealt as by chance in respect of the others.
    random = Random(5)
    labels = [sorted({min(int(random.paretovariate(0.7)) - 1, 12) for _ in range(3)}) for _ in range(2100)]
    parts, _ = fold(labels, [number // 7 for number in range(2100)], 5)
    assert {len(part) for part in parts} == {420}
    for label in range(13):
        total = sum(label in found for found in labels)
        held = [sum(label in labels[key] for key in part) for part in parts]
        # Three quarters of the standard deviation of a random cut, which half of the folds of one would exceed.
        assert all(abs(count - total / 5) <= max(3, 0.75 * (total * 0.16) ** 0.5) for count in held), (label, held)


def test_the_own_test_split_is_no_fold_and_the_own_validation_images_are_dealt() -> None:
    declared = ["train"] * 6 + ["val"] * 3 + ["test"] * 4 + [None]
    parts, tested = fold([[0]] * 14, range(14), 5, declared=declared, test=0.5)
    assert sorted(tested) == [9, 10, 11, 12]
    assert sorted(chain(*parts)) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 13]


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(DataError, match="only 3 groups of images"):
        fold([[0]] * 9, [number // 3 for number in range(9)], 4)
    with pytest.raises(DataError, match="there are only 3 images"):
        fold([[0]] * 3, range(3), 4)
    with pytest.raises(DataError, match="there is only 1 image "):
        fold([[0]], [0], 2)


@given(LABELS, MANY_GROUPS, st.floats(0.01, 1))
def test_a_fraction_keeps_whole_groups_in_their_order(labels, groups, fraction) -> None:  # type: ignore[no-untyped-def]
    pool = list(range(len(labels)))
    kept = list(keep_fraction(pool, fraction, groups, labels.__getitem__))
    assert kept
    assert kept == sorted(kept)
    assert not {groups[position] for position in kept} & {groups[position] for position in set(pool) - set(kept)}


@given(LABELS, st.floats(0.05, 1))
def test_a_fraction_is_exact_and_keeps_each_class_in_proportion(labels, fraction) -> None:  # type: ignore[no-untyped-def]
    single = [found[:1] for found in labels]
    kept = keep_fraction(range(len(labels)), fraction, range(len(labels)), single.__getitem__)
    assert len(kept) == max(round(len(labels) * fraction), 1)
    kinds = [found for found in ([], *([number] for number in range(7))) if single.count(found)]
    for kind in kinds:
        count = sum(single[position] == kind for position in kept)
        assert abs(count - single.count(kind) * len(kept) / len(labels)) <= len(kinds)
        if len(kept) >= len(kinds):
            assert count


def test_a_fraction_keeps_the_one_image_of_a_class() -> None:
    kept = keep_fraction(range(1001), 0.05, range(1001), lambda position: [1] if position == 700 else [0])
    assert len(kept) == 50
    assert 700 in kept
