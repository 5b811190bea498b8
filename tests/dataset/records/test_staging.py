"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from odtool import files, locks
from odtool.dataset.records import staging
from odtool.errors import DataError


def ours(out: Path, content: str) -> None:
    out.mkdir(exist_ok=True)
    (out / "dataset.json").write_text(content)


def fail_while_replacing(out: Path) -> None:
    with staging.replacing(out) as folder:
        ours(folder, "new")
        raise RuntimeError


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_new_folder_takes_the_place_of_the_old(tmp_path: Path) -> None:
    ours(tmp_path / "data", "old")
    with staging.replacing(tmp_path / "data") as folder:
        ours(folder, "new")
        assert (tmp_path / "data" / "dataset.json").read_text() == "old"
    assert (tmp_path / "data" / "dataset.json").read_text() == "new"
    assert names(tmp_path) == ["data"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_an_error_leaves_the_old_folder_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    if not exchanges:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    ours(tmp_path / "data", "old")
    with pytest.raises(RuntimeError):
        fail_while_replacing(tmp_path / "data")
    assert (tmp_path / "data" / "dataset.json").read_text() == "old"
    assert names(tmp_path) == ["data"]


def test_a_file_system_that_cannot_exchange_gets_two_renames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_exchange", lambda *_: False)
    ours(tmp_path / "data", "old")
    with staging.replacing(tmp_path / "data") as folder:
        ours(folder, "new")
    assert (tmp_path / "data" / "dataset.json").read_text() == "new"
    assert names(tmp_path) == ["data"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_name_as_long_as_file_systems_take_is_replaced_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    if not exchanges:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    out = tmp_path / ("n" * 255)
    ours(out, "old")
    with staging.replacing(out) as folder:
        ours(folder, "new")
        with pytest.raises(DataError, match="is writing there"), staging.replacing(out):
            pass
    assert (out / "dataset.json").read_text() == "new"
    assert names(tmp_path) == [out.name]


def test_what_a_killed_call_left_is_cleared_up(tmp_path: Path) -> None:
    ours(tmp_path / ".data.outgoing", "old")
    ours(tmp_path / ".data.incoming", "half")
    (tmp_path / ".data.lock").touch()
    with pytest.raises(RuntimeError):
        fail_while_replacing(tmp_path / "data")
    assert (tmp_path / "data" / "dataset.json").read_text() == "old"
    assert names(tmp_path) == ["data"]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with (
        staging.replacing(tmp_path / "data"),
        pytest.raises(DataError, match="another odtool prepare"),
        staging.replacing(tmp_path / "data"),
    ):
        pass
    assert names(tmp_path) == ["data"]


def test_a_second_writer_in_a_step_of_several_tasks_is_told_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    with (
        staging.replacing(tmp_path / "data"),
        pytest.raises(DataError, match="another odtool prepare") as error,
        staging.replacing(tmp_path / "data"),
    ):
        pass
    assert error.value.hint.startswith("This is task 2 of 4 of a Slurm step")


@pytest.mark.parametrize("foreign", ["photo.jpg", "notes", "train-00000-of-00001.tfrecord"])
def test_a_folder_that_odtool_did_not_write_is_refused(tmp_path: Path, foreign: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / foreign).touch()
    with pytest.raises(DataError, match="did not write"), staging.replacing(tmp_path / "data"):
        pass
    assert names(tmp_path / "data") == [foreign]


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(DataError, match="is a file"):
        staging.refuse_foreign(tmp_path / "data")


def test_an_empty_folder_and_a_link_are_taken(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "big")
    with staging.replacing(tmp_path / "data") as folder:
        ours(folder, "new")
    assert (tmp_path / "data").is_symlink()
    assert (tmp_path / "big" / "dataset.json").read_text() == "new"


def test_folders_made_on_the_way_vanish_with_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        fail_while_replacing(tmp_path / "a" / "b" / "data")
    assert names(tmp_path) == []


def test_what_a_killed_call_for_another_folder_left_is_cleared_up(tmp_path: Path) -> None:
    ours(tmp_path / ".other.incoming", "half")
    (tmp_path / ".other.lock").touch()
    ours(tmp_path / ".third.outgoing", "old")
    (tmp_path / ".third.lock").touch()
    (tmp_path / ".mine.incoming").mkdir()  # without a lock it is nobody's that we know
    ours(tmp_path / ".busy.incoming", "half")
    busy = locks.acquire(tmp_path / ".busy.lock")
    assert busy is not None
    with staging.replacing(tmp_path / "data") as folder:
        ours(folder, "new")
    os.close(busy)
    assert names(tmp_path) == [".busy.incoming", ".busy.lock", ".mine.incoming", "data", "third"]
    assert (tmp_path / "third" / "dataset.json").read_text() == "old"
