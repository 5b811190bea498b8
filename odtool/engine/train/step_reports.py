"""What a training says on its way: lines of the log, metrics.jsonl and TensorBoard's events."""

from __future__ import annotations

import logging
import math
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import tensorflow as tf

from odtool.engine.train.event_files import mark_restart
from odtool.engine.train.non_finite_loss import BATCH, NonFiniteLoss
from odtool.metrics import MUCH_WAITING, MetricsLog
from odtool.workspace import Run

TOTAL_LOSS = "Loss/total_loss"

log = logging.getLogger("odtool.engine")


class StepReporter:
    """The account of one start. Only a chief writes files; the others speak in their logs."""

    def __init__(self, run: Run, *, num_steps: int, writes: bool) -> None:
        self._run = run
        self._num_steps = num_steps
        self._metrics = MetricsLog(run.metrics) if writes else None
        self._events: Any = None
        self._reported = (0, 0.0)

    @property
    def since_report(self) -> float:
        """Seconds since the last report."""
        return time.monotonic() - self._reported[1]

    def begin(self, step: int, values: dict[str, Any]) -> None:
        """Training continues from `step`."""
        self._write("start", step, {"num_steps": self._num_steps, **values})
        self._reported = (step, time.monotonic())
        if self._metrics is None:
            return
        events = self._run.events("train")
        if step or any(events.glob("events.out.tfevents.*")):
            mark_restart(events, step)
        self._events = tf.summary.create_file_writer(str(events))

    def end(self, step: int, state: str) -> None:
        """Training ends, however it does."""
        if self._events is not None:
            self._events.close()
        self._write("end", step, {"state": state})

    def writing_pictures(self) -> AbstractContextManager[Any]:
        """Where summaries that a step makes go."""
        return nullcontext() if self._events is None else self._events.as_default()

    def record_checkpoint(self, step: int, name: str) -> None:
        """A checkpoint was written."""
        self._write("checkpoint", step, {"path": name})

    def record_fault(self, step: int, evidence: NonFiniteLoss) -> None:
        """A loss is not finite."""
        self._write("not_finite", step, {"losses": evidence.losses, "records": evidence.records})

    def report(self, step: int, losses: dict[str, Any], rate: float, waited: float, *, first: bool) -> None:
        """One step's losses, and the speed since the last report.

        Args:
            waited: seconds since then in which nothing was done but to wait for a batch.
        """
        values = {name: float(loss) for name, loss in losses.items() if name != BATCH}
        now = time.monotonic()
        # The first step includes tracing and compiling and says nothing of the speed.
        passed = max(now - self._reported[1], 1e-9)
        speed = None if first else (step - self._reported[0]) / passed
        share = None if first else min(waited / passed, 1.0)
        self._reported = (step, now)
        if self._events is not None:
            self._write_events(step, values, rate, speed)
        loss = values.pop(TOTAL_LOSS)
        course = {"learning_rate": rate, "steps_per_second": speed, "input_wait": share}
        self._write("train", step, {"loss": loss, **course, **values})
        pace = "" if speed is None else f", {speed:.2f} steps/s"
        if share is not None and share >= MUCH_WAITING:
            pace += f", {share:.0%} of the time waiting for input"
        if speed is not None and step < self._num_steps:
            pace += f", {_left(self._num_steps - step, speed)} left"
        log.info("step %d/%d, loss %.4f, learning rate %.3g%s", step, self._num_steps, loss, rate, pace)

    def _write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        if self._metrics is not None:
            self._metrics.write(kind, step, values)

    def _write_events(self, step: int, values: dict[str, float], rate: float, speed: float | None) -> None:
        """With the stock loop's tags."""
        with self._events.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
            tf.summary.scalar("learning_rate", rate)
            if speed is not None:
                tf.summary.scalar("steps_per_sec", speed)
        self._events.flush()


def _left(steps: int, speed: float) -> str:
    seconds = math.ceil(steps / speed) if speed > 0 else 0
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
