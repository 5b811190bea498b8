"""What the shell is told after a Tab."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from odtool.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    space = Workspace(tmp_path)
    for name in ("birds", "bees"):
        (space.train / name).mkdir(parents=True)
        (space.train / name / "pipeline.config").touch()
    space.data.path.mkdir()
    space.data.label_map.write_text("item { id: 1 name: 'cat' } item { id: 2 name: 'car' } item { id: 3 name: 'dog' }")
    (space.model_zoo / "my_model").mkdir(parents=True)
    return space


def complete(workspace: Workspace, *words: str) -> set[str]:
    """What bash would offer in place of the last word."""
    asked = {
        "_ODTOOL_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("odtool", *words)),
        "COMP_CWORD": str(len(words)),
    }
    program = "import sys; sys.argv[0] = 'odtool'; from odtool.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | asked,
        cwd=workspace.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("train", "b"), {"birds", "bees"}),
        (("report", "bi"), {"birds"}),
        (("predict", "--model", "be"), {"bees"}),
        (("configure", "--model", "my"), {"my_model"}),
        (
            ("configure", "--model", "ssd_mobilenet_v2_fpnlite"),
            {f"ssd_mobilenet_v2_fpnlite_{n}x{n}" for n in (320, 640)},
        ),
        (("prepare", "--format", "vo"), {"voc", "vott"}),
        (("prepare", "--only", "ca"), {"cat", "car"}),
        (("prepare", "--drop", "dog,ca"), {"dog,cat", "dog,car"}),
        (("inspect", "--verify", "f"), {"full"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_names_that_exist_are_offered(workspace: Workspace, words: tuple[str, ...], offered: set[str]) -> None:
    found = complete(workspace, *words)
    assert found == offered or (words[1] == "--format" and found & offered)


def test_where_nothing_is_prepared_nothing_is_offered_and_nothing_fails(tmp_path: Path) -> None:
    assert complete(Workspace(tmp_path), "prepare", "--only", "c") == set()
    assert complete(Workspace(tmp_path), "train", "b") == set()


NAMES_THAT_SHELLS_OBEY = (
    "catx;touch owned", r"cat\\$(touch owned)", "cat`id`", "cat*", "cat dog", "cat\\nx", "cat\\x1b[31m", "cat\u202e",
    "cat|x", "-cat", "cat>x",
)  # fmt: skip


def test_of_names_only_those_are_offered_that_a_shell_takes_as_they_are(workspace: Workspace) -> None:
    names = (*NAMES_THAT_SHELLS_OBEY, "cat-2", "cat.Vögel/猫")
    items = (f'item {{ id: {number} name: "{name}" }}' for number, name in enumerate(names, 1))
    workspace.data.label_map.write_text("\n".join(items))
    assert complete(workspace, "prepare", "--only", "") == {"cat-2", "cat.Vögel/猫"}
