"""The README, the site and the help speak of every command, and their lines are commands that exist."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odtool.cli import app
from odtool.dataset.readers.registry import READERS

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
COMMANDS = sorted(command.name for command in (*app.registered_commands, *app.registered_groups) if command.name)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_an_example_in_its_help_and_in_the_readme(
    odtool: Callable[..., Any], tmp_path: Path, command: str
) -> None:
    shown = odtool(command, "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert f"Example: odtool {command}" in " ".join(shown.stdout.split())
    assert re.search(rf"odtool {command}\b", README)


def test_the_readme_can_be_read_in_a_few_minutes() -> None:
    assert len(README.split()) < 900


def test_the_formats_page_has_every_format() -> None:
    page = (ROOT / "docs" / "reference" / "formats.md").read_text()
    assert [name for name in READERS if f"| `{name}` |" not in page] == []


def commands(page: Path) -> Iterator[list[str]]:
    """The lines of a page's shell blocks that call odtool, as words."""
    for block in re.findall(r"```(?:sh|console|bash)\n(.*?)```", page.read_text(), flags=re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True) if "odtool " in line else []
            words = words[1:] if words[:1] == ["srun"] else words
            if words[:1] == ["odtool"]:
                yield words


def test_every_option_in_a_document_is_an_option_of_its_command(odtool: Callable[..., Any], tmp_path: Path) -> None:
    used = {
        (words[1], word.split("=")[0], page.name)
        for page in PAGES
        for words in commands(page)
        for word in words[2:]
        if word.startswith("--")
    }
    assert len({page for _, _, page in used}) > 5
    helps = {name: odtool(name, "--help", cwd=tmp_path).stdout for name in {command for command, _, _ in used}}
    assert [entry for entry in sorted(used) if entry[1] not in helps[entry[0]]] == []


def test_every_link_between_documents_leads_to_a_file() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_field_of_a_status_is_documented(odtool: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "train" / "some_run").mkdir(parents=True)
    (tmp_path / "train" / "some_run" / "pipeline.config").touch()
    shown = json.loads(odtool("status", "--json", cwd=tmp_path).stdout)
    page = (ROOT / "docs" / "reference" / "json_output.md").read_text()
    fields = {*shown, *shown["train"], *shown["eval"]}
    assert len(fields) > 15
    assert [field for field in sorted(fields) if f"`{field}`" not in page] == []


@pytest.mark.parametrize("script", ["write_reference.py", "draw_rooms.py"])
def test_what_is_generated_is_current(script: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nRun: python scripts/{script}"


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    words = ["-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(ROOT / "docs"), str(tmp_path / "site")]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "reference" / "commands.html").is_file()


def test_tensorboard_starts_in_this_environment() -> None:
    """The README sends people to it; a setuptools without pkg_resources breaks it."""
    done = subprocess.run(
        [sys.executable, "-m", "tensorboard.main", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
