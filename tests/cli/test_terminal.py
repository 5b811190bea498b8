"""How text stands on a terminal: whole words, short paths, and plain where NO_COLOR asks for it."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.table import Table

from odtool.cli.terminal import Terminal

BAD = "a\x1b]8;;http://e\x07b\x1b[31m\x9b1m\u202e\u2028\r\x08x"


def show(text: str, *, width: int = 40, terminal: bool = True, markup: bool = True) -> str:
    screen = Terminal()
    screen.file, screen.width = io.StringIO(), width
    screen._force_terminal, screen._color_system = terminal, None
    screen.print(text, markup=markup)
    return screen.file.getvalue()


def test_a_long_line_goes_on_after_a_whole_word() -> None:
    said = show("warmup_learning_rate: 0.026 → 0.0016  (scaled linearly with the batch)")
    assert said == "warmup_learning_rate: 0.026 → 0.0016\n  (scaled linearly with the batch)\n"


def test_what_is_one_word_is_never_torn() -> None:
    path = "/a/folder/" + "with-a-long-name/" * 5 + "pipeline.config"
    assert show(f"wrote {path} from a template") == f"wrote\n  {path}\n  from a template\n"


def test_lines_of_a_list_go_on_below_their_text() -> None:
    assert show("    first second third", width=20) == "    first second\n      third\n"


def test_a_file_gets_each_message_on_one_line() -> None:
    text = "a message of more than forty characters goes on and on"
    assert show(text, terminal=False) == text + "\n"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "), max_size=200))
def test_breaking_lines_loses_and_adds_nothing_but_spaces(text: str) -> None:
    said = show(text, markup=False)
    assert "".join(said.split()) == "".join(text.split())
    for line in said.splitlines():
        assert cell_len(line.strip()) <= 40 or len(line.split()) == 1


def test_paths_below_the_current_folder_are_told_as_they_are_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a (b) c"
    folder.mkdir()
    monkeypatch.chdir(folder)
    said = show(f"{folder}/train/x and '{folder}/data', not {folder}s/x, /mnt{folder}/x or {folder}", width=900)
    assert said == f"train/x and 'data', not {folder}s/x, /mnt{folder}/x or {folder}\n"
    assert show(f"{folder}/train", width=900, terminal=False) == f"{folder}/train\n"
    assert show(f'label_map_path: "{folder}/data/label_map.pbtxt"', width=900).count(str(folder)) == 1


def test_a_current_folder_that_is_gone_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert show("/some/path", width=900) == "/some/path\n"


def test_with_no_color_a_terminal_gets_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    screen = Terminal()
    screen.file = io.StringIO()
    screen.print("[bold red]error:[/] something", style="dim")
    assert screen.file.getvalue() == "error: something\n"
    assert not screen.is_terminal


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_colon_on_either_side_of_a_word_is_no_picture(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Terminal()
    monkeypatch.setattr(Terminal, "is_terminal", is_terminal)
    screen.print("s3:x: no such folder")
    table = Table(":b:")
    table.add_row(":dog:")
    screen.print(table)
    shown = capsys.readouterr().out
    assert "s3:x: no such folder" in shown
    assert ":dog:" in shown
    assert ":b:" in shown


@pytest.mark.parametrize("command", [["settings", BAD], ["status", f"--{BAD}"], [BAD]])
def test_wrong_usage_is_told_without_obeying_it(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "odtool", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", done.stderr)
    assert "x1b]8;;http" in done.stderr


def test_no_line_of_a_table_in_a_file_ends_with_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("model", "here", box=None, pad_edge=False)
    for row in (("a-long-name", "yes, it is"), ("b", "")):
        table.add_row(*row)
    Terminal().print(table)
    assert capsys.readouterr().out == "model        here\na-long-name  yes, it is\nb\n"
