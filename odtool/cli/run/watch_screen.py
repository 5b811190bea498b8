"""What odtool status --watch draws: all runs on one screen, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from rich.console import Console, Group
from rich.text import Text

from odtool.api.run import status as api
from odtool.api.run.status import MAP, GpuUse, JobState, MachineUse, Metric, RunHistory, RunStatus, TrainStatus
from odtool.cli import console
from odtool.cli.terminal import Terminal
from odtool.errors import OdtoolError
from odtool.metrics import MUCH_WAITING
from odtool.units import format_duration
from odtool.workspace import Run

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 24
_LOOK = 0.1
"""Seconds between looks whether the terminal has changed its size."""
_GIGABYTE = 1e9
_STYLES = {"running": "green", "failed": "red", "lost": "red", "stopped": "yellow"}


@dataclass(frozen=True)
class RunView:
    """What is shown of one run."""

    run: Run
    status: RunStatus | None
    """None where it cannot be read."""
    history: RunHistory = field(default_factory=RunHistory)
    error: str = ""
    """Why it cannot be read."""

    @property
    def is_running(self) -> bool:
        return self.status is not None and self.status.is_running


def watch(find: Callable[[], Sequence[Run]], place: str, *, interval: float) -> None:
    """Draws until Ctrl-C; without a terminal, prints a line for each run until none is running any more."""
    screen = Terminal(soft_wrap=False)
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
            machine, gpus = api.measure_machine()
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
        for shown in views:
            console.stdout.out(f"{time.strftime('%H:%M:%S')} {line(shown)}", highlight=False)
        console.stdout.file.flush()
        if not any(shown.is_running for shown in views):
            return
        time.sleep(interval)


def view(run: Run) -> RunView:
    """Reads from the disk what is shown of a run; one that cannot be read hides none of the others."""
    try:
        status = api.read_status(run)
        return RunView(run, status, api.read_history(status))
    except (OSError, OdtoolError, ValueError, TypeError, LookupError) as error:  # what files of another hand may cause
        cause = str(error) if isinstance(error, (OSError, OdtoolError)) else f"{type(error).__name__}: {error}"
        return RunView(run, None, error=cause)


def page(
    views: Sequence[RunView],
    place: str,
    machine: MachineUse,
    gpus: Sequence[GpuUse],
    height: int,
    width: int,
) -> list[Text]:
    """Lines of the screen, no more than fit: running runs first, each in full as long as there is room."""
    head = [_head(views, place), _machine(machine), *map(_gpu, gpus)]
    ordered = sorted(views, key=lambda shown: not shown.is_running)
    room = max(height - len(head) - 1, 1)
    lines: list[Text] = []
    for position, shown in enumerate(ordered):
        left = len(ordered) - position - 1
        block = [Text(), *_block(shown, width)]
        short = [Text(line(shown))]
        chosen = block if len(lines) + len(block) + min(left, 1) <= room else short
        if len(lines) + len(chosen) + min(left, 1) > room:
            lines.append(Text(f"and {left + 1} more", style="dim"))
            break
        lines += chosen
    for text in (*head, *lines):
        text.no_wrap, text.overflow = True, "ellipsis"
    return [*head, *lines]


def _head(views: Sequence[RunView], place: str) -> Text:
    running = sum(shown.is_running for shown in views)
    count = f"{len(views)} run" + "s" * (len(views) != 1)
    head = Text.assemble(("odtool", "bold"), f"  {time.strftime('%H:%M:%S')}  {count}, {running} running  ")
    return head.append(f"{place}   Ctrl-C ends", style="dim")


def _machine(machine: MachineUse) -> Text:
    used, total = machine.used / _GIGABYTE, machine.total / _GIGABYTE
    return Text(f"memory {used:.1f} of {total:.1f} GB   processors {machine.percent:.0f}%")


def _gpu(gpu: GpuUse) -> Text:
    busy = "" if gpu.percent is None else f"   {gpu.percent}%"
    held = "" if gpu.used is None or gpu.total is None else f"   {gpu.used / 1024:.1f} of {gpu.total / 1024:.1f} GiB"
    return Text(f"GPU {gpu.number}  {gpu.name}{busy}{held}")


def _block(shown: RunView, width: int) -> Iterator[Text]:
    if shown.status is None:
        yield Text(line(shown), style="red")
        return
    train, history = shown.status.train, shown.history
    states = list(_states(shown.status, dict(history.memory))) or [("not started", "dim")]
    yield Text.assemble((shown.run.name, "bold"), "  ", *states)
    progress = _progress(train, width)
    if progress:
        yield Text(f"  {progress}")
    if history.losses:
        yield Text(f"  loss {history.losses[-1]:<8.4g} {sparkline(history.losses, _WIDTH)}")
    if history.maps:
        newest = "  ".join(f"{step:,}: {value:.3f}" for step, value in history.maps[-6:])
        yield Text(f"  mAP  {sparkline([value for _, value in history.maps], _WIDTH)}  {newest}")
    if best := _best(shown.status.eval.best):
        yield Text(f"  {best}")
    if train.stalled_seconds is not None:
        yield Text(f"  no step for {format_duration(train.stalled_seconds)}", style="yellow")
    if history.warning:
        yield Text(f"  {history.warning}", style="yellow")


def _states(status: RunStatus, memory: dict[str, int]) -> Iterator[tuple[str, str]]:
    for task, job in _started(status):
        held = f" {memory[task] / _GIGABYTE:.1f} GB" if task in memory else ""
        why = f" ({job.reason})" if job.is_failure else ""
        yield f"{task} {job.state}{held}{why}   ", _STYLES.get(job.state, "")


def _started(status: RunStatus) -> list[tuple[str, JobState]]:
    """Tasks that were ever started, by name."""
    jobs = (("train", status.train.job), ("eval", status.eval.job))
    return [(task, job) for task, job in jobs if job.state != "none"]


def _progress(train: TrainStatus, width: int) -> str:
    progress, running = train.progress, train.job.state == "running"
    if progress.step is None:
        return "loading TensorFlow and building the model" if running else ""
    parts = [f"step {progress.step:,}"]
    if progress.num_steps:
        share = min(progress.step / progress.num_steps, 1)
        parts[0] += f" of {progress.num_steps:,}"
        cells = min(20, max(width - 60, 0))
        if cells:
            parts.append("━" * round(share * cells) + "╌" * (cells - round(share * cells)))
        parts.append(f"{share:.0%}")
    parts += _speed(train) if running else []
    return "  ".join(parts)


def _speed(train: TrainStatus) -> list[str]:
    speed = train.progress.steps_per_second
    parts = [f"{speed:.3g} steps/s"] if speed else []
    share = train.progress.input_wait
    if share is not None and share >= MUCH_WAITING:
        parts.append(f"{share:.0%} waiting for input")
    return parts + ([f"{format_duration(train.eta_seconds)} left"] if train.eta_seconds is not None else [])


def _best(best: Metric | None) -> str:
    if best is None or not isinstance(best.values.get("value"), (int, float)):
        return ""
    is_map = best.values.get("metric", MAP) == MAP
    figure = f"{best.values['value']:.3f}" if is_map else describe_figure(best)
    return f"best {figure} at step {best.step:,}"


def describe_figure(best: Metric) -> str:
    """The figure by which the best checkpoint was chosen, with the metric's name."""
    metric = best.values.get("metric", "")
    return f"{api.MAIN_METRICS.get(metric, metric)} {best.values['value']:.3f}".lstrip()


def line(shown: RunView) -> str:
    """A run in one line."""
    if shown.status is None:
        return f"{shown.run.name}: cannot be read: {shown.error}"
    train, history = shown.status.train, shown.history
    progress, started = train.progress, _started(shown.status)
    states = ", ".join(f"{task} {job.state}" for task, job in started)
    parts = [f"{shown.run.name}: {states or 'not started'}"]
    if progress.step is not None:
        parts.append(f"step {progress.step:,}" + (f" of {progress.num_steps:,}" if progress.num_steps else ""))
    parts += [f"loss {history.losses[-1]:.4g}"] if history.losses else []
    parts += _speed(train) if train.job.state == "running" else []
    parts += [f"mAP {history.maps[-1][1]:.3f} at {history.maps[-1][0]:,}"] if history.maps else []
    parts += [best] if (best := _best(shown.status.eval.best)) else []
    return "  ".join([*parts, *(job.reason for _, job in started if job.is_failure)])


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
