"""odtool board: a real TensorBoard over real event files, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odtool.api.run import board
from odtool.dataset.records.framing import masked_crc
from odtool.jobs import process

COMMAND = [sys.executable, "-m", "odtool", "board", "--json"]


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a run that has one scalar in its events."""
    folder = tmp_path / "train" / "first"
    (folder / "train").mkdir(parents=True)
    (folder / "pipeline.config").touch()
    # tensorflow/core/util/event.proto, by hand: its own library would load TensorFlow into this process.
    value = b"\x0a\x04loss\x15" + struct.pack("<f", 0.5)
    summary = b"\x0a" + bytes([len(value)]) + value
    event = b"\x09" + struct.pack("<d", 1e9) + b"\x10\x01\x2a" + bytes([len(summary)]) + summary
    with (folder / "train" / "events.out.tfevents.1").open("wb") as stream:
        for data in (b"\x1a\x0dbrain.Event:2", event):
            head = struct.pack("<Q", len(data))
            stream.write(head + masked_crc(head) + data + masked_crc(data))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """started(folder): the command, running."""
    running: list[subprocess.Popen[str]] = []

    def start(folder: Path) -> subprocess.Popen[str]:
        running.append(subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for each in running:
        each.kill()
        each.communicate()


def told(board: subprocess.Popen[str]) -> dict[str, Any]:
    assert board.stdout is not None
    return dict(json.loads(board.stdout.readline()))


@pytest.mark.slow
def test_it_shows_the_runs_and_ends_with_ctrl_c(
    space: Path, started: Callable[..., subprocess.Popen[str]], until: Callable[..., Any]
) -> None:
    board = started(space)
    said = told(board)
    assert said["logdir"] == [str(space / "train")]

    def runs() -> Any:
        with urllib.request.urlopen(f"{said['url']}data/runs") as answer:
            return json.load(answer)

    until(lambda: runs() == ["first/train"])
    with urllib.request.urlopen(f"{said['url']}data/plugin/scalars/tags") as answer:
        assert list(json.load(answer)["first/train"]) == ["loss"]
    board.send_signal(signal.SIGINT)
    assert board.wait() == 0
    assert process.find_start_time(said["pid"]) is None


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells of a parent's death")
def test_a_second_one_takes_another_port_and_none_outlives_its_command(
    space: Path, started: Callable[..., subprocess.Popen[str]], until: Callable[..., Any]
) -> None:
    board, second = started(space), None
    one = told(board)
    second = started(space)
    other = told(second)
    assert one["port"] != other["port"]
    board.kill()
    second.terminate()
    assert second.wait() == 0
    until(lambda: process.find_start_time(one["pid"]) is None and process.find_start_time(other["pid"]) is None)


def test_what_cannot_be_shown_is_said_before_anything_starts(odtool: Callable, space: Path) -> None:
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        said = odtool("board", "--port", port)
    assert said.code == 1
    assert f"--port {port}: in use by another process" in said.err
    assert "none: no such folder" in odtool("board", "--logdir", "none").err
    assert "--host 203.0.113.7" in odtool("board", "--host", "203.0.113.7").err
    (space / "a,b").mkdir()
    assert "splits lists of folders" in odtool("board", "--logdir", "a,b", "--logdir", "train").err


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/a/one", "/b/two"], ["one", "two"]),
        (["/a/ws1/train", "/a/ws2/train"], ["ws1/train", "ws2/train"]),
        (["/a/ws/train", "/b/ws/train"], ["a/ws/train", "b/ws/train"]),
        (["/a/train", "/a/train"], ["train", "train"]),
        (["/train", "/a/train"], ["//train", "a/train"]),
    ],
)
def test_folders_have_names_that_tell_them_apart(paths: list[str], names: list[str]) -> None:
    assert board._names([Path(path) for path in paths]) == names


def test_without_runs_there_is_nothing_to_show(
    odtool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = odtool("board")
    assert said.code == 1
    assert "no run in" in said.err


def test_a_tensorboard_that_fails_tells_its_last_word(
    odtool: Callable, space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = space / "elsewhere" / "tensorboard"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "main.py").write_text("raise ValueError('told to fail')")
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    said = odtool("board", "--logdir", "train")
    assert said.code == 1
    assert "TensorBoard ended with exit code 1: ValueError: told to fail" in said.err
