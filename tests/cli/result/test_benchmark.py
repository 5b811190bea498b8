"""The command, with an engine that is a script; the real one is in tests/engine/export."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.api.tasks import engine_process
from odtool.pipeline.text import config
from odtool.pipeline.zoo import zoo
from odtool.workspace import ExportedModel

ENGINE = """
import json, pathlib, sys
words = sys.argv[1:]
model = pathlib.Path(words[words.index("--model") + 1])
with open("asked", "a") as stream:
    stream.write(json.dumps(words) + "\\n")
if "broken" in model.parent.name or model.name.endswith("int8.tflite"):
    print(json.dumps({"failed": f"{model} is not a model that can be run", "hint": ""}))
    sys.exit(1)
threads = int(words[words.index("--threads") + 1])
score = "--score" in words
rates = {"1": 100.0 * threads, "4": 150.0 * threads} if model.name == "saved_model" else {"1": 100.0 * threads}
print(json.dumps({
    "milliseconds": 10.0 / threads, "milliseconds_p95": 12.5 / threads, "images_per_second": rates,
    "peak_bytes": 123_000_000, "ap": 0.75 if score else None, "images": 30 if score else 0,
}))
"""


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_gpu: None) -> Path:
    """The current folder, with exports of two runs, on a machine of four processors."""
    script = tmp_path / "engine.py"
    script.write_text(ENGINE)
    (tmp_path / "val.tfrecord").write_bytes(b"records")
    for name in ("small", "broken"):
        model = ExportedModel(tmp_path / "exported-models" / name)
        model.saved_model.mkdir(parents=True)
        (model.saved_model / "saved_model.pb").write_bytes(bytes(1500))
        for path in (model.tflite("float32"), model.onnx):
            path.write_bytes(bytes(700))
        model.record.write_text(json.dumps({"run": name}))
        model.card.write_text("# card\n\n## How to use it\n")
        made = zoo.build(zoo.find("demo_ssd"))
        made.message.eval_input_reader[0].tf_record_input_reader.input_path[:] = [str(tmp_path / "val.tfrecord")]
        config.save(made, model.pipeline_config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine_process, "ENGINE", (sys.executable, str(script)))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    return tmp_path


def asked(space: Path) -> list[list[str]]:
    return [json.loads(line) for line in (space / "asked").read_text().splitlines()]


def test_every_file_is_measured_on_every_number_of_threads_by_a_process_of_its_own(
    odtool: Callable[..., Any], space: Path
) -> None:
    said = odtool("benchmark", "exported-models/small", "--json")
    assert said.code == 0, said.err
    files = {file["file"]: file for file in said.json["files"]}
    assert list(files) == ["saved_model", "model_float32.tflite", "model.onnx"]
    assert [one["threads"] for one in files["model.onnx"]["measurements"]] == [1, 2, 4]
    assert {file["mAP"] for file in files.values()} == {0.75}
    assert files["saved_model"]["bytes"] == 1500
    calls = asked(space)
    assert len(calls) == 9
    # The mAP is computed once for each file, where there are most threads.
    assert [words[words.index("--threads") + 1] for words in calls if "--score" in words] == ["4"] * 3
    assert all(words[-1] == str(space / "val.tfrecord") for words in calls)


def test_the_table_fits_and_the_card_has_the_figures(odtool: Callable[..., Any], space: Path) -> None:
    said = odtool("benchmark", "exported-models/small", "--threads", "1,all", "--batch", "1,4")
    assert said.code == 0
    table, _, explanation = said.out.partition("ms: median")
    assert max(len(line.rstrip()) for line in table.splitlines()[1:]) <= 80
    assert "peak of the process" in explanation
    assert "model_float32.tflite" in said.out
    assert "images a second, by images at once" in said.out
    card = (space / "exported-models" / "small" / "README.md").read_text()
    assert "| model.onnx | 4 threads | 2.5 | 3.1 | 400.0 | 123 MB | 0.750 |" in card
    assert "benchmark" in json.loads((space / "exported-models" / "small" / "export.json").read_text())


def test_nothing_is_recorded_where_it_is_not_wanted(odtool: Callable[..., Any], space: Path) -> None:
    assert odtool("benchmark", "exported-models/small", "--no-record").code == 0
    assert "Speed" not in (space / "exported-models" / "small" / "README.md").read_text()


def test_a_run_is_meant_by_its_name_and_the_newest_by_none(odtool: Callable[..., Any], space: Path) -> None:
    run = space / "train" / "small"
    run.mkdir(parents=True)
    (run / "pipeline.config").touch()
    for words in (("small",), ()):
        said = odtool("benchmark", *words, "--threads", "1", "--json")
        assert {file["folder"] for file in said.json["files"]} == {str(space / "exported-models" / "small")}


def test_a_file_by_itself_and_a_file_that_cannot_be_run(odtool: Callable[..., Any], space: Path) -> None:
    model = ExportedModel(space / "exported-models" / "small")
    model.tflite("int8").write_bytes(b"x")
    said = odtool("benchmark", model.onnx, model.tflite("int8"), "--threads", "2")
    assert said.code == 0
    assert len(asked(space)) == 2
    assert "model_int8.tflite on 2 threads" in said.err
    assert "is not a model that can be run" in said.err
    assert "failed" in said.out


def test_where_nothing_can_be_measured_it_fails(odtool: Callable[..., Any], space: Path) -> None:
    said = odtool("benchmark", "exported-models/broken", "--threads", "1")
    assert said.code == 1
    assert "nothing could be measured" in said.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nowhere",), 1, "no such file or folder"),
        (("val.tfrecord",), 1, "not a folder that odtool export wrote"),
        (("exported-models/small", "--threads", "0"), 2, "'0' is not a whole number from 1 on or all"),
        (("exported-models/small", "--threads", ","), 2, "names none"),
        (("exported-models/small", "--batch", "many"), 2, "'many' is not a whole number from 1 on"),
        ((), 1, "no run"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    odtool: Callable[..., Any], space: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    said = odtool("benchmark", *words)
    assert said.code == code
    assert message in " ".join(said.err.split())


def test_records_that_are_gone_are_said_before_any_work(odtool: Callable[..., Any], space: Path) -> None:
    (space / "val.tfrecord").unlink()
    said = odtool("benchmark", "exported-models/small")
    assert said.code == 1
    assert "its evaluation records are not there" in said.err
    assert not (space / "asked").exists()
