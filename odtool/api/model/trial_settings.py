"""Configuring a run like a trial of a study: the study's config, whole, with the trial's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from odtool.errors import JobError
from odtool.tuning.study_folder import StudyFolder, find_study_of_trial
from odtool.workspace import Workspace

if TYPE_CHECKING:
    from odtool.pipeline.configure.configuration import ConfigureSettings
    from odtool.tuning.parameters import Value

_BEST = "best"


def start_like_trial(space: Workspace, settings: ConfigureSettings, name: str) -> ConfigureSettings:
    """The settings with the config of a study and the values of the trial that `name` means.

    Raises:
        JobError: there is no such study or trial, or none of its trials is complete.
    """
    from odtool.pipeline.configure.configuration import Adjustment
    from odtool.tuning import study_files, trial_config

    folder, number, values = _find_trial(space, name)
    adjustment = Adjustment(
        name=f"{folder.run.name}-tuned",
        source=f"trial {number} of the study of '{folder.run.name}'",
        apply=lambda draft: trial_config.set_values(draft, values),
    )
    return replace(settings, pipeline=study_files.find_base(folder), adjustment=adjustment)


def _find_trial(space: Workspace, name: str) -> tuple[StudyFolder, int, Mapping[str, Value]]:
    from odtool.tuning import study_files

    run, slash, word = name.rpartition("/")
    if word == _BEST and (slash or _BEST not in [run.name for run in space.runs()]):
        return _find_best(StudyFolder(space.find_run(run)) if slash else _find_newest(space))
    of_trial = find_study_of_trial(space.find_run(name))
    if of_trial is None:
        raise JobError(
            f"run '{name}' is not a trial", f"Name a trial's run, as {name}-trial-000, or the best of all: {name}/best"
        )
    folder, number = of_trial
    return folder, number, study_files.read_trial(folder, number).values


def _find_newest(space: Workspace) -> StudyFolder:
    studies = [folder for run in space.runs() if (folder := StudyFolder(run)).settings.is_file()]
    if not studies:
        raise JobError(f"no run in {space.train} has a study", "Begin one with: odtool tune")
    return max(
        studies, key=lambda folder: (folder.storage if folder.storage.exists() else folder.settings).stat().st_mtime
    )


def _find_best(folder: StudyFolder) -> tuple[StudyFolder, int, Mapping[str, Value]]:
    from odtool.tuning import study_files
    from odtool.tuning.study import Study

    study = Study(folder, study_files.read_settings(folder), {}, "none")
    best = study.view(weigh=False).best
    if best is None:
        raise JobError(
            f"no trial of the study of '{folder.run.name}' is complete",
            f"Go on with it: odtool tune {folder.run.argument}",
        )
    return folder, best.number, best.values
