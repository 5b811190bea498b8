"""best/ is whole at every moment, whatever was there."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from odtool import files, metrics, shortage
from odtool.engine import best_checkpoint, checkpoints
from odtool.workspace import Run

DATA = "data-00000-of-00001"
KilledAt = Callable[[int, Callable[[], object]], bool]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(tmp_path / "run")
    made.path.mkdir()
    for step in (10, 20):
        add(made, step, f"first {step}")
    return made


def add(run: Run, step: int, content: str) -> None:
    run.path.joinpath(f"ckpt-{step}.{DATA}").write_text(content)
    run.path.joinpath(f"ckpt-{step}.index").write_text(content)


def keep(run: Run, step: int, value: float = 0.5) -> Path | None:
    values = {"metric": "AP", "value": value, "checkpoint": f"best/ckpt-{step}", "metrics": {"AP": value}}
    return best_checkpoint.keep(run, run.checkpoint(step), step, values)


def content(run: Run) -> str:
    """What best/ holds, where all of it belongs together."""
    prefix = run.best_checkpoint()
    assert prefix is not None
    data, index = (prefix.with_name(f"{prefix.name}.{end}").read_text() for end in (DATA, "index"))
    assert data == index
    names = {path.name for path in run.best.iterdir()}
    assert names - {"notes.txt"} == {f"{prefix.name}.{DATA}", f"{prefix.name}.index", "checkpoint", "metrics.json"}
    assert json.loads(run.best_metrics.read_text())["checkpoint"] == f"best/{prefix.name}"
    assert f'"{prefix.name}"' in (run.best / "checkpoint").read_text()
    return data


def hidden(run: Run) -> list[str]:
    return [path.name for path in run.path.iterdir() if path.name.startswith(".")]


def test_the_best_replaces_the_one_before_and_outlives_the_original(run: Run) -> None:
    keep(run, 10)
    assert keep(run, 20) == run.best / "ckpt-20"
    assert content(run) == "first 20"
    checkpoints.delete(run.checkpoint(20))
    assert content(run) == "first 20"
    assert hidden(run) == []


def test_the_best_is_kept_again_from_the_run_and_from_itself(run: Run) -> None:
    keep(run, 10)
    keep(run, 10, 0.7)
    assert json.loads(run.best_metrics.read_text())["value"] == 0.7
    best_checkpoint.keep(run, run.best / "ckpt-10", 10, {"checkpoint": "best/ckpt-10", "value": 0.8, "metrics": {}})
    assert content(run) == "first 10"
    assert json.loads(run.best_metrics.read_text())["value"] == 0.8


def test_the_best_is_kept_where_there_are_no_hard_links(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    keep(run, 10)
    assert content(run) == "first 10"


def test_what_is_deleted_meanwhile_leaves_the_best_as_it_is(run: Run) -> None:
    keep(run, 10)
    run.path.joinpath("ckpt-20.index").unlink()
    assert keep(run, 20) is None
    run.path.joinpath(f"ckpt-20.{DATA}").unlink()
    assert keep(run, 20) is None
    assert content(run) == "first 10"
    assert hidden(run) == []


@pytest.mark.parametrize("full", [0, 1, 2, 3])
def test_on_a_full_disk_best_is_as_it_was_and_nothing_is_left_beside_it(
    run: Run, tmp_path: Path, mounted: Callable[[Path, str], AbstractContextManager[None]], full: int
) -> None:
    """On a tmpfs, where each file takes a block: `full` of those that best/ needs are left."""
    with mounted(tmp_path / "small", "size=200k"):
        small = Run(Path(shutil.copytree(run.path, tmp_path / "small" / "run")))
        keep(small, 10)
        with (tmp_path / "small" / "large").open("wb") as large:
            free = shortage.measure_free(small.path)
            large.write(bytes(free - full * os.sysconf("SC_PAGESIZE")))
        if full < 2:
            with pytest.raises(OSError, match="No space"):
                keep(small, 20)
        else:
            keep(small, 20)
        assert content(small) == ("first 10" if full < 2 else "first 20")
        assert hidden(small) == []


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("new", [10, 20])
def test_killed_at_any_call_best_is_the_old_or_the_new_whole(
    run: Run, tmp_path: Path, killed_at: KilledAt, monkeypatch: pytest.MonkeyPatch, new: int, exchanges: bool
) -> None:
    if not exchanges:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    keep(run, 10)
    (run.best / "notes.txt").write_text("mine")
    run.path.joinpath("ckpt-10.index").unlink()  # it may be a hard link of that in best/
    run.path.joinpath(f"ckpt-10.{DATA}").unlink()
    add(run, 10, "second 10")
    shutil.copytree(run.path, tmp_path / "before")
    for count in itertools.count():
        shutil.rmtree(run.path)
        shutil.copytree(tmp_path / "before", run.path)
        killed = killed_at(count, lambda: keep(run, new))
        if exchanges:
            assert content(run) in ("first 10", f"{'second' if new == 10 else 'first'} {new}")
        best_checkpoint.recover(run)
        assert content(run) in ("first 10", f"{'second' if new == 10 else 'first'} {new}")
        assert (run.best / "notes.txt").read_text() == "mine"
        assert hidden(run) == []
        assert keep(run, 20) is not None
        assert content(run) == "first 20"
        if not killed:
            assert count > 10
            return


@pytest.mark.parametrize("kind", ["empty folder", "file", "link to nothing", "link to a folder", "torn"])
def test_whatever_was_there_makes_place(run: Run, tmp_path: Path, kind: str) -> None:
    if kind == "empty folder":
        run.best.mkdir()
    elif kind == "file":
        run.best.write_text("mine")
    elif kind == "torn":
        run.best.mkdir()
        (run.best / "ckpt-10.index").write_text("old")
        (run.best / ".saving").mkdir()
        (run.best / ".checkpoint.ab_12").touch()
    else:
        elsewhere = tmp_path / "elsewhere"
        run.best.symlink_to(elsewhere)
        if kind == "link to a folder":
            elsewhere.mkdir()
    keep(run, 10)
    if kind == "file":
        assert (run.best / "best").read_text() == "mine"
        (run.best / "best").unlink()
    assert content(run) == "first 10"
    assert hidden(run) == []


@pytest.mark.skipif(os.getuid() != 0, reason="giving a folder to another user takes root")
@pytest.mark.parametrize("name", ["metrics.json", "notes.txt"])
def test_one_of_another_user_is_put_aside(run: Run, tmp_path: Path, name: str) -> None:
    run.best.mkdir()
    (run.best / name).write_text("theirs")
    for folder in (run.path, *run.path.glob("ckpt-*")):
        os.chown(folder, 65534, 65534)
    pid = os.fork()
    if pid == 0:  # who is nobody here: pytest's folders above are closed to others, so it stands in the run's
        try:
            os.chdir(run.path)
            os.setuid(65534)
            here = Run(Path())
            os._exit(
                0 if [keep(here, step) for step in (10, 20)] == [here.best / "ckpt-10", here.best / "ckpt-20"] else 1
            )
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert content(run) == "first 20"
    assert (run.path / "best.old-1" / name).read_text() == "theirs"
    assert hidden(run) == []


def test_a_kill_between_best_and_its_line_of_metrics_does_not_let_a_worse_one_in(run: Run) -> None:
    keep(run, 10, 0.5)
    standing = best_checkpoint.find_standing(run, [])
    assert standing is not None
    assert (standing.step, standing.values["value"], standing.values["AP"]) == (10, 0.5, 0.5)
    later = metrics.Metric("start", 5, standing.time + 1, {})
    assert best_checkpoint.find_standing(run, [later]) is None
    run.best_metrics.write_text("[" * 100_000)
    assert best_checkpoint.find_standing(run, []) is None
