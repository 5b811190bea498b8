"""The device that a process is to be started on, and how much of it that process may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from odtool.api.requests import RequestError, choose_device
from odtool.api.tasks import gpu_memory
from odtool.errors import ConfigError
from odtool.jobs import devices
from odtool.jobs.devices import DeviceChoice


def claim_device(
    gpu: str | int | None,
    memory: str | None = None,
    *,
    earlier: Mapping[str, str] | None = None,
    is_running: bool = False,
) -> DeviceChoice:
    """What `gpu` means on this machine, with what the process's environment needs for it.

    Args:
        memory: of each GPU: grow, all, or a size such as 8GB.
        earlier: environment of the same work's last start, which is kept to where no memory is given.
        is_running: the same work is, and so holds what it needs.

    Raises:
        RequestError: the memory cannot be had.
        JobError: there is no such GPU, or it is full.
    """
    choice = choose_device(gpu)
    if choice.memory is None:
        if memory is not None:
            raise RequestError(
                "gpu_memory", f"is of a GPU, and this is to run on {choice.label}", "Name a GPU: --gpu 0"
            )
        return choice
    setting = gpu_memory.read(earlier or {}) if memory is None else _parse(memory, choice)
    if not is_running:
        devices.refuse_full(choice, int(setting) if setting.isdecimal() else None)
    label = ", ".join(filter(None, (choice.label, gpu_memory.describe(setting))))
    return replace(choice, label=label, environment={**choice.environment, gpu_memory.VARIABLE: setting})


def _parse(memory: str, choice: DeviceChoice) -> str:
    from odtool.pipeline.configure import batch_size_search

    word = memory.strip().lower()
    if word in (gpu_memory.GROW, gpu_memory.ALL):
        return word
    total = choice.memory or 0
    try:
        size = batch_size_search.parse(word, total * 2**20) // 2**20
    except ConfigError as error:
        problem = error.message.rpartition(": ")[2]
        hint = "Use grow, all, or a size such as 8GB, 7.5GiB or 40%."
        raise RequestError("gpu_memory", f"'{memory}': {problem}", hint) from None
    if total and size > total:
        raise RequestError("gpu_memory", f"'{memory}' is more than the {total / 1024:.1f} GiB of {choice.label}")
    if not size:
        raise RequestError("gpu_memory", f"'{memory}' is less than 1 MiB")
    return str(size)
