"""A loss that is not finite: the losses before it, and the records of its batch."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from object_detection.inputs import HASH_BINS

from odtool.detection.metric_names import SHORT
from odtool.engine.input.record_files import find_files
from odtool.errors import first_line

BATCH = "batch"
"""What a step's hashes of source ids stand under, beside its losses."""
_LOSS = SHORT["loss"]
_LOSSES_KEPT = 5
_RECORDS_NAMED = 8
_AT_ONCE = 256

log = logging.getLogger("odtool.engine")


@dataclass(frozen=True)
class NonFiniteLoss:
    """What is known of a step whose loss is not finite."""

    losses: list[float]
    """Of the last steps before it, oldest first."""
    records: list[str]
    """Source ids of its batch."""

    def format(self) -> str:
        """In one line."""
        losses = ", ".join(f"{loss:.4g}" for loss in self.losses) or "none"
        names = ", ".join(self.records[:_RECORDS_NAMED])
        surplus = f" and {len(self.records) - _RECORDS_NAMED} more" if len(self.records) > _RECORDS_NAMED else ""
        return f"losses before it: {losses}; records of its batch: {names or 'they have no source_id'}{surplus}"


class RecentSteps:
    """Losses and records of the steps since the loss was last seen to be finite, left where they were computed.

    Fetching them at each step would wait for the device; one look every few seconds finds the bad step afterwards.
    """

    def __init__(self, reader: Any) -> None:
        """
        Args:
            reader: the InputReader message whose records are trained on.
        """
        self._reader = reader
        self._steps: deque[tuple[int, Any, Any]] = deque()

    def add(self, step: int, losses: dict[str, Any]) -> None:
        """Keeps a step's tensors."""
        self._steps.append((step, losses[_LOSS], losses[BATCH]))

    def trim(self) -> None:
        """Lets go of all but the last few steps: their losses are finite."""
        while len(self._steps) > _LOSSES_KEPT:
            self._steps.popleft()

    def explain(self, bad: int) -> NonFiniteLoss:
        """What led to step `bad`; reads the source ids of all records to find those of its batch."""
        losses = [float(loss) for step, loss, _ in self._steps if step < bad]
        batches = [batch for step, _, batch in self._steps if step == bad]
        hashes = {
            int(number)
            for batch in batches
            for part in tf.distribute.get_strategy().experimental_local_results(batch)
            for number in part.numpy()
        }
        return NonFiniteLoss(losses[-_LOSSES_KEPT:], _find_source_ids(self._reader, hashes))


def _find_source_ids(reader: Any, hashes: set[int]) -> list[str]:
    """Source ids whose hash, as object_detection.inputs takes it, is one of these. A record without one has none."""
    spec = {"image/source_id": tf.io.FixedLenFeature([], tf.string, "")}
    names: set[str] = set()
    try:
        files = sorted(set(find_files(reader)))
        for records in tf.data.TFRecordDataset(files).batch(_AT_ONCE):
            ids = tf.io.parse_example(records, spec)["image/source_id"]
            numbers = tf.strings.to_hash_bucket_fast(ids, HASH_BINS).numpy()
            pairs = zip(ids.numpy(), numbers, strict=True)
            names |= {name.decode(errors="replace") for name, number in pairs if name and int(number) in hashes}
    except tf.errors.OpError as error:
        log.warning("the records could not be read to the end: %s", first_line(error))
    return sorted(names)
