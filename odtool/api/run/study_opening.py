"""Which study a request means, what it was begun with, and whether that is what is asked for now."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from odtool import locks
from odtool.api.requests import RequestError, find_run
from odtool.api.run import status
from odtool.api.tasks import device_claim
from odtool.detection.metric_names import MAP, resolve_name
from odtool.errors import ConfigError, JobError
from odtool.jobs import devices
from odtool.tuning.study_folder import StudyFolder, find_study_of_trial

if TYPE_CHECKING:
    from odtool.api.run.tune import TuneRequest
    from odtool.pipeline.text.config import PipelineConfig
    from odtool.tuning.study_files import StudySettings

_EVALUATIONS = 4


def find_folder(request: TuneRequest) -> StudyFolder:
    run = find_run(request.workspace, request.run, request.notify).run
    of_trial = find_study_of_trial(run)
    if of_trial is None:
        return StudyFolder(run)
    if request.run is not None:
        raise JobError(
            f"run '{run.name}' is a trial of the study of '{of_trial[0].run.name}'",
            f"Go on with it: odtool tune {of_trial[0].run.argument}; or configure a run like it: "
            f"odtool configure --like-trial {run.argument}",
        )
    return of_trial[0]


def list_slots(request: TuneRequest) -> list[str | None]:
    """What is given to --gpu of each of the trainings that run at a time; refuses what there is not."""
    if request.gpu is None or str(request.gpu).strip().lower() == "cpu":
        slots = [None if request.gpu is None else "cpu"]
    else:
        devices.choose(devices.find_gpus(), str(request.gpu))
        slots = [number.strip() for number in str(request.gpu).split(",")]
    for slot in slots:
        # Not whether it is full: a trial that is gone on with may be what fills it.
        device_claim.claim_device(slot, request.gpu_memory, is_running=True)
    return list(slots)


def delete(folder: StudyFolder) -> None:
    """Raises JobError where a trial is at work."""
    trials = [(number, run) for number, run in folder.list_trial_runs()]
    for number, run in trials:
        if locks.is_held(folder.trial_lock(number)) or status.find_running_tasks(run):
            raise JobError(f"run '{run.name}' is running", f"Stop it first: odtool stop {run.argument}")
    for _, run in trials:
        shutil.rmtree(run.path)
    if folder.path.exists():
        shutil.rmtree(folder.path)


def settle(folder: StudyFolder, request: TuneRequest) -> tuple[PipelineConfig, StudySettings]:
    """The base config and what holds for all trials; written where the study begins.

    Raises:
        ConfigError: the config cannot be trained, or the space does not fit it.
        JobError: the study was begun with something else.
    """
    from odtool.pipeline.checks import check_list
    from odtool.tuning import study_files

    facts = check_list.check_run(folder.run.pipeline_config)
    if not any(reader.files for reader in facts.readers[1:]):
        raise ConfigError(
            f"{folder.run.pipeline_config}: eval_input_reader: names no records, and trials are compared by evaluation",
            "Prepare with a validation split: odtool prepare --val 0.1",
        )
    if not folder.settings.exists():
        settings = _begin(request, facts.config)
        folder.path.mkdir(exist_ok=True)
        shutil.copyfile(folder.run.pipeline_config, folder.base_config)
        study_files.write_settings(folder, settings)  # last: it says that the study has begun
        return facts.config, settings
    settings = study_files.read_settings(folder)
    if study_files.find_base(folder) == folder.base_config and not _say_the_same(folder):
        raise JobError(
            f"{folder.run.pipeline_config}: has changed since its study began, with {folder.base_config}",
            f"Configure another run and tune that, or begin anew: odtool tune {folder.run.argument} --restart",
        )
    _refuse_changes(folder, request, facts.config, settings)
    return facts.config, settings


def _say_the_same(folder: StudyFolder) -> bool:
    """Whether the run's config and the study's copy differ in comments and layout alone."""
    from odtool.pipeline.text import config

    own, copy = (path.read_text("utf-8-sig") for path in (folder.run.pipeline_config, folder.base_config))
    messages = [config.parse(text, str(folder.base_config)).message for text in (own, copy)]
    return bool(messages[0] == messages[1])


def _begin(request: TuneRequest, base: PipelineConfig) -> StudySettings:
    from odtool.tuning import search_space, space_file
    from odtool.tuning.study_files import StudySettings

    parameters = (
        search_space.choose_default(base) if request.space is None else space_file.read(Path(request.space), base)
    )
    search_space.refuse_unfit(base, parameters)
    return StudySettings(
        metric=MAP if request.best is None else resolve_name(request.best),
        parameters=parameters,
        steps=request.steps,
        evaluations=request.evaluations or _EVALUATIONS,
        seed=request.seed or 0,
    )


def _refuse_changes(folder: StudyFolder, request: TuneRequest, base: PipelineConfig, settings: StudySettings) -> None:
    """Raises RequestError where an option asks for something else than the study was begun with."""
    from odtool.tuning import space_file

    wanted = {
        "steps": (request.steps, settings.steps),
        "evaluations": (request.evaluations, settings.evaluations),
        "seed": (request.seed, settings.seed),
        "best": (None if request.best is None else resolve_name(request.best), settings.metric),
        "space": (None if request.space is None else space_file.read(Path(request.space), base), settings.parameters),
    }
    for name, (new, old) in wanted.items():
        if new is not None and new != old:
            before = "other parameters" if name == "space" else "the run's own" if old is None else f"{old}"
            raise RequestError(
                name,
                f"the study of '{folder.run.name}' was begun with {before}; its trials could not be compared",
                f"Leave it out to go on, or begin anew: odtool tune {folder.run.argument} --restart",
            )
