"""Trials of a study on the devices of this process: begun, looked at in turns and stopped, until there are enough."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odtool.api.run import status, train
from odtool.api.run.active_trial import ActiveTrial
from odtool.api.run.evaluate import evaluate
from odtool.api.run.status import RunStatus
from odtool.errors import ConfigError, JobError
from odtool.tuning.trials import StudyView
from odtool.workspace import Run

if TYPE_CHECKING:
    from odtool.api.run.tune import TuneRequest
    from odtool.pipeline.text.config import PipelineConfig
    from odtool.tuning.study import Study

POLL = 0.5
"""Seconds between looks at the trials."""
_BRIEFLY = 15.0
"""Seconds for the supervisor of a process that has ended to let go of its lock."""
_PATIENCE = 60.0
"""Seconds for a trial's processes to save and end; and for a GPU to be free after the trial before."""


@dataclass(frozen=True)
class StudyProgress:
    """A study at work."""

    view: StudyView
    running: Mapping[int, RunStatus]
    """Of the trials of this process, by number."""


class Search:
    """Trials on the devices of this process, until there are enough."""

    def __init__(self, request: TuneRequest, study: Study, base: PipelineConfig) -> None:
        self._request, self._study, self._base = request, study, base
        self._active: dict[int, ActiveTrial] = {}
        """By the number of the slot."""
        limit = request.time_limit
        self._end = float("inf") if limit is None else time.monotonic() + train.parse_duration(limit)

    def go_on(self, slots: Sequence[str | None]) -> bool:
        """Does trials; whether all are done, and not the time up."""
        try:
            with self._releasing():
                while time.monotonic() < self._end:
                    self._fill(slots)
                    if not self._active:
                        return True
                    self._look()
                    self._show()
                    time.sleep(POLL)
                self._request.notify("the time is up: the trials save and stop; the next call goes on with them")
        finally:
            self._write_page()
        return False

    @contextmanager
    def _releasing(self) -> Iterator[None]:
        """Whatever ends the search, its trials stop, and are free for the next call."""
        try:
            yield
        finally:
            end = time.monotonic() + _PATIENCE
            # All of them before the first is waited for.
            while sum(trial.interrupt() for trial in self._active.values()) and time.monotonic() < end:
                time.sleep(POLL)
            for trial in self._active.values():
                trial.release()

    def _fill(self, slots: Sequence[str | None]) -> None:
        for place, gpu in enumerate(slots):
            while place not in self._active and (trial := self._take(gpu)) is not None:
                try:
                    trial.prepare(self._base)
                except ConfigError as error:
                    trial.fail(error.message)
                    trial.release()
                    self._end_trial(trial)
                else:
                    self._active[place] = trial
                    self._request.notify(f"trial {trial.number}: {trial.run.path}")

    def _take(self, gpu: str | None) -> ActiveTrial | None:
        taken = self._study.take_trial(self._request.trials)
        if taken is None:
            return None
        return ActiveTrial(
            self._study,
            taken,
            train=lambda run, distance: self._train(run, distance, gpu),
            evaluate=lambda run: _start_evaluation(run, self._study.settings.metric),
        )

    def _train(self, run: Run, distance: int, gpu: str | None) -> None:
        """Starts a trial's training and evaluation; what an earlier process held is given time to become free."""
        end = time.monotonic() + (_BRIEFLY if gpu == "cpu" else _PATIENCE)
        while True:
            try:
                train.train(
                    run,
                    gpu=gpu,
                    evaluate=True,
                    checkpoint_every=distance,
                    keep_checkpoints=1,
                    best=self._study.settings.metric,
                    recover=False,  # with half the batch it would be another trial
                    **self._request.passed_on(),
                )
            except JobError:
                if time.monotonic() > end:
                    raise
                time.sleep(POLL)
            else:
                return

    def _look(self) -> None:
        for place, trial in list(self._active.items()):
            if trial.look():
                del self._active[place]
                trial.release()
                self._end_trial(trial)

    def _end_trial(self, trial: ActiveTrial) -> None:
        self._write_page()
        view = next(view for view in self._study.view(weigh=False).trials if view.number == trial.number)
        value = "" if view.value is None else f", {view.value:.3f}"
        self._request.notify(f"trial {trial.number} {view.state}{value}{f': {view.reason}' if view.reason else ''}")

    def _write_page(self) -> None:
        from odtool.tuning import study_page

        study_page.write(self._study.folder, self._study.settings, self._study.view())

    def _show(self) -> None:
        view = self._study.view(weigh=False)
        running = {trial.number: status.read_status(trial.run) for trial in self._active.values()}
        self._request.watch(StudyProgress(view, running))


def _start_evaluation(run: Run, metric: str) -> None:
    evaluate(run, best=metric)
