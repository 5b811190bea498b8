"""How errors, signals and streams that are closed or full end a command."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COMMAND = """
import signal, sys, time, typer
from pathlib import Path
from odtool.cli import error_boundary

app = typer.Typer()

@app.command()
def slow():
    try:
        Path("begun").touch()
        time.sleep(3000)
    finally:
        Path("cleared").touch()

if "ignoring" in sys.argv:
    sys.argv.remove("ignoring")
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
error_boundary.run(app)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_in_order(tmp_path: Path, until: Callable[..., Any], number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", COMMAND], cwd=tmp_path)
    until((tmp_path / "begun").exists)
    process.send_signal(number)
    assert process.wait() == 128 + number
    assert (tmp_path / "cleared").exists()


def test_a_command_under_nohup_outlives_its_terminal(tmp_path: Path, until: Callable[..., Any]) -> None:
    process = subprocess.Popen([sys.executable, "-c", COMMAND, "ignoring"], cwd=tmp_path)
    until((tmp_path / "begun").exists)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_stdout_is_one_clear_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "odtool", "models", "--json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: No space left on device",
        "hint: The disk is full: free some space or write to another folder.",
    ]


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("arguments", "code"), [("models --json", 0), ("status --json", 1)])
def test_closed_streams_change_nothing_but_what_is_seen(tmp_path: Path, closed: str, arguments: str, code: int) -> None:
    command = f'"{sys.executable}" -m odtool {arguments} {closed}'
    done = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("configure --steps -1", "invalid value for '--steps': "),
        ("configure --stepz 1", "no such option: --stepz"),
        ("nonsense", "no such command 'nonsense'"),
        ("status a b", "got unexpected extra argument"),
        ("models pull", "missing argument 'NAME'"),
        ("logs -f", "--follow prints as it goes and cannot be combined with --json"),
        ("predict", "SOURCE is missing: "),
    ],
)
def test_wrong_usage_is_told_as_every_other_error(arguments: str, message: str, odtool: Callable[..., Any]) -> None:
    said = odtool(*arguments.split(), "--json")
    error, hint = said.err.splitlines()
    assert (said.code, error.startswith(f"error: {message}")) == (2, True)
    assert hint.startswith("hint: ")
    assert said.json == {"error": error.removeprefix("error: "), "hint": hint.removeprefix("hint: ")}


def test_no_command_at_all_shows_the_help(odtool: Callable[..., Any]) -> None:
    said = odtool()
    assert (said.code, said.err) == (2, "")
    assert "From annotations to a trained, evaluated detector" in said.out
