"""On which images an export is compared with its checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from odtool.detection.detector import Detections
from odtool.errors import DataError
from odtool.pipeline.text import config
from odtool.workspace import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def source_of(api: Any, new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """What is exported of a run whose evaluation and training records are these; its model finds nothing."""
    from odtool.engine.export import verification

    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), 1, 1)
    detector = SimpleNamespace(detect=lambda pictures, **_: [nothing for _ in pictures])
    monkeypatch.setattr(verification.CheckpointDetector, "from_trained_model", lambda _: detector)

    def make(**files: Path) -> Any:
        run = new_run()
        message = config.load(run.pipeline_config).message
        readers = {"eval": message.eval_input_reader[0], "train": message.train_input_reader}
        for name, file in files.items():
            readers[name].tf_record_input_reader.input_path[:] = [str(file)]
        configs = {"train_input_config": readers["train"], "eval_input_configs": [readers["eval"]]}
        label_map = Path(readers["eval"].label_map_path)
        return SimpleNamespace(run=run, configs=configs, labels={1: "disc", 2: "square"}, label_map=label_map)

    return make


def test_training_images_stand_in_for_evaluation_records_without_any(
    source_of: Callable[..., Any], tmp_path: Path
) -> None:
    from odtool.engine.export import verification

    (tmp_path / "empty").touch()
    assert verification.detect_reference(source_of(), 3).split == "evaluation"
    for file in ("empty", "absent"):
        stand_in = verification.detect_reference(source_of(eval=tmp_path / file), 3)
        assert (stand_in.split, len(stand_in.detections)) == ("training", 3)


def test_records_without_an_image_are_named(source_of: Callable[..., Any], tmp_path: Path) -> None:
    from odtool.engine.export import verification

    for name in ("one", "two"):
        (tmp_path / name).touch()
    absent = tmp_path / "absent"
    with pytest.raises(DataError, match=r"one, .*two: these records hold no images"):
        verification.detect_reference(source_of(eval=tmp_path / "one", train=tmp_path / "two"), 3)
    with pytest.raises(DataError, match="one: these records hold no images"):
        verification.detect_reference(source_of(eval=tmp_path / "one", train=absent), 3)
    with pytest.raises(DataError, match="no training records"):
        verification.detect_reference(source_of(eval=absent, train=absent), 3)
