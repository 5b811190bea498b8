"""Event files of a training that was started again."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator


@pytest.mark.parametrize("saved", [0, 3])
def test_tensorboard_forgets_the_steps_that_are_taken_anew(api: Any, tmp_path: Path, saved: int) -> None:
    from odtool.engine.train.event_files import mark_restart

    def write(steps: Iterable[int], value: float) -> None:
        events = api.summary.create_file_writer(str(tmp_path))
        for step in steps:
            with events.as_default(step=step):
                api.summary.scalar("loss", value)
        events.close()

    write(range(1, 7), 1.0)
    time.sleep(1.1)  # event files are told apart by the second
    mark_restart(tmp_path, saved)
    write(range(saved + 1, 9), 2.0)
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    found = [(event.step, float(api.make_ndarray(event.tensor_proto))) for event in read.Tensors("loss")]
    assert found == [(step, 1.0 if step <= saved else 2.0) for step in range(1, 9)]
