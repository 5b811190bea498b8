"""How much of a GPU's memory a process may take, as commands hand it to the engine: by an environment variable."""

from __future__ import annotations

from collections.abc import Mapping

VARIABLE = "ODTOOL_GPU_MEMORY"
"""Holds GROW, ALL or a number of MiB. It goes with CUDA_VISIBLE_DEVICES, so that a job that is started again by its
supervisor has the same."""
GROW = "grow"
"""What is needed, when it is needed. TensorFlow gives nothing of it back before its process ends."""
ALL = "all"
"""What is free at the start, as TensorFlow does."""


def read(environment: Mapping[str, str]) -> str:
    """GROW, ALL, or a number of MiB as a text; ALL where nothing else is said, or no GPU is visible."""
    if environment.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return ALL
    setting = environment.get(VARIABLE, ALL)
    return setting if setting == GROW or (setting.isdecimal() and int(setting)) else ALL


def describe(setting: str) -> str:
    """For people, to follow the name of a GPU; empty for ALL."""
    if setting == ALL:
        return ""
    return "memory as needed" if setting == GROW else f"at most {int(setting) / 1024:.1f} GiB"
