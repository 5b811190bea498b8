"""Which part a process takes, as it is told and as schedulers say."""

from __future__ import annotations

import pytest

from odtool import parts
from odtool.errors import DataError
from odtool.parts import WorkPart

STEP = {"SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "4"}
BATCH = {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}
ARRAY = {
    "SLURM_ARRAY_TASK_ID": "5",
    "SLURM_ARRAY_TASK_MIN": "1",
    "SLURM_ARRAY_TASK_MAX": "9",
    "SLURM_ARRAY_TASK_COUNT": "5",
}
POD = {"JOB_COMPLETION_INDEX": "3"}


@pytest.mark.parametrize(
    ("text", "environment", "part"),
    [
        ("2/16", {}, WorkPart(2, 16)),
        ("1/1", {}, WorkPart(1, 1)),
        ("2/16", STEP, WorkPart(2, 16)),
        ("none", STEP, None),
        (None, {}, None),
        (None, STEP, WorkPart(3, 4)),
        (None, {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}, None),
        (None, BATCH, None),
        (None, ARRAY, None),
        (None, POD, None),
        ("auto", STEP, WorkPart(3, 4)),
        ("auto", {"SLURM_PROCID": "1", "SLURM_NTASKS": "4"}, WorkPart(2, 4)),
        ("auto", ARRAY, WorkPart(3, 5)),
        ("auto/5", ARRAY, WorkPart(3, 5)),
        ("auto/8", POD, WorkPart(4, 8)),
        ("auto", {**ARRAY, **STEP}, WorkPart(3, 4)),
        ("auto", {**ARRAY, **BATCH}, WorkPart(3, 5)),
    ],
)
def test_a_part_is_as_told_or_as_the_scheduler_says(
    text: str | None, environment: dict[str, str], part: WorkPart | None
) -> None:
    assert parts.choose(text, environment) == part


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("0/4", {}, "no part 0 of 4"),
        ("5/4", {}, "no part 5 of 4"),
        ("2", {}, "'2' is not a part"),
        ("2/", {}, "not a part"),
        ("-1/4", {}, "not a part"),
        ("\N{ARABIC-INDIC DIGIT ONE}/\N{ARABIC-INDIC DIGIT TWO}", {}, "not a part"),
        ("1/1000000", {}, "too many"),
        ("auto", {}, "neither Slurm nor Kubernetes"),
        ("auto", POD, "how many there are"),
        ("auto/3", POD, "no part 4 of 3"),
        ("auto/8", ARRAY, "has 5 tasks"),
        ("auto", {"SLURM_PROCID": "x", "SLURM_NTASKS": "4"}, "SLURM_PROCID is 'x'"),
        ("auto", {**ARRAY, "SLURM_ARRAY_TASK_COUNT": "4"}, "not evenly spaced"),
        ("auto", {"SLURM_ARRAY_TASK_ID": "1"}, "SLURM_ARRAY_TASK_MIN is ''"),
    ],
)
def test_what_is_no_part_is_refused_with_its_cause(text: str, environment: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        parts.choose(text, environment)


def test_pieces_are_dealt_out_once_each() -> None:
    owners = [[number for number in range(1, 5) if WorkPart(number, 4).holds(index)] for index in range(40)]
    assert all(len(owner) == 1 for owner in owners)
    assert {owner[0] for owner in owners} == {1, 2, 3, 4}


def test_a_task_that_does_everything_beside_others_is_told_of_its_part() -> None:
    assert "task 3 of 5 of a Slurm array" in parts.warn_of_others(ARRAY)
    assert "task 3 of 5 of a Slurm array" in parts.warn_of_others({**ARRAY, **BATCH, "SLURM_JOB_ID": "7"})
    assert "--part auto/N" in parts.warn_of_others(POD)
    assert parts.warn_of_others({}) == ""


@pytest.mark.parametrize(("text", "part"), [("none", None), ("2/4", WorkPart(2, 4))])
def test_what_is_said_outright_does_not_depend_on_the_scheduler(text: str, part: WorkPart | None) -> None:
    for environment in (
        {"SLURM_PROCID": "x", "SLURM_STEP_NUM_TASKS": "4"},
        {"SLURM_ARRAY_TASK_ID": "3"},
        {"JOB_COMPLETION_INDEX": ""},
    ):
        assert parts.choose(text, environment) == part


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        ({"SLURM_JOB_ID": "7", **BATCH}, "4 tasks"),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2"}, "2 tasks"),  # a shell that salloc has started
        ({"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_JOB_NUM_NODES": "3"}, "3 nodes"),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1"}, ""),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "many", "SLURM_JOB_NUM_NODES": ""}, ""),
        ({"SLURM_JOB_ID": "7", **BATCH, "SLURM_STEP_ID": "0"}, ""),
        ({"SLURM_JOB_ID": "7", **STEP, "SLURM_NTASKS": "4"}, ""),
        (BATCH, ""),
        ({}, ""),
    ],
)
def test_tasks_that_nobody_has_started_are_told(environment: dict[str, str], count: str) -> None:
    told = parts.describe_idle_tasks(environment)
    assert told.startswith(f"this Slurm job has {count}, ") if count else told == ""
    if count:
        assert parts.warn_of_others(environment) == told


@pytest.mark.parametrize(
    "environment", [{}, BATCH, ARRAY, POD, {"SLURM_PROCID": "x", "SLURM_STEP_NUM_TASKS": "4"}, {**STEP, **ARRAY}]
)
def test_work_that_each_task_of_a_step_does_whole_is_told_and_that_of_no_other(environment: dict[str, str]) -> None:
    told = parts.describe_repeated_work(environment)
    assert told.startswith("this is task 3 of 4 of a Slurm step") if "2" in environment.values() else told == ""
