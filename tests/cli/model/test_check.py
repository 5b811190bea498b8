"""odtool check, with a script in the engine's place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from odtool.workspace import Workspace

ENGINE = """
import json, os, sys
assert sys.argv[1] == "check" and os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
print(json.dumps({"variables": 340, "parameters": 9, "checkpoint": None, "error": None}))
"""


def test_a_sound_run_is_said_to_be(odtool: Callable, configured: Workspace) -> None:
    said = odtool("check")
    assert said.code == 0
    for part in (
        "train data: 16 records in 1 file; all looked at: ",
        "evaluation classes: all 2 are in the evaluation set",
        "model: 340 variables, 9 parameters, all new",
        "next: odtool train mine --eval",
    ):
        assert part in said.out
    few = odtool("check", "mine", "--sample", 5, "--json").json
    assert (few["run"], few["error"], few["warning"]) == ("mine", 0, 0)
    assert "16 records in 1 file; 5 looked at" in next(
        each["message"] for each in few["findings"] if each["subject"] == "train data"
    )


def test_everything_wrong_is_named_at_once_and_the_exit_code_is_1(odtool: Callable, configured: Workspace) -> None:
    (shard,) = configured.data.shards("train")
    shard.write_bytes(shard.read_bytes()[:-100])
    config = configured.run("mine").pipeline_config
    config.write_text(config.read_text().replace("num_classes: 2", "num_classes: 7"))
    said = odtool("check", "--all", "--json")
    assert said.code == 1
    errors = {each["subject"]: each for each in said.json["findings"] if each["level"] == "error"}
    assert set(errors) == {"classes", "train data", "train records"}
    assert "bytes of train were written (shards: 1), and" in errors["train records"]["message"]
    assert "record 16 (at byte" in errors["train data"]["message"]
    assert "is damaged: cut short" in errors["train data"]["message"]
    assert all(each["hint"] for each in errors.values())


def test_a_run_that_does_not_exist_is_an_error(odtool: Callable, configured: Workspace) -> None:
    said = odtool("check", "other")
    assert said.code == 1
    assert "no run 'other'" in said.err


def test_an_engine_that_fails_is_a_finding(odtool: Callable, configured: Workspace, tmp_path: Path) -> None:
    (tmp_path / "engine.py").write_text("""print('{"failed": "no such network", "hint": "see doctor"}')""")
    said = odtool("check")
    assert said.code == 1
    assert "error   model: no such network" in said.out
