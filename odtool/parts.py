"""Which part of a work that several machines share this process does: as it is told, or as its scheduler says.

Slurm's variables are those of `man srun` and `man sbatch`, "OUTPUT ENVIRONMENT VARIABLES"; JOB_COMPLETION_INDEX is set
in the pods of a Kubernetes Job whose completionMode is Indexed, which are not told how many there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from odtool.errors import DataError

_FORMS = "A part is 2/16, auto, auto/16, or none for everything."
_MOST = 100_000
_NAMED = 10
"""Missing parts that a message names."""


@dataclass(frozen=True, order=True)
class WorkPart:
    """One of several."""

    number: int
    """From 1."""
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def file_stem(self) -> str:
        """As it stands in names of files, in whose order parts then are: 00002-of-00016."""
        return f"{self.number:05d}-of-{self.count:05d}"

    def holds(self, index: int) -> bool:
        """Whether the piece of this number, from 0, is in the part: they are dealt out in turn."""
        return index % self.count == self.number - 1


@dataclass(frozen=True)
class ScheduledTask:
    """What a scheduler says of this process."""

    index: int
    """From 0."""
    count: int | None
    """None where it does not say."""
    source: str
    """For people: 'a Slurm step'."""
    alike: bool
    """Whether all of them were certainly started with one command line."""


def choose(text: str | None, environment: Mapping[str, str]) -> WorkPart | None:
    """The part that is meant; None for everything.

    Where nothing is said, a task of a Slurm step takes its part, as the others were given the same command. The jobs of
    an array and the pods of an Indexed Job may each have work of its own, so that these are to be told.

    Raises:
        DataError: the text is not a part, or nothing here says which one is meant.
    """
    if text is None:
        task = find_task(environment)
        return _make_part(task, task.count) if task is not None and task.alike else None
    word = text.strip().lower()
    if word == "none":
        return None
    if match := re.fullmatch(r"([0-9]+)/([0-9]+)", word):
        return _checked(int(match[1]), int(match[2]))
    match = re.fullmatch(r"auto(?:/([0-9]+))?", word)
    if match is None:
        raise DataError(f"'{text}' is not a part", _FORMS)
    if (task := find_task(environment)) is None:
        raise DataError(
            "neither Slurm nor Kubernetes says which part this is: SLURM_PROCID, SLURM_ARRAY_TASK_ID and "
            "JOB_COMPLETION_INDEX are not set",
            _FORMS,
        )
    return _make_part(task, int(match[1]) if match[1] else None)


def find_task(environment: Mapping[str, str]) -> ScheduledTask | None:
    """Which of several tasks this process is; None where it is none or the only one.

    Raises:
        DataError: the variables are there and do not make sense.
    """
    # srun alone says how many tasks a step has; a batch job's script is run once, with SLURM_PROCID and SLURM_NTASKS.
    if environment.get("SLURM_STEP_NUM_TASKS", "1") != "1" and "SLURM_PROCID" in environment:
        return _make_step(environment, "SLURM_STEP_NUM_TASKS", alike=True)
    if "SLURM_ARRAY_TASK_ID" in environment:
        return _find_array_task(environment)
    if "JOB_COMPLETION_INDEX" in environment:
        return ScheduledTask(_read(environment, "JOB_COMPLETION_INDEX"), None, "a Kubernetes Indexed Job", alike=False)
    if environment.get("SLURM_NTASKS", "1") != "1" and "SLURM_PROCID" in environment:
        return _make_step(environment, "SLURM_NTASKS", alike=False)
    return None


def _make_step(environment: Mapping[str, str], count: str, *, alike: bool) -> ScheduledTask:
    return ScheduledTask(_read(environment, "SLURM_PROCID"), _read(environment, count), "a Slurm step", alike)


def warn_of_others(environment: Mapping[str, str]) -> str:
    """What is to be said where a process does everything, and its scheduler has started others; empty otherwise."""
    if "SLURM_ARRAY_TASK_ID" not in environment and (idle := describe_idle_tasks(environment)):
        return idle
    task = find_task(environment)
    if task is None:
        return ""
    of = f" of {task.count}" if task.count else ""
    return (
        f"this is task {task.index + 1}{of} of {task.source}, and does the whole work: "
        f"--part auto{'' if task.count else '/N'} takes its part of it"
    )


def describe_idle_tasks(environment: Mapping[str, str]) -> str:
    """What is to be said where a Slurm job has several tasks, of which none but this process was started; else ''.

    A batch script, and what salloc starts, runs once, whatever the job has; only srun starts its tasks, each of which
    is in a step.
    """
    if "SLURM_JOB_ID" not in environment or {"SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS"} & environment.keys():
        return ""
    tasks, nodes = environment.get("SLURM_NTASKS", ""), environment.get("SLURM_JOB_NUM_NODES", "")
    if _is_several(tasks):
        count = f"{tasks} tasks"
    elif _is_several(nodes):
        count = f"{nodes} nodes"
    else:
        return ""
    return f"this Slurm job has {count}, and works in this one process: srun, before the command, starts it on all"


def _is_several(count: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,9}", count)) and int(count) > 1


def describe_repeated_work(environment: Mapping[str, str]) -> str:
    """What is to be said where each task of a Slurm step does a work whole that they do not share; else ''.

    They may have folders of their own, so that it is not refused.
    """
    try:
        task = find_task(environment)
    except DataError:
        return ""
    if task is None or not task.alike:
        return ""
    return (
        f"this is task {task.index + 1} of {task.count} of a Slurm step, and each of them does this whole work: start "
        "it once, by srun --ntasks=1 or without srun"
    )


def refuse_incomplete(parts: Sequence[tuple[WorkPart, str]], again: str) -> None:
    """Refuses parts of which one is missing or there twice.

    Args:
        parts: in order, each with the place where it lies.
        again: the command that makes a part, up to its number.

    Raises:
        DataError: names them.
    """
    count = parts[0][0].count
    for part, place in parts:
        if part.count != count or not 1 <= part.number <= part.count:
            raise DataError(
                f"{place}: is part {part}, and {parts[0][1]} is part {parts[0][0]}", "Remove those of an earlier try."
            )
    for number, group in groupby(parts, key=lambda pair: pair[0].number):
        if len(places := [place for _, place in group]) > 1:
            raise DataError(
                f"part {number} of {count} is there {len(places)} times: {' and '.join(places[:3])}",
                "Remove all but one.",
            )
    present = {part.number for part, _ in parts}
    if missing := [number for number in range(1, count + 1) if number not in present]:
        names = ", ".join(map(str, missing[:_NAMED])) + (" …" if len(missing) > _NAMED else "")
        raise DataError(
            f"part{'s' if len(missing) > 1 else ''} {names} of {count} {'are' if len(missing) > 1 else 'is'} missing",
            f"Make what is missing with: {again} --part {missing[0]}/{count}",
        )


def _find_array_task(environment: Mapping[str, str]) -> ScheduledTask | None:
    """Arrays begin anywhere and may have gaps of one width: --array=1-16, 0-30:2; others say no count that fits."""
    task, first = (_read(environment, f"SLURM_ARRAY_TASK_{name}") for name in ("ID", "MIN"))
    last, count = (_read(environment, f"SLURM_ARRAY_TASK_{name}") for name in ("MAX", "COUNT"))
    if count == 1:
        return None
    step = (last - first) // (count - 1)
    if step < 1 or first + step * (count - 1) != last or (task - first) % step or not first <= task <= last:
        raise DataError(
            f"the {count} tasks of the Slurm array, from {first} to {last}, are not evenly spaced",
            "Submit it with one range, as --array=1-16, or say the part: --part 2/16.",
        )
    return ScheduledTask((task - first) // step, count, "a Slurm array", alike=False)


def _make_part(task: ScheduledTask, count: int | None) -> WorkPart:
    if count is not None and task.count is not None and count != task.count:
        raise DataError(f"{count} parts, but {task.source} has {task.count} tasks", "Give --part auto alone.")
    total = count or task.count
    if total is None:
        raise DataError(
            f"{task.source} does not tell its tasks how many there are", "Say it: --part auto/16, as its completions."
        )
    return _checked(task.index + 1, total)


def _checked(number: int, count: int) -> WorkPart:
    if not 1 <= number <= count:
        raise DataError(f"there is no part {number} of {count}", "Parts are counted from 1: 1/16 to 16/16.")
    if count > _MOST:
        raise DataError(f"{count} parts are too many", f"The most is {_MOST:,}.")
    return WorkPart(number, count)


def _read(environment: Mapping[str, str], name: str) -> int:
    return _to_number(environment.get(name, ""), name)


def _to_number(text: str, name: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise DataError(f"{name} is '{text}', not a number", _FORMS)
    return int(text)
