"""What TensorFlow takes of the memory of GPUs: all of it, unless it is told otherwise before it meets them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from odtool.api.tasks import gpu_memory
from odtool.errors import OdtoolError


def apply(environment: Mapping[str, str] = os.environ) -> None:
    """Does what `odtool.api.tasks.gpu_memory` says; to be called before any operation has run.

    Raises:
        OdtoolError: there is no GPU that TensorFlow can use.
    """
    setting = gpu_memory.read(environment)
    if setting == gpu_memory.ALL:
        return
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        raise OdtoolError(
            "--gpu-memory: the driver lists a GPU, which TensorFlow cannot use",
            "odtool doctor says what is missing; --gpu cpu does without.",
        )
    for gpu in gpus:
        if setting == gpu_memory.GROW:
            tf.config.experimental.set_memory_growth(gpu, True)
        else:
            limit = tf.config.LogicalDeviceConfiguration(memory_limit=int(setting))
            tf.config.set_logical_device_configuration(gpu, [limit])
