"""Where a benchmark's figures come to stand in an export's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from odtool.detection.benchmark import model_speed
from odtool.errors import DataError
from odtool.workspace import ExportedModel

CARD = "# small\n\n## Metrics\n\nfine\n\n## How to use it\n\nso\n\n## Versions\n"


def benchmark(milliseconds: float = 12.34) -> dict[str, Any]:
    measured = {"device": "2 threads", "threads": 2, "problem": "", "milliseconds": milliseconds}
    figures = {"milliseconds_p95": 20.0, "images_per_second": {1: 80.0, 4: 90.0}, "peak_bytes": 300_000_000}
    failed = {"device": "1 thread", "threads": 1, "problem": "is not a model"}
    entry = {"file": "model.onnx", "bytes": 9, "mAP": 0.5, "measurements": [{**measured, **figures}, failed]}
    return {"machine": "a CPU", "created": "2026-01-31T12:00:00Z", "files": [entry]}


@pytest.fixture
def model(tmp_path: Path) -> ExportedModel:
    made = ExportedModel(tmp_path)
    made.record.write_text(json.dumps({"run": "small", "files": []}))
    made.card.write_text(CARD)
    return made


def test_figures_stand_in_the_record_and_in_the_card(model: ExportedModel) -> None:
    model_speed.record(model, benchmark())
    record = json.loads(model.record.read_text())
    assert record["run"] == "small"
    assert record["benchmark"]["files"][0]["file"] == "model.onnx"
    card = model.card.read_text()
    assert "| model.onnx | 2 threads | 12.3 | 20.0 | 90.0 | 300 MB | 0.500 |" in card
    assert card.index("## Metrics") < card.index("## Speed and memory") < card.index("## How to use it")
    assert "1 thread |" not in card


def test_a_second_benchmark_takes_the_place_of_the_first(model: ExportedModel) -> None:
    model_speed.record(model, benchmark())
    first = model.card.read_text()
    model_speed.record(model, benchmark(9.87))
    assert model.card.read_text() == first.replace("12.3", "9.9")


def test_a_card_that_somebody_wrote_anew_gets_the_section_at_its_end(model: ExportedModel) -> None:
    model.card.write_text("# mine")
    model_speed.record(model, benchmark())
    assert model.card.read_text().startswith("# mine\n## Speed and memory\n")


def test_without_a_card_the_record_alone_is_written(model: ExportedModel) -> None:
    model.card.unlink()
    model_speed.record(model, benchmark())
    assert not model.card.exists()
    assert "benchmark" in json.loads(model.record.read_text())


def test_a_damaged_record_is_named(model: ExportedModel) -> None:
    model.record.write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"export\.json: is damaged"):
        model_speed.record(model, benchmark())
