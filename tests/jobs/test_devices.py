"""GPUs, from nvidia-smi's text."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.errors import JobError
from odtool.jobs import devices, usage

TWO = """\
0, NVIDIA H100 80GB HBM3, 81559, GPU-aaaa1111-0000, 81000
1, NVIDIA GeForce GTX 1080, 8192, GPU-bbbb2222-0000, 8100
"""


def inventory(text: str = TWO, absence: str = "", **environment: str) -> devices.Inventory:
    return devices.find_gpus(environment, lambda: (text, absence))


def test_gpus_are_read_with_name_and_memory() -> None:
    assert devices.parse(TWO)[1] == devices.Gpu(1, "NVIDIA GeForce GTX 1080", 8192, "GPU-bbbb2222-0000", "1", 8100)


@pytest.mark.parametrize("text", ["", "No devices were found\n", "0, half a line\n", "x, y, z, w\n"])
def test_text_that_lists_no_gpu_is_none(text: str) -> None:
    assert devices.parse(text) == ()


def test_memory_that_is_not_told_is_zero() -> None:
    assert devices.parse("0, NVIDIA GB10, [N/A], GPU-1, [N/A]\n")[0].memory == 0


def test_the_first_gpu_is_the_default_in_the_order_of_the_bus() -> None:
    choice = devices.choose(inventory(), None)
    assert choice.environment == {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert choice.label == "GPU 0 (NVIDIA H100 80GB HBM3)"


def test_without_a_gpu_the_default_is_the_cpu_and_says_why() -> None:
    choice = devices.choose(inventory("", "no driver"), None)
    assert choice.environment == {"CUDA_VISIBLE_DEVICES": "-1"}
    assert choice.label == "cpu (no GPU: no driver)"


def test_cpu_hides_the_gpus() -> None:
    assert devices.choose(inventory(), "cpu").environment == {"CUDA_VISIBLE_DEVICES": "-1"}


def test_several_gpus_share_a_batch() -> None:
    choice = devices.choose(inventory(), "0,1")
    assert (choice.environment["CUDA_VISIBLE_DEVICES"], choice.count) == ("0,1", 2)


def test_a_gpu_that_does_not_exist_is_refused_naming_those_that_do() -> None:
    with pytest.raises(JobError, match=r"no GPU 2 here; there is: 0 \(NVIDIA H100 80GB HBM3\), 1 \(") as caught:
        devices.choose(inventory(), "2")
    assert "--gpu cpu" in caught.value.hint


def test_a_gpu_on_a_machine_without_any_is_refused_with_the_cause() -> None:
    with pytest.raises(JobError, match="no GPU 0 here: driver is broken") as caught:
        devices.choose(inventory("", "driver is broken"), "0")
    assert "--gpu cpu" in caught.value.hint


@pytest.mark.parametrize("wanted", ["", "a", "-1", "0,", "0,,1", "0.5", "0;1", "0,0"])
def test_what_is_no_list_of_gpus_is_refused(wanted: str) -> None:
    with pytest.raises(JobError, match="--gpu"):
        devices.choose(inventory(), wanted)


@pytest.mark.parametrize(
    ("visible", "names", "handed_on"),
    [
        ("1", ["NVIDIA GeForce GTX 1080"], ["1"]),
        ("1,0", ["NVIDIA GeForce GTX 1080", "NVIDIA H100 80GB HBM3"], ["1", "0"]),
        (" 0 , 1 ", ["NVIDIA H100 80GB HBM3", "NVIDIA GeForce GTX 1080"], ["0", "1"]),
        ("GPU-bbbb", ["NVIDIA GeForce GTX 1080"], ["GPU-bbbb"]),
        ("GPU-", [], []),
        ("0,-1,1", ["NVIDIA H100 80GB HBM3"], ["0"]),
        ("7,0", [], []),
        ("", [], []),
        ("MIG-cccc", ["MIG slice"], ["MIG-cccc"]),
    ],
)
def test_visible_devices_restrict_and_renumber(visible: str, names: list[str], handed_on: list[str]) -> None:
    found = inventory(CUDA_VISIBLE_DEVICES=visible)
    assert [gpu.name for gpu in found.gpus] == names
    assert [gpu.number for gpu in found.gpus] == list(range(len(names)))
    assert [gpu.device for gpu in found.gpus] == handed_on


def test_a_choice_among_visible_devices_hands_their_own_words_on() -> None:
    choice = devices.choose(inventory(CUDA_VISIBLE_DEVICES="GPU-bbbb"), "0")
    assert choice.environment == {"CUDA_VISIBLE_DEVICES": "GPU-bbbb"}


def test_hidden_gpus_are_the_reason_for_the_cpu() -> None:
    assert "CUDA_VISIBLE_DEVICES='' hides all 2" in devices.choose(inventory(CUDA_VISIBLE_DEVICES=""), None).label


@pytest.mark.parametrize(
    ("script", "absence"),
    [
        ("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", "Failed to initialize NVML"),
        ("exit 9", "exit code 9"),
    ],
)
def test_a_driver_that_does_not_answer_is_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, absence: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    found = devices.find_gpus({})
    assert found.gpus == ()
    assert absence in found.absence


def test_a_machine_without_a_driver_has_no_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices.find_gpus({}) == devices.Inventory((), "no NVIDIA driver: nvidia-smi is not installed")


def refuse(free: str, need: int | None = None, *, total: str = "81559", processes: str = "") -> None:
    found = inventory(f"0, H100, {total}, GPU-a, {free}\n1, Other, {total}, GPU-b, 1\n")
    devices.refuse_full(devices.choose(found, "0"), need, find_holders=lambda: usage.parse_processes(processes))


@pytest.mark.parametrize(
    ("free", "need", "total"),
    [("81000", None, "81559"), ("2048", None, "81559"), ("1900", None, "3000"), ("8192", 8192, "81559")],
)
def test_a_gpu_with_room_is_taken_whatever_the_others_hold(free: str, need: int | None, total: str) -> None:
    refuse(free, need, total=total)


@pytest.mark.parametrize("total", ["81559", "[N/A]"])
def test_what_the_driver_does_not_tell_refuses_nothing(total: str) -> None:
    refuse("[N/A]", total=total)


def test_a_full_gpu_is_refused_with_those_who_hold_it() -> None:
    processes = "42, GPU-a, 79000\n43, GPU-b, 100\n44, GPU-a, [N/A]\n45, GPU-a, 512\n"
    with pytest.raises(JobError) as caught:
        refuse("1536", processes=processes)
    assert caught.value.message == (
        "GPU 0 (H100) is full: 1,536 of 81,559 MiB are free (process 42 holds 79,000, process 45 holds 512)"
    )
    assert "--gpu-memory grow" in caught.value.hint


def test_a_gpu_without_room_for_the_size_asked_for_is_refused() -> None:
    with pytest.raises(JobError, match=r"too little free memory: 1,536 of 81,559 MiB, and 2,048 are asked for$"):
        refuse("1536", 2048)
    refuse("1536", 1024)
