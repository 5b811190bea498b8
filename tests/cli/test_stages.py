"""Stages of a command on a terminal and in a file."""

from __future__ import annotations

import io
import re

import pytest

from odtool.cli import console
from odtool.cli.stages import open_stages
from odtool.cli.terminal import Terminal


@pytest.fixture(params=[True, False], ids=["terminal", "file"])
def screen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    made = Terminal()
    made.file, made._force_terminal, made._color_system, made.width = io.StringIO(), request.param, None, 100
    monkeypatch.setattr(console, "stderr", made)
    return made.file


def test_each_stage_is_left_as_a_line_in_its_order(screen: io.StringIO) -> None:
    with open_stages("reading") as stages:
        stages.notify("loading [the] model")
        with stages.progress("images", 2) as report:
            report(2, 0)
        stages.notify("writing")
    lines = [re.sub(r"\x1b\[\S*?[A-Za-z]", "", line).split("\r")[-1].strip() for line in screen.getvalue().splitlines()]
    shown = [text for text in ("reading", "loading [the] model", "writing") if text in lines]
    assert shown == ["reading", "loading [the] model", "writing"]
    assert lines.index("reading") < lines.index("loading [the] model") < lines.index("writing")


def test_an_error_leaves_the_stage_that_it_came_in(screen: io.StringIO) -> None:
    def fail() -> None:
        with open_stages("loading the model"):
            raise ValueError("told to")

    with pytest.raises(ValueError, match="told to"):
        fail()
    assert screen.getvalue().rstrip().endswith("loading the model")
    assert screen.getvalue().count("\x1b[?25l") == screen.getvalue().count("\x1b[?25h")  # the cursor is back
