"""An evaluation that several processes share, beside that of one, with the real API and a small SSD."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from odtool import metrics
from odtool.engine.outcome import StopSignal
from odtool.errors import DataError
from odtool.parts import WorkPart
from odtool.pipeline.text import config
from odtool.workspace import Run

pytestmark = pytest.mark.slow


def figures(run: Run) -> dict[str, Any]:
    """Of the newest evaluation, all but how long it took."""
    line = [entry for entry in metrics.read(run.metrics) if entry.kind == "eval"][-1]
    return {name: value for name, value in line.values.items() if name != "seconds"}


def test_joined_parts_score_as_one_machine_to_the_last_digit(api: Any, trained: Run) -> None:
    from odtool.engine.evaluate.evaluation import evaluate
    from odtool.engine.evaluate.evaluation_parts import join_parts, score_part

    made = config.load(trained.pipeline_config)
    made.message.train_config.batch_size = 4  # as many images as evaluation may predict together: batches of 4 and 2
    trained.pipeline_config.write_text(config.dump(made))
    evaluate(trained, which="latest", sample=1, stop=StopSignal())
    alone = figures(trained)
    best = [entry for entry in metrics.read(trained.metrics) if entry.kind == "best"][-1].values
    trained.metrics.unlink()
    shutil.rmtree(trained.best)
    shutil.rmtree(trained.events("eval"))
    for number in (2, 1, 3):  # the third has nothing to do
        score_part(trained, which="latest", sample=1, part=WorkPart(number, 3), stop=StopSignal(), batch_size=None)
    assert not trained.metrics.exists()
    join_parts(trained, which="all", best=None)
    assert figures(trained) == alone
    assert [entry for entry in metrics.read(trained.metrics) if entry.kind == "best"][-1].values == best
    (file,) = trained.events("eval").iterdir()
    tags = {value.tag for event in api.compat.v1.train.summary_iterator(str(file)) for value in event.summary.value}
    assert {"DetectionBoxes_Precision/mAP", "Loss/total_loss", "eval_side_by_side_0_0"} < tags
    refuse_what_does_not_belong(trained)


def refuse_what_does_not_belong(trained: Run) -> None:
    """In the same run, as making parts takes most of the time."""
    folder = trained.evaluation_parts / "ckpt-4"
    second = folder / "00002-of-00003.json"
    text = second.read_text()

    def refused() -> str:
        from odtool.engine.evaluate.evaluation_parts import join_parts

        with pytest.raises(DataError) as error:
            join_parts(trained, which="all", best=None)
        return error.value.message

    second.unlink()
    assert refused() == "part 2 of 3 is missing"
    second.write_text(text)
    again = folder / "00002-of-00003 (copy)-of-.json"
    again.write_text(text)
    assert refused().startswith("part 2 of 3 is there 2 times")
    again.unlink()
    record = json.loads(text)
    second.write_text(json.dumps({**record, "settings": {**record["settings"], "--sample": 2}}))
    assert "--sample is" in refused()
    second.write_text(json.dumps({**record, "sets": [{"batches": 2, "images": 2, "class_agnostic": False}]}))
    assert "batch 1 is not where it belongs" in refused() or "batch 2 is not" in refused()
    for name, value in {"--sample": 0, "--batch-size": "8", "the checkpoint": 4}.items():
        second.write_text(json.dumps({**record, "settings": {**record["settings"], name: value}}))
        assert f"settings.{name} is" in refused()
        second.write_text(
            json.dumps({**record, "settings": {k: v for k, v in record["settings"].items() if k != name}})
        )
        assert f"settings has no {name}" in refused()
    second.write_text(json.dumps({**record, "sets": [{**record["sets"][0], "batches": 0}]}))
    assert "more batches than its record says" in refused()
    second.write_text(json.dumps({**record, "count": 4}))
    assert "is part 2/4" in refused()
    second.write_text("{")
    assert "this part is damaged" in refused()
    second.write_text(text)
    results = second.with_suffix(".tfrecord")
    results.write_bytes(results.read_bytes()[:-20])
    assert "this part is damaged" in refused()
