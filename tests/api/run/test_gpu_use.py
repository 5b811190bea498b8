"""The GPUs of a run's tasks."""

from __future__ import annotations

import pytest

from odtool.api.run import gpu_use
from odtool.jobs import usage

GPUS = usage.parse("0, H100, 91, 60000, 81559, GPU-aa-1\n1, H100, [N/A], [N/A], [N/A], GPU-bb-2\n")
PROCESSES = usage.parse_processes("7, GPU-aa-1, 300\n8, GPU-aa-1, 200\n9, GPU-aa-1, 50000\n9, GPU-bb-2, 5\n")


@pytest.mark.parametrize(
    ("visible", "pids", "expected"),
    [
        ("0", {7, 8}, [(0, 91, 500)]),
        ("0", {12}, [(0, 91, None)]),
        ("1,0", {9}, [(1, None, 5), (0, 91, 50000)]),
        (" GPU-bb ", {9}, [(1, None, 5)]),
        ("MIG-cc", {9}, []),
        ("5", {9}, []),
        ("GPU", {9}, []),
    ],
)
def test_gpus_are_those_named_with_the_memory_of_the_tasks_own_processes(
    visible: str, pids: set[int], expected: list[tuple[int, int | None, int | None]]
) -> None:
    uses = gpu_use.pick(visible, GPUS, PROCESSES, pids)
    assert [(use.number, use.percent, use.own) for use in uses] == expected
