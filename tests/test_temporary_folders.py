"""Temporary folders are gone when their process ends, and what a killed one leaves, the next removes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from odtool import temporary_folders

HOLD = "import os, pathlib, sys, time\nfrom odtool import temporary_folders\n"
KEEPS_OWN = (
    HOLD
    + "import tempfile\ntemporary_folders.keep_own()\n"
    + "pathlib.Path(tempfile.mkdtemp(), 'made').touch()\n"  # as libraries do, which leave things behind
    + "pathlib.Path(os.environ['TMPDIR'], 'ready').touch()\n"
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process and those that it starts put temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def list_names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_folder_lasts_as_long_as_its_block_whatever_ends_that(place: Path) -> None:
    with suppress(ValueError), temporary_folders.make() as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "inside").mkdir()
        raise ValueError
    assert list_names(place) == []


def test_one_that_is_kept_and_what_libraries_leave_go_with_the_process(place: Path) -> None:
    run(KEEPS_OWN + "assert len(os.listdir(os.environ['TMPDIR'])) == 2")
    assert list_names(place) == []
    run(KEEPS_OWN + "temporary_folders.remove_kept(); os._exit(0)")
    assert list_names(place) == []


def test_a_forked_process_leaves_alone_what_was_made_before(place: Path) -> None:
    run(
        HOLD + "kept = temporary_folders.make_until_exit()\n"
        "if os.fork() == 0:\n"
        "    sys.exit(0)\n"  # with the functions of atexit
        "os.wait()\n"
        "assert kept.is_dir()\n"
    )
    assert list_names(place) == []


def test_what_a_killed_process_left_is_removed_by_the_next_and_not_what_is_in_use(
    place: Path, until: Callable[..., Any]
) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", KEEPS_OWN + "time.sleep(3000)"]) for _ in range(2)]
    until(lambda: len(list(place.glob("*/ready"))) == 2)
    processes[0].kill()
    processes[0].wait()
    assert len(list_names(place)) == 2
    try:
        with temporary_folders.make() as folder:
            others = [path for path in place.iterdir() if path != folder]
            assert [(path / "ready").exists() for path in others] == [True]
    finally:
        processes[1].kill()
        processes[1].wait()
    with temporary_folders.make():
        assert len(list_names(place)) == 1


def test_what_is_not_ours_stays(place: Path, tmp_path: Path) -> None:
    (place / "odtool-notes").mkdir()
    (place / "odtool-temporary-abcdefgh").touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").touch()
    (place / "odtool-temporary-00000000").symlink_to(elsewhere)
    names = list_names(place)
    if os.getuid() == 0:
        foreign = place / "odtool-temporary-11111111"
        foreign.mkdir()
        os.chown(foreign, 65534, 65534)
        names = list_names(place)
    with temporary_folders.make():
        pass
    assert list_names(place) == names
    assert (elsewhere / "mine").exists()


def test_where_none_can_be_made_a_process_goes_on_without(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    temporary_folders.keep_own()
    assert os.environ["TMPDIR"] == str(place)


@pytest.mark.parametrize("number", [None, signal.SIGKILL])
def test_a_task_of_the_engine_leaves_nothing_where_temporary_files_go(
    place: Path, until: Callable[..., Any], number: signal.Signals | None
) -> None:
    """TensorFlow is not loaded for it: the run that is asked about does not exist."""
    code = (
        "import runpy, time\nfrom odtool.engine import task_process\n"
        f"task_process.say = lambda text: time.sleep({0 if number is None else 1000})\n"
        "runpy.run_module('odtool.engine', run_name='__main__', alter_sys=True)"
    )
    words = ("recover", str(place / "no run"), "killed")
    process = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.DEVNULL)
    if number is not None:
        until(lambda: list_names(place), by=process)
        process.send_signal(number)
    process.wait()
    with temporary_folders.make():
        assert len(list_names(place)) == 1
    assert list_names(place) == []
