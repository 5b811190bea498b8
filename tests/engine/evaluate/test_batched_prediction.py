"""Images evaluated together give what each gives alone, and only those are put together that can be told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from odtool.workspace import Run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("api")]


@pytest.fixture
def configs(new_run: Callable[..., Run]) -> dict[str, Any]:
    from odtool.engine import model

    def by_fours(message: Any) -> None:
        message.train_config.batch_size = 4
        message.eval_config.num_visualizations = 5

    return model.read_configs(new_run(by_fours).pipeline_config)


def test_images_scored_together_score_as_each_alone(
    api: Any, configs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from odtool.engine import model
    from odtool.engine.evaluate import batched_prediction
    from odtool.engine.evaluate.scoring import Scorer
    from odtool.engine.outcome import StopSignal

    class Watching(Scorer):
        """Notes what the evaluators are given."""

        def __init__(self) -> None:
            super().__init__(configs, configs["eval_input_configs"][0], detector, sample=1)
            self.given: list[dict[str, Any]] = []

        def run(self, stop: StopSignal) -> Iterator[Any]:
            for result in super().run(stop):
                self.given.append({name: value.numpy() for name, value in result.values.items()})
                yield result

    detector = model.build_model(configs["model"])
    together = Watching()
    model.make_variables(detector, together.element)
    scored = together.score(StopSignal())
    monkeypatch.setattr(batched_prediction, "MOST", 1)
    alone = Watching()
    expected = alone.score(StopSignal())

    # The second batch is not full.
    assert [len(batch["key"]) for batch in together.given] == [4, 2]
    assert [len(batch["key"]) for batch in alone.given] == [1] * 6
    assert scored.images == expected.images == 6
    assert scored.metrics == pytest.approx(expected.metrics, abs=1e-6)
    assert scored.metrics["Loss/total_loss"] > 0
    assert scored.pictures.keys() == expected.pictures.keys() == {f"eval_side_by_side_{i}_0" for i in range(5)}
    for name in alone.given[0]:
        one, other = ([row for batch in side.given for row in batch[name]] for side in (alone, together))
        for left, right in zip(one, other, strict=True):
            assert left == pytest.approx(right, abs=1e-4), name


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("train_config.batch_size=3", 3),
        ("train_config.batch_size=1", 1),
        ("train_config.batch_size=64", 8),
        ("eval_config.batch_size=2", 1),
        ("model.ssd.image_resizer.fixed_shape_resizer.height=8000", 4),
        ("model.ssd.image_resizer.keep_aspect_ratio_resizer.max_dimension=1200", 1),
        ("eval_input_reader[0].input_type=TF_SEQUENCE_EXAMPLE", 1),
    ],
)
def test_how_many_images_go_together(new_run: Callable[..., Run], setting: str, expected: int) -> None:
    from odtool.engine import model
    from odtool.engine.evaluate import batched_prediction
    from odtool.pipeline.text import config, fields

    run = new_run()
    made = config.load(run.pipeline_config)
    made.message.train_config.batch_size = 8
    fields.assign(made, setting)
    config.save(made, run.pipeline_config)
    configs = model.read_configs(run.pipeline_config)
    detector = model.build_model(configs["model"])
    reader = configs["eval_input_configs"][0]
    assert batched_prediction.choose_batch_size(configs, reader, detector) == expected
    assert batched_prediction.choose_batch_size(configs, reader, detector, limit=1) == 1
    assert batched_prediction.choose_batch_size(configs, reader, detector, limit=100) >= expected


def test_a_model_that_mixes_images_is_given_one_at_a_time(configs: dict[str, Any]) -> None:
    from odtool.engine.evaluate import batched_prediction

    assert batched_prediction.choose_batch_size(configs, configs["eval_input_configs"][0], object()) == 1


def test_every_image_is_scored_though_the_config_drops_what_fills_no_batch(configs: dict[str, Any]) -> None:
    from odtool.engine import model
    from odtool.engine.evaluate.scoring import Scorer
    from odtool.engine.outcome import StopSignal

    (reader,) = configs["eval_input_configs"]
    reader.drop_remainder = True
    configs["eval_config"].batch_size = 4
    detector = model.build_model(configs["model"])
    scorer = Scorer(configs, reader, detector, sample=1)
    model.make_variables(detector, scorer.element)
    assert scorer.score(StopSignal()).images == 6
