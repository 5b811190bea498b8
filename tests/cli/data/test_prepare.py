"""odtool prepare as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Odtool = Callable[..., Any]


@pytest.fixture
def odtool(tmp_path: Path) -> Odtool:
    """odtool(*words): the finished command, run in the temporary folder."""

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "odtool", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    return call


@pytest.fixture
def set_of_two(tmp_path: Path) -> Path:
    from PIL import Image

    for name in "ab":
        Image.new("RGB", (64, 48)).save(tmp_path / f"{name}.jpg", comment=name)
        (tmp_path / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename><object><name>cat</name><bndbox><xmin>1</xmin><ymin>2</ymin>"
            "<xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>"
        )
    return tmp_path


def test_bare_it_finds_the_annotations_of_the_workspace(set_of_two: Path, odtool: Odtool) -> None:
    done = odtool("prepare")
    assert done.returncode == 0, done.stderr
    assert "Pascal VOC XML" in done.stdout
    assert (set_of_two / "data" / "dataset.json").is_file()
    # The records it wrote are no annotations to the next call.
    assert odtool("prepare").returncode == 0


def test_smaller_images_are_counted_and_no_tiles_of_them_are_cut(set_of_two: Path, odtool: Odtool) -> None:
    done = odtool("prepare", "--max-side", "40")
    assert done.returncode == 0, done.stderr
    assert "info: 2 image_shrunk, made smaller by --max-side" in done.stdout
    assert "64x48 to 40x30" in done.stdout
    assert json.loads(odtool("prepare", "--max-side", "64", "--json").stdout)["max_side"] == 64
    before = sorted(set_of_two.rglob("*"))
    for words in (("--tile", "32"), ("--max-side", "31")):
        done = odtool("prepare", "--max-side", "40", *words)
        assert (done.returncode, "--max-side" in done.stderr) == (2, True)
    assert sorted(set_of_two.rglob("*")) == before


def test_json_is_one_object(set_of_two: Path, odtool: Odtool) -> None:
    done = odtool("prepare", "--json", "--out", "elsewhere")
    payload = json.loads(done.stdout)
    assert payload["classes"] == {"cat": 1}
    assert payload["splits"]["train"]["images"] == 1
    assert payload["evidence"][0].startswith("voc: ")


def test_folds_are_listed_and_the_next_step_names_one(set_of_two: Path, odtool: Odtool) -> None:
    done = odtool("prepare", "--folds", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("fold-1") < done.stdout.index("fold-2")
    fold = set_of_two / "data" / "fold-1"
    assert f"odtool configure --data {fold} --run fold-1" in done.stdout
    payload = json.loads(odtool("prepare", "--folds", "2", "--json").stdout)
    assert payload["path"] == str(set_of_two / "data")
    assert [item["path"] for item in payload["sets"]] == [str(set_of_two / "data" / f"fold-{n}") for n in (1, 2)]
    assert [item["fold"] for item in payload["sets"]] == [1, 2]
    # What they are is said where the set itself is asked for, and one of them can be configured for.
    refused = odtool("configure")
    assert refused.returncode == 1
    assert "holds 2 folds" in refused.stderr
    assert odtool("configure", "--data", "data/fold-2", "--run", "second").returncode == 0


def test_what_is_left_out_and_repeated_is_shown(set_of_two: Path, odtool: Odtool) -> None:
    text = (set_of_two / "a.xml").read_text()
    for number in range(8):
        name = f"more{number}"
        (set_of_two / f"{name}.jpg").write_bytes((set_of_two / "a.jpg").read_bytes().replace(b"a", b"%d" % number, 1))
        label = "lynx" if number == 0 else "cat"
        (set_of_two / f"{name}.xml").write_text(text.replace("a.jpg", f"{name}.jpg").replace(">cat<", f">{label}<"))
    done = odtool("prepare", "--val", "0", "--fraction", "0.5", "--balance", "0.8")
    assert done.returncode == 0, done.stderr
    assert "--fraction 0.5: 5 training images left out" in done.stdout
    assert "--balance 0.8: 1 repetition of 1 training image\n" in done.stdout
    assert "lynx: factor 2.00, in 1 image, written as 2 records" in done.stdout
    assert "repetitions" in done.stdout.split("--fraction")[0]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--folds", "3", "--val", "0.2"], 2, "--val means nothing with --folds"),
        (["--folds", "1"], 2, "--folds"),
        (["--folds", "3"], 1, "there are only 2 images"),
        (["--fraction", "0"], 2, "--fraction is a share above 0 and up to 1, not 0"),
        (["--balance", "1.5"], 2, "--balance is a share above 0 and up to 1, not 1.5"),
        (["absent"], 1, "absent: no such file or folder"),
        (["--format", "vok"], 1, "'vok' is not a format"),
        (["--images", "absent"], 1, "absent: no such folder"),
        (["--label-map", "absent.pbtxt"], 1, "no such label map"),
        (["--val", "1"], 1, "nothing to train on"),
        (["--shards", "many"], 2, "neither auto nor a number"),
        (["--columns", "file=a"], 2, "--columns no columns are named for the box"),
        (["--columns", "file=a,xywh=b"], 1, "no CSV file, as --columns needs"),
        (["--out", "."], 1, "holds files that odtool did not write"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_and_a_hint(
    set_of_two: Path, odtool: Odtool, words: list[str], code: int, says: str
) -> None:
    before = sorted(set_of_two.iterdir())
    done = odtool("prepare", *words)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    if code == 1:
        assert len(done.stderr.splitlines()) == 2
        assert done.stderr.splitlines()[1].startswith("hint: ")
    assert sorted(set_of_two.iterdir()) == before


def test_records_elsewhere_are_named_in_the_next_command(set_of_two: Path, odtool: Odtool) -> None:
    assert odtool("prepare").stdout.splitlines()[-1].endswith("/data. Next: odtool configure")
    assert odtool("prepare", "--out", "an other").stdout.splitlines()[-1].endswith("configure --data 'an other'")


def test_an_empty_workspace_has_no_annotations(odtool: Odtool, tmp_path: Path) -> None:
    done = odtool("prepare")
    assert done.returncode == 1
    assert "no annotations found" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_shows_an_example(odtool: Odtool) -> None:
    assert "odtool prepare my_images" in odtool("prepare", "--help").stdout
