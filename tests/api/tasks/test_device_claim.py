"""Devices that a process is started on, and the memory it may take there."""

from __future__ import annotations

import pytest

from odtool.api import requests
from odtool.api.requests import RequestError
from odtool.api.tasks import gpu_memory
from odtool.api.tasks.device_claim import claim_device
from odtool.errors import JobError
from odtool.jobs import devices, usage
from odtool.jobs.devices import DeviceChoice


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One GPU of 16 GiB, 6 of them free."""
    inventory = devices.Inventory(devices.parse("0, T4, 16384, GPU-1, 6144"))
    monkeypatch.setattr(devices, "find_gpus", lambda: inventory)
    monkeypatch.setattr(usage, "measure_gpu_processes", tuple)


def settle(memory: str | None = None, **earlier: str) -> tuple[str, str]:
    choice = claim_device(0, memory, earlier=earlier or None)
    return choice.environment[gpu_memory.VARIABLE], choice.label


@pytest.mark.parametrize(
    ("memory", "setting", "label"),
    [
        (None, "all", "GPU 0 (T4)"),
        ("all", "all", "GPU 0 (T4)"),
        ("grow", "grow", "GPU 0 (T4), memory as needed"),
        (" Grow ", "grow", "GPU 0 (T4), memory as needed"),
        ("4GiB", "4096", "GPU 0 (T4), at most 4.0 GiB"),
        ("4gb", "3814", "GPU 0 (T4), at most 3.7 GiB"),
        ("25%", "4096", "GPU 0 (T4), at most 4.0 GiB"),
    ],
)
def test_the_memory_asked_for_is_in_the_environment_and_told(memory: str | None, setting: str, label: str) -> None:
    assert settle(memory) == (setting, label)


@pytest.mark.parametrize(
    ("earlier", "memory", "setting"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0", gpu_memory.VARIABLE: "grow"}, None, "grow"),
        ({"CUDA_VISIBLE_DEVICES": "0", gpu_memory.VARIABLE: "512"}, None, "512"),
        ({"CUDA_VISIBLE_DEVICES": "0", gpu_memory.VARIABLE: "512"}, "all", "all"),
        ({"CUDA_VISIBLE_DEVICES": "0", gpu_memory.VARIABLE: "0"}, None, "all"),
        ({"CUDA_VISIBLE_DEVICES": "0", gpu_memory.VARIABLE: "most"}, None, "all"),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, None, "all"),
    ],
)
def test_what_the_last_start_had_is_kept_unless_something_else_is_asked_for(
    earlier: dict[str, str], memory: str | None, setting: str
) -> None:
    assert settle(memory, **earlier)[0] == setting


@pytest.mark.parametrize(
    ("memory", "problem"),
    [
        ("growth", "'growth': not a size"),
        ("", "'': not a size"),
        ("8", "'8': not a size"),
        ("-1GB", "'-1GB': not a size"),
        ("0GB", "'0GB': is nothing"),
        ("120%", "'120%': is more than there is"),
        ("17GiB", "'17GiB' is more than the 16.0 GiB of GPU 0"),
        ("12kb", "'12kb' is less than 1 MiB"),
    ],
)
def test_what_is_no_memory_of_this_gpu_is_refused(memory: str, problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        settle(memory)
    assert caught.value.field == "gpu_memory"
    assert problem in caught.value.problem


@pytest.mark.parametrize("gpu", ["cpu", None])
def test_the_memory_of_a_gpu_is_refused_where_there_is_none(gpu: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "find_gpus", lambda: devices.Inventory((), "no driver"))
    with pytest.raises(RequestError, match="this is to run on cpu"):
        claim_device(gpu, "grow")
    assert gpu_memory.VARIABLE not in claim_device(gpu).environment


def test_a_full_gpu_is_refused_unless_the_work_itself_fills_it(monkeypatch: pytest.MonkeyPatch) -> None:
    full = devices.choose(devices.Inventory(devices.parse("0, T4, 16384, GPU-1, 500")), "0")
    monkeypatch.setattr("odtool.api.tasks.device_claim.choose_device", lambda _: full)
    with pytest.raises(JobError, match=r"is full: 500 of 16,384 MiB are free"):
        claim_device(0)
    assert isinstance(claim_device(0, is_running=True), DeviceChoice)
    with pytest.raises(JobError, match=r"and 7,168 are asked for"):
        claim_device(0, "7GiB")
    assert claim_device(0, "400MiB").environment[gpu_memory.VARIABLE] == "400"
    assert requests.choose_device(0).count == 1
