"""What the four commands do, in the five lines of a notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from odtool.dataset import synthetic
from odtool.workspace import Predictions, Workspace

PROGRAM = """\
import odtool

odtool.prepare("drawings", val=0.2)
run = odtool.configure("demo_ssd", steps=4, batch_size=4).run
odtool.train(run, gpu="cpu", evaluate=True).wait()
print(odtool.status(run).eval.best)
odtool.predict("drawings/images", model=run, min_score=0.0, pictures=False)
"""
MORE = """
import sys
assert "tensorflow" not in sys.modules
detector = odtool.load_detector(run.path)
print(len(detector.detect(["drawings/images/0000.jpg"])))
"""


@pytest.mark.slow
def test_a_program_goes_the_whole_way(tmp_path: Path) -> None:
    drawings = synthetic.draw(tmp_path / "drawings", images=20)
    image = sorted((drawings / "images").iterdir())[0].name
    (tmp_path / "program.py").write_text(PROGRAM + MORE.replace("0000.jpg", image))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ended = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert ended.returncode == 0, ended.stderr
    printed = ended.stdout.splitlines()
    assert len(printed) == 2, "the API prints nothing itself"
    assert "best/ckpt-4" in printed[0]
    assert printed[1] == "1"
    space = Workspace(tmp_path)
    assert json.loads(space.data.summary.read_text())["splits"]["val"]["images"] == 4
    (run,) = space.runs()
    assert list(run.checkpoints()) == [4]
    names = [
        json.loads(line)["name"] for line in Predictions(tmp_path / "predictions").detections.read_text().splitlines()
    ]
    assert len(names) == 20
