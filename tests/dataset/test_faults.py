"""What goes wrong around the real command and its worker processes."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import psutil
import pytest

from odtool.dataset import statistics
from odtool.workspace import Dataset

VocSet = Callable[..., Path]
Mounted = Callable[[Path, str], AbstractContextManager[None]]
IMAGES = 4000
"""Enough that worker processes are started, and still at work when they are looked for."""


@pytest.fixture(scope="module")
def large_set(tmp_path_factory: pytest.TempPathFactory, voc_xml: Callable[..., str]) -> Path:
    """48 MB of images, so that the shards, too, are written by workers."""
    from PIL import Image

    root = tmp_path_factory.mktemp("large")
    stream = io.BytesIO()
    Image.new("RGB", (64, 48)).save(stream, "JPEG")
    plain = stream.getvalue()
    for number in range(IMAGES):
        comment = f"{number:012000d}".encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (root / f"{number:05d}.jpg").write_bytes(plain[:2] + segment + plain[2:])
        (root / f"{number:05d}.xml").write_text(voc_xml(f"{number:05d}.jpg", [("cat", 1, 2, 30, 40)]))
    return root


def start(*words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "odtool", "prepare", *map(str, words), "--workers", "2"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and what it said."""
    try:
        said, _ = process.communicate()
    except BaseException:  # the test's time limit
        os.killpg(process.pid, signal.SIGKILL)  # it has a session of its own, and its workers are in it
        raise
    return process.returncode, said


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The two processes that do the work, copies of the command's own."""
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):  # it has ended since it was asked
            if len(found := psutil.Process(process.pid).children()) == 2:
                return found
        time.sleep(0.01)
    raise AssertionError(f"no worker was started: {outcome(process)}")


def wait_until_gone(processes: list[psutil.Process]) -> None:
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes):
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_at_random_moments_with_workers_nothing_is_half_and_nobody_stays(
    large_set: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    assert outcome(start(large_set, "--out", out))[0] == 0
    chance = random.Random(7)
    for number in range(8):
        process = start(large_set, "--out", out, "--seed", str(number), "--shards", "5")
        found = workers(process)
        time.sleep(chance.uniform(0, 1.0))
        found += psutil.Process(process.pid).children(recursive=True)
        process.kill()
        outcome(process)
        wait_until_gone(found)
        summary = statistics.load(Dataset(out))
        assert sum(split.images for split in summary.splits.values()) == IMAGES
        for name, split in summary.splits.items():
            assert sum(shard.stat().st_size for shard in Dataset(out).shards(name)) == split.bytes
    assert outcome(start(large_set, "--out", out))[0] == 0
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data"]


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_leaves_nothing_and_says_nothing_of_tracebacks(large_set: Path, tmp_path: Path) -> None:
    for delay in (0.0, 0.1, 0.3):
        process = start(large_set, "--out", tmp_path / "data")
        found = workers(process)
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        assert outcome(process) == (130, "")
        wait_until_gone(found)
        assert sorted(entry.name for entry in tmp_path.iterdir()) == []


def test_a_worker_that_the_system_kills_is_one_clear_error(large_set: Path, tmp_path: Path) -> None:
    process = start(large_set, "--out", tmp_path / "data")
    workers(process)[0].kill()
    status, said = outcome(process)
    assert status == 1
    assert "a worker process was killed, most likely because memory ran out" in said
    assert len(said.splitlines()) == 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_clear_error(voc_set: VocSet, tmp_path: Path, mounted: Mounted) -> None:
    closed = tmp_path / "closed"
    root = voc_set(3)
    if os.getuid() == 0:  # who may write anywhere but where nobody can
        context: AbstractContextManager[None] = mounted(closed, "ro")
    else:
        closed.mkdir(mode=0o555)
        context = nullcontext()
    with context:
        status, said = outcome(start(root, "--out", closed / "data"))
        assert status == 1
        assert f"{closed / 'data'}: cannot be written: " in said
        assert "name another folder with --out" in said
        assert list(closed.iterdir()) == []


def test_a_full_disk_is_one_clear_error_with_workers(large_set: Path, tmp_path: Path, mounted: Mounted) -> None:
    small = tmp_path / "small"
    with mounted(small, "size=20m"):
        status, said = outcome(start(large_set, "--out", small / "data", "--shards", "6"))
        assert status == 1
        assert f"{small / 'data'}: cannot be written: the disk at {small} is full" in said
        assert "Free some space" in said
        assert list(small.iterdir()) == []
