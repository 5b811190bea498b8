"""The GPUs a process may use, asked of the driver's nvidia-smi: TensorFlow takes seconds to say the same.

Where CUDA_VISIBLE_DEVICES is set already (by a cluster's scheduler or by hand), only what it names can be chosen,
and --gpu counts from 0 within it, as CUDA itself would.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from odtool.errors import JobError
from odtool.jobs import nvidia_smi, usage
from odtool.jobs.usage import GpuProcess

HIDDEN = "-1"
"""CUDA_VISIBLE_DEVICES for no GPU. '' hides all as well, but reads like a forgotten value in a process list."""

_FIELDS = "index,name,memory.total,uuid,memory.free"
_SMI_TIMEOUT = 20.0
"""Seconds. A driver that nothing keeps loaded takes a few to answer on a machine with many GPUs."""
_LEAST_FREE = 2048
"""MiB. Of a card that it takes whole, TensorFlow leaves 1,800 at most (MinSystemMemory in its gpu_device.cc), of which
CUDA's own needs are met: where there is less, somebody has the card."""


@dataclass(frozen=True)
class Gpu:
    """One GPU, by the number that --gpu knows it by."""

    number: int
    name: str
    memory: int
    """MiB; 0 where it is not known."""
    uuid: str
    device: str
    """What names it in CUDA_VISIBLE_DEVICES."""
    free: int | None = None
    """MiB that no process holds; None where it is not known."""


@dataclass(frozen=True)
class Inventory:
    """The GPUs that can be chosen, and where there is none, why."""

    gpus: tuple[Gpu, ...]
    absence: str = ""
    restricted: bool = False
    """CUDA_VISIBLE_DEVICES was set: its own words are handed on."""


@dataclass(frozen=True)
class DeviceChoice:
    """What a process is to run on."""

    label: str
    """For people: 'cpu', 'GPU 0 (NVIDIA H100)'."""
    environment: dict[str, str]
    count: int = 1
    """Devices that share a batch."""
    memory: int | None = None
    """MiB of the smallest chosen GPU, 0 where it is not known; None for the CPU."""
    gpus: tuple[Gpu, ...] = ()


CPU = DeviceChoice("cpu", {"CUDA_VISIBLE_DEVICES": HIDDEN})


def find_gpus(
    environment: Mapping[str, str] = os.environ, query: Callable[[], tuple[str, str]] | None = None
) -> Inventory:
    """Asks the driver which GPUs there are and leaves out those that CUDA_VISIBLE_DEVICES hides.

    Args:
        query: gives nvidia-smi's output and, where there is none, the reason.
    """
    output, absence = query() if query else nvidia_smi.query(_FIELDS, timeout=_SMI_TIMEOUT)
    gpus = parse(output)
    if not gpus:
        return Inventory((), absence or "nvidia-smi lists no GPU")
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return Inventory(gpus)
    remaining = restrict(gpus, visible)
    absence = "" if remaining else f"CUDA_VISIBLE_DEVICES='{visible}' hides all {len(gpus)}"
    return Inventory(remaining, absence, restricted=True)


def choose(inventory: Inventory, numbers: str | None) -> DeviceChoice:
    """What --gpu means here: 'cpu', '0' or '0,1'; None is the first GPU, or the CPU where there is none.

    Raises:
        JobError: there is no such GPU, or `numbers` is not a list of numbers.
    """
    if numbers is None and not inventory.gpus:
        return DeviceChoice(f"cpu (no GPU: {inventory.absence})", {"CUDA_VISIBLE_DEVICES": HIDDEN})
    if numbers is not None and numbers.strip().lower() == "cpu":
        return CPU
    selection = [_find_gpu(inventory, number) for number in _parse_numbers("0" if numbers is None else numbers)]
    environment = {"CUDA_VISIBLE_DEVICES": ",".join(gpu.device for gpu in selection)}
    if not inventory.restricted:
        # CUDA counts the fastest first unless told otherwise; nvidia-smi counts by PCI bus.
        environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    label = ", ".join(f"GPU {gpu.number} ({gpu.name})" for gpu in selection)
    return DeviceChoice(label, environment, len(selection), min(gpu.memory for gpu in selection), tuple(selection))


def refuse_full(
    choice: DeviceChoice,
    need: int | None = None,
    *,
    find_holders: Callable[[], Sequence[GpuProcess]] = usage.measure_gpu_processes,
) -> None:
    """Raises JobError where a chosen GPU has no room for another process: TensorFlow would say so after a minute.

    Args:
        need: MiB; by default what a GPU has free that nobody uses.
    """
    for gpu in choice.gpus:
        least = need or min(_LEAST_FREE, gpu.memory // 2)
        if gpu.free is None or gpu.free >= least:
            continue
        free = f"{gpu.free:,} of {gpu.memory:,} MiB"
        lack = (
            f"has too little free memory: {free}, and {need:,} are asked for" if need else f"is full: {free} are free"
        )
        raise JobError(
            f"GPU {gpu.number} ({gpu.name}) {lack}{_describe_holders(gpu, find_holders())}",
            "Name another GPU, wait until it is free, or use --gpu cpu. Runs share a card where each was started with "
            "--gpu-memory grow or a size.",
        )


def _describe_holders(gpu: Gpu, processes: Sequence[GpuProcess]) -> str:
    holders = [f"process {process.pid} holds {process.used:,}" for process in processes if process.uuid == gpu.uuid]
    return f" ({', '.join(holders)})" if holders else ""


def parse(output: str) -> tuple[Gpu, ...]:
    """Reads nvidia-smi's lines: index, name, memory in MiB, UUID, free memory in MiB."""
    gpus = []
    for line in output.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 5 and fields[0].isdecimal():
            # '[N/A]' where the CPU's memory is used.
            memory, free = (int(field) if field.isdecimal() else None for field in (fields[2], fields[4]))
            gpus.append(Gpu(int(fields[0]), fields[1], memory or 0, fields[3], fields[0], free))
    return tuple(gpus)


def restrict(gpus: Sequence[Gpu], visible: str) -> tuple[Gpu, ...]:
    """The GPUs that a CUDA_VISIBLE_DEVICES leaves, numbered from 0 in its order.

    As CUDA does, entries are indices, UUIDs or beginnings of UUIDs, and what follows an unknown one is hidden too
    (CUDA C++ Programming Guide, "CUDA Environment Variables").
    """
    remaining: list[Gpu] = []
    for word in (entry.strip() for entry in visible.split(",")):
        if word.startswith("MIG-"):  # a slice of a GPU, which the query does not list
            remaining.append(Gpu(len(remaining), "MIG slice", 0, word, word))
            continue
        matches = [gpu for gpu in gpus if word == gpu.device or (word.startswith("GPU-") and gpu.uuid.startswith(word))]
        if len(matches) != 1:
            break
        remaining.append(replace(matches[0], number=len(remaining), device=word))
    return tuple(remaining)


def _parse_numbers(option: str) -> list[int]:
    words = [word.strip() for word in option.split(",")]
    if not all(word.isdecimal() for word in words):
        raise JobError(f"--gpu {option}: not a GPU number", "Give numbers as in --gpu 0 or --gpu 0,1, or --gpu cpu.")
    if len(set(words)) != len(words):
        raise JobError(f"--gpu {option}: a GPU is named twice", "Name each GPU once.")
    return [int(word) for word in words]


def _find_gpu(inventory: Inventory, number: int) -> Gpu:
    for gpu in inventory.gpus:
        if gpu.number == number:
            return gpu
    if not inventory.gpus:
        raise JobError(f"there is no GPU {number} here: {inventory.absence}", "Use the processor instead: --gpu cpu")
    available = ", ".join(f"{gpu.number} ({gpu.name})" for gpu in inventory.gpus)
    raise JobError(f"there is no GPU {number} here; there is: {available}", "Name one of these, or use --gpu cpu")
