"""The catalogue of problems and the code that names them agree."""

from __future__ import annotations

import re
from pathlib import Path

from odtool.dataset.records import record_check
from odtool.dataset.survey import problem_kinds


def test_the_catalogue_is_in_order_and_says_what_was_done() -> None:
    assert list(problem_kinds.CATALOGUE) == sorted(problem_kinds.CATALOGUE)
    assert all(check.action for check in problem_kinds.CATALOGUE.values())


def test_every_problem_named_in_the_code_is_in_the_catalogue() -> None:
    room = Path(problem_kinds.__file__).parent.parent
    named = set()
    for module in {*room.rglob("*.py")} - {*room.glob("writers/*")}:  # these write elements and columns, not problems
        named |= set(re.findall(r"(?:Problem|ImageError|append|yield)[( ]\(?\"([a-z_0-9]+)\"", module.read_text()))
    assert len(named) > 10
    # Faults of finished records have a catalogue of their own.
    assert named <= set(problem_kinds.CATALOGUE) | set(record_check.LEVELS)


def test_every_problem_in_the_catalogue_is_named_in_the_code() -> None:
    modules = {*Path(problem_kinds.__file__).parent.parent.rglob("*.py")} - {Path(problem_kinds.__file__)}
    text = "".join(module.read_text() for module in modules)
    assert [kind for kind in problem_kinds.CATALOGUE if f'"{kind}"' not in text] == []
