"""Saves beside the steps: a checkpoint's values are copied at one moment, and one thread puts the copy on disk."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from odtool.engine import checkpoints
from odtool.engine.train.step_reports import log
from odtool.errors import first_line
from odtool.workspace import Run

Write = Callable[[str], object]
"""Puts a checkpoint's files under a prefix."""
_FIRST_TENSOR = 3
"""Of SaveV2's inputs: those before it are the prefix, the tensors' names and their slices."""


class CheckpointCopier:
    """Copies the values of a tf.train.Checkpoint, all of whose variables exist by now, into the host's memory.

    Making one takes a few seconds for a large model, a copy some hundredths of a second.

    TensorFlow's own way (CheckpointOptions.experimental_enable_async_checkpoint) tells of an error only at the next
    save. Here the graph by which TensorFlow saves is taken apart: what leads to its SaveV2 operations is the copy, and
    SaveV2 with all of it at once is the writing, so that the files are those of `Checkpoint.write` to the last byte.
    """

    def __init__(self, checkpoint: Any) -> None:
        _ = checkpoint.save_counter  # a variable of it, too, but made when it is first asked for
        wrapped = tf.compat.v1.wrap_function(lambda: checkpoint.write("never written"), [])
        saves = [operation for operation in wrapped.graph.get_operations() if operation.type == "SaveV2"]
        _, names, slices = zip(*(save.inputs[:_FIRST_TENSOR] for save in saves), strict=True)
        self._names = np.concatenate([tf.get_static_value(part) for part in names])
        self._slices = np.concatenate([tf.get_static_value(part) for part in slices])
        self._read = wrapped.prune([], [tensor for save in saves for tensor in save.inputs[_FIRST_TENSOR:]])

    def copy(self) -> Write:
        """What writes the values of now, whatever becomes of the variables meanwhile.

        A value read on the CPU is the variable's own memory, which TensorFlow leaves alone and replaces as long as
        somebody else holds it: a copy is made only of what a step changes.
        """
        return functools.partial(_write, self._names, self._slices, self._read())


def _write(names: Any, slices: Any, values: list[Any], prefix: str) -> None:
    with tf.device("CPU:0"):
        tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=slices, tensors=values)


class CheckpointWriter:
    """Saves a run's checkpoints one after the other, never two at once, and keeps as many as asked.

    An error of a save is raised by the next call of any method but `close`.
    """

    def __init__(self, run: Run, checkpoint: Any, *, keep: int, record: Callable[[int, str], None]) -> None:
        """Makes one.

        Args:
            record: is called with step and name when a checkpoint is in place, in whichever thread wrote it.
        """
        self._run = run
        self._checkpoint = checkpoint
        self._keep = keep
        self._record = record
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._pending: Future[None] | None = None

    def save(self, step: int, *, beside_steps: bool) -> None:
        """Saves what the variables hold now, after the save before it has ended.

        Args:
            beside_steps: return when the values are copied, and not only when the checkpoint is in place. For values
                that are on one device.

        Raises:
            OdtoolError: it would not fit on the disk.
        """
        self.finish()
        checkpoints.make_room(self._run, keep=self._keep)
        checkpoints.count_save(self._checkpoint)
        if beside_steps:
            self._pending = self._thread.submit(self._put, step, self._copier.copy())
        else:
            self._put(step, self._checkpoint.write)
            self._prune()

    def look(self) -> None:
        """Settles a save that has ended; cheap enough for every step."""
        if self._pending is not None and self._pending.done():
            self.finish()

    def finish(self) -> None:
        """Waits until no save is under way."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()
            self._prune()

    def close(self) -> None:
        """Ends with training. An error is only logged: where there may be one still, training ends by another."""
        try:
            self.finish()
        except Exception as error:  # whatever a save can raise
            log.warning("the last checkpoint could not be saved: %s", first_line(error))
        self._thread.shutdown()

    @functools.cached_property
    def _copier(self) -> CheckpointCopier:
        return CheckpointCopier(self._checkpoint)

    def _put(self, step: int, write: Write) -> None:
        prefix = checkpoints.write_whole(self._run, step, write)
        self._record(step, prefix.name)

    def _prune(self) -> None:
        """In the thread that takes the steps, which looks at evaluations too: what is known of them is not shared."""
        checkpoints.prune(self._run, self._keep)
