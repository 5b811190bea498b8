"""What odtool status --watch draws: all runs on one screen, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from odtool import metrics, units
from odtool.cli import console, status
from odtool.detection.metric_names import MAP
from odtool.jobs import log, record, usage
from odtool.workspace import TASKS, Run

_BARS = "▁▂▃▄▅▆▇█"
_LOOKED_AT = 4000
"""Newest lines of metrics.jsonl that a sparkline of losses is made of."""
_WIDTH = 24
_LOOK = 0.1
"""Seconds between looks whether the terminal has changed its size."""
_GIGABYTE = 1e9
_STYLES = {"running": "green", "failed": "red", "lost": "red", "stopped": "yellow"}


@dataclass(frozen=True)
class RunView:
    """What is shown of one run."""

    account: dict[str, Any]
    """As `odtool status --json` gives it."""
    losses: tuple[float, ...]
    maps: tuple[tuple[int, float], ...]
    """Steps and mAP@[.5:.95] of the evaluations."""
    memory: dict[str, int]
    """Bytes by running task."""
    warning: str
    error: str = ""
    """Why nothing of it can be shown."""

    @property
    def running(self) -> bool:
        return any(self.account[task]["state"] == "running" for task in TASKS)


def watch(find: Callable[[], Sequence[Run]], place: str, *, interval: float) -> None:
    """Draws until Ctrl-C; without a terminal, prints a line for each run until none is running any more."""
    screen = Console(highlight=False)
    with suppress(KeyboardInterrupt):  # it is the way out
        if screen.is_terminal:
            _draw(screen, find, place, interval)
        else:
            _print(find, interval)


def _draw(screen: Console, find: Callable[[], Sequence[Run]], place: str, interval: float) -> None:
    from rich.live import Live

    with Live(console=screen, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            views = [view(run) for run in find()]
            machine, gpus = usage.measure_machine(), usage.measure_gpus()
            until = time.monotonic() + interval
            size = None
            while size is None or time.monotonic() < until:
                if size != screen.size:
                    size = screen.size
                    live.update(Group(*page(views, place, machine, gpus, size.height, size.width)), refresh=True)
                time.sleep(min(_LOOK, interval))


def _print(find: Callable[[], Sequence[Run]], interval: float) -> None:
    while True:
        views = [view(run) for run in find()]
        for each in views:
            console.stdout.out(f"{time.strftime('%H:%M:%S')} {line(each)}", highlight=False)
        console.stdout.file.flush()
        if not any(each.running for each in views):
            return
        time.sleep(interval)


def view(run: Run) -> RunView:
    """Reads from the disk what is shown of a run; one that cannot be read hides none of the others."""
    try:
        return _read(run)
    except (OSError, ValueError, TypeError, LookupError) as error:  # what files of another hand or disk may cause
        account = {"run": run.name, **{task: {"state": "none"} for task in TASKS}}
        told = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        return RunView(account, (), (), {}, "", told)


def _read(run: Run) -> RunView:
    account = status.account(run)
    memory = {
        task: used
        for task in TASKS
        if account[task]["state"] == "running"
        and (pid := account[task]["pid"])
        and (used := usage.measure_process_memory(pid))
    }
    scored = metrics.read(run.metrics, "eval")
    # Figures of a sample are no course with those of all images.
    sample = min((entry.values.get("sample_1_of_n") or 1 for entry in scored), default=1)
    maps = {
        entry.step: float(value)
        for entry in scored
        if (entry.values.get("sample_1_of_n") or 1) == sample
        and isinstance(value := entry.values.get(MAP), (int, float))
    }
    known = tuple(sorted(maps.items()))
    return RunView(account, _losses(run), known, memory, _warning(run))


def _losses(run: Run) -> tuple[float, ...]:
    """Of the present course, oldest first."""
    found: list[float] = []
    limit: float = float("inf")
    for entry in islice(metrics.read_backwards(run.metrics), _LOOKED_AT):
        if entry.kind == "train" and entry.step <= limit and isinstance(entry.values.get("loss"), (int, float)):
            found.append(float(entry.values["loss"]))
        elif entry.kind == "start":
            limit = min(limit, entry.step)
    return tuple(reversed(found))


def _warning(run: Run) -> str:
    """The last warning of either log since the task was started last."""
    told = [
        log.find_last_warning(run.log(task), job_record.log_offset)
        for task in TASKS
        if (job_record := record.load(run, task)) is not None
    ]
    return next(filter(None, told), "")


def page(
    views: Sequence[RunView],
    place: str,
    machine: usage.MachineUse,
    gpus: Sequence[usage.GpuUse],
    height: int,
    width: int,
) -> list[Text]:
    """Lines of the screen, no more than fit: running runs first, each in full as long as there is room."""
    head = [_head(views, place), _machine(machine), *map(_gpu, gpus)]
    ordered = sorted(views, key=lambda each: not each.running)
    room = max(height - len(head) - 1, 1)
    lines: list[Text] = []
    for position, each in enumerate(ordered):
        left = len(ordered) - position - 1
        block = [Text(), *_block(each, width)]
        short = [Text(line(each))]
        chosen = block if len(lines) + len(block) + min(left, 1) <= room else short
        if len(lines) + len(chosen) + min(left, 1) > room:
            lines.append(Text(f"and {left + 1} more", style="dim"))
            break
        lines += chosen
    for shown in (*head, *lines):
        shown.no_wrap, shown.overflow = True, "ellipsis"
    return [*head, *lines]


def _head(views: Sequence[RunView], place: str) -> Text:
    running = sum(each.running for each in views)
    count = f"{len(views)} run" + "s" * (len(views) != 1)
    made = Text.assemble(("odtool", "bold"), f"  {time.strftime('%H:%M:%S')}  {count}, {running} running  ")
    return made.append(f"{place}   Ctrl-C ends", style="dim")


def _machine(machine: usage.MachineUse) -> Text:
    used, total = machine.used / _GIGABYTE, machine.total / _GIGABYTE
    return Text(f"memory {used:.1f} of {total:.1f} GB   processors {machine.percent:.0f}%")


def _gpu(gpu: usage.GpuUse) -> Text:
    busy = "" if gpu.percent is None else f"   {gpu.percent}%"
    held = "" if gpu.used is None or gpu.total is None else f"   {gpu.used / 1024:.1f} of {gpu.total / 1024:.1f} GiB"
    return Text(f"GPU {gpu.number}  {gpu.name}{busy}{held}")


def _block(each: RunView, width: int) -> Iterator[Text]:
    if each.error:
        yield Text(line(each), style="red")
        return
    train, scored = each.account["train"], each.account["eval"]
    states = list(_states(each)) or [("not started", "dim")]
    yield Text.assemble((each.account["run"], "bold"), "  ", *states)
    progress = _progress(train, width)
    if progress:
        yield Text(f"  {progress}")
    if each.losses:
        yield Text(f"  loss {each.losses[-1]:<8.4g} {sparkline(each.losses, _WIDTH)}")
    if each.maps:
        newest = "  ".join(f"{step:,}: {value:.3f}" for step, value in each.maps[-6:])
        yield Text(f"  mAP  {sparkline([value for _, value in each.maps], _WIDTH)}  {newest}")
    if best := _best(scored):
        yield Text(f"  {best}")
    if train["stalled_seconds"] is not None:
        yield Text(f"  no step for {units.format_duration(train['stalled_seconds'])}", style="yellow")
    if each.warning:
        yield Text(f"  {each.warning}", style="yellow")


def _states(each: RunView) -> Iterator[tuple[str, str]]:
    for task in TASKS:
        account = each.account[task]
        if account["state"] == "none":
            continue
        held = f" {each.memory[task] / _GIGABYTE:.1f} GB" if task in each.memory else ""
        why = f" ({account['reason']})" if account["state"] in ("failed", "lost") else ""
        yield f"{task} {account['state']}{held}{why}   ", _STYLES.get(account["state"], "")


def _progress(train: dict[str, Any], width: int) -> str:
    if train["step"] is None:
        return "loading TensorFlow and building the model" if train["state"] == "running" else ""
    parts = [f"step {train['step']:,}"]
    if train["num_steps"]:
        share = min(train["step"] / train["num_steps"], 1)
        parts[0] += f" of {train['num_steps']:,}"
        cells = min(20, max(width - 60, 0))
        if cells:
            parts.append("━" * round(share * cells) + "╌" * (cells - round(share * cells)))
        parts.append(f"{share:.0%}")
    parts += _speed(train) if train["state"] == "running" else []
    return "  ".join(parts)


def _speed(train: dict[str, Any]) -> list[str]:
    parts = [f"{train['steps_per_second']:.3g} steps/s"] if train["steps_per_second"] else []
    return parts + ([f"{units.format_duration(train['eta_seconds'])} left"] if train["eta_seconds"] is not None else [])


def _best(scored: dict[str, Any]) -> str:
    best = scored["best"]
    if not best or not isinstance(best.get("value"), (int, float)):
        return ""
    figure = f"{best['value']:.3f}" if best.get("metric", MAP) == MAP else status.figure_of(best)
    return f"best {figure} at step {best['step']:,}"


def line(each: RunView) -> str:
    """A run in one line."""
    if each.error:
        return f"{each.account['run']}: cannot be read: {each.error}"
    train, scored = each.account["train"], each.account["eval"]
    states = [f"{task} {each.account[task]['state']}" for task in TASKS if each.account[task]["state"] != "none"]
    parts = [f"{each.account['run']}: {', '.join(states) or 'not started'}"]
    if train["step"] is not None:
        parts.append(f"step {train['step']:,}" + (f" of {train['num_steps']:,}" if train["num_steps"] else ""))
    parts += [f"loss {each.losses[-1]:.4g}"] if each.losses else []
    parts += _speed(train) if train["state"] == "running" else []
    parts += [f"mAP {each.maps[-1][1]:.3f} at {each.maps[-1][0]:,}"] if each.maps else []
    parts += [best] if (best := _best(scored)) else []
    failed = [each.account[task]["reason"] for task in TASKS if each.account[task]["state"] in ("failed", "lost")]
    return "  ".join([*parts, *failed])


def sparkline(values: Sequence[float], width: int) -> str:
    """A bar for each value, or for the mean of neighbours where there are more than `width`."""
    count = min(len(values), width)
    if not count:
        return ""
    edges = [round(index * len(values) / count) for index in range(count + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(edges)]
    low, high = min(means), max(means)
    if high == low:
        return _BARS[3] * count
    return "".join(_BARS[min(int((value - low) / (high - low) * len(_BARS)), len(_BARS) - 1)] for value in means)
