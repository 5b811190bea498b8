"""Images with objects and detections, made up of few numbers, and a run with records, metrics and detections."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from odtool.dataset.records.framing import masked_crc
from odtool.detection.accuracy import GroundTruth
from odtool.detection.detector import Detections
from odtool.pipeline.text import config
from odtool.pipeline.zoo import zoo
from odtool.reporting import detections_file
from odtool.reporting.detections_file import ExaminedImage
from odtool.workspace import Run

SIZE = 200


def _array(items: list[Any], place: int, kind: Any) -> Any:
    return np.array([item[place] for item in items], kind)


@pytest.fixture(scope="session")
def image() -> Callable[..., ExaminedImage]:
    """image(objects, detections): objects are (class, box) or (class, box, crowd), detections (class, box, score)."""

    def make(objects: list[Any], detected: list[Any], key: int = 1) -> ExaminedImage:
        whole = [(*item, False)[:3] for item in objects]
        truth = GroundTruth(
            _array(whole, 1, np.float32).reshape(-1, 4), _array(whole, 0, np.int64), _array(whole, 2, bool)
        )
        boxes = _array(detected, 1, np.float32).reshape(-1, 4)
        found = Detections(boxes, _array(detected, 2, np.float32), _array(detected, 0, np.int64), SIZE, SIZE)
        none = np.zeros(len(truth), bool)
        return ExaminedImage(key, f"{key}.jpg", truth, none, none, found)

    return make


def _example(source_id: str) -> bytes:
    """A tf.train.Example with a picture, by hand: field 1 of everything, and bytes lists only."""

    def field(number: int, content: bytes) -> bytes:
        length, size = b"", len(content)
        while size > 0x7F:
            length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    stream = io.BytesIO()
    Image.effect_noise((SIZE, SIZE), 60).convert("RGB").save(stream, "JPEG")
    values = {"image/encoded": stream.getvalue(), "image/source_id": source_id.encode()}
    values["image/filename"] = f"<i>{source_id}</i>".encode()
    entries = [field(1, field(1, key.encode()) + field(2, field(1, field(1, value)))) for key, value in values.items()]
    return field(1, b"".join(entries))


def _write_records(path: Path, count: int) -> None:
    with path.open("wb") as stream:
        for number in range(1, count + 1):
            data = _example(f"{number}.jpg")
            head = len(data).to_bytes(8, "little")
            stream.write(head + masked_crc(head) + data + masked_crc(data))


@pytest.fixture
def examined_run(tmp_path: Path) -> Callable[..., Run]:
    """examined_run(name, classes=2, images=8): a run of drawn figures, with detections of its best checkpoint."""

    def make(name: str = "first", *, classes: int = 2, images: int = 8, seed: int = 0) -> Run:
        run = Run(tmp_path / "train" / name)
        run.best.mkdir(parents=True)
        data = tmp_path / "data"
        data.mkdir(exist_ok=True)
        if not (data / "val-00000-of-00001.tfrecord").exists():
            _write_records(data / "val-00000-of-00001.tfrecord", images)
        made = zoo.build(zoo.find("demo_ssd"))
        made.message.model.ssd.num_classes = classes
        reader = made.message.eval_input_reader[0]
        reader.tf_record_input_reader.input_path[:] = [str(data / "val-?????-of-00001.tfrecord")]
        config.save(made, run.pipeline_config)
        (run.best / "ckpt-300.index").write_text("no checkpoint")
        _write_metrics(run, seed)
        header = {"checkpoint": "best/ckpt-300", "stamp": detections_file.compute_stamp(run, run.best / "ckpt-300")}
        _write_detections(run, header, classes, images, seed)
        return run

    return make


def _write_metrics(run: Run, seed: int) -> None:
    lines: list[dict[str, Any]] = [{"kind": "start", "step": 0, "values": {"num_steps": 300, "batch_size": 8}}]
    for step in range(0, 300, 3):
        values = {"loss": (3 + seed) / (step + 1), "Loss/box_loss": 1 / (step + 1), "learning_rate": 0.01}
        lines.append({"kind": "train", "step": step, "values": {**values, "steps_per_second": 5.0}})
    for step in (100, 200, 300):
        values = {"DetectionBoxes_Precision/mAP": step / 600, "Loss/total_loss": 1.0, "checkpoint": f"ckpt-{step}"}
        lines.append({"kind": "eval", "step": step, "values": values})
    best = {"metric": "DetectionBoxes_Precision/mAP", "value": 0.5, "checkpoint": "best/ckpt-300"}
    lines += [
        {"kind": "best", "step": 300, "values": best},
        {"kind": "end", "step": 300, "values": {"state": "finished"}},
    ]
    run.metrics.write_text(
        "".join(json.dumps({**line, "time": 1e9 + index}) + "\n" for index, line in enumerate(lines))
    )


def _write_detections(run: Run, header: dict[str, Any], classes: int, images: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    labels = {str(number): f"class {number} & a very long name for it" for number in range(1, classes + 1)}
    lines = [{**header, "step": 300, "labels": labels, "sets": 1}]
    for key in range(1, images + 1):
        corners = chance.uniform(0, 120, (6, 2))
        boxes = np.concatenate([corners, corners + chance.uniform(20, 80, (6, 2))], 1)
        numbers = chance.integers(1, max(classes, 2), 6)  # the last class is nowhere
        seen = np.where(chance.random(6) < 0.8, numbers, classes)
        moved = boxes + chance.normal(0, 5, boxes.shape)
        flags = [False] * 6
        true = {"boxes": boxes.tolist(), "classes": numbers.tolist(), "crowd": flags, "group_of": flags}
        found = {"boxes": moved.tolist(), "classes": seen.tolist(), "scores": chance.random(6).tolist()}
        line = {"key": key, "source_id": f"{key}.jpg", "width": SIZE, "height": SIZE}
        lines.append({**line, "true": {**true, "difficult": flags}, "detected": found})
    run.detections.write_text("".join(json.dumps(line) + "\n" for line in lines))
