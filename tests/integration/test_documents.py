"""The README and the help speak of every command, and the README's lines are commands that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.cli import app
from odtool.dataset.readers.registry import READERS

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = sorted(each.name for each in (*app.registered_commands, *app.registered_groups) if each.name)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_an_example_in_its_help_and_in_the_readme(
    odtool: Callable[..., object], tmp_path: Path, command: str
) -> None:
    shown = odtool(command, "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert f"Example: odtool {command}" in " ".join(shown.stdout.split())
    assert re.search(rf"odtool {command}\b", README)


def test_the_readme_names_every_format() -> None:
    assert [name for name in READERS if f"`{name}`" not in README] == []


def test_every_option_in_a_readme_line_is_an_option_of_its_command(
    odtool: Callable[..., object], tmp_path: Path
) -> None:
    blocks = re.findall(r"```(?:sh|console|bash)\n(.*?)```", README, flags=re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if "odtool " in line]
    used = {
        (words[1], word.split("=")[0])
        for line in lines
        if (words := shlex.split(line, comments=True))[:1] == ["odtool"]
        for word in words[2:]
        if word.startswith("--")
    }
    assert used
    helps = {command: odtool(command, "--help", cwd=tmp_path).stdout for command in {command for command, _ in used}}
    assert [(command, option) for command, option in sorted(used) if option not in helps[command]] == []


def test_tensorboard_starts_in_this_environment() -> None:
    """The README sends people to it; a setuptools without pkg_resources breaks it."""
    done = subprocess.run(
        [sys.executable, "-m", "tensorboard.main", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
