"""How a process of the engine begins: TensorFlow and the API are loaded, and stderr holds what somebody can act on."""

from __future__ import annotations

import ctypes
import gc
import os

from odtool.engine import compat, stderr_filter

_DT_BOOL = 10
"""Of tensorflow.DataType."""


def load() -> None:
    """`compat.load` for a process that does nothing else: quick, and without TensorFlow's notes on its surroundings.

    Errors of its C++ libraries are shown, except for two of which the one is no fault and the other nobody's to mend:
    that there is no GPU, where none is to be used, and that oneDNN lacks some kernels.
    """
    os.environ.setdefault(stderr_filter.LEVEL, str(stderr_filter.ERRORS))
    gpu = compat.wants_gpu()
    with stderr_filter.filtering(gpu=gpu):
        compat.load()
        _bring_errors_forward(gpu=gpu)
    # All of it stays until the end: collections need not go through it again and again.
    gc.freeze()


def _bring_errors_forward(*, gpu: bool) -> None:
    """Has both written now, where they are left out; they are written once a process."""
    import tensorflow as tf

    if not gpu:
        tf.config.list_physical_devices("GPU")
    library = compat.find_framework_library()
    if library and (warn := getattr(library, "_ZN10tensorflow26DataTypeUnsupportedWarningERKNS_8DataTypeE", None)):
        warn(ctypes.byref(ctypes.c_int(_DT_BOOL)))
