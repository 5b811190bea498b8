"""The command around the engine, which is a script here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.api.result import predict
from odtool.api.tasks import engine_process
from odtool.cli import console
from odtool.cli.result import predict as command
from odtool.dataset.writers import WRITERS
from odtool.detection import best_thresholds
from odtool.detection.best_thresholds import ClassThreshold
from odtool.detection.streams import live_view
from odtool.workspace import Run

ENGINE = """
import json, os, pathlib, sys, time
words = sys.argv[1:]
folder = pathlib.Path(words[words.index("--folder") + 1])
(folder / "detections.jsonl").write_text(json.dumps(words))
print(json.dumps({"doing": "loading the model"}), flush=True)
if "slow" in words:
    pathlib.Path("pid").write_text(str(os.getpid()))
    time.sleep(3000)
if "http://camera/endless" in words:
    import signal
    told = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: told.append(True))
    pathlib.Path("pid").write_text(str(os.getpid()))
    while not told:
        time.sleep(0.01)
if "broken" in words:
    print(json.dumps({"failed": "the model is broken", "hint": "Train it."}))
    sys.exit(1)
print(json.dumps({"doing": 3}), flush=True)
(folder / "counts.csv").write_text("image,frame,disc,star,total\\n" + "".join(f"{n}.jpg,,1,2,3\\n" for n in range(25)))
(folder / "predictions.json").write_text("{}")
print(json.dumps({
    "images": 25, "videos": 0, "frames": 0, "without_objects": 0, "masks": 60 * ("masked" in words),
    "objects": {"disc": 25, "star": 50},
    "unnamed_classes": ["star"],
    "problems": {"image_unreadable": 12}, "seconds": 2.0, "per_second": 12.5,
    "named": [{"kind": "image_unreadable", "file": "a.jpg", "detail": "the file is empty"}],
}))
"""


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_gpu: None) -> Path:
    """The current folder, with a run, and the script above as the engine."""
    run = Run(tmp_path / "train" / "first")
    run.path.mkdir(parents=True)
    run.pipeline_config.touch()
    script = tmp_path / "engine.py"
    script.write_text(ENGINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine_process, "ENGINE", (sys.executable, str(script)))
    return tmp_path


def asked(space: Path, out: str = "predictions") -> list[str]:
    """The words that the engine was given."""
    words: list[str] = json.loads((space / out / "detections.jsonl").read_text())
    return words


def test_the_newest_run_is_the_model(odtool: Callable[..., Any], space: Path) -> None:
    said = odtool("predict", "photos", "--json")
    assert said.code == 0
    assert said.json["model"] == str(space / "train" / "first")
    assert said.json["path"] == str(space / "predictions")
    words = asked(space)
    assert words[words.index("--model") + 1] == said.json["model"]
    assert words[-2:] == ["--", "photos"]


def test_what_is_found_and_not_written_is_said(odtool: Callable[..., Any], space: Path) -> None:
    config = Run(space / "train" / "first").pipeline_config
    assert "these are not written" not in odtool("predict", "photos").err
    keypoints = "keypoint_estimation_task { task_name: 'body' } mask_estimation_task { }"
    config.write_text(f"model {{ center_net {{ image_resizer {{ fixed_shape_resizer {{ }} }} {keypoints} }} }}")
    assert "first finds keypoints, too; these are not written" in odtool("predict", "photos").err
    config.write_text("model { faster_rcnn { number_of_stages: 3 image_resizer { fixed_shape_resizer { } } } }")
    assert "these are not written" not in odtool("predict", "photos").err


def test_annotations_that_cannot_hold_masks_are_named(odtool: Callable[..., Any], space: Path) -> None:
    words = odtool("predict", "masked", "--save-as", "coco,voc,labelme,yolo").err
    assert "voc, yolo: boxes without their masks; detections.jsonl, coco, labelme hold both" in " ".join(words.split())
    assert "without their masks" not in odtool("predict", "masked", "--save-as", "coco,labelme").err
    assert "without their masks" not in odtool("predict", "photos", "--save-as", "voc").err


def test_best_scores_of_a_run_have_to_be_found_first(odtool: Callable[..., Any], space: Path) -> None:
    run = Run(space / "train" / "first")
    run.best.mkdir()
    for name in ("ckpt-300.index", "ckpt-300.data-00000-of-00001"):
        (run.best / name).write_text("weights")
    said = odtool("predict", "photos", "--min-score", "best")
    assert said.code == 1
    assert "odtool report has not found thresholds for" in said.err
    assert "odtool report first" in said.err
    assert not (space / "predictions").exists()
    best_thresholds.write(run.best / "ckpt-300", 48, {"disc": ClassThreshold(0.4, 1.0, 1.0, 1.0)})
    assert odtool("predict", "photos", "--min-score", "best").code == 0
    words = asked(space)
    assert words[words.index("--min-score") + 1] == "best"


def test_a_file_is_a_model_too(odtool: Callable[..., Any], space: Path) -> None:
    (space / "model.tflite").touch()
    assert odtool("predict", "photos", "--model", "model.tflite", "--json").json["model"] == str(space / "model.tflite")


def test_a_model_that_is_nowhere_is_an_error_with_the_runs_there_are(odtool: Callable[..., Any], space: Path) -> None:
    said = odtool("predict", "photos", "--model", "second")
    assert said.code == 1
    assert "--model second: no run" in said.err
    assert "Runs there: first" in said.err


def test_every_option_reaches_the_engine(odtool: Callable[..., Any], space: Path) -> None:
    odtool(
        *("predict", "a", "b", "--min-score", "0.4", "--min-score", "car=0.3", "--save-as", "coco, voc", "--count"),
        *("--no-pictures", "--tile", 1000, "--every", 3, "--batch-size", 2, "--label-map", "map", "--out", "found"),
    )
    words = " ".join(asked(space, "found"))
    for option in ("--min-score 0.4", "--min-score car=0.3", "--save-as coco,voc", "--count", "--no-pictures"):
        assert option in words
    for option in (
        "--tile 1000 --overlap 200",
        "--every 3",
        "--batch-size 2",
        "--label-map map",
        "-- a b",
    ):
        assert option in words


@pytest.mark.parametrize(
    "options",
    [
        ("--min-score", "2"),
        ("--min-score", "car"),
        ("--save-as", "coco,kitti"),
        ("--save-as", ","),
        ("--overlap", "9"),
        ("--every", "0"),
        ("--part", "3/2"),
        ("--part", "auto"),
        ("--join", "--part", "1/2"),
        ("--out", "/"),
        ("--join", "--out", "/"),
        ("--join", "--min-score", "0.4"),
    ],
)
def test_wrong_usage_exits_with_2(odtool: Callable[..., Any], space: Path, options: tuple[str, ...]) -> None:
    assert odtool("predict", "photos", *options).code == 2


def test_counts_of_the_first_pictures_are_shown_with_the_sums_of_all(odtool: Callable[..., Any], space: Path) -> None:
    said = odtool("predict", "photos", "--count")
    lines = [line.split() for line in said.out.splitlines()]
    assert ["image", "disc", "star", "total"] in lines
    assert "the label map does not name the classes of 50 objects: star" in said.err
    assert ["0.jpg", "1", "2", "3"] in lines
    assert "5 more in counts.csv" in said.out
    assert ["all", "25", "50", "75"] in lines
    assert "a.jpg: the file is empty" in said.err
    assert "and 11 more, all in" in said.err


def test_earlier_predictions_give_way_and_foreign_files_do_not(odtool: Callable[..., Any], space: Path) -> None:
    assert odtool("predict", "one").code == 0
    assert odtool("predict", "two").code == 0
    assert asked(space)[-1] == "two"
    corrected = space / "predictions" / "labelme" / "a.json"
    corrected.parent.mkdir()
    corrected.write_text("by hand")
    said = odtool("predict", "three")
    assert said.code == 1
    assert "a.json: was added or changed after odtool predicted" in said.err
    assert corrected.read_text() == "by hand"
    (space / "mine").mkdir()
    (space / "mine" / "thesis.txt").touch()
    said = odtool("predict", "photos", "--out", "mine")
    assert said.code == 1
    assert "holds files but no predictions.json" in said.err
    assert [path.name for path in (space / "mine").iterdir()] == ["thesis.txt"]


def test_a_failure_of_the_engine_leaves_the_earlier_folder(odtool: Callable[..., Any], space: Path) -> None:
    odtool("predict", "one")
    said = odtool("predict", "broken")
    assert said.code == 1
    assert "the model is broken" in said.err
    assert asked(space)[-1] == "one"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_engine_and_leaves_nothing(
    space: Path, until: Callable[..., Any], number: signal.Signals
) -> None:
    """The signal reaches the command alone, as from `kill`; a terminal sends it to both."""
    code = (
        "from odtool.api.tasks import engine_process\n"
        "from odtool.cli import main\n"
        f"engine_process.ENGINE = {engine_process.ENGINE!r}\n"
        "main()"
    )
    command = subprocess.Popen([sys.executable, "-c", code, "predict", "slow"], stderr=subprocess.DEVNULL)
    until(lambda: (space / "pid").exists() and (space / "pid").read_text())
    engine = int((space / "pid").read_text())
    command.send_signal(number)
    assert command.wait() == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(engine, 0)
    assert sorted(path.name for path in space.iterdir()) == ["engine.py", "pid", "train"]


def test_the_formats_that_the_help_names_are_those_there_are() -> None:
    assert set(predict.FORMATS) == set(WRITERS)


def test_without_sources_and_parts_to_join_it_is_wrong_usage(odtool: Callable[..., Any], space: Path) -> None:
    said = odtool("predict")
    assert said.code == 2
    assert "SOURCE" in said.err


def test_a_part_lies_beside_the_whole_and_says_how_to_join(odtool: Callable[..., Any], space: Path) -> None:
    said = odtool("predict", "photos", "--part", "2/16")
    assert said.code == 0
    assert "odtool predict --join --out" in said.out
    words = asked(space, "predictions.parts/00002-of-00016")
    assert words[words.index("--part") + 1] == "2/16"
    assert not (space / "predictions").exists()


def test_a_task_of_a_slurm_step_takes_its_part_and_one_of_an_array_is_told(
    odtool: Callable[..., Any], space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "3")
    said = odtool("predict", "photos", "--json")
    assert said.json["part"] == "2/3"
    assert "part 2/3" in said.err
    assert odtool("predict", "photos", "--part", "none", "--json").json["part"] is None
    monkeypatch.delenv("SLURM_STEP_NUM_TASKS")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "4")
    said = odtool("predict", "photos", "--json")
    assert said.json["part"] is None
    assert "--part auto/N takes its part" in said.err
    assert odtool("predict", "photos", "--part", "auto/8", "--json").json["part"] == "5/8"


def test_a_missing_part_is_an_error_that_names_it(odtool: Callable[..., Any], space: Path) -> None:
    said = odtool("predict", "--join")
    assert said.code == 1
    assert "predictions.parts: no such folder" in said.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stream_with_whole_files(
    space: Path, until: Callable[..., Any], number: signal.Signals
) -> None:
    code = (
        "from odtool.api.tasks import engine_process\n"
        "from odtool.cli import main\n"
        f"engine_process.ENGINE = {engine_process.ENGINE!r}\n"
        "main()"
    )
    words = [sys.executable, "-c", code, "predict", "http://camera/endless"]
    command = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until(lambda: (space / "pid").exists() and (space / "pid").read_text())
    command.send_signal(number)
    assert command.wait() == 0
    assert (space / "predictions" / "predictions.json").is_file()


def test_a_port_that_is_taken_is_refused_before_a_model_is_loaded(odtool: Callable[..., Any], space: Path) -> None:
    with live_view.serving(0) as (address, _):
        port = address.rstrip("/").rpartition(":")[2]
        said = odtool("predict", "photos", "--show-port", port)
    assert said.code == 1
    assert f"--show-port {port}: cannot be used" in said.err
    assert not (space / "predictions").exists()


def test_a_list_of_sources_comes_from_standard_input(space: Path) -> None:
    code = (
        "from odtool.api.tasks import engine_process\n"
        "from odtool.cli import main\n"
        f"engine_process.ENGINE = {engine_process.ENGINE!r}\n"
        "main()"
    )
    words = [sys.executable, "-c", code, "predict", "-", "more", "--track-objects", "--count-line", "0,1,2,3"]
    done = subprocess.run(words, input=b"a.jpg\nb.jpg\n", capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    asked_words = asked(space)
    assert "--source-list" in asked_words
    assert asked_words[-2:] == ["--", "more"]
    assert asked_words[asked_words.index("--count-line") + 1] == "0,1,2,3"


@pytest.mark.parametrize(
    "options",
    [
        ("--count-line", "1,2,3,4"),
        ("--count-line", "1,2", "--track-objects"),
        ("--show-port", "-1"),
        ("--show-port", "65536"),
        ("--part", "1/2"),
    ],
)
def test_what_streams_cannot_have_is_wrong_usage(
    odtool: Callable[..., Any], space: Path, options: tuple[str, ...]
) -> None:
    assert odtool("predict", "http://camera/stream", *options).code == 2


def test_where_no_object_was_followed_a_line_says_so_in_place_of_an_empty_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command._render_objects(console.stdout, {"distinct_objects": {}})
    assert capsys.readouterr().out == "no object was followed from picture to picture\n"
