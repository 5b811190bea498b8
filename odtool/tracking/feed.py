"""Bringing a run's figures to its tracker: from where it stopped, again where that failed, never twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from odtool.errors import OdtoolError, first_line
from odtool.tracking import parameters, place, points
from odtool.tracking.place import TrackingPlace
from odtool.tracking.tracker import Connect, Tracker
from odtool.workspace import Run

PATIENCE = 60.0
"""Seconds for which a feed goes on trying when the run's jobs have ended; `odtool track` catches up later."""
_POLL, _LONGEST_PAUSE = 2.0, 60.0
"""Seconds between looks, and at most between attempts at a tracker that fails."""

Say = Callable[[str], None]


@dataclass
class Told:
    """What a feed has brought."""

    lines: int = 0
    points: int = 0
    artifacts: int = 0


class Feed:
    """One run and its tracker."""

    def __init__(self, run: Run, connect: Connect, *, say: Say) -> None:
        loaded = place.load(run)
        if loaded is None:
            raise OdtoolError(f"run '{run.name}' has no tracker", "Name one: odtool track --to mlflow")
        self.place: TrackingPlace = loaded
        self.told = Told()
        self._run = run
        self._connect = connect
        self._say = say
        self._tracker: Tracker | None = None
        self._config_changed: int | None = -1

    def bring(self) -> None:
        """Tells everything that is new.

        Raises:
            OdtoolError: what is to be told cannot be read.
            Exception: whatever the tracker's library raises.
        """
        tracker = self._open()
        while block := self._read():
            doubtful = self.place.sending > self.place.offset
            if not doubtful:
                self._keep(sending=block.end)
            found = list(points.convert(block))
            if found:
                tracker.log(found, doubtful=doubtful)
            self._keep(offset=block.end, sending=max(block.end, self.place.sending))
            self.told.lines += len(block.entries)
            self.told.points += len(found)
        if self.place.artifacts:
            self._upload(tracker)

    def close(self, state: str) -> None:
        """Says in what state the run's training is."""
        if self._tracker is not None:
            self._tracker.close(state)
            self._tracker = None

    def _open(self) -> Tracker:
        identity = points.identify(self._run.metrics)
        if self.place.begin and identity != self.place.begin:
            self._say("metrics.jsonl is another one than before: it is told of as another run")
            self._keep(remote=None, begin="", offset=0, sending=0, parameters={}, files={})
            self._tracker, self._config_changed = None, -1
        if self._tracker is None:
            self._tracker, remote = self._connect(self._run, self.place)
            self._keep(remote=remote)
        if identity and not self.place.begin:
            self._keep(begin=identity)
        self._tell_parameters(self._tracker)
        return self._tracker

    def _tell_parameters(self, tracker: Tracker) -> None:
        changed = find_change(self._run.pipeline_config)
        if changed == self._config_changed:
            return
        known = parameters.collect(self._run)
        new = {name: value for name, value in known.items() if self.place.parameters.get(name) != value}
        if new:
            tracker.set_parameters(new)
            self._keep(parameters=known)
        self._config_changed = changed

    def _read(self) -> points.Block | None:
        known = self.place
        until = known.sending if known.sending > known.offset else None
        return points.read_block(self._run.metrics, known.offset, until=until)

    def _upload(self, tracker: Tracker) -> None:
        for path, folder in list_artifacts(self._run):
            name = str(path.relative_to(self._run.path))
            try:
                changed = path.stat().st_mtime_ns
                if self.place.files.get(name) == changed:
                    continue
                tracker.upload(path, folder)
            except FileNotFoundError:  # a checkpoint that gave way to newer ones just now
                continue
            self._keep(files={**self.place.files, name: changed})
            self.told.artifacts += 1

    def _keep(self, **changes: object) -> None:
        self.place = replace(self.place, **changes)  # type: ignore[arg-type]  # fields of a TrackingPlace
        place.save(self._run, self.place)


def find_change(path: Path) -> int | None:
    """When the file was last changed, in nanoseconds of Unix time; None where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def list_artifacts(run: Run) -> Iterator[tuple[Path, str]]:
    """Files to keep, and the folder of the tracker's that each belongs in: config, report, whole checkpoints."""
    yield from ((path, "") for path in (run.pipeline_config, run.report) if path.is_file())
    for prefix in run.checkpoints().values():
        yield from ((path, "checkpoints") for path in sorted(run.path.glob(f"{prefix.name}.*")))
    if (best := run.best_checkpoint()) is not None:
        yield from ((path, "best") for path in [*sorted(run.best.glob(f"{best.name}.*")), run.best_metrics])


def follow(
    feed: Feed,
    *,
    find_state: Callable[[], str],
    say: Say,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Brings figures as they appear, until the run's jobs have ended and all is told.

    Args:
        find_state: the state of the run's training; "running" as long as one of its jobs is.
        patience: seconds for a tracker that fails when they have ended.

    Returns:
        Whether all was told.

    Raises:
        OdtoolError: what is to be told cannot be read.
    """
    failures, last_problem, end = 0, "", None
    while True:
        state = find_state()  # before reading: what was written up to the end is still told
        try:
            feed.bring()
            if state != "running":
                feed.close(state)
                return True
            failures, last_problem = 0, ""
        except OdtoolError:
            raise
        except Exception as error:  # of another program's library, over a network: anything
            failures += 1
            problem = f"{type(error).__name__}: {first_line(error)}"
            if problem != last_problem:
                say(f"not told: {problem}")
            last_problem = problem
            if state != "running":
                end = clock() + patience if end is None else end
                if clock() >= end:
                    return False
        sleep(min(_POLL * 2 ** min(failures, 10), _LONGEST_PAUSE) if state == "running" else _POLL)
