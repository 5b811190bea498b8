"""Over which devices a training is spread: one, or several that each take a share of the batch."""

from __future__ import annotations

import logging
from typing import Any

import tensorflow as tf

log = logging.getLogger("odtool.engine")


def split_cpu(devices: int) -> None:
    """Makes the CPU look like several devices, to try out what several GPUs do; before TensorFlow has met any."""
    cpu, *_ = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)


def local_strategy() -> Any:
    """Mirrors over all visible GPUs, or all parts of a CPU that was split; else TensorFlow's default, one device."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return tf.distribute.get_strategy()
    log.info("a batch is shared by %d devices", len(devices))
    return tf.distribute.MirroredStrategy([device.name for device in devices])
