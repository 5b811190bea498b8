"""odtool inspect as it is typed."""

from __future__ import annotations

import json
import os
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
        strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=strict)

    return call


def annotate(folder: Path, name: str, xmin: float = 1) -> None:
    from PIL import Image

    Image.new("RGB", (64, 48)).save(folder / f"{name}.jpg")
    (folder / f"{name}.xml").write_text(
        f"<annotation><object><name>cat</name><bndbox><xmin>{xmin}</xmin><ymin>2</ymin>"
        "<xmax>30</xmax><ymax>40</ymax></bndbox></object></annotation>"
    )


@pytest.fixture
def set_of_two(tmp_path: Path) -> Path:
    annotate(tmp_path, "a")
    annotate(tmp_path, "b", xmin=-5)
    return tmp_path


def test_bare_it_shows_the_workspace_and_writes_nothing(set_of_two: Path, odtool: Odtool) -> None:
    before = sorted(set_of_two.iterdir())
    done = odtool("inspect")
    assert done.returncode == 0, done.stderr
    for words in ("Pascal VOC XML", "cat", "64x48 (2)", "warning: 1 box_outside", "Nothing was written"):
        assert words in done.stdout
    assert sorted(set_of_two.iterdir()) == before


def test_json_is_one_object(set_of_two: Path, odtool: Odtool) -> None:
    payload = json.loads(odtool("inspect", "--json").stdout)
    assert (payload["images"], payload["objects"], payload["classes"][0]["name"]) == (2, 2, "cat")
    assert payload["image_sizes"] == [{"width": 64, "height": 48, "images": 2}]
    assert payload["problems"]["box_outside"]["first"][0]["file"].endswith("b.xml")
    assert payload["html"] is None


def test_similar_images_are_counted_where_they_are_asked_for(set_of_two: Path, odtool: Odtool) -> None:
    from PIL import Image

    picture = Image.effect_noise((64, 48), 80).convert("RGB")
    for name, quality in (("a", 95), ("b", 80)):
        picture.save(set_of_two / f"{name}.jpg", quality=quality)
    done = odtool("inspect", "--similar")
    assert "2 images look alike, in 1 group\n" in done.stdout
    assert "info: 1 image_similar" in done.stdout
    assert json.loads(odtool("inspect", "--similar", "--json").stdout)["similar"] == {"groups": 1, "images": 2}
    assert json.loads(odtool("inspect", "--json").stdout)["similar"] is None


def test_repeat_factors_are_shown_where_they_are_asked_for(set_of_two: Path, odtool: Odtool) -> None:
    path = set_of_two / "b.xml"
    path.write_text(path.read_text().replace(">cat<", ">lynx<"))
    assert "Repeat factors: cat (1.41), lynx (1.41)" in odtool("inspect", "--balance", "1").stdout
    assert "Repeat factors: no class is rarer than the threshold" in odtool("inspect", "--balance", "0.5").stdout
    assert json.loads(odtool("inspect", "--balance", "1", "--json").stdout)["repeat_factors"]["lynx"] == pytest.approx(
        2**0.5
    )
    assert json.loads(odtool("inspect", "--json").stdout)["repeat_factors"] is None
    refused = odtool("inspect", "--balance", "0")
    assert (refused.returncode, "--balance is a share" in refused.stderr) == (2, True)


def test_the_page_is_written_where_it_is_asked_for(set_of_two: Path, odtool: Odtool) -> None:
    done = odtool("inspect", "--html", "pages/report.html", "--samples", "1")
    assert "Page in pages/report.html" in done.stdout
    page = (set_of_two / "pages" / "report.html").read_text()
    assert page.count("<figure") == 1
    assert "b.jpg" in page


def test_the_options_of_reading_are_those_of_prepare(set_of_two: Path, odtool: Odtool) -> None:
    done = odtool("inspect", "--rename", "cat=dog", "--min-box", "32", "--verify", "full", "--json")
    assert done.returncode == 0, done.stderr
    payload = json.loads(done.stdout)
    assert payload["problems"]["box_small"]["count"] == 2
    assert payload["without_objects"] == 2


def test_what_was_renamed_or_dropped_is_told_as_by_prepare(set_of_two: Path, odtool: Odtool) -> None:
    assert "2 objects of class cat became dog\n" in odtool("inspect", "--rename", "cat=dog").stdout
    assert "2 objects of class cat were left out\n" in odtool("inspect", "--drop", "cat").stdout
    payload = json.loads(odtool("inspect", "--drop", "cat", "--json").stdout)
    assert payload["class_changes"] == [{"old": "cat", "new": None, "objects": 2}]


def test_names_that_are_not_utf8_are_shown(set_of_two: Path, odtool: Odtool) -> None:
    for ending in (".jpg", ".xml"):
        (set_of_two / f"b{ending}").rename(os.fsdecode(os.fsencode(set_of_two) + b"/b\xff" + ending.encode()))
    done = odtool("inspect", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    assert "b\\udcff.xml" in done.stdout
    assert "b\\udcff.jpg" in (set_of_two / "page.html").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["absent"], "absent: no such file or folder"),
        (["--format", "vok"], "'vok' is not a format"),
        (["--html", "."], "is a folder"),
        (["--drop", "bird"], "no annotation has this class"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_and_a_hint(
    set_of_two: Path, odtool: Odtool, words: list[str], says: str
) -> None:
    done = odtool("inspect", *words)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 2
