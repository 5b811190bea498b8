"""The GPUs a process may use, asked of the driver's nvidia-smi: TensorFlow takes seconds to say the same.

Where CUDA_VISIBLE_DEVICES is set already (by a cluster's scheduler or by hand), only what it names can be chosen,
and --gpu counts from 0 within it, as CUDA itself would.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from odtool.errors import JobError

HIDDEN = "-1"
"""CUDA_VISIBLE_DEVICES for no GPU. '' hides all as well, but reads like a forgotten value in a process list."""

_QUERY = ["--query-gpu=index,name,memory.total,uuid", "--format=csv,noheader,nounits"]
_SMI_TIMEOUT = 20.0
"""Seconds. A driver that nothing keeps loaded takes a few to answer on a machine with many GPUs."""


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


@dataclass(frozen=True)
class Inventory:
    """The GPUs that can be chosen, and where there is none, why."""

    gpus: tuple[Gpu, ...]
    absence: str = ""
    restricted: bool = False
    """CUDA_VISIBLE_DEVICES was set: its own words are handed on."""


@dataclass(frozen=True)
class Choice:
    """What a process is to run on."""

    label: str
    """For people: 'cpu', 'GPU 0 (NVIDIA H100)'."""
    environment: dict[str, str]
    count: int = 1
    """Devices that share a batch."""
    memory: int | None = None
    """MiB of the smallest chosen GPU, 0 where it is not known; None for the CPU."""


CPU = Choice("cpu", {"CUDA_VISIBLE_DEVICES": HIDDEN})


def inventory(
    environment: Mapping[str, str] = os.environ, query: Callable[[], tuple[str, str]] | None = None
) -> Inventory:
    """Asks the driver which GPUs there are and leaves out those that CUDA_VISIBLE_DEVICES hides.

    Args:
        query: gives nvidia-smi's output and, where there is none, the reason.
    """
    output, absence = (query or _ask_driver)()
    gpus = parse(output)
    if not gpus:
        return Inventory((), absence or "nvidia-smi lists none")
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return Inventory(gpus)
    kept = restrict(gpus, visible)
    absence = "" if kept else f"CUDA_VISIBLE_DEVICES='{visible}' hides all {len(gpus)}"
    return Inventory(kept, absence, restricted=True)


def choose(found: Inventory, wanted: str | None) -> Choice:
    """What --gpu means here: 'cpu', '0' or '0,1'; None is the first GPU, or the CPU where there is none.

    Raises:
        JobError: there is no such GPU, or `wanted` is no list of numbers.
    """
    if wanted is None and not found.gpus:
        return Choice(f"cpu (no GPU: {found.absence})", {"CUDA_VISIBLE_DEVICES": HIDDEN})
    if wanted is not None and wanted.strip().lower() == "cpu":
        return CPU
    chosen = [_gpu(found, number) for number in _numbers("0" if wanted is None else wanted)]
    environment = {"CUDA_VISIBLE_DEVICES": ",".join(gpu.device for gpu in chosen)}
    if not found.restricted:
        # CUDA counts the fastest first unless told otherwise; nvidia-smi counts by PCI bus.
        environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    label = ", ".join(f"GPU {gpu.number} ({gpu.name})" for gpu in chosen)
    return Choice(label, environment, len(chosen), min(gpu.memory for gpu in chosen))


def parse(output: str) -> tuple[Gpu, ...]:
    """Reads nvidia-smi's lines: index, name, memory in MiB, UUID."""
    gpus = []
    for line in output.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 4 and fields[0].isdecimal():
            memory = int(fields[2]) if fields[2].isdecimal() else 0  # '[N/A]' where the CPU's memory is used
            gpus.append(Gpu(int(fields[0]), fields[1], memory, fields[3], fields[0]))
    return tuple(gpus)


def restrict(gpus: Sequence[Gpu], visible: str) -> tuple[Gpu, ...]:
    """The GPUs that a CUDA_VISIBLE_DEVICES leaves, numbered from 0 in its order.

    As CUDA does, entries are indices, UUIDs or beginnings of UUIDs, and what follows an unknown one is hidden too
    (CUDA C++ Programming Guide, "CUDA Environment Variables").
    """
    kept: list[Gpu] = []
    for word in (entry.strip() for entry in visible.split(",")):
        if word.startswith("MIG-"):  # a slice of a GPU, which the query does not list
            kept.append(Gpu(len(kept), "MIG slice", 0, word, word))
            continue
        matches = [gpu for gpu in gpus if word == gpu.device or (word.startswith("GPU-") and gpu.uuid.startswith(word))]
        if len(matches) != 1:
            break
        kept.append(replace(matches[0], number=len(kept), device=word))
    return tuple(kept)


def _numbers(wanted: str) -> list[int]:
    words = [word.strip() for word in wanted.split(",")]
    if not all(word.isdecimal() for word in words):
        raise JobError(f"--gpu {wanted}: not a GPU number", "Give numbers as in --gpu 0 or --gpu 0,1, or --gpu cpu.")
    if len(set(words)) != len(words):
        raise JobError(f"--gpu {wanted}: a GPU is named twice", "Name each GPU once.")
    return [int(word) for word in words]


def _gpu(found: Inventory, number: int) -> Gpu:
    for gpu in found.gpus:
        if gpu.number == number:
            return gpu
    if not found.gpus:
        raise JobError(f"there is no GPU {number} here: {found.absence}", "Use the processor instead: --gpu cpu")
    known = ", ".join(f"{gpu.number} ({gpu.name})" for gpu in found.gpus)
    raise JobError(f"there is no GPU {number} here; there is: {known}", "Name one of these, or use --gpu cpu")


def _ask_driver() -> tuple[str, str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "", "no NVIDIA driver, as there is no nvidia-smi"
    try:
        done = subprocess.run(
            [program, *_QUERY], capture_output=True, text=True, errors="replace", timeout=_SMI_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"{program}: {error}"
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines() or [f"exit code {done.returncode}"]
        return "", f"{program}: {said[0]}"
    return done.stdout, ""
