"""Defaults from odtool.toml of the workspace and of the user, in real commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.settings import user_settings
from odtool.workspace import Run


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own file, in a configuration folder of the test's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = user_settings.find_user_file()
    assert path.is_relative_to(tmp_path)
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace's file, in the current folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here" / "odtool.toml"


def engine(run: Run, until: Callable[..., Any], task: str = "train") -> dict[str, Any]:
    until(lambda: "begins" in run.log(task).read_text())
    return dict(json.loads((run.path / f"{task}.seen.json").read_text()))


def test_a_command_has_the_files_defaults_and_the_command_line_wins(
    odtool: Callable, job_run: Run, own: Path, until: Callable, no_gpu: None
) -> None:
    own.write_text("[train]\nkeep-checkpoints = 3\ncheckpoint_every = 10\n")
    Path("odtool.toml").write_text("[train]\ncheckpoint-every = 20\neval = true\nprecision = 'bfloat16'\n")
    assert odtool("train", "--precision", "float32", "--no-eval").code == 0
    argv = engine(job_run, until)["argv"]
    assert argv[2:] == ["--checkpoint-every", "20", "--keep-checkpoints", "3", "--precision", "float32"]
    assert not job_run.log("eval").exists()


def test_a_switch_can_be_set_and_a_number_stands_for_a_text(
    odtool: Callable, job_run: Run, until: Callable, two_gpus: None
) -> None:
    Path("odtool.toml").write_text("[train]\neval = true\ngpu = 1\n")
    assert odtool("train").code == 0
    assert engine(job_run, until)["environment"]["CUDA_VISIBLE_DEVICES"] == "1"
    assert engine(job_run, until, "eval")["argv"][0] == "eval"


def test_the_workspace_that_is_named_is_whose_file_is_read(
    odtool: Callable, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.write_text("[models]\nsort = 'map'\n")
    monkeypatch.chdir(tmp_path)
    for words in (("--workspace", "here"), ("--workspace=here",), ("-w", "here"), ("-where",)):
        (row,) = odtool("settings", *words, "--json").json["settings"]
        assert row["source"] == f"{workspace}:2", words
    assert odtool("settings", "--json").json["settings"] == []


@pytest.mark.parametrize("sort", ["name", "map"])
def test_a_command_that_is_a_group_has_them_too(sort: str, odtool: Callable, workspace: Path) -> None:
    workspace.write_text(f"[models]\nsort = '{sort}'\nfilter = ['ssd', '320']\n")
    names = [model["name"] for model in odtool("models", "--json").json["models"]]
    assert names == [model["name"] for model in odtool("models", "--sort", sort, "--json").json["models"]]
    assert all("320" in name for name in names)
    assert (names == sorted(names)) == (sort == "name")


def test_help_shows_what_holds(odtool: Callable, workspace: Path) -> None:
    assert "[default: 77]" not in odtool("train", "-h").out
    workspace.write_text("[train]\nkeep-checkpoints = 77\neval = true\n")
    page = odtool("train", "-h").out
    assert "[default: 77]" in page
    assert "[default: true]" in page


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("[train]\n\nchekpoint-every = 5", 3, "odtool train has no option 'chekpoint-every'"),
        ("[trane]\ngpu = 0", 1, "'trane' is not a command"),
        ("gpu = 0", 1, "gpu: stands in no command's table"),
        ("train = 3", 1, "train is a command, not an option"),
        ("[[train]]\neval = true", 1, "train is a command, not an option"),
        ("[train]\nrun = 'x'", 2, "odtool train has no option 'run'"),
        ("[train]\neval = 'yes'", 2, "eval: 'yes' is not true or false"),
        ("[train]\neval = 1", 2, "eval: '1' is not true or false"),
        ("[train]\ncheckpoint-every = '5'", 2, "checkpoint-every: '5' is not a whole number"),
        ("[train]\ncheckpoint-every = 5.0", 2, "is not a whole number"),
        ("[train]\ncheckpoint-every = true", 2, "checkpoint-every: 'true' is not a whole number"),
        ("[train]\ncheckpoint-every = 0", 2, "checkpoint-every: 0 is not 1 or more"),
        ("[train]\ngpu = true", 2, "gpu: 'true' is not a text"),
        ("[train]\ngpu = [0, 1]", 2, "is not a text"),
        ("[train]\ngpu = nan", 2, "is not a text"),
        ("[train]\ngpu = 2026-01-01", 2, "is not a text"),
        ("[train]\nworkspace = 'x'", 2, "decides which odtool.toml is read"),
        ("[train.eval]\nx = 1", 1, "is not true or false"),
        ("[configure]\nset = 'a=b'", 2, "set: 'a=b' is not a list"),
        ("[configure]\nset = [true]", 2, "set: 'true' is not a text"),
        ("[models]\nsort = 'size of it'", 2, "is not one of name, map, speed, size"),
        ("[tune]\npruner = 'best'", 2, "is not one of median, hyperband, none"),
        ("[status]\ninterval = 0.05", 2, "interval: 0.05 is not from 0.1 to 3600"),
        ("[board]\nport = 70000", 2, "port: 70000 is not from 1 to 65535"),
        ("[models.pul]\nx = 1", 1, "odtool models has no option 'pul'"),
        ("[train]\ngpu = 0\ngpu = 1", 3, "overwrite"),
        ("[train\n", 1, "Expected"),
    ],
)
def test_what_cannot_hold_is_refused_with_its_line(
    text: str, line: int, problem: str, odtool: Callable, workspace: Path, own: Path
) -> None:
    for path in (workspace, own):
        path.write_text(text)
        said = odtool("status", "--json")
        assert said.code == 1
        assert said.json["error"].startswith(f"{path}:{line}: ")
        assert problem in said.json["error"]
        path.unlink()


@pytest.mark.parametrize(
    "switch",
    [("json", "--no-json"), ("debug", "--no-debug"), ("cache", "--no-cache"), ("foreground", "--no-foreground")],
)
def test_a_switch_that_a_file_sets_can_be_undone(
    switch: tuple[str, str], odtool: Callable, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, undo = switch
    assert "no such option" in odtool("train", undo, "nothing").err
    workspace.write_text(f"[train]\n{name} = true\n")
    monkeypatch.chdir(tmp_path)  # the workspace is found beside a spelling that only its file brings
    undone = odtool("train", undo, "nothing", "--workspace", "here")
    assert "no run 'nothing'" in undone.err
    assert undone.out == ""


@pytest.mark.parametrize("target", ["nowhere.toml", "odtool.toml"])
def test_a_link_that_leads_nowhere_is_refused(target: str, odtool: Callable, workspace: Path) -> None:
    workspace.symlink_to(target)
    said = odtool("status", "--json")
    assert said.code == 1
    assert said.json["error"].startswith(f"{workspace}: ")


def test_a_single_value_for_a_list_is_shown_as_it_is_to_be_written(odtool: Callable, workspace: Path) -> None:
    workspace.write_text("[predict]\nmin-score = 'best'\n")
    assert odtool("status", "--json").json["hint"].endswith('["best"]')


def test_help_is_shown_whatever_the_files_say(odtool: Callable, workspace: Path) -> None:
    workspace.write_text("[nothing]\nx = 1")
    for option in ("-h", "--help"):
        assert odtool("train", option).code == 0
    assert odtool("--version").code == 0


@pytest.mark.parametrize("text", ["[train\n", "[train]\nchekpoint-every = 5", "gpu = 0", "\0"])
def test_version_doctor_and_settings_work_while_a_file_is_broken(
    text: str, odtool: Callable, workspace: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from odtool.api import doctor

    sound = {"errors": [], "warnings": [], "python": "3", "executable": "", "odtool": "1"}
    monkeypatch.setattr(doctor, "examine", lambda _: {**sound, "errors": []})
    workspace.write_text(text)
    own.write_text("[train]\ngpu = 0\n[version]\njson = true\n")
    assert odtool("status").code == 1
    assert odtool("version").code == 0
    said = odtool("doctor", "--json")
    assert said.code == 1
    (error,) = said.json["errors"]
    assert error.startswith(f"{workspace}:" if text != "\0" else str(workspace))
    said = odtool("settings", "--json")
    assert said.code == 1
    assert [file["error"] is None for file in said.json["files"]] == [True, False]
    assert said.json["error"] == said.json["files"][1]["error"]
    assert [row["source"] for row in said.json["settings"]] == [f"{own}:2", f"{own}:4"]
    page = odtool("settings")
    assert f"error: {workspace}" in page.err
    assert str(own) in page.out
    assert odtool("settings", "train").code == 1


def test_completion_works_while_a_file_is_broken(workspace: Path) -> None:
    workspace.write_text("[train\n")
    environment = {
        **os.environ,
        "_ODTOOL_COMPLETE": "complete_bash",
        "COMP_WORDS": "odtool train --che",
        "COMP_CWORD": "2",
    }
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'odtool'; from odtool.cli import main; main()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "--checkpoint-every" in done.stdout
    assert done.stderr == ""


def test_what_runs_commands_is_taken_from_the_users_own_file_alone(
    odtool: Callable, workspace: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odtool.cli.option_defaults._OWN_FILE_ONLY", {"gpu": "may do harm"})
    workspace.write_text("[train]\ngpu = 0")
    said = odtool("settings", "--json").json
    assert said["error"] == f"{workspace}:2: gpu may do harm"
    assert str(own) in said["hint"]
    workspace.rename(own)
    assert odtool("settings", "--json").json["settings"][0]["source"] == f"{own}:2"


def test_settings_tells_where_each_comes_from(odtool: Callable, workspace: Path, own: Path) -> None:
    own.write_text("[train]\ngpu = 0\nkeep-checkpoints = 2\n")
    workspace.write_text("[train]\ngpu = 'cpu'\n")
    said = odtool("settings", "--json").json
    assert [file["exists"] for file in said["files"]] == [True, True]
    assert [(row["option"], row["value"], row["source"], row["holds"]) for row in said["settings"]] == [
        ("--gpu", "0", f"{own}:2", False),
        ("--keep-checkpoints", 2, f"{own}:3", True),
        ("--gpu", "cpu", f"{workspace}:2", True),
    ]
    page = odtool("settings")
    assert "(overridden)" in page.out
    assert str(own) in page.out


def test_settings_of_a_command_lists_every_option(odtool: Callable, workspace: Path) -> None:
    workspace.write_text("[eval]\nsample = 10\n")
    rows = {row["option"]: row for row in odtool("settings", "eval", "--json").json["settings"]}
    assert (rows["--sample"]["value"], rows["--sample"]["source"]) == (10, f"{workspace}:2")
    assert (rows["--checkpoint"]["value"], rows["--checkpoint"]["source"]) == ("all", "default")
    assert {"--gpu", "--best", "--json"} <= rows.keys()
    assert {row["option"] for row in odtool("settings", "models", "pull", "--json").json["settings"]} > {"--json"}
    said = odtool("settings", "nothing")
    assert said.code == 2
    assert "'nothing' is not one of" in said.err


def test_without_files_nothing_is_set(odtool: Callable, workspace: Path) -> None:
    said = odtool("settings")
    assert "no file sets anything" in said.out
    assert said.out.count("(not there)") == 2


def test_functions_of_the_api_do_not_read_the_files(workspace: Path, own: Path) -> None:
    from odtool.api.model.models import list_models

    for path in (workspace, own):
        path.write_text("[models]\nfilter = ['nothing']")
    assert list_models(workspace=workspace.parent)
