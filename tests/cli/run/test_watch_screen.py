"""odtool status --watch: on a real terminal, without one, and what it draws of what."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odtool.api.run.status import GpuUse, MachineUse
from odtool.cli.run import watch_screen
from odtool.workspace import Run

COMMAND = [sys.executable, "-m", "odtool", "status", "--watch", "--interval", "0.1"]
MACHINE = MachineUse(2 * 10**9, 8 * 10**9, 50.0)


def write_metrics(run: Run, steps: int = 100) -> None:
    lines: list[dict[str, Any]] = [{"kind": "start", "step": 0, "values": {"num_steps": 300, "batch_size": 9}}]
    for step in range(1, steps + 1):
        values = {"loss": 10 / step, "learning_rate": 0.1, "steps_per_second": 4.0}
        lines.append({"kind": "train", "step": step, "values": values})
    for step, value in ((50, 0.25), (100, 0.5), (150, -1)):
        lines.append({"kind": "eval", "step": step, "values": {"DetectionBoxes_Precision/mAP": value}})
    now = time.time()
    run.metrics.write_text("".join(json.dumps({**line, "time": now + 1}) + "\n" for line in lines))


class Terminal:
    """A process on a pseudo-terminal, and what it has written there."""

    def __init__(self, folder: Path, rows: int, columns: int) -> None:
        parent, child = pty.openpty()
        self.screen = parent
        self.resize(rows, columns)
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            COMMAND, cwd=folder, stdin=child, stdout=child, stderr=child, start_new_session=True,
            env={**environment, "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(child)
        self.written = b""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def frame(self) -> str:
        """What was drawn last."""
        while select.select([self.screen], [], [], 0)[0]:
            try:
                self.written += os.read(self.screen, 1 << 16)
            except OSError:  # the other end is closed
                break
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.written.split(b"\x1b[H")[-1].decode(errors="replace"))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.screen)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(folder: Path, rows: int = 24, columns: int = 100) -> Terminal:
        opened.append(Terminal(folder, rows, columns))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


@pytest.mark.slow
def test_a_run_that_finishes_is_seen_to_and_ctrl_c_ends_it(
    odtool: Callable, job_run: Run, no_gpu: None, terminal: Callable[..., Terminal], until: Callable[..., Any]
) -> None:
    assert odtool("train", "--no-eval").code == 0
    write_metrics(job_run)
    with job_run.log("train").open("a") as stream:
        stream.write("12:00:00 warning: the disk is slow\n")
    shown = terminal(job_run.path.parent.parent)
    until(lambda: "train running" in shown.frame() and "step 100 of 300" in shown.frame())
    drawn = shown.frame()
    assert re.search(r"step 100 of 300 .*33%  4 steps/s  50s left", drawn)
    assert re.search(r"loss 0\.1 +█", drawn)
    assert re.search(r"mAP  ▁█  50: 0\.250  100: 0\.500", drawn)
    assert "warning: the disk is slow" in drawn
    shown.resize(6, 30)
    until(lambda: (lines := shown.frame().splitlines()) and all(len(line) <= 30 for line in lines))
    assert "…" in shown.frame()
    shown.resize(24, 100)
    (job_run.path / "finish").touch()
    until(lambda: "train finished" in shown.frame())
    os.write(shown.screen, b"\x03")  # no terminal of the process' own: the byte alone does not signal
    os.killpg(shown.process.pid, signal.SIGINT)
    assert shown.process.wait() == 0
    shown.frame()
    assert b"\x1b[?1049l" in shown.written  # the screen of before is back
    assert "Traceback" not in shown.written.decode()


@pytest.mark.slow
def test_a_sigterm_leaves_the_terminal_as_it_was(
    job_run: Run, terminal: Callable[..., Terminal], until: Callable[..., Any]
) -> None:
    shown = terminal(job_run.path.parent.parent)
    until(lambda: "first" in shown.frame())
    shown.process.terminate()
    assert shown.process.wait() == 128 + signal.SIGTERM
    shown.frame()
    assert b"\x1b[?1049l" in shown.written


def test_without_a_terminal_it_prints_lines_until_nothing_runs(
    odtool: Callable, job_run: Run, no_gpu: None, until: Callable[..., Any]
) -> None:
    assert odtool("train", "--no-eval").code == 0
    write_metrics(job_run)
    with subprocess.Popen(COMMAND, cwd=job_run.path.parent.parent, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        (job_run.path / "finish").touch()
        last = [first, *process.stdout][-1]
    assert process.returncode == 0
    assert re.match(r"\d\d:\d\d:\d\d first: train running  step 100 of 300  loss 0.1  4 steps/s", first)
    assert "first: train finished" in last
    assert "mAP 0.500 at 100" in last


def test_json_and_an_empty_workspace_are_refused(
    odtool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert odtool("status", "--watch", "--json").code == 2
    assert "no run in" in odtool("status", "--watch").err


def test_more_runs_than_lines_are_counted(job_run: Run) -> None:
    write_metrics(job_run)
    views = [watch_screen.view(job_run)] * 30
    gpu = GpuUse(0, "Big", 87, 2048, 81920)
    lines = [line.plain for line in watch_screen.page(views, "here", MACHINE, [gpu], height=12, width=80)]
    assert len(lines) <= 11
    assert lines[:3] == [lines[0], "memory 2.0 of 8.0 GB   processors 50%", "GPU 0  Big   87%   2.0 of 80.0 GiB"]
    named = sum("first" in line for line in lines)
    assert named > 1
    assert lines[-1] == f"and {30 - named} more"


@pytest.mark.parametrize("height", [1, 2, 3, 5, 8, 40])
def test_any_height_is_survived(job_run: Run, height: int) -> None:
    write_metrics(job_run)
    assert watch_screen.page([watch_screen.view(job_run)] * 3, "here", MACHINE, [], height=height, width=10)


def test_sparklines_are_as_wide_as_there_is_room() -> None:
    assert watch_screen.sparkline([], 8) == ""
    assert watch_screen.sparkline([2.0], 8) == watch_screen.sparkline([1, 1], 8)[:1] == "▄"
    assert watch_screen.sparkline(range(8), 8) == "▁▂▃▄▅▆▇█"
    assert watch_screen.sparkline(range(800), 8) == "▁▂▃▄▅▆▇█"


def test_a_sample_scored_later_does_not_enter_the_course_of_all_images(job_run: Run) -> None:
    map_ = "DetectionBoxes_Precision/mAP"
    entries = [(100, {map_: 0.1}), (200, {map_: 0.2}), (200, {map_: 0.9, "sample_1_of_n": 10})]
    lines = [json.dumps({"kind": "eval", "step": step, "time": 1, "values": values}) for step, values in entries]
    job_run.metrics.write_text("\n".join(lines) + "\n")
    assert watch_screen.view(job_run).history.maps == ((100, 0.1), (200, 0.2))


def test_a_run_that_cannot_be_read_is_a_line_beside_the_others(odtool: Callable, job_run: Run) -> None:
    write_metrics(job_run)
    other = Run(job_run.path.parent / "second")
    other.metrics.mkdir(parents=True)
    other.pipeline_config.touch()
    said = odtool("status", "--watch")
    assert said.code == 0
    assert f"second: cannot be read: {other.metrics}: it is a folder, not a file" in said.out
    assert "first: not started  step 100 of 300" in said.out
    lines = watch_screen.page(
        [watch_screen.view(other), watch_screen.view(job_run)], "here", MACHINE, [], height=40, width=80
    )
    assert sum("second: cannot be read" in line.plain for line in lines) == 1
    assert sum("first" in line.plain for line in lines) == 1


def test_a_value_that_is_no_number_hides_no_run(job_run: Run) -> None:
    broken = {"kind": "eval", "step": 1, "time": 1, "values": {"sample_1_of_n": "x", "images": [], "loss": {}}}
    job_run.metrics.write_text((json.dumps(broken) + "\n") * 2 + json.dumps({**broken, "values": {}}) + "\n")
    assert watch_screen.line(watch_screen.view(job_run)) == "first: not started"
