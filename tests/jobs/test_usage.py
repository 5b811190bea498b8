"""What is used now: nvidia-smi's lines, and real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from odtool.jobs import usage


def test_lines_of_nvidia_smi_are_read() -> None:
    output = "0, NVIDIA H100, 87, 2048, 81559, GPU-a\n1, GB10, [N/A], [N/A], [N/A], GPU-b\nFailed to initialize\n"
    assert usage.parse(output) == (
        usage.GpuUse(0, "NVIDIA H100", 87, 2048, 81559, "GPU-a"),
        usage.GpuUse(1, "GB10", None, None, None, "GPU-b"),
    )


@pytest.mark.parametrize("script", ["exit 9", "kill -9 $$", "echo nonsense"])
def test_a_driver_that_does_not_answer_has_no_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert usage.measure_gpus() == ()


def test_children_count_and_the_dead_do_not() -> None:
    alone = usage.measure_process_memory(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "x = b'x' * 10**8; input()"], stdin=subprocess.PIPE) as child:
        assert alone is not None
        while (used := usage.measure_process_memory(child.pid) or 0) < 10**8 and child.poll() is None:
            pass
        assert used >= 10**8
        assert (usage.measure_process_memory(os.getpid()) or 0) > alone + 10**8 * 0.9
        child.communicate(b"\n")
    assert usage.measure_process_memory(child.pid) is None
    assert 0 < usage.measure_machine().used < usage.measure_machine().total


def test_processes_are_read_as_far_as_their_memory_is_told() -> None:
    output = (
        "4242, GPU-aaaa1111-0000, 79648\n"
        "4242, GPU-bbbb2222-0000, 512\n"
        "17, GPU-aaaa1111-0000, [N/A]\n"
        "18, GPU-aaaa1111-0000, [Insufficient Permissions]\n"
        "No running processes found\n"
        "pid, gpu_uuid, used_gpu_memory [MiB]\n"
    )
    assert usage.parse_processes(output) == (
        usage.GpuProcess(4242, "GPU-aaaa1111-0000", 79648),
        usage.GpuProcess(4242, "GPU-bbbb2222-0000", 512),
    )


def test_processes_are_asked_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\ntest "$1" = --query-compute-apps=pid,gpu_uuid,used_memory && echo "7, GPU-a, 300"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert usage.measure_gpu_processes() == (usage.GpuProcess(7, "GPU-a", 300),)
