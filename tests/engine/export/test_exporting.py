"""A trained detector exported to every format once, and what is then in the folder."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from odtool import load_detector
from odtool.detection import best_thresholds
from odtool.detection.best_thresholds import ClassThreshold
from odtool.detection.runtimes.model_description import ModelDescription
from odtool.pipeline.text import config
from odtool.workspace import ExportedModel, Run

pytestmark = pytest.mark.slow
Engine = Callable[..., "subprocess.CompletedProcess[str]"]
PRECISIONS = ("float32", "float16", "int8")


@pytest.fixture(scope="module")
def told(learned: Run, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[ExportedModel, list[Any]]:
    """The folder of an export, and what the engine wrote about it, a JSON object a line."""
    folder = tmp_path_factory.mktemp("exported [models]")
    best_thresholds.write(learned.checkpoint(300), 9, {"disc": ClassThreshold(0.37, 1.0, 1.0, 1.0)})
    wishes = ("--folder", folder, "--formats", "savedmodel,tflite,onnx", "--precisions", ",".join(PRECISIONS))
    numbers = ("--representative-images", 6, "--verify-images", 4)
    done = engine("export", learned.path, "--checkpoint", learned.checkpoint(300), *wishes, *numbers)
    assert done.returncode == 0, done.stdout + done.stderr
    return ExportedModel(folder), [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def exported(told: tuple[ExportedModel, list[Any]]) -> ExportedModel:
    return told[0]


@pytest.fixture(scope="module")
def record(exported: ExportedModel) -> dict[str, Any]:
    return dict(json.loads(exported.record.read_text()))


def test_it_tells_what_it_does_and_ends_with_the_record(
    told: tuple[ExportedModel, list[Any]], record: dict[str, Any]
) -> None:
    *doing, answer = told[1]
    assert [line["doing"] for line in doing][:3] == [
        "loading ckpt-300 of run small",
        "running the checkpoint on images to compare with",
        "writing the SavedModel",
    ]
    assert answer == record


def test_the_folder_has_the_stock_layout_and_what_belongs_to_it(exported: ExportedModel, learned: Run) -> None:
    files = {path.name for path in exported.path.iterdir()}
    models = {"saved_model", "model.onnx", *(f"model_{precision}.tflite" for precision in PRECISIONS)}
    assert files == models | {
        "checkpoint",
        "pipeline.config",
        "label_map.pbtxt",
        "labels.txt",
        "README.md",
        "export.json",
        "thresholds.json",
    }
    assert (exported.checkpoint / "ckpt-0.index").is_file()
    assert exported.labels.read_text() == "disc\nsquare\n"
    assert config.load(exported.pipeline_config).message == config.load(learned.pipeline_config).message


def test_every_file_was_found_to_agree_with_the_checkpoint(record: dict[str, Any]) -> None:
    assert record["accepted"]
    assert (record["checkpoint"], record["step"], record["run"]) == ("ckpt-300", 300, "small")
    assert record["verified_on"]["images"] == 4
    assert record["verified_on"]["split"] == "evaluation"
    assert record["verified_on"]["mAP"] > 0.1  # else little would be compared
    for file in record["files"]:
        assert file["agreement"]["reference"] > 1
        if file["precision"] == "int8":
            assert file["mAP"] > 0.5 * record["verified_on"]["mAP"]
        else:
            assert file["agreement"]["found"] == file["agreement"]["confirmed"] == 1
            assert abs(file["mAP_change"]) < 0.05  # four images
        assert file["bytes"] > 100_000
        assert file["milliseconds"] > 0
    sizes = {file["precision"]: file["bytes"] for file in record["files"] if file["format"] == "tflite"}
    assert sizes["int8"] < sizes["float16"] < 0.6 * sizes["float32"]


def test_the_saved_model_has_the_stock_signature_and_carries_its_description(
    api: Any, exported: ExportedModel, tmp_path: Path
) -> None:
    # TensorFlow takes the brackets in the folder's name for a pattern.
    (tmp_path / "plain").symlink_to(exported.saved_model)
    signature = api.saved_model.load(str(tmp_path / "plain")).signatures["serving_default"]
    ((name, entry),) = signature.structured_input_signature[1].items()
    assert (name, entry.shape.as_list(), entry.dtype) == ("input_tensor", [1, None, None, 3], api.uint8)
    assert {"detection_boxes", "detection_classes", "detection_scores", "num_detections"} <= set(
        signature.structured_outputs
    )
    written = (exported.saved_model / "assets.extra" / "odtool.json").read_text()
    assert ModelDescription.from_json(written, "").labels == {1: "disc", 2: "square"}


def test_every_file_carries_the_thresholds_that_report_found(exported: ExportedModel, record: dict[str, Any]) -> None:
    assert record["thresholds"] == {"disc": 0.37}
    assert json.loads(exported.thresholds.read_text())["checkpoint"] == "ckpt-300"
    assert "| disc | 0.37 |" in exported.card.read_text()
    files = (exported.saved_model, exported.onnx, *map(exported.tflite, PRECISIONS))
    assert [load_detector(path).thresholds for path in files] == [{"disc": 0.37}] * 5


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_tflite_file_gives_boxes_classes_scores_and_number_in_this_order(
    exported: ExportedModel, precision: str
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(exported.tflite(precision)))
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    assert entry["shape"].tolist() == [1, 96, 96, 3]
    assert entry["dtype"] == (np.uint8 if precision == "int8" else np.float32)
    if precision == "int8":
        # So that an image's bytes are the input as they are: -1 to 1 in 255 steps.
        scale, zero = entry["quantization"]
        assert (scale, zero) == (pytest.approx(2 / 255, rel=1e-3), pytest.approx(127.5, abs=0.5))
    interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    interpreter.invoke()
    boxes, classes, scores, number = (
        interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()
    )
    assert (boxes.shape, classes.shape, scores.shape, number.shape) == ((1, 20, 4), (1, 20), (1, 20), (1,))
    assert set(classes[0].tolist()) <= {0, 1}
    assert np.all(np.diff(scores[0]) <= 0)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_labels_and_description_are_packed_behind_a_tflite_file(exported: ExportedModel, precision: str) -> None:
    with zipfile.ZipFile(exported.tflite(precision)) as archive:
        assert archive.read("labels.txt") == b"disc\nsquare\n"
        written = ModelDescription.from_json(archive.read("odtool.json").decode(), "")
    assert (written.run, written.checkpoint, written.resize) == ("small", "ckpt-300", "stretch")
    assert (written.width, written.height) == (96, 96)
    assert written.mean == written.deviation == (127.5, 127.5, 127.5)


def test_the_buffers_of_a_tflite_file_are_aligned_and_its_metadata_inside(exported: ExportedModel) -> None:
    content = exported.tflite("float32").read_bytes()
    assert content[4:8] == b"TFL3"
    model = schema.Model.GetRootAsModel(content, 0)
    names = {model.Metadata(index).Name(): model.Metadata(index).Buffer() for index in range(model.MetadataLength())}
    assert {b"TFLITE_METADATA", b"min_runtime_version"} <= set(names)
    metadata = model.Buffers(names[b"TFLITE_METADATA"]).DataAsNumpy().tobytes()
    assert metadata[4:8] == b"M001"
    for index in range(model.BuffersLength()):
        if model.Buffers(index).DataLength():
            data = model.Buffers(index)
            start = data._tab.Vector(data._tab.Offset(4))
            assert start % 16 == 0


def test_the_onnx_file_takes_images_of_any_size_and_carries_its_description(exported: ExportedModel) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(exported.onnx), providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    assert (entry.name, entry.type, entry.shape[0], entry.shape[3]) == ("input_tensor", "tensor(uint8)", 1, 3)
    assert "detection_boxes" in [output.name for output in session.get_outputs()]
    written = session.get_modelmeta().custom_metadata_map["odtool"]
    assert ModelDescription.from_json(written, "").labels == {1: "disc", 2: "square"}
    for shape in ((1, 50, 70, 3), (1, 120, 120, 3)):
        session.run(["detection_scores"], {"input_tensor": np.zeros(shape, np.uint8)})


def test_the_card_says_how_good_it_is_and_how_to_call_it(exported: ExportedModel, record: dict[str, Any]) -> None:
    card = exported.card.read_text()
    for part in (
        "exported from checkpoint ckpt-300, step 300",
        "| 1 | disc |",
        "odtool.load_detector(",
        "(pixels - 127.5) / 127.5",
        "on 4 images of the evaluation records",
        f"tensorflow {record['versions']['tensorflow']}",
    ):
        assert part in card
    for file in record["files"]:
        assert f"| {file['file']} |" in card


def test_a_file_that_is_broken_is_not_accepted(
    api: Any, exported: ExportedModel, learned: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real file with its weights lost, put in the converter's place."""
    from odtool.api.tasks.engine_tasks import ExportTask
    from odtool.engine.export import exporting

    broken = bytearray(exported.tflite("float32").read_bytes())
    model = schema.Model.GetRootAsModel(broken, 0)
    for index in range(model.BuffersLength()):
        if model.Buffers(index).DataLength() > 256:  # what is smaller are shapes
            model.Buffers(index).DataAsNumpy()[:] = 0
    monkeypatch.setattr(exporting.tflite, "write_graph", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(exporting.tflite, "convert", lambda *_: (bytes(broken), _INPUT))
    target = ExportedModel(tmp_path)
    request = ExportTask(
        run=learned,
        checkpoint=learned.checkpoint(300),
        folder=target.path,
        formats=("tflite",),
        precisions=("float32", "int8"),
        input_type="image_tensor",
        max_detections=None,
        fast_nms=False,
        representative_images=1,
        verify_images=4,
        min_agreement=0.9,
    )
    said: list[str] = []
    with contextlib.redirect_stderr(io.StringIO()):  # LiteRT says that it is there
        record = exporting.export(request, said.append)
    assert not record["accepted"]
    exact, integers = record["files"]
    assert exact["agreement"]["found"] < 0.9
    assert (exact["accepted"], integers["accepted"]) == (False, True)


_INPUT = {
    "width": 96,
    "height": 96,
    "resize": "stretch",
    "mean": (127.5,) * 3,
    "deviation": (127.5,) * 3,
    "dtype": "float32",
}
