"""Whose an image is that several annotations lead to."""

from __future__ import annotations

import pytest

from odtool.dataset.survey.claims import Claims


def settled(*claims: tuple[int, int, bool]) -> tuple[list[bool], list[str], set[int]]:
    """Who got an image, the problems' kinds with the annotation's number, and who lost it later."""
    made, got, problems = Claims(), [], []
    for number, (key, place, sure) in enumerate(claims):
        gets, problem = made.settle(key, place, (str(number), "0.jpg"), got.count(True), certain=sure)
        got.append(gets)
        problems += [f"{problem.kind} {problem.file}"] if problem else []
    return got, problems, made.removed


@pytest.mark.parametrize("keys", [(7, 7, 7), (1, 2, 7)])
def test_the_annotation_that_names_an_image_gets_it(keys: tuple[int, int, int]) -> None:
    first, second, place = keys
    assert settled((first, place, True), (second, place, False)) == ([True, False], ["image_missing 1"], set())
    assert settled((first, place, False), (second, place, True)) == ([True, True], ["image_missing 0"], {0})


@pytest.mark.parametrize("keys", [(7, 7, 7), (1, 2, 7)])
def test_of_several_namesakes_the_first_gets_it(keys: tuple[int, int, int]) -> None:
    first, second, place = keys
    assert settled((first, place, False), (second, place, False)) == ([True, False], ["image_repeated 1"], set())


def test_what_is_named_twice_is_kept_once() -> None:
    assert settled((7, 7, True), (7, 7, True), (7, 7, False)) == (
        [True, False, False],
        ["image_repeated 1", "image_missing 2"],
        set(),
    )
    assert settled((7, 7, False), (7, 7, True), (7, 7, True)) == (
        [True, True, False],
        ["image_missing 0", "image_repeated 2"],
        {0},
    )


def test_a_format_may_give_one_file_two_ids() -> None:
    assert settled((1, 7, True), (2, 7, True)) == ([True, True], [], set())
