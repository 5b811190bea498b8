"""Over which devices and machines a training is spread, and what all of them agree on."""

from __future__ import annotations

import functools
import logging
import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from odtool.cluster import Cluster, named, task_of
from odtool.engine.outcome import Ending, StopSignal, explain_failure, write_ending
from odtool.workspace import Run

AGREE_EVERY = 5
"""Steps between which all machines ask one another whether to stop. It costs a small exchange, and a wait for the
device; a scheduler leaves 30 seconds between its request and SIGKILL."""
_CONNECTING = 120
"""Seconds in which TensorFlow has to connect processes that have just met."""
_STATES = {"stopped": 1, "finished": 2}
_LOSS_OF_PEER = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)
"""What TensorFlow 2.20 raises of an exchange whose other side was killed; which one depends on who notices it first."""

log = logging.getLogger("odtool.engine")


@dataclass(frozen=True)
class Team:
    """The devices that train together, and the processes that have them where these are several."""

    strategy: Any
    cluster: Cluster | None = None

    @property
    def is_chief(self) -> bool:
        """Whether this process writes checkpoints, metrics and events."""
        return self.cluster is None or self.cluster.is_chief

    def agree(self, own: Ending | None) -> Ending | None:
        """How all end, where one wants to; to be called by all after the same step.

        Args:
            own: how this one wants to.
        """
        assert self.cluster is not None
        words = [0.0] * len(self.cluster.addresses)
        words[self.cluster.index] = float(_STATES[own.state]) if own is not None and own.state in _STATES else 0.0
        received = self._sum(tf.constant(words)).numpy() * len(words) / self.strategy.num_replicas_in_sync
        wanting = [index for index, word in enumerate(received) if word]
        if own is not None or not wanting:
            return own
        state = next(state for state, number in _STATES.items() if number == round(float(received[wanting[0]])))
        return Ending(state, f"{state} with {named(self.cluster, wanting[0])}")  # type: ignore[arg-type]  # one of State

    def wait_for_all(self) -> None:
        """Returns when all have come here or are gone, so that none ends while the chief still writes a checkpoint.

        Slurm's `--kill-on-bad-exit`, which a stop's exit code sets off, would give the chief half a minute for that.
        """
        if self.cluster is not None:
            with suppress(*_LOSS_OF_PEER):  # it has lost nothing: it ends, or everything is saved
                self._sum(tf.constant([0.0] * len(self.cluster.addresses)))

    @functools.cached_property
    def _sum(self) -> Callable[[Any], Any]:
        def add(words: Any) -> Any:
            return self.strategy.reduce("SUM", self.strategy.run(tf.identity, args=(words,)), axis=None)

        return tf.function(add, autograph=False)  # type: ignore[no-any-return]  # TensorFlow is untyped

    def explain_lost_peer(self, error: Exception) -> Ending | None:
        """The ending that an error in an exchange with a process that is gone means; None for other errors."""
        if self.cluster is None or not isinstance(error, _LOSS_OF_PEER) or explain_failure(error).out_of_memory:
            return None
        tasks = {int(number) for number in re.findall(r"task:(\d+)", str(error))}
        peers = sorted(index for index in tasks - {self.cluster.index} if index < len(self.cluster.addresses))
        peer_names = " or ".join(named(self.cluster, index) for index in peers) or "another process of this training"
        match = re.search(r"aborted by: (.+)", str(error))
        cause = match[1].rstrip(":")[:200] if match else type(error).__name__
        return Ending("failed", f"{peer_names} is gone ({cause})", retry=True)


def split_cpu(devices: int) -> None:
    """Makes the CPU look like several devices, to try out what several GPUs do; before TensorFlow has met any."""
    cpu, *_ = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)


def choose_local_strategy() -> Any:
    """Mirrors over all visible GPUs, or all parts of a CPU that was split; else TensorFlow's default, one device."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return tf.distribute.get_strategy()
    log.info("each batch is split among %d devices", len(devices))
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def connect(run: Run, cluster: Cluster, stop: StopSignal) -> Team:
    """Connects with the other processes, which have to be there. Must come before any other use of TensorFlow."""
    os.environ.update(cluster.environment)
    # Where one dies at this very moment, TensorFlow waits for it in a call that lets no Python run: only the kernel can
    # end that, and nothing can be said any more.
    task = task_of(cluster)
    write_ending(run, task, Ending("failed", f"the other processes did not connect within {_CONNECTING} s", retry=True))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_CONNECTING)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    signal.alarm(0)
    run.outcome(task).unlink(missing_ok=True)
    # TensorFlow's coordination service has taken SIGTERM for its own.
    stop.listen()
    devices = strategy.num_replicas_in_sync
    log.info("%d processes split each batch among %d devices", len(cluster.addresses), devices)
    return Team(strategy, cluster)
