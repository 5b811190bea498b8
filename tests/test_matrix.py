"""`make matrix`: its cells, run with an uv that stands in for the real one, which runs in `make matrix` alone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
UV = """#!/bin/sh
echo "uv $*"
if [ "$1" = venv ]; then
  mkdir -p "$4/bin"
  for name in odtool pytest python; do ln -s "$STAND_INS/$name" "$4/bin/$name"; done
fi
"""
PYTHON = "#!/bin/sh\necho 'Python 3.13.0 , tensorflow 2.21.0 , numpy 2.4.6'\n"
ODTOOL = '#!/bin/sh\n[ "$1" = demo ] && echo \'{"eval": {"best": {"value": 0.71}}}\'\nexit 0\n'
PYTEST = "#!/bin/sh\necho '=== 70 passed, 1 skipped in 61.20s (0:01:01) ==='\n"


@pytest.fixture(scope="module")
def matrix(load_script: Callable[[str], Any]) -> Any:
    return load_script("matrix")


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"uv": UV, "python": PYTHON, "odtool": ODTOOL, "pytest": PYTEST}.items():
        write_script(folder / name, text)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STAND_INS", str(folder))
    return folder


def write_script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_a_cell_that_passes_is_a_line_of_figures(matrix: Any, stand_ins: Path, tmp_path: Path) -> None:
    cell = matrix.Cell("3.13", "2.21", tmp_path / "work")
    cell_result = matrix.run(cell, tmp_path / "odtool.whl", "key")
    cell.write(cell_result)
    assert matrix.row(cell, "key")[:3] == ("3.13.0", "2.21.0", "0.710")
    assert matrix.row(cell, "key")[4:] == ("70 passed, 1 skipped", "passed")
    assert matrix.row(cell, "another key")[5] == "passed (of an earlier state)"
    assert not (cell.folder / "venv").exists()


@pytest.mark.parametrize(
    ("name", "script", "step", "error"),
    [
        ("uv", "#!/bin/sh\necho '  \N{MULTIPLICATION SIGN} No solution found' >&2\nexit 1\n", "venv", "No solution"),
        ("odtool", "#!/bin/sh\necho loading\necho 'error: no learning' >&2\nexit 1\n", "doctor", "error: no learning"),
        ("pytest", "#!/bin/sh\necho 'E   assert 1 == 2'\necho '1 failed in 2s'\nexit 1\n", "tests", "assert 1 == 2"),
        ("pytest", "#!/bin/sh\nexit 3\n", "tests", "exit code 3"),
    ],
    ids=["no Python", "doctor", "tests", "without a word"],
)
def test_a_cell_that_fails_names_step_first_error_and_log(
    matrix: Any, stand_ins: Path, tmp_path: Path, name: str, script: str, step: str, error: str
) -> None:
    write_script(stand_ins / name, script)
    cell = matrix.Cell("3.13", "2.21", tmp_path / "work")
    cell.write(matrix.run(cell, tmp_path / "odtool.whl", "key"))
    outcome = matrix.row(cell, "key")[5]
    assert outcome.startswith(f"{step} failed: ")
    assert error in outcome
    assert outcome.endswith("work/3.13x2.21/log.txt")
    assert error in cell.log.read_text()


def test_cells_that_passed_are_not_run_again_and_failed_ones_are(
    matrix: Any, stand_ins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["matrix.py", "--cells", "3.12x2.20,3.13x2.20", "--work", str(tmp_path / "work")]
    monkeypatch.setattr(sys, "argv", command)
    matrix.main()
    failed = tmp_path / "work" / "3.13x2.20" / "result.json"
    failed.write_text(json.dumps({**json.loads(failed.read_text()), "failed_step": "demo"}))
    capsys.readouterr()
    matrix.main()
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [f"3.13x2.20: {tmp_path / 'work' / '3.13x2.20' / 'log.txt'}"]
    assert [line.split("|")[-2].strip() for line in printed.out.splitlines() if line.startswith("| 3")].count(
        "not run"
    ) == len(matrix.PYTHONS) * len(matrix.TENSORFLOWS) - 2


def test_another_tensorflow_replaces_the_locks_and_keeps_the_rest(matrix: Any, tmp_path: Path, stand_ins: Path) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    held = matrix.locked_tensorflow(lock)
    assert held in matrix.TENSORFLOWS
    pins = matrix.pins_beside_tensorflow(lock)
    assert any(pin.startswith("numpy==") and "\\" not in pin for pin in pins)
    assert not {pin.split("==")[0] for pin in pins} & set(matrix.FAMILY)
    for number in matrix.TENSORFLOWS:
        cell = matrix.Cell("3.12", number, tmp_path / "work")
        matrix.run(cell, tmp_path / "odtool.whl", "key")
        assert (f"tf-keras=={number}.*" in cell.log.read_text()) == (number != held)


def test_every_test_that_a_cell_runs_exists(matrix: Any) -> None:
    assert [name for name in matrix.TESTS if not (ROOT / name).exists()] == []


def test_what_is_not_a_cell_is_refused(matrix: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is not a cell"):
        matrix.chosen("3.13", tmp_path)
