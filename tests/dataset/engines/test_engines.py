"""Data sets prepared by Apache Beam on its own local runner and on Dask are those of local workers, byte for byte."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from odtool.dataset.prepare import PrepareSettings, prepare
from odtool.dataset.records import shards
from odtool.dataset.types import Source
from odtool.errors import DataError

VocSet = Callable[..., Path]


def start(*words: str, cwd: Path | None = None, start_new_session: bool = False) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "odtool", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=start_new_session,
    )


def odtool(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    process = start(*words, cwd=cwd)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


def read_set(folder: Path) -> dict[str, Any]:
    """All that a data set's folder holds, but for when it was made."""
    summary = json.loads((folder / "dataset.json").read_text())
    del summary["created"]
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "dataset.json"}
    return {**files, "dataset.json": summary}


def make_odd_set(voc_set: VocSet, count: int) -> Path:
    """A set with two images of the same bytes, one that is broken and one that is missing."""
    root = voc_set(count)
    images = root / "images"
    (images / "00001.jpg").write_bytes((images / "00000.jpg").read_bytes())
    (images / "00002.jpg").write_bytes(b"no image")
    (images / "00003.jpg").unlink()
    return root


COMMON = ("--shards", "3", "--val", "0.2", "--skip-missing", "--skip-broken", "--json")


def test_beam_makes_the_same_data_set_as_local_workers(
    voc_set: VocSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_odd_set(voc_set, 150)
    monkeypatch.chdir(tmp_path)
    settings = PrepareSettings(
        (Source(Path("set")),), Path("one"), val=0.2, shards=3, workers=1, skip_missing=True, skip_broken=True
    )
    prepare(settings)
    prepare(replace(settings, out=Path("two"), workers=2))
    prepare(replace(settings, out=Path("beam"), workers=None, beam=""))
    expected = read_set(tmp_path / "one")
    assert len([name for name in expected if name.endswith(".tfrecord")]) == 6
    problems = (tmp_path / "one" / "problems.csv").read_text()
    assert all(kind in problems for kind in ("image_duplicate", "image_missing", "image_unreadable"))
    assert read_set(tmp_path / "two") == expected
    assert read_set(tmp_path / "beam") == expected
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["beam", "one", "set", "two"]


@pytest.mark.slow
def test_several_workers_of_beam_make_the_same_data_set(voc_set: VocSet, tmp_path: Path) -> None:
    common = ("prepare", str(make_odd_set(voc_set, 150)), *COMMON, "--max-side", "40", "--out")
    runner = "--runner=DirectRunner --direct_num_workers=2 --direct_running_mode=multi_processing"
    results = [odtool(*common, str(tmp_path / "plain")), odtool(*common, str(tmp_path / "beam"), "--beam", runner)]
    assert [done.returncode for done in results] == [0, 0], results[1].stderr
    assert read_set(tmp_path / "beam") == read_set(tmp_path / "plain")


@pytest.mark.slow
def test_dask_makes_the_same_data_set_though_a_worker_is_killed(
    voc_set: VocSet, tmp_path: Path, until: Callable[..., Any]
) -> None:
    make_odd_set(voc_set, 150)
    assert odtool("prepare", "set", *COMMON, "--out", "plain", cwd=tmp_path).returncode == 0
    words = ("prepare", "set", *COMMON, "--out", "dask", "--beam", "--runner=dask", "--workers", "2")
    process = start(*words, cwd=tmp_path)
    exchange = tmp_path / ".dask.incoming" / "exchange"
    until((exchange / "000000" / "tasks").exists, by=process)
    workers = [one for one in psutil.Process(process.pid).children() if "spawn_main" in " ".join(one.cmdline())]
    assert len(workers) == 2
    workers[0].kill()
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert read_set(tmp_path / "dask") == read_set(tmp_path / "plain")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["dask", "plain", "set"]


@pytest.mark.slow
def test_an_interrupt_ends_dask_and_leaves_nothing(voc_set: VocSet, tmp_path: Path, until: Callable[..., Any]) -> None:
    """What Ctrl-C sends goes to all processes of the terminal."""
    voc_set(10)
    words = ["prepare", "set", "--out", "dask", "--beam", "--runner=dask", "--workers", "2"]
    process = start(*words, cwd=tmp_path, start_new_session=True)
    until((tmp_path / ".dask.incoming" / "exchange" / "000000" / "tasks").exists, by=process)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in errors
    _, left = psutil.wait_procs(workers, timeout=60)  # they end by themselves once nobody is there to work for
    assert left == []
    assert [entry.name for entry in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("beam", "workers", "says"),
    [
        ("--runner=Nope", None, "there is no runner Nope"),
        ("--runner='Direct", None, "cannot be read"),
        ("--direct_num_worker=2", None, "Did you mean --direct_num_workers?"),
        ("--runner=DirectRunner", 2, "DirectRunner has workers of its own"),
        ("--runner=dask --dask_client_address=tcp://10.0.0.1:8786", 2, "dask has workers of its own"),
    ],
)
def test_what_cannot_be_asked_of_beam_is_refused_before_anything_is_read(
    tmp_path: Path, beam: str, workers: int | None, says: str
) -> None:
    """There is nothing to read, and nothing is said of that."""
    absent = (Source(tmp_path / "absent"),)
    with pytest.raises(DataError) as raised:
        prepare(PrepareSettings(absent, tmp_path / "data", beam=beam, workers=workers))
    assert says in f"{raised.value.message} {raised.value.hint}"
    assert list(tmp_path.iterdir()) == []


def test_without_beam_it_says_what_to_install(voc_set: VocSet, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['apache_beam'] = None; sys.modules['apache_beam.options'] = None\n"
        "from odtool.cli import main; sys.argv = ['odtool', *sys.argv[1:]]; main()"
    )
    words = ["prepare", str(voc_set(3)), "--out", str(tmp_path / "data"), "--beam", "--runner=DirectRunner"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'odtool[beam]'" in done.stderr


def test_an_error_in_a_worker_is_told_as_without_beam(
    voc_set: VocSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that changes between the survey and the writing."""
    root, write = voc_set(3), shards.write_shards

    def cut_first(*arguments: Any) -> Any:
        (root / "images/00001.jpg").write_bytes(b"shorter")
        return write(*arguments)

    monkeypatch.setattr(shards, "write_shards", cut_first)
    with pytest.raises(DataError, match=r"00001\.jpg: changed while it was prepared"):
        prepare(PrepareSettings((Source(root),), tmp_path / "data", beam="--runner=DirectRunner"))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["set"]
