"""What is quoted of errors that libraries raise."""

from __future__ import annotations

import pytest

from odtool import errors


@pytest.mark.parametrize(
    ("message", "line"), [("\n one \ntwo", "one "), ("", "ValueError"), (" \n", "ValueError"), ("x" * 999, "x" * 300)]
)
def test_the_first_line_is_quoted_and_the_type_where_there_is_none(message: str, line: str) -> None:
    assert errors.first_line(ValueError(message)) == line
