"""odtool demo: what its one line says. The whole of it is in tests/integration/test_demo.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odtool.api.demo import DemoResult, fresh_workspace
from odtool.api.run.status import read_status
from odtool.cli import console, demo
from odtool.errors import DataError, JobError
from odtool.workspace import Run, Workspace


def entry(kind: str, step: int, **values: float) -> str:
    return json.dumps({"kind": kind, "step": step, "time": 1.0, "values": values}) + "\n"


START = entry("start", 0, num_steps=300, batch_size=16)
MEAN = {"DetectionBoxes_Precision/mAP": 0.5}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "train: loading TensorFlow and building the model | eval: waiting for the first checkpoint"),
        (
            [entry("train", 150, loss=1.25, steps_per_second=3.0), entry("eval", 150, **MEAN)],
            "train: step 150/300, loss 1.250, 3.0 steps/s, 50s left | eval: step 150, mAP 0.500",
        ),
        (
            [entry("train", 300, loss=1.25, steps_per_second=3.0)],
            "train: step 300/300, loss 1.250 | eval: waiting for the first checkpoint",
        ),
    ],
)
def test_the_line_says_how_far_both_are(tmp_path: Path, lines: list[str], said: str) -> None:
    run = Run(tmp_path / "demo")
    run.path.mkdir()
    run.metrics.write_text(START + "".join(lines))
    assert demo._describe_progress(read_status(run)) == said


def test_paths_are_told_in_full_whatever_the_width(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = Workspace(tmp_path / ("long " * 30))
    run = space.run("demo")
    run.path.mkdir(parents=True)
    best = entry("best", 300, value=0.5).replace("0.5", '0.5, "checkpoint": "best/ckpt-300"')
    run.metrics.write_text(START + entry("train", 300, loss=0.25) + best)
    picture = space.root / "detections.png"
    result = DemoResult(space, read_status(run), {"disc": 0.9}, {"configure": 0.1}, picture)
    demo._render(console.stdout, result)
    said = capsys.readouterr().out
    assert str(run.path / "best/ckpt-300") in said
    assert f"{space.root / 'detections.png'}" in said


def test_only_what_a_demo_made_gives_way_to_another(tmp_path: Path) -> None:
    with fresh_workspace(tmp_path / "here") as space:
        (space.root / "drawings").mkdir()
        (space.root / "detections.png").touch()
        space.identity.touch()
        (space.train / "demo").mkdir(parents=True)
        with pytest.raises(JobError, match="a demo is running there"), fresh_workspace(space.root):
            pass
    with fresh_workspace(space.root):
        assert [path.name for path in space.root.iterdir()] == [".odtool-demo"]
    for own in (space.train / "mine", space.root / "notes"):
        own.mkdir(parents=True)
        with pytest.raises(DataError, match=f"holds .*{own.name}, which is not a demo's"), fresh_workspace(space.root):
            pass
        own.rmdir()
    with pytest.raises(DataError, match="not empty"), fresh_workspace(tmp_path):
        pass
