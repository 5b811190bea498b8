"""Shards written by Apache Beam on its own local runner."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

VocSet = Callable[..., Path]


def odtool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "odtool", *words], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_several_workers_of_beam_write_the_same_shards(voc_set: VocSet, tmp_path: Path) -> None:
    common = ("prepare", str(voc_set(60)), "--shards", "3", "--val", "0.2", "--json", "--out")
    runner = "--runner=DirectRunner --direct_num_workers=2 --direct_running_mode=multi_processing"
    plain, by_beam = tmp_path / "plain", tmp_path / "by_beam"
    results = [odtool(*common, str(plain)), odtool(*common, str(by_beam), "--beam", runner)]
    assert [done.returncode for done in results] == [0, 0], results[1].stderr
    assert json.loads(results[0].stdout)["splits"] == json.loads(results[1].stdout)["splits"]
    shards = {file.name: file.read_bytes() for file in plain.glob("*.tfrecord")}
    assert len(shards) == 6
    assert {file.name: file.read_bytes() for file in by_beam.glob("*.tfrecord")} == shards
    assert sorted(file.name for file in by_beam.iterdir()) == sorted(file.name for file in plain.iterdir())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [("--runner=Nope", "Unexpected pipeline runner: Nope"), ("--runner='Direct", "cannot be read")],
)
def test_wrong_arguments_are_one_clear_error(voc_set: VocSet, tmp_path: Path, arguments: str, says: str) -> None:
    done = odtool("prepare", str(voc_set(3)), "--out", str(tmp_path / "data"), "--beam", arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["set"]


def test_without_beam_it_says_what_to_install(voc_set: VocSet, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['apache_beam'] = None; sys.modules['apache_beam.options'] = None\n"
        "from odtool.cli import main; sys.argv = ['odtool', *sys.argv[1:]]; main()"
    )
    words = ["prepare", str(voc_set(3)), "--out", str(tmp_path / "data"), "--beam", "--runner=DirectRunner"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'odtool[beam]'" in done.stderr


def test_an_error_in_a_worker_is_told_as_without_beam(voc_set: VocSet, tmp_path: Path) -> None:
    """An image that changes between the survey and the writing."""
    code = """
import sys
from pathlib import Path
from odtool.dataset.records import beam, shards
from odtool.dataset.prepare import PrepareSettings, prepare
from odtool.dataset.types import Source
from odtool.errors import DataError
root, out = map(Path, sys.argv[1:])
write = beam.write
def cut_first(plans, arguments):
    (root / "images/00001.jpg").write_bytes(b"shorter")
    return write(plans, arguments)
beam.write = cut_first
try:
    prepare(PrepareSettings((Source(root),), out, beam="--runner=DirectRunner"))
except DataError as error:
    print(error.message)
"""
    words = [sys.executable, "-c", code, str(voc_set(3)), str(tmp_path / "data")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "00001.jpg: changed while it was prepared" in done.stdout, done.stderr
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["set"]
