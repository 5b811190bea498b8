"""The demo, whole, from the installed wheel: the one test in which a detector has to learn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


@pytest.mark.slow
def test_the_demo_learns_and_shows_where_everything_lies(
    installed_odtool: Callable[..., object], tmp_path: Path
) -> None:
    done = installed_odtool("demo", "a demo", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["eval"]["best"]["value"] >= 0.4
    assert set(answer["ap50_by_class"]) == {"disc", "star"}
    assert (answer["train"]["state"], answer["eval"]["state"]) == ("finished", "finished")
    assert answer["train"]["step"] == answer["train"]["num_steps"]
    assert set(answer["seconds"]) == {"draw and prepare", "configure", "train and evaluate", "draw the picture"}
    with Image.open(answer["picture"]) as picture:
        assert picture.width > 1000
    assert_the_report_agrees(installed_odtool, tmp_path / "a demo", answer["eval"])


def assert_the_report_agrees(odtool: Callable[..., Any], workspace: Path, scored: dict[str, Any]) -> None:
    """A report of the best checkpoint has the figures that its evaluation had."""
    done = odtool("report", "--json", cwd=workspace)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    (run,) = answer["runs"]
    assert run["checkpoint"] == scored["best"]["checkpoint"]
    assert run["analysis"]["figures"]["ap"] == pytest.approx(scored["best"]["value"], abs=1e-6)
    (values,) = [each["values"] for each in run["history"]["evaluations"] if each["step"] == scored["best"]["step"]]
    for item in run["analysis"]["classes"]:
        theirs = values[f"DetectionBoxes_PerformanceByCategory/mAP/{item['class']}"]
        assert item["figures"]["ap"] == pytest.approx(theirs, abs=1e-6)
    assert "data:image/jpeg" in Path(answer["page"]).read_text()


def test_a_folder_that_is_not_a_demos_is_left_alone(odtool: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    done = odtool("demo", "mine", cwd=tmp_path)
    assert done.returncode == 1
    assert "not a demo's" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
