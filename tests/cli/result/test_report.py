"""odtool report as it is typed, with an engine that writes detections without a model."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.detection import best_thresholds
from odtool.pipeline.text import config
from odtool.pipeline.zoo import zoo
from odtool.workspace import Run

ENGINE = """
import json, pathlib, sys
task, run, options = sys.argv[1], pathlib.Path(sys.argv[2]), dict(zip(sys.argv[3::2], sys.argv[4::2]))
assert task == "detections"
with (run / "asked").open("a") as stream:
    stream.write(options["--checkpoint"] + "\\n")
if (run / "broken").exists():
    print(json.dumps({"failed": "the model does not fit", "hint": "look"}))
    sys.exit(1)
if (run / "full").exists():
    print(json.dumps({"failed": "the disk is full", "hint": "free some space", "refused": True}))
    sys.exit(1)
print(json.dumps({"doing": 1}), flush=True)
box, flags = [[1, 1, 30, 30]], {"crowd": [False], "group_of": [False], "difficult": [False]}
image = {"key": 1, "source_id": "1.jpg", "width": 64, "height": 64, "true": {"boxes": box, "classes": [1], **flags},
         "detected": {"boxes": box, "classes": [1], "scores": [0.75]}}
head = {**json.loads(options["--header"]), "step": 300, "labels": {"1": "cat"}, "sets": 1}
pathlib.Path(options["--output"]).write_text(json.dumps(head) + "\\n" + json.dumps(image) + "\\n")
print(json.dumps({"images": 1, "seconds": 0.1}))
"""


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_gpu: None) -> Path:
    """A workspace with the runs one and two, each with a checkpoint in best/ and a newer one."""
    from odtool.api.tasks import engine_process

    script = tmp_path / "engine.py"
    script.write_text(ENGINE)
    monkeypatch.setattr(engine_process, "ENGINE", (sys.executable, str(script)))
    (tmp_path / "val.tfrecord").touch()
    for name in ("one", "two"):
        run = Run(tmp_path / "train" / name)
        run.best.mkdir(parents=True)
        made = zoo.build(zoo.find("demo_ssd"))
        made.message.eval_input_reader[0].tf_record_input_reader.input_path[:] = [str(tmp_path / "val.tfrecord")]
        made.message.train_config.batch_size = len(name) * 4 if name == "one" else 8
        config.save(made, run.pipeline_config)
        for prefix in (run.best / "ckpt-300", run.path / "ckpt-400"):
            for ending in ("index", "data-00000-of-00001"):
                Path(f"{prefix}.{ending}").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_page_is_written_and_the_engine_asked_once(odtool: Callable, space: Path) -> None:
    said = odtool("report", "one", "--json")
    assert said.code == 0, said.err
    page = space / "train" / "one" / "report.html"
    assert said.json["page"] == str(page)
    (run,) = said.json["runs"]
    assert (run["run"], run["checkpoint"]) == ("one", "best/ckpt-300")
    assert run["analysis"]["figures"]["ap"] == pytest.approx(1)
    assert page.read_text().startswith("<!doctype html>")
    assert said.err.splitlines() == ["one: best/ckpt-300 over the evaluation records on cpu"]
    found = best_thresholds.read(Run(space / "train" / "one").best / "ckpt-300")
    assert found is not None
    assert found.by_label == {"cat": run["analysis"]["classes"][0]["best_threshold"]["threshold"]}
    again = odtool("report", "one")
    assert "best/ckpt-300" in again.out
    assert f"Page in {page}" in again.out
    assert (space / "train" / "one" / "asked").read_text().splitlines() == [str(space / "train/one/best/ckpt-300")]


def test_the_checkpoint_that_is_asked_for_is_examined(odtool: Callable, space: Path) -> None:
    assert odtool("report", "one", "--checkpoint", "latest", "--json").json["runs"][0]["checkpoint"] == "ckpt-400"
    assert odtool("report", "one", "--checkpoint", "train/one/ckpt-400").code == 0
    assert len((space / "train" / "one" / "asked").read_text().splitlines()) == 1
    said = odtool("report", "one", "--checkpoint", "ckpt-500")
    assert said.code == 1
    assert "ckpt-500: no such checkpoint" in said.err


def test_a_run_that_cannot_be_written_to_is_examined_all_the_same(
    odtool: Callable, space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access, run = os.access, space / "train" / "one"
    monkeypatch.setattr("os.access", lambda path, mode: path != run and access(path, mode))
    said = odtool("report", "one", "--out", "page.html", "--json")
    assert said.code == 0, said.err
    assert said.json["runs"][0]["analysis"]["figures"]["ap"] == pytest.approx(1)
    assert not Run(run).detections.exists()


def test_other_names_of_classes_are_examined_anew(odtool: Callable, space: Path) -> None:
    run = Run(space / "train" / "one")
    label_map = space / "label_map.pbtxt"
    label_map.write_text("item { id: 1 name: 'cat' }")
    made = config.load(run.pipeline_config)
    made.message.eval_input_reader[0].label_map_path = str(label_map)
    config.save(made, run.pipeline_config)
    for _ in range(2):
        assert odtool("report", "one").code == 0
    label_map.write_text("item { id: 1 name: 'tomcat' }")
    assert odtool("report", "one").code == 0
    assert len((run.path / "asked").read_text().splitlines()) == 2


def test_several_runs_give_one_page(odtool: Callable, space: Path) -> None:
    said = odtool("report", "one", "two", "--out", "both.html", "--json").json
    assert said["page"] == str(space / "both.html")
    assert [run["run"] for run in said["runs"]] == ["one", "two"]
    assert said["comparable"] is True
    assert said["differing_settings"] == {"train_config.batch_size": ["12", "8"]}
    assert "<h1>one and two</h1>" in (space / "both.html").read_text()
    assert odtool("report", "one", "two", "--checkpoint", "ckpt-400").code == 2


def test_a_model_that_cannot_run_leaves_the_rest_of_the_report(odtool: Callable, space: Path) -> None:
    (space / "train" / "one" / "broken").touch()
    said = odtool("report", "one")
    assert said.code == 0
    assert "warning: one: the model does not fit; the report is on the rest" in said.err
    assert "the model does not fit" in (space / "train" / "one" / "report.html").read_text()
    assert odtool("report", "one", "--checkpoint", "best").code == 1


def test_where_the_detections_do_not_fit_there_is_no_report_without_them(odtool: Callable, space: Path) -> None:
    (space / "train" / "one" / "full").touch()
    said = odtool("report", "one", "--out", "page.html")
    assert (said.code, said.err.count("error:")) == (1, 1)
    assert "error: the disk is full\nhint: free some space" in said.err
    assert not (space / "page.html").exists()


@pytest.mark.parametrize(("code", "fails"), [(errno.ENOSPC, True), (errno.EROFS, False)])
def test_thresholds_that_do_not_fit_are_an_error_and_those_that_may_not_be_written_are_told(
    odtool: Callable, space: Path, monkeypatch: pytest.MonkeyPatch, code: int, fails: bool
) -> None:
    def refuse(prefix: Path, *_: object) -> None:
        raise OSError(code, os.strerror(code), str(prefix))

    monkeypatch.setattr(best_thresholds, "write", refuse)
    said = odtool("report", "one", "--out", "page.html")
    assert said.code == int(fails), said.err
    assert (space / "page.html").exists() is not fails
    assert ("is full" if fails else "thresholds.json is not written: Read-only file system") in said.err


@pytest.mark.parametrize("lacking", ["val.tfrecord", "train/one/best/ckpt-300.index"])
def test_a_run_that_cannot_be_examined_is_reported_all_the_same(odtool: Callable, space: Path, lacking: str) -> None:
    (space / lacking).unlink()
    (space / "train" / "one" / "ckpt-400.index").unlink()
    said = odtool("report", "one", "--json")
    assert said.code == 0
    (run,) = said.json["runs"]
    assert run["analysis"] is None
    assert "evaluation records" in run["absence"] or "has no checkpoint" in run["absence"]


def test_a_folder_is_no_page(odtool: Callable, space: Path) -> None:
    said = odtool("report", "one", "--out", "train")
    assert said.code == 1
    assert "is a folder" in said.err


def test_damaged_detections_are_named(odtool: Callable, space: Path) -> None:
    assert odtool("report", "one").code == 0
    run = Run(space / "train" / "one")
    header = json.loads(run.detections.read_text().splitlines()[0])
    run.detections.write_text(json.dumps(header) + '\n{"key": 1}\n')
    said = odtool("report", "one", "--checkpoint", "best")
    assert said.code == 1
    assert "its detections are damaged" in said.err
