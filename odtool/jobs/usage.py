"""What the machine and a run's processes are using now: memory, and the GPUs as the driver's nvidia-smi tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from odtool.jobs import nvidia_smi

_FIELDS = "index,name,utilization.gpu,memory.used,memory.total,uuid"
_PROCESS_FIELDS = "pid,gpu_uuid,used_memory"
_PATIENCE = 5.0
"""Seconds for nvidia-smi; what it says later is out of date."""


@dataclass(frozen=True)
class GpuUse:
    """One GPU, as nvidia-smi numbers it."""

    number: int
    name: str
    percent: int | None
    """Of the time of the last second or so in which it worked; None where it is not known, as is `used`."""
    used: int | None
    """MiB, by all processes."""
    total: int | None
    uuid: str = ""


@dataclass(frozen=True)
class GpuProcess:
    """A process that computes on a GPU."""

    pid: int
    """Of the machine: in a container the driver's numbers are not those that /proc has there."""
    uuid: str
    """Of the GPU."""
    used: int
    """MiB of it."""


@dataclass(frozen=True)
class MachineUse:
    """The machine's memory, in bytes, and its processors."""

    used: int
    total: int
    percent: float
    """Of all processors' time since it was asked last."""


def measure_gpus(query: Callable[[], str] | None = None) -> tuple[GpuUse, ...]:
    """Every GPU; none where there is no driver, or it does not answer."""
    return parse(query() if query else nvidia_smi.query(_FIELDS, timeout=_PATIENCE)[0])


def parse(output: str) -> tuple[GpuUse, ...]:
    """Reads nvidia-smi's lines; figures that it does not have ('[N/A]') are None."""
    devices = []
    for line in output.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 6 and fields[0].isdecimal():
            percent, used, total = (int(field) if field.isdecimal() else None for field in fields[2:5])
            devices.append(GpuUse(int(fields[0]), fields[1], percent, used, total, fields[5]))
    return tuple(devices)


def measure_gpu_processes(query: Callable[[], str] | None = None) -> tuple[GpuProcess, ...]:
    """Every process on every GPU; none where there is no driver, or it does not tell."""
    return parse_processes(
        query() if query else nvidia_smi.query(_PROCESS_FIELDS, timeout=_PATIENCE, of="compute-apps")[0]
    )


def parse_processes(output: str) -> tuple[GpuProcess, ...]:
    """Reads nvidia-smi's lines. One whose memory is not told ('[N/A]', '[Insufficient Permissions]') is left out."""
    processes = []
    for line in output.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 3 and fields[0].isdecimal() and fields[2].isdecimal():
            processes.append(GpuProcess(int(fields[0]), fields[1], int(fields[2])))
    return tuple(processes)


def measure_machine() -> MachineUse:
    """The machine's memory and processors."""
    import psutil

    memory = psutil.virtual_memory()
    return MachineUse(memory.total - memory.available, memory.total, psutil.cpu_percent())


def measure_process_memory(pid: int) -> int | None:
    """Bytes of memory that a process and its children hold; None where it is gone or another user's."""
    import psutil

    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return sum(_measure_resident(member) for member in family)
    except psutil.Error:
        return None


def list_family(pid: int) -> set[int]:
    """A process and its children; none where it is gone or another user's."""
    import psutil

    try:
        process = psutil.Process(pid)
        return {member.pid for member in (process, *process.children(recursive=True))}
    except psutil.Error:
        return set()


def _measure_resident(process: object) -> int:
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
