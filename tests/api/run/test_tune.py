"""odtool.api.run.tune with the real Optuna, on trials that are over as soon as they begin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from odtool.api.model.configure import configure
from odtool.api.requests import RequestError
from odtool.api.run.tune import StudyResult, tune
from odtool.errors import ConfigError, InstallationError, JobError
from odtool.jobs import state
from odtool.pipeline.text import config
from odtool.pipeline.text.facts import find_learning_rate
from odtool.tuning.study_folder import StudyFolder
from odtool.workspace import Run

pytestmark = pytest.mark.usefixtures("at_once")


def states(result: StudyResult) -> list[str]:
    return [trial.state for trial in result.view.trials]


def test_the_first_trial_is_the_runs_own_config_and_the_best_is_better(instant_run: Run, space: Path) -> None:
    result = tune("small", trials=8, space=space, gpu="cpu", pruner="none")
    assert states(result) == ["complete"] * 8
    base, best = result.view.base, result.view.best
    assert base is not None
    assert best is not None
    assert base.number == 0
    assert (base.value or 0) < (best.value or 0)
    assert result.is_whole
    assert sum(result.view.importance.values()) == pytest.approx(1)
    own, trial = (config.load(run.pipeline_config).message for run in (instant_run, result.folder.trial_run(0)))
    assert own == trial
    assert result.folder.page.read_text().count("<tr>") >= 8


def test_a_trial_is_a_run_with_its_values_and_as_many_images_as_the_others(instant_run: Run, space: Path) -> None:
    result = tune("small", trials=5, space=space, gpu="cpu", steps=20, evaluations=2, pruner="none")
    sizes = set()
    for trial in result.view.trials:
        run = result.folder.trial_run(trial.number)
        loaded = config.load(run.pipeline_config)
        size, num_steps = loaded.message.train_config.batch_size, loaded.message.train_config.num_steps
        assert (size, num_steps) == (trial.values["batch_size"], 20 * 2 // size)
        rate = find_learning_rate(loaded)
        assert rate is not None
        assert rate.schedule.learning_rate_base == pytest.approx(trial.values["learning_rate"], rel=1e-5)
        assert state.read(run, "train").state == "finished"
        sizes.add(size)
    assert sizes == {1, 2}


def test_a_study_that_is_done_is_shown_and_goes_on_where_more_is_asked_for(instant_run: Run, space: Path) -> None:
    first = tune("small", trials=2, space=space, gpu="cpu")
    again = tune("small", trials=2, gpu="cpu")
    assert again.view == first.view
    more = tune("small", trials=3, gpu="cpu")
    assert [trial.number for trial in more.view.trials] == [0, 1, 2]
    assert more.view.trials[:2] == first.view.trials


def test_a_trial_that_fails_is_recorded_and_the_study_goes_on(instant_run: Run, space: Path) -> None:
    Path("fail-1").touch()
    result = tune("small", trials=3, space=space, gpu="cpu")
    assert states(result) == ["complete", "failed", "complete"]
    assert "the loss is not finite, in trial 1" in result.view.trials[1].reason
    assert result.view.trials[1].value is None
    result.refuse_failed()


def test_a_study_all_of_whose_trials_fail_says_so(instant_run: Run, space: Path) -> None:
    Path("fail").touch()
    result = tune("small", trials=2, space=space, gpu="cpu")
    with pytest.raises(JobError, match=r"all 2 trials of the study failed; the last: .*the loss is not finite"):
        result.refuse_failed()


def test_a_trial_whose_config_is_refused_has_failed_with_that_reason(instant_run: Run, tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("model.ssd.num_classes: [2, 3]\n")
    result = tune("small", trials=8, space=space, gpu="cpu", pruner="none")
    ended = {trial.values["model.ssd.num_classes"]: trial.state for trial in result.view.trials}
    assert ended == {2: "complete", 3: "failed"}
    assert "the model has 3 classes" in next(trial.reason for trial in result.view.trials if trial.state == "failed")


@pytest.mark.parametrize(("field", "value"), [("steps", 7), ("evaluations", 9), ("seed", 3), ("best", "mAP50")])
def test_what_a_study_was_begun_with_holds(field: str, value: Any, instant_run: Run, space: Path) -> None:
    tune("small", trials=1, space=space, gpu="cpu")
    with pytest.raises(RequestError, match="was begun with") as caught:
        tune("small", trials=2, gpu="cpu", **{field: value})
    assert caught.value.field == field
    assert "--restart" in caught.value.hint


def test_another_space_is_refused_and_the_same_is_not(instant_run: Run, space: Path) -> None:
    tune("small", trials=1, space=space, gpu="cpu")
    tune("small", trials=1, space=space, gpu="cpu")
    space.write_text("learning_rate = [0.1, 0.2]")
    with pytest.raises(RequestError, match="was begun with other parameters"):
        tune("small", trials=1, space=space, gpu="cpu")


def test_a_study_goes_on_in_a_workspace_that_was_moved(
    instant_run: Run, space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune("small", trials=2, space=space, gpu="cpu", pruner="none")
    monkeypatch.chdir(tmp_path)
    Path("a b").rename("elsewhere")
    monkeypatch.chdir("elsewhere")
    result = tune("small", trials=3, gpu="cpu", pruner="none")
    assert states(result) == ["complete"] * 3
    assert result.folder.run.path == Path.cwd() / "train" / "small"
    configured = configure(like_trial="best", dry_run=True)
    assert str(Path.cwd()) in configured.config.message.train_input_reader.label_map_path


def test_a_comment_in_the_config_changes_no_study(instant_run: Run, space: Path) -> None:
    tune("small", trials=1, space=space, gpu="cpu")
    instant_run.pipeline_config.write_text("# mine\n" + instant_run.pipeline_config.read_text())
    assert states(tune("small", trials=2, gpu="cpu", pruner="none")) == ["complete"] * 2


def test_a_config_that_has_changed_is_refused(instant_run: Run, space: Path) -> None:
    tune("small", trials=1, space=space, gpu="cpu")
    configure("demo_ssd", run="small", steps=50, batch_size=2, force=True)
    with pytest.raises(JobError, match="has changed since its study began"):
        tune("small", trials=2, gpu="cpu")
    assert states(tune("small", trials=1, space=space, gpu="cpu", restart=True)) == ["complete"]


def test_restart_deletes_this_studys_trials_and_no_other_run(instant_run: Run, space: Path) -> None:
    tune("small", trials=2, space=space, gpu="cpu")
    mine = Run(instant_run.path.with_name("small-trial-009"))
    configure("demo_ssd", run=mine.name)
    result = tune("small", trials=1, space=space, gpu="cpu", restart=True)
    assert len(result.view.trials) == 1
    assert not result.folder.trial_run(1).path.exists()
    assert mine.pipeline_config.exists()


def test_a_run_that_has_the_name_of_a_trial_is_left_alone(instant_run: Run, space: Path) -> None:
    mine = configure("demo_ssd", run="small-trial-001").run
    before = mine.pipeline_config.read_bytes()
    result = tune("small", trials=3, space=space, gpu="cpu")
    assert states(result) == ["complete", "failed", "complete"]
    assert "which is no trial" in result.view.trials[1].reason
    assert mine.pipeline_config.read_bytes() == before


def test_a_trial_of_an_earlier_study_is_not_taken_for_one_of_this(instant_run: Run, space: Path) -> None:
    tune("small", trials=2, space=space, gpu="cpu")
    folder = StudyFolder(instant_run)
    record = folder.trial_record(1)
    record.write_text(record.read_text().replace('"learning_rate": ', '"learning_rate": 1'))
    folder.storage.unlink()
    result = tune("small", trials=2, gpu="cpu")
    assert states(result) == ["complete", "failed"]
    assert "of an earlier study" in result.view.trials[1].reason


@pytest.mark.parametrize("text", ["", "{}", "\x00", '{"study": "small", "number": 1, "values": []}'])
def test_a_trial_json_that_is_garbage_costs_that_trial_alone(text: str, instant_run: Run, space: Path) -> None:
    tune("small", trials=2, space=space, gpu="cpu")
    folder = StudyFolder(instant_run)
    folder.trial_record(1).write_text(text)
    folder.storage.unlink()
    result = tune("small", trials=2, gpu="cpu")
    assert states(result) == ["complete", "failed"]
    assert "trial.json" in result.view.trials[1].reason


def test_the_newest_run_may_be_a_trial_and_its_study_is_meant(instant_run: Run, space: Path) -> None:
    tune("small", trials=1, space=space, gpu="cpu")
    assert len(tune(trials=2, gpu="cpu").view.trials) == 2
    with pytest.raises(JobError, match="is a trial of the study of 'small'"):
        tune("small-trial-000", gpu="cpu")


def test_a_run_is_configured_like_the_best_trial_or_like_the_one_named(instant_run: Run, space: Path) -> None:
    result = tune("small", trials=4, space=space, gpu="cpu", steps=10)
    best = result.view.best
    assert best is not None
    for name, number in (("best", best.number), ("small/best", best.number), ("small-trial-001", 1)):
        configured = configure(like_trial=name, dry_run=True)
        train_config = configured.config.message.train_config
        values = result.view.trials[number].values
        assert configured.run.name == "small-tuned"
        assert train_config.batch_size == values["batch_size"]
        assert train_config.num_steps == 40 * 2 // train_config.batch_size  # as long as the run, not as a trial
        rate = find_learning_rate(configured.config)
        assert rate is not None
        assert rate.schedule.learning_rate_base == pytest.approx(values["learning_rate"], rel=1e-5)
    named = configure(like_trial="best", run="mine", assignments=["train_config.batch_size=1"])
    assert (named.run.name, named.facts.batch_size) == ("mine", 1)
    with pytest.raises(JobError, match="is not a trial"):
        configure(like_trial="small")
    with pytest.raises(JobError, match="no run 'nobody'"):
        configure(like_trial="nobody/best")


def test_without_a_study_there_is_no_best_trial(instant_run: Run) -> None:
    with pytest.raises(JobError, match="has a study") as caught:
        configure(like_trial="best")
    assert "odtool tune" in caught.value.hint


def test_without_optuna_it_says_how_to_install_it(instant_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InstallationError) as caught:
        tune("small", trials=1, gpu="cpu")
    assert "pip install 'odtool[tune]'" in caught.value.hint


def test_a_storage_that_is_garbage_is_named(instant_run: Run, space: Path) -> None:
    tune("small", trials=1, space=space, gpu="cpu")
    StudyFolder(instant_run).storage.write_bytes(b"garbage" * 1000)
    with pytest.raises(JobError, match=r"study\.db: ") as caught:
        tune("small", trials=2, gpu="cpu")
    assert "--restart" in caught.value.hint


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"metric": 1}', "\x00"])
def test_settings_that_are_garbage_are_named(text: str, instant_run: Run, space: Path) -> None:
    tune("small", trials=1, space=space, gpu="cpu")
    StudyFolder(instant_run).settings.write_text(text)
    with pytest.raises(JobError, match=r"study\.json: "):
        tune("small", trials=2, gpu="cpu")


def test_a_run_without_evaluation_records_is_refused_before_anything_begins(instant_run: Run) -> None:
    loaded = config.load(instant_run.pipeline_config)
    del loaded.message.eval_input_reader[:]
    config.save(loaded, instant_run.pipeline_config)
    with pytest.raises(ConfigError, match="eval_input_reader"):
        tune("small", gpu="cpu")
    assert not StudyFolder(instant_run).path.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("trials", 0), ("steps", 0), ("evaluations", -1), ("pruner", "best"), ("best", "nothing"), ("seed", -1),
     ("time_limit", "soon"), ("precision", "float8"), ("gpu_memory", "8GB")],
)  # fmt: skip
def test_a_field_that_cannot_mean_anything_is_refused(field: str, value: Any, instant_run: Run) -> None:
    with pytest.raises(RequestError) as caught:
        tune("small", gpu="cpu", **{field: value})
    assert caught.value.field == field


def test_its_result_is_json(instant_run: Run, space: Path) -> None:
    from odtool.cli.run import tune as command

    result = tune("small", trials=2, space=space, gpu="cpu")
    payload = json.loads(json.dumps(command._payload(result)))
    assert payload["best"]["run"] == f"small-trial-{result.view.best.number:03d}"  # type: ignore[union-attr]
    assert [trial["number"] for trial in payload["trials"]] == [0, 1]
    assert payload["page"] == str(result.folder.page)


@pytest.mark.parametrize(("fails", "state"), [(False, "finished"), (True, "failed")])
def test_the_end_of_a_study_is_told(fails: bool, state: str, instant_run: Run, space: Path) -> None:
    if fails:
        Path("fail").touch()
    lines: list[str] = []
    tune("small", trials=1, space=space, gpu="cpu", notify_target="cat > told.json", notify=lines.append)
    told = json.loads(Path("told.json").read_text())
    assert (told["run"], told["task"], told["state"]) == ("small", "tune", state)
    assert fails or told["metrics"]["trial"] == "small-trial-000"
    assert "told 'cat'" in lines
    with pytest.raises(RequestError) as caught:
        tune("small", notify_target="ftp://example.com")
    assert caught.value.field == "notify_target"
