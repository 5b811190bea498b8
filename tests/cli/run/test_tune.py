"""odtool tune: what it shows of a study, on 80 columns."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from odtool.api.run import status
from odtool.api.run.tune import StudyProgress, StudyResult
from odtool.cli.run import tune
from odtool.cli.terminal import Terminal
from odtool.metrics import MetricsLog
from odtool.tuning.study_folder import StudyFolder
from odtool.tuning.trials import StudyView, TrialView
from odtool.workspace import Run

GAMMA = "model.ssd.loss.classification_loss.weighted_sigmoid_focal.gamma"
VALUES: dict[str, Any] = {"learning_rate": 0.00123456, "batch_size": 8, "augmentation": True, GAMMA: 2.0}
MORE: dict[str, Any] = dict.fromkeys(("warmup", "weight_decay", "focal_alpha", "anchor_scale"), 0.5)
TRIALS = (
    TrialView(0, "complete", VALUES | MORE, {1: 0.1, 2: 0.25}, 0.25, is_base=True, seconds=10),
    TrialView(1, "failed", VALUES | MORE, {}, None, "the loss is not finite"),
    TrialView(2, "complete", VALUES | MORE | {"batch_size": 16}, {1: 0.2, 2: 0.5}, 0.5, seconds=70),
    TrialView(3, "running", VALUES | MORE, {1: 0.125}, None),
)


@pytest.fixture
def view() -> StudyView:
    return StudyView("DetectionBoxes_Precision/mAP", 2, TRIALS)


def draw(shown: Any, width: int = 80) -> list[str]:
    screen = Console(width=width, record=True, highlight=False, file=SimpleNamespace(write=len, flush=int))  # type: ignore[arg-type]
    screen.print(shown)
    return screen.export_text().splitlines()


def test_the_table_shows_whole_columns_as_far_as_they_fit(view: StudyView) -> None:
    lines = draw(tune._make_table(view, view.trials, 80))
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[:5] == ["trial", "state", "mAP@[.5:.95]", "anchor_scale", "augmentation"]
    assert "…" not in "".join(lines)
    wide = draw(tune._make_table(view, view.trials, 200), 200)
    assert {"gamma", "learning_rate", "weight_decay"} <= set(wide[0].split())
    assert wide[1].split()[:3] == ["0", "complete", "0.250"]
    assert wide[4].split()[:3] == ["3", "running", "0.125"]  # what it has scored so far


def test_what_is_most_important_comes_first(view: StudyView) -> None:
    weighed = StudyView(view.metric, 2, view.trials, {GAMMA: 0.7, "warmup": 0.3})
    assert draw(tune._make_table(weighed, view.trials, 80))[0].split()[3:5] == ["gamma", "warmup"]


def test_the_live_table_fits_the_screen_and_tells_what_is_running(view: StudyView, tmp_path: Path) -> None:
    run = Run(tmp_path / "train" / "small-trial-003")
    run.path.mkdir(parents=True)
    MetricsLog(run.metrics).write("start", 0, {"num_steps": 100, "batch_size": 8})
    MetricsLog(run.metrics).write("train", 40, {"loss": 0.5, "learning_rate": 0.1, "steps_per_second": 2.0})
    progress = StudyProgress(view, {3: status.read_status(run)})
    for height in (6, 10, 40):
        lines = draw(tune._draw(progress, 80, height))
        assert len(lines) < height
        assert lines[-1].startswith("trial 3, step 40 of 100, loss 0.5")
        assert "2 complete, 1 failed; best: trial 2, 0.500" in lines


def test_the_result_names_the_best_and_the_next_command(
    view: StudyView, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = StudyFolder(Run(tmp_path / "train" / "my run"))
    tune._render(Terminal(), StudyResult(folder, view, is_whole=True))
    shown = capsys.readouterr().out
    assert "best: my run-trial-002, mAP@[.5:.95] 0.500; the run's own config: 0.250" in shown
    assert "trial 1 failed: the loss is not finite" in shown
    assert "next: odtool configure --like-trial 'my run'/best" in shown
    assert "run's own" in shown
    tune._render(Terminal(), StudyResult(folder, view, is_whole=False))
    assert "next: odtool tune 'my run'" in capsys.readouterr().out
