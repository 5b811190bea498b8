"""The whole of `odtool predict` on a trained run, as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from odtool.dataset import prepare
from odtool.dataset.types import Source
from odtool.workspace import Predictions, Run

pytestmark = pytest.mark.slow
Engine = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_trained_run_gives_boxes_that_are_prepared_again(trained: Run, tmp_path: Path) -> None:
    for name, mode in (("a/x.png", "RGB"), ("b/x.png", "L"), ("b/y.png", "RGBA")):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.linear_gradient("L").resize((200, 150)).convert(mode).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    options = ["--model", trained.path, "--min-score", 0, "--save-as", "coco", "--count", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "odtool", "predict", "photos", *map(str, options)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["images"], summary["problems"]) == (3, {"image_unreadable": 1})
    found = [json.loads(line) for line in Predictions(tmp_path / "predictions").detections.read_text().splitlines()]
    assert [line["name"] for line in found] == ["a/x.png", "b/x.png", "b/y.png"]
    count = sum(len(line["detections"]) for line in found)
    assert count == sum(summary["objects"].values()) > 0
    for line in found:
        for each in line["detections"]:
            assert each["label"] in ("disc", "square")
            xmin, ymin, xmax, ymax = each["box"]
            assert 0 <= xmin <= xmax <= 200
            assert 0 <= ymin <= ymax <= 150
    settings = prepare.PrepareSettings(
        (Source(tmp_path / "predictions" / "coco"),), tmp_path / "data", val=0, workers=1
    )
    prepared = prepare.prepare(settings).summary
    # A model of four steps finds anything: boxes of no width, and the same one twice where both reach the image's end.
    refused = sum(prepared.problems[kind].count for kind in ("box_zero", "box_duplicate") if kind in prepared.problems)
    assert (prepared.splits["train"].images, prepared.splits["train"].objects + refused) == (3, count)


def test_a_model_that_cannot_be_loaded_is_said_in_the_answer(engine: Engine, tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "x.png")
    done = engine("predict", tmp_path / "x.png", "--model", tmp_path / "none", "--folder", tmp_path)
    assert done.returncode == 1
    answer = json.loads(done.stdout.splitlines()[-1])
    assert "is not a run, an exported model" in answer["failed"]


def test_where_opencv_is_broken_images_are_looked_at_and_a_video_names_the_repair(
    trained: Run, tmp_path: Path, without_opencv: dict[str, str]
) -> None:
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "x.png")
    command = [sys.executable, "-m", "odtool", "predict", "--model", str(trained.path)]

    def predict(source: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, source],
            cwd=tmp_path,
            env=without_opencv,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    assert (done := predict("x.png")).returncode == 0, done.stderr
    (tmp_path / "film.mp4").touch()
    done = predict("*.*")
    assert done.returncode == 1
    cause, repair = done.stderr.splitlines()[-2:]
    assert cause.startswith("error: videos need OpenCV (opencv-python-headless), which cannot be imported: libGL.so.1")
    assert "--force-reinstall --no-deps opencv-python-headless" in repair
