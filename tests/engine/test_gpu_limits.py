"""What TensorFlow is told of the memory of GPUs: its own configuration, with GPUs that it believes in."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from odtool.api.tasks.gpu_memory import VARIABLE

SCRIPT = """
import json, sys
from tensorflow.python.eager import context
from odtool.engine import gpu_limits
from odtool.errors import OdtoolError

own = context.context()
own._initialize_physical_devices()
gpus = [context.PhysicalDevice(name=f"/physical_device:GPU:{n}", device_type="GPU") for n in range(2)]

def configure(environment, present):
    own._physical_devices = [d for d in own._physical_devices if d.device_type != "GPU"] + present
    own._visible_device_list = list(own._physical_devices)
    own._memory_growth_map = dict.fromkeys(present)
    own._virtual_device_map = {}
    try:
        gpu_limits.apply(environment)
    except OdtoolError as error:
        return error.message
    options = own.config.gpu_options
    limits = [list(device.memory_limit_mb) for device in options.experimental.virtual_devices]
    return [options.allow_growth, [limit for limit in limits if limit]]

print(json.dumps([configure(environment, gpus[:count]) for environment, count in json.loads(sys.argv[1])]))
"""


def test_tensorflow_is_configured_for_each_gpu_and_a_gpu_it_cannot_use_is_an_error() -> None:
    cases = [
        ({VARIABLE: "grow", "CUDA_VISIBLE_DEVICES": "0,1"}, 2),
        ({VARIABLE: "4096"}, 2),
        ({VARIABLE: "all"}, 2),
        ({VARIABLE: "nonsense"}, 2),
        ({}, 2),
        ({VARIABLE: "grow", "CUDA_VISIBLE_DEVICES": "-1"}, 0),
        ({VARIABLE: "grow", "CUDA_VISIBLE_DEVICES": "0"}, 0),
    ]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(cases)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *answers, refusal = json.loads(done.stdout.splitlines()[-1])
    plain = [False, []]
    assert answers == [[True, []], [False, [[4096], [4096]]], plain, plain, plain, plain]
    assert "which TensorFlow cannot use" in refusal
