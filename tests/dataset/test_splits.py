"""Who is trained on and who is held back."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.splits import assign, check_shares, split_of_name
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
    assert split_of_name(name) == split


KEYS = st.lists(st.integers(0, 2**64 - 1), unique=True, min_size=2, max_size=200)


@given(KEYS, st.floats(0, 0.5), st.floats(0, 0.4), st.integers(0, 2**63 - 1), st.randoms())
def test_a_random_cut_is_exact_and_does_not_depend_on_the_order(keys, val, test, seed, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(keys, len(keys))
    one = assign(keys, [None] * len(keys), val=val, test=test, seed=seed)
    other = assign(shuffled, [None] * len(keys), val=val, test=test, seed=seed)
    named = {name: [keys[position] for position in found] for name, found in one.items()}
    assert named == {name: [shuffled[position] for position in found] for name, found in other.items()}
    assert sorted(chain.from_iterable(named.values())) == sorted(keys)
    assert named["train"]
    if val:
        assert len(named["val"]) == min(max(round(len(keys) * val), 1), len(keys) - 1)


def test_another_seed_cuts_otherwise() -> None:
    keys = list(range(100))
    cuts = {tuple(assign(keys, [None] * 100, val=0.1, test=0, seed=seed)["val"]) for seed in range(5)}
    assert len(cuts) == 5


def test_the_own_splits_hold_and_only_what_is_lacking_is_cut() -> None:
    declared = ["train"] * 10 + ["test"] * 4 + [None]
    splits = assign(range(15), declared, val=0.2, test=0.5, seed=1)
    assert sorted(splits["test"]) == [10, 11, 12, 13]
    assert {name: len(found) for name, found in splits.items()} == {"train": 9, "val": 2, "test": 4}


def test_a_set_that_calls_all_of_itself_val_is_split_anew() -> None:
    splits = assign(range(10), ["val"] * 10, val=0.1, test=0, seed=1)
    assert {name: len(found) for name, found in splits.items()} == {"train": 9, "val": 1}


def test_equal_keys_stay_together() -> None:
    splits = assign([1, 1, 2, 2, 3, 3, 4, 4], [None] * 8, val=0.35, test=0, seed=3)
    sides = [{[1, 1, 2, 2, 3, 3, 4, 4][position] for position in found} for found in splits.values()]
    assert not set.intersection(*sides)


@pytest.mark.parametrize(("val", "test"), [(1, 0), (0.5, 0.5), (-0.1, 0), (float("nan"), 0)])
def test_shares_that_leave_nothing_are_refused(val: float, test: float) -> None:
    with pytest.raises(DataError, match="nothing to train on"):
        check_shares(val, test)
