"""A workspace that is moved after a training: what its commands do in the new place."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from odtool.dataset import synthetic

pytestmark = pytest.mark.slow
TRAIN = ("train", "--foreground", "--gpu", "cpu", "--checkpoint-every", 3)


class Moved(NamedTuple):
    """A workspace with a trained run, in its new place."""

    root: Path
    config: Path
    told: str
    """What every command says of the move."""
    run: Callable[..., Any]
    """Runs odtool in it, successfully."""


@pytest.fixture(scope="module")
def moved(odtool: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Moved:
    folder = tmp_path_factory.mktemp("moved")
    old, new = folder / "old", folder / "new [place]" / "shop"
    old.mkdir()
    synthetic.draw(old / "drawings", images=16)

    def run(*command: object, cwd: Path = new) -> Any:
        done = odtool(*command, cwd=cwd)
        assert done.returncode == 0, done.stderr + done.stdout
        return done

    run("prepare", "drawings", "--val", "0.25", cwd=old)
    run("configure", "--model", "demo_ssd", "--run", "small", "--steps", 3, "--batch-size", 2, cwd=old)
    run(*TRAIN, cwd=old)
    new.parent.mkdir()
    old.rename(new)
    told = f"4 paths in pipeline.config followed from {old} to {new}"
    return Moved(new, new / "train" / "small" / "pipeline.config", told, run)


def test_it_is_exported_reported_and_predicts(moved: Moved) -> None:
    assert moved.told in moved.run("export", "--format", "savedmodel").stderr
    assert moved.told in moved.run("report").stderr
    assert moved.told in moved.run("predict", "drawings", "--out", "found").stderr


def test_it_trains_on_and_is_checked_and_evaluated(moved: Moved) -> None:
    text = moved.config.read_text()
    moved.config.write_text(re.sub("num_steps: 3", "num_steps: 6", text))
    assert moved.told in moved.run(*TRAIN).stderr
    folder = moved.config.parent
    assert {path.name for path in folder.glob("ckpt-*.index")} == {"ckpt-3.index", "ckpt-6.index"}
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    assert [line["step"] for line in lines if line["kind"] == "start"] == [0, 3]  # it went on
    assert moved.told in moved.run("eval", "--checkpoint", "latest", "--foreground").stderr
    findings = json.loads(moved.run("check", "--json").stdout)["findings"]
    assert any(moved.told in finding["message"] for finding in findings)
    assert not [finding for finding in findings if finding["level"] == "error"]
    assert moved.config.read_text() == text.replace("num_steps: 3", "num_steps: 6")  # the user's file stays as it is


def test_a_copy_has_the_records_of_its_own_and_those_alone(
    moved: Moved, odtool: Callable[..., Any], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(moved.root, copy)
    shutil.rmtree(copy / "data")
    assert (moved.root / "data").is_dir()
    refused = odtool("train", "--foreground", cwd=copy)
    assert refused.returncode == 1
    assert f"no file matches {copy}/data/" in refused.stderr
