"""Progress as it is shown with and without a terminal."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from rich.console import Console

from odtool.cli import console, progress_display


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    """What is printed where there is no terminal, without waiting for the next line's turn."""
    monkeypatch.setattr(progress_display, "_PLAIN_PROGRESS_EVERY", 0)
    monkeypatch.setattr(console, "stderr", Console(soft_wrap=True, stderr=True, force_terminal=False))
    return capsys


def test_without_a_terminal_progress_is_lines_with_what_is_left(lines: pytest.CaptureFixture[str]) -> None:
    with progress_display.progress("records", 2000) as report:
        report(1000, 50_000_000)
    said = lines.readouterr().err
    assert said.startswith("records 1,000/2,000, ")
    assert "MB/s" in said
    assert said.endswith(" left\n")


def test_where_nobody_knows_the_total_progress_says_how_far_it_is(lines: pytest.CaptureFixture[str]) -> None:
    with progress_display.progress("images read", None) as report:
        report(1000, 0)
    said = lines.readouterr().err
    assert said.startswith("images read 1,000, ")
    assert said.endswith("/s\n")
    assert "left" not in said


def test_a_bar_on_a_terminal_needs_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    with open(tmp_path / "screen", "w+", encoding="utf-8") as screen:
        monkeypatch.setattr(progress_display, "_BAR_EVERY", 0)
        monkeypatch.setattr(console, "stderr", Console(file=screen, force_terminal=True, width=100))
        for total in (None, 20):
            with progress_display.progress("images read", total) as report:
                report(10, 0)
                assert threading.active_count() == before
        screen.seek(0)
        drawn = screen.read()
    assert "10/?" in drawn
    assert "10/20" in drawn
