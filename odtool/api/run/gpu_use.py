"""What a run's tasks use of the GPUs they run on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from odtool.jobs import devices, process, record, state, usage
from odtool.jobs.usage import GpuProcess, GpuUse
from odtool.workspace import TASKS, Run


@dataclass(frozen=True)
class TaskGpuUse:
    """A GPU that a task runs on."""

    number: int
    """As nvidia-smi counts."""
    name: str
    percent: int | None
    """Of the time of the last second or so in which it worked, for whomever; None where it is not known."""
    own: int | None
    """MiB that the task's processes hold; None where the driver does not tell, as in most containers."""
    used: int | None
    """MiB that all processes hold."""
    total: int | None


def measure(run: Run) -> dict[str, tuple[TaskGpuUse, ...]]:
    """The GPUs of each task of a run that is running on any of this machine."""
    visible = {task: words for task in TASKS if (words := _find_visible(run, task))}
    gpus = usage.measure_gpus() if visible else ()
    if not gpus:
        return {}
    processes = usage.measure_gpu_processes()
    return {task: pick(words, gpus, processes, _list_pids(run, task)) for task, words in visible.items()}


def pick(
    visible: str, gpus: Sequence[GpuUse], processes: Sequence[GpuProcess], pids: Collection[int]
) -> tuple[TaskGpuUse, ...]:
    """Those that a CUDA_VISIBLE_DEVICES names, by number or by UUID, with what some processes hold of each."""
    uses = []
    for word in (entry.strip() for entry in visible.split(",")):
        for gpu in gpus:
            if word == str(gpu.number) or (word.startswith("GPU-") and gpu.uuid.startswith(word)):
                own = [entry.used for entry in processes if entry.uuid == gpu.uuid and entry.pid in pids]
                held = sum(own) if own else None
                uses.append(TaskGpuUse(gpu.number, gpu.name, gpu.percent, held, gpu.used, gpu.total))
    return tuple(uses)


def _find_visible(run: Run, task: str) -> str:
    """CUDA_VISIBLE_DEVICES of a task that is running on this machine's GPUs; else empty."""
    job = record.load(run, task)
    if job is None or job.machine != process.identify_machine() or state.read(run, task).state != "running":
        return ""
    visible = job.environment.get("CUDA_VISIBLE_DEVICES", "")
    return "" if visible == devices.HIDDEN else visible


def _list_pids(run: Run, task: str) -> set[int]:
    job = record.load(run, task)
    return usage.list_family(job.pid) if job is not None and job.pid is not None else set()
