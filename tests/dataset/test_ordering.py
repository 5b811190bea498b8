"""Positions in the order of numbers, and where equal ones lie."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from odtool.dataset.ordering import list_runs, order_by

VALUES = st.lists(st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 9), st.just(2**64 - 1)))


@given(VALUES)
def test_positions_come_in_the_order_of_their_values_and_equal_ones_in_theirs(values: list[int]) -> None:
    assert list(order_by(values)) == sorted(range(len(values)), key=values.__getitem__)


@given(VALUES)
def test_runs_are_of_equal_values_and_cover_all(values: list[int]) -> None:
    order = order_by(values)
    runs = [[values[position] for position in order[start:end]] for start, end in list_runs(values, order)]
    assert runs == [[value] * values.count(value) for value in sorted(set(values))]
