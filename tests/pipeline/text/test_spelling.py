"""Hints for names that are not known."""

from __future__ import annotations

import pytest

from odtool.pipeline.text import spelling


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("batch_sise", ["batch_size", "num_steps"], "Did you mean batch_size?"),
        ("fpnlite", ["v2_fpnlite_640", "v2_fpnlite_320", "v1_fpn"], "Did you mean v2_fpnlite_320 or v2_fpnlite_640?"),
        ("abc", ["xabc", "abcx", "abcd", "other"], "Did you mean abcd, abcx or xabc?"),
        ("nothing", ["one", "two"], "Known names: one, two."),
        ("nothing", [], "It has no fields."),
    ],
)
def test_the_nearest_names_are_told_or_all_if_they_are_few(name: str, known: list[str], hint: str) -> None:
    assert spelling.suggest_nearest(name, known) == hint
