"""A trial of a study at work: its run's training and evaluation, what they score, and how it ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

from odtool import metrics
from odtool.errors import ConfigError, JobError
from odtool.jobs import shutdown, state
from odtool.jobs.state import JobState
from odtool.pipeline.text import config
from odtool.pipeline.text.config import PipelineConfig
from odtool.tuning import study_files, trial_config
from odtool.tuning.study import Study, TakenTrial
from odtool.tuning.study_files import TrialRecord
from odtool.tuning.trials import TrialStateName
from odtool.workspace import TASKS, Run

_MOST_RESTARTS = 3
"""Of a trial whose processes were killed by somebody else."""
_KILLED = -9


class ActiveTrial:
    """One that this process does, or goes on with: looked at again and again, it never waits.

    Args:
        train: starts or resumes the training of a run, with evaluations so many steps apart beside it.
        evaluate: starts evaluation alone.
    """

    def __init__(
        self, study: Study, taken: TakenTrial, *, train: Callable[[Run, int], None], evaluate: Callable[[Run], None]
    ) -> None:
        self.number = taken.number
        self.run = study.folder.trial_run(taken.number)
        self._study, self._taken = study, taken
        self._train, self._evaluate = train, evaluate
        self._num_steps = 0
        self._scores: dict[int, float] = {}
        self._restarts = 0
        self._is_ours = False
        """Whether its training was running at a look of this process: if it is stopped now, somebody wanted that."""
        self._verdict: tuple[TrialStateName, str] | None = None
        """How it is to end, once its processes have."""
        self._asked: set[str] = set()

    def prepare(self, base: PipelineConfig) -> None:
        """Makes the trial's run, unless an earlier process did.

        Raises:
            ConfigError: there is another run of its name, or its values do not fit the config.
            JobError: the trial.json that is there is not one.
        """
        folder, values = self._study.folder, self._taken.values
        if self.run.pipeline_config.exists():
            if not folder.trial_record(self.number).exists():
                raise ConfigError(f"{self.run.path}: there is a run of this name, which is no trial")
            if study_files.read_trial(folder, self.number).values != values:
                raise ConfigError(f"{self.run.path}: is a trial of an earlier study, with other values")
        else:
            study_files.write_trial(folder, TrialRecord(folder.run.name, self.number, dict(values)))
            made = trial_config.build(base, values, self._study.settings.steps)
            name = f"trial {self.number} of the study of {folder.run.name}"
            trial_config.save(made, self.run.pipeline_config, name)
        self._num_steps = int(config.load(self.run.pipeline_config).message.train_config.num_steps)

    def look(self) -> bool:
        """Does what is next, and says whether the trial has ended, which the study then knows.

        Raises:
            JobError: its processes cannot be started for a reason that is not the trial's.
        """
        train, scored = (state.read(self.run, task) for task in TASKS)
        # Read after the states: what a process wrote before it ended is seen with its end.
        news = self._read_scores()
        if self._verdict is None:
            self._decide(train, scored, is_new=news)
        if self._verdict is None or self._stop_running():
            return False
        self._study.finish(self.number, self._verdict[0], self._scores, self._verdict[1])
        return True

    def fail(self, reason: str) -> None:
        """Ends the trial with what came in the way of its beginning."""
        self._study.finish(self.number, "failed", {}, reason)

    def interrupt(self) -> bool:
        """Asks its processes to save and end, for a later process to go on; whether any is still running."""
        return self._stop_running()

    def release(self) -> None:
        """Leaves the trial to whoever takes it next."""
        self._taken.release()

    def _read_scores(self) -> bool:
        """Takes over what evaluation has scored; whether there is anything new."""
        course = metrics.current_course(metrics.read_events(self.run.metrics))
        name = self._study.settings.metric
        scores = {
            self._find_index(line.step): score
            for line in course
            if line.kind == "eval" and (score := line.number(name)) is not None
        }
        is_new = scores != self._scores
        if is_new:
            self._scores = scores
            self._study.report(self.number, scores)
        return is_new

    def _find_index(self, step: int) -> int:
        """Which of the evaluations that of a step is, from 1."""
        count = self._study.settings.evaluations
        return count if step >= self._num_steps else min(math.ceil(step / self._find_distance()), count)

    def _find_distance(self) -> int:
        """Steps between evaluations."""
        return max(1, math.ceil(self._num_steps / self._study.settings.evaluations))

    def _decide(self, train: JobState, scored: JobState, *, is_new: bool) -> None:
        if train.state == "running":
            self._is_ours = True
            if is_new and self._study.should_prune(self.number):
                self._verdict = "pruned", f"behind other trials at evaluation {max(self._scores)}"
            elif scored.state != "running":
                self._score_again(scored)
        elif train.state == "finished":
            if scored.state == "finished":
                self._complete()
            elif scored.state != "running":
                self._score_again(scored)
        elif self._is_to_go_on(train):
            if scored.state != "running":  # it scores what is left, and ends by itself
                self._start()
        elif train.state == "stopped":
            self._verdict = ("pruned" if self._scores else "failed"), train.reason or "stopped"
        else:
            self._verdict = "failed", f"train {train.describe()}"

    def _is_to_go_on(self, train: JobState) -> bool:
        """Whether training is to be started: for the first time, or as it ended by nothing of its own."""
        if train.state == "none" or (train.state == "stopped" and not self._is_ours):
            return True
        killed = train.state == "lost" or (train.state == "failed" and train.exit_code == _KILLED)
        return killed and self._restarts < _MOST_RESTARTS

    def _start(self) -> None:
        self._restarts += 1
        try:
            self._train(self.run, self._find_distance())
        except ConfigError as error:
            self._verdict = "failed", error.message
        else:
            self._is_ours = True

    def _score_again(self, scored: JobState) -> None:
        """Starts evaluation, where it is not what makes it end."""
        killed = scored.state in ("none", "lost", "stopped", "finished") or scored.exit_code == _KILLED
        if not killed or self._restarts > _MOST_RESTARTS:
            self._verdict = "failed", f"eval {scored.describe()}"
            return
        self._restarts += 1
        self._evaluate(self.run)

    def _complete(self) -> None:
        if self._scores:
            self._verdict = "complete", ""
        else:
            self._verdict = "failed", f"no evaluation gave {self._study.settings.metric}"

    def _stop_running(self) -> bool:
        """Asks what is running to end, once; whether anything still is."""
        running = [task for task in TASKS if state.read(self.run, task).state == "running"]
        for task in running:
            if task not in self._asked:
                with suppress(JobError):  # it has ended meanwhile, or is starting: the next look asks again
                    shutdown.stop(self.run, (task,), timeout=0)
                    self._asked.add(task)
        return bool(running)
