"""How long steps wait for their batches."""

from __future__ import annotations

import time
from typing import Any

import pytest

_SLOW = 0.05


@pytest.mark.parametrize("parts", [1, 2])
def test_the_time_a_batch_takes_is_between_the_two_readings(api: Any, parts: int) -> None:
    from odtool.engine.input import waiting

    def generate() -> Any:
        while True:
            time.sleep(_SLOW)
            yield {"image": [[1.0]]}, {"boxes": [[2.0]]}

    spec = ({"image": api.TensorSpec([1, 1])}, {"boxes": api.TensorSpec([1, 1])})
    data = api.data.Dataset.from_generator(generate, output_signature=spec)
    strategy = api.distribute.MirroredStrategy(["CPU:0"]) if parts > 1 else api.distribute.get_strategy()

    def step(batches: Any) -> Any:
        (features, labels), span = waiting.take_batch(batches)
        return features["image"], labels["boxes"], span

    take = api.function(step, autograph=False)
    batches = iter(strategy.experimental_distribute_dataset(data))
    wait = waiting.InputWait()
    for _ in range(3):
        image, boxes, span = take(batches)
        assert (float(image[0, 0]), float(boxes[0, 0])) == (1, 2)
        assert wait.add(span)
    assert wait.take() >= 3 * _SLOW * 0.9  # the first may have begun before it was asked for
    assert wait.take() == 0


@pytest.mark.usefixtures("api")
def test_a_batch_that_lies_ready_and_a_clock_set_back_are_no_waiting() -> None:
    from odtool.engine.input.waiting import InputWait

    wait = InputWait()
    assert [wait.add(span) for span in ((100.0, 100.001), (100.0, 40.0), (100.0, 100.5))] == [False, False, True]
    assert wait.take() == pytest.approx(0.501)
