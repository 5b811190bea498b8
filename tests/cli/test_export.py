"""odtool export, with a script in the engine's place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.cli import job
from odtool.workspace import Run, Workspace

ENGINE = """
import json, os, pathlib, sys
options = dict(zip(sys.argv[3::2], sys.argv[4::2]))
folder = pathlib.Path(options["--folder"])
assert not list(folder.iterdir())
print(json.dumps({"doing": "working"}), flush=True)
print("a library prints", flush=True)
if pathlib.Path("fail").exists():
    (folder / "half").touch()
    print(json.dumps({"failed": "the model is broken", "hint": "mend it"}))
    sys.exit(1)
record = {"run": "mine", "checkpoint": pathlib.Path(options["--checkpoint"]).name, "argv": sys.argv[3:],
          "gpus": os.environ["CUDA_VISIBLE_DEVICES"]}
(folder / "export.json").write_text(json.dumps(record))
print(json.dumps(record))
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run with two checkpoints in the current workspace."""
    found = Workspace(tmp_path / "a [b]").run("mine")
    found.path.mkdir(parents=True)
    found.pipeline_config.touch()
    for step in (100, 200):
        checkpoint(found.checkpoint(step))
    (tmp_path / "engine.py").write_text(ENGINE)
    monkeypatch.chdir(tmp_path / "a [b]")
    monkeypatch.setattr(job, "ENGINE", (sys.executable, str(tmp_path / "engine.py")))
    return found


def checkpoint(prefix: Path) -> None:
    prefix.parent.mkdir(exist_ok=True)
    for ending in (".index", ".data-00000-of-00001"):
        Path(f"{prefix}{ending}").touch()


def option(argv: list[str], name: str) -> str:
    return argv[argv.index(name) + 1]


def test_the_best_checkpoint_is_exported_and_without_one_the_latest(odtool: Callable, run: Run) -> None:
    said = odtool("export", "--json")
    assert said.code == 0
    assert option(said.json["argv"], "--checkpoint") == str(run.checkpoint(200))
    assert said.json["gpus"] == "-1"
    checkpoint(run.best / "ckpt-100")
    assert option(odtool("export", "--json").json["argv"], "--checkpoint") == str(run.best / "ckpt-100")
    named = odtool("export", "mine", "--checkpoint", "ckpt-100", "--json").json
    assert option(named["argv"], "--checkpoint") == str(run.checkpoint(100))


def test_what_the_engine_does_is_told_and_its_folder_put_in_place(odtool: Callable, run: Run) -> None:
    said = odtool("export", "--format", "onnx,savedmodel")
    assert said.code == 0
    assert said.err.splitlines() == ["working"]
    assert [path.name for path in Path("exported-models").iterdir()] == ["mine"]
    assert Path("exported-models/mine/export.json").is_file()


def test_a_failure_leaves_the_earlier_export(odtool: Callable, run: Run) -> None:
    assert odtool("export").code == 0
    Path("fail").touch()
    said = odtool("export")
    assert said.code == 1
    assert "the model is broken" in said.err
    assert [path.name for path in Path("exported-models").rglob("*")] == ["mine", "export.json"]


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


@pytest.mark.parametrize("wrong", [("--format", "tflite,pdf"), ("--input-type", "jpeg")])
def test_an_unknown_word_is_wrong_usage(odtool: Callable, run: Run, wrong: tuple[str, ...]) -> None:
    assert odtool("export", *wrong).code == 2
