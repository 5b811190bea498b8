"""odtool export, with a script in the engine's place."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from odtool.api.tasks import engine_process
from odtool.cli import console
from odtool.pipeline.text import config
from odtool.pipeline.zoo import zoo
from odtool.workspace import Run, Workspace

ENGINE = """
import json, os, pathlib, sys
words = sys.argv[3:]
options = {word: after for word, after in zip(words, words[1:])}
folder = pathlib.Path(options["--folder"])
assert not list(folder.iterdir())
print(json.dumps({"doing": "working"}), flush=True)
print("a library prints", flush=True)
if pathlib.Path("fail").exists():
    (folder / "half").touch()
    print(json.dumps({"failed": "the model is broken", "hint": "mend it"}))
    sys.exit(1)
agreement = {"found": 0.5, "confirmed": 1.0, "min_score": 0.3}
accepted = float(options["--min-agreement"]) <= 0.5
made = {"file": "model.onnx", "bytes": 1500000, "input": {"type": "image_tensor"}, "agreement": agreement,
        "mAP": 0.5, "mAP_change": -0.01, "milliseconds": 2.0, "accepted": accepted}
record = {"run": "mine", "checkpoint": pathlib.Path(options["--checkpoint"]).name, "argv": sys.argv[3:],
          "gpus": os.environ["CUDA_VISIBLE_DEVICES"], "files": [made], "accepted": accepted, "machine": "a machine",
          "verified_on": {"images": 3, "split": "evaluation", "mAP": 0.51},
          "min_agreement": float(options["--min-agreement"])}
for name in options["--formats"].split(","):
    (folder / name).touch()
(folder / "export.json").write_text(json.dumps(record))
print(json.dumps(record))
"""

ANY = ("--min-agreement", 0.5)
"""What the script's export has."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with two checkpoints in the current workspace."""
    found = Workspace(tmp_path / "a [b]").run("mine")
    found.path.mkdir(parents=True)
    configure(found, "demo_ssd")
    for split in ("train", "val"):
        (tmp_path / f"{split}.tfrecord").write_text("images")
    for step in (100, 200):
        checkpoint(found.checkpoint(step))
    (tmp_path / "engine.py").write_text(ENGINE)
    monkeypatch.chdir(tmp_path / "a [b]")
    monkeypatch.setattr(engine_process, "ENGINE", (sys.executable, str(tmp_path / "engine.py")))
    return found


def configure(run: Run, model: str) -> None:
    """Its records are beside the workspace."""
    made = zoo.build(zoo.find(model))
    for split, reader in (("train", made.message.train_input_reader), ("val", made.message.eval_input_reader[0])):
        reader.tf_record_input_reader.input_path[:] = [str(run.path.parents[2] / f"{split}.tfrecord")]
    config.save(made, run.pipeline_config)


def checkpoint(prefix: Path) -> None:
    prefix.parent.mkdir(exist_ok=True)
    for ending in (".index", ".data-00000-of-00001"):
        Path(f"{prefix}{ending}").touch()


def option(argv: list[str], name: str) -> str:
    return argv[argv.index(name) + 1]


def test_the_best_checkpoint_is_exported_and_without_one_the_latest(odtool: Callable, run: Run) -> None:
    said = odtool("export", *ANY, "--json")
    assert said.code == 0
    assert option(said.json["argv"], "--checkpoint") == str(run.checkpoint(200))
    assert said.json["gpus"] == "-1"
    checkpoint(run.best / "ckpt-100")
    assert option(odtool("export", *ANY, "--json").json["argv"], "--checkpoint") == str(run.best / "ckpt-100")
    named = odtool("export", "mine", *ANY, "--checkpoint", "ckpt-100", "--json").json
    assert option(named["argv"], "--checkpoint") == str(run.checkpoint(100))


def test_what_the_engine_does_is_told_and_its_folder_put_in_place(odtool: Callable, run: Run) -> None:
    said = odtool("export", *ANY, "--format", "onnx,savedmodel")
    assert said.code == 0
    assert said.err.splitlines()[0] == "working"
    assert [path.name for path in Path("exported-models").iterdir()] == ["mine"]
    assert Path("exported-models/mine/export.json").is_file()
    for part in ("model.onnx", "1.5 MB", "50.0%", "-0.010", "on 3 images of the evaluation records"):
        assert part in said.out


def test_brackets_in_what_is_told_beside_a_spinner_are_no_markup(
    odtool: Callable, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Path(engine_process.ENGINE[1])
    engine.write_text(ENGINE.replace('"working"', '"loading ckpt-200 of run night [/a]"'))
    monkeypatch.setattr(console, "stderr", Console(file=io.StringIO(), force_terminal=True))
    assert odtool("export", *ANY).code == 0


def test_it_is_in_place_whether_or_not_anybody_reads(
    odtool: Callable, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "nobody reads")

    monkeypatch.setattr(console, "show", closed)
    assert odtool("export", *ANY).code == 1
    assert Path("exported-models/mine/export.json").is_file()


def test_a_file_that_does_not_agree_is_shown_and_nothing_put_in_place(odtool: Callable, run: Run) -> None:
    said = odtool("export", "--format", "onnx")
    assert said.code == 1
    assert "50.0%" in said.out
    assert "model.onnx: agrees with ckpt-200 less than 90%, so nothing is written" in said.err
    assert not Path("exported-models").exists()
    told = odtool("export", "--format", "onnx", "--json")
    assert told.code == 1
    assert (told.json["accepted"], told.json["path"]) == (False, None)


def test_what_an_earlier_export_held_and_this_one_does_not_is_named(odtool: Callable, run: Run) -> None:
    assert odtool("export", *ANY, "--format", "savedmodel,onnx").code == 0
    said = odtool("export", *ANY, "--format", "onnx")
    assert said.code == 0
    assert "it also held savedmodel" in said.err


def test_settings_are_handed_on(odtool: Callable, run: Run) -> None:
    wishes = ("--tflite", "int8,float16", "--fast-nms", "--max-detections", 7, "--verify-images", 3)
    argv = odtool("export", *ANY, "--format", "tflite", *wishes, "--json").json["argv"]
    assert option(argv, "--precisions") == "float16,int8"
    assert (option(argv, "--max-detections"), option(argv, "--verify-images")) == ("7", "3")
    assert "--fast-nms" in argv


def test_what_the_model_cannot_become_is_said_before_any_work(odtool: Callable, run: Run) -> None:
    configure(run, "faster_rcnn_resnet50_v1_640x640")
    said = odtool("export", *ANY, "--format", "savedmodel,tflite")
    assert said.code == 1
    assert "--format tflite: the API has TFLite graphs for SSD, EfficientDet and CenterNet" in said.err
    assert "savedmodel, onnx" in said.err
    assert "working" not in said.err


def test_records_that_are_missing_are_said_before_any_work(odtool: Callable, run: Run, tmp_path: Path) -> None:
    (tmp_path / "train.tfrecord").unlink()
    integers = ("--format", "tflite", "--tflite", "float32,int8")
    said = odtool("export", *ANY, *integers)
    assert said.code == 1
    assert "no training records, from which --tflite int8 learns" in said.err
    assert "working" not in said.err
    assert odtool("export", *ANY, "--format", "tflite").code == 0
    assert odtool("export", *ANY, "--format", "savedmodel", "--tflite", "int8").code == 0
    (tmp_path / "val.tfrecord").write_text("")
    said = odtool("export", *ANY)
    assert said.code == 1
    assert "no records to verify the export on" in said.err
    (tmp_path / "train.tfrecord").write_text("images")
    assert odtool("export", *ANY, *integers).code == 0


def test_onnx_without_its_libraries_is_said_before_any_work(
    odtool: Callable, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odtool.api.result.export.find_spec", lambda name: None if name == "onnxruntime" else name)
    said = odtool("export", "--format", "onnx")
    assert said.code == 1
    assert "onnxruntime is not installed" in said.err
    assert "pip install 'odtool[onnx]'" in said.err


def test_a_failure_leaves_the_earlier_export(odtool: Callable, run: Run) -> None:
    assert odtool("export", *ANY).code == 0
    Path("fail").touch()
    said = odtool("export", *ANY)
    assert said.code == 1
    assert "the model is broken" in said.err
    assert sorted(path.name for path in Path("exported-models").rglob("*")) == ["export.json", "mine", "savedmodel"]


def test_a_folder_of_someone_elses_is_left_alone(odtool: Callable, run: Run) -> None:
    Path("thesis").mkdir()
    Path("thesis/page.txt").touch()
    said = odtool("export", "--out", "thesis")
    assert said.code == 1
    assert "odtool did not write it" in said.err
    assert [path.name for path in Path("thesis").iterdir()] == ["page.txt"]


@pytest.mark.parametrize("wanted", ["best", "ckpt-7"])
def test_a_checkpoint_that_is_not_there_is_an_error(odtool: Callable, run: Run, wanted: str) -> None:
    said = odtool("export", "--checkpoint", wanted)
    assert said.code == 1
    assert not Path("exported-models").exists()


@pytest.mark.parametrize(
    "wrong", [("--format", "tflite,pdf"), ("--input-type", "jpeg"), ("--tflite", "int4"), ("--format", ",")]
)
def test_an_unknown_word_is_wrong_usage(odtool: Callable, run: Run, wrong: tuple[str, ...]) -> None:
    assert odtool("export", *wrong).code == 2
