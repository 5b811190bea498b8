"""eval, export, predict and report on a disk that becomes full, and once there is space again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from odtool import shortage
from odtool.dataset import synthetic

pytestmark = pytest.mark.slow
Mounted = Callable[[Path, str], AbstractContextManager[None]]
ACCOUNTS = ("train/small/jobs/", "train/small/eval.log", "train/small/eval/")
"""What an evaluation tells of itself, however it ends: its record, its log and its events."""
COMMANDS = {
    "eval": ("eval", "--gpu", "cpu", "--foreground", "--checkpoint", "latest"),
    "export": ("export",),
    "predict": ("predict", "drawings/images", "--model", "train/small", "--min-score", 0),
    "report": ("report",),
}
MADE = {
    "eval": "train/small/best/metrics.json",
    "export": "exported-models/small/export.json",
    "predict": "predictions/predictions.json",
    "report": "train/small/report.html",
}


@pytest.fixture(scope="module")
def trained(odtool: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run that was trained for two steps."""
    folder = tmp_path_factory.mktemp("full") / "work"
    folder.mkdir()
    synthetic.draw(folder / "drawings", images=8)
    for command in (
        ("prepare", "drawings", "--val", "0.5"),
        ("configure", "--model", "demo_ssd", "--run", "small", "--steps", 2, "--batch-size", 2),
        ("train", "--gpu", "cpu", "--foreground"),
    ):
        done = odtool(*command, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def take_stock(folder: Path) -> dict[str, str]:
    """Every file and folder but the accounts of evaluations, with what it holds."""
    names = {path: path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    return {
        name: "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        for path, name in names.items()
        if not f"{name}/".startswith(ACCOUNTS) and not name.startswith(ACCOUNTS)
    }


@pytest.mark.parametrize(
    ("command", "free"),
    # 0: not even what a job keeps for its end fits. 90,000: that, and its events, but not all of best/.
    [("eval", 0), ("eval", 90_000), ("export", 500_000), ("predict", 12_000), ("report", 4_096)],
)
def test_a_full_disk_is_one_error_loses_nothing_and_all_works_once_there_is_space(
    odtool: Callable[..., Any], trained: Path, tmp_path: Path, mounted: Mounted, command: str, free: int
) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=64m"):
        work = Path(shutil.copytree(trained, disk / "work"))
        with (disk / "large").open("wb") as large:
            large.write(bytes(shortage.measure_free(disk) - free))
        before = take_stock(work)
        full = odtool(*COMMANDS[command], cwd=work)
        output = full.stdout + full.stderr
        assert full.returncode == 1, output
        errors = [line for line in output.splitlines() if line.startswith("error:")]
        assert len(errors) == 1, output
        assert f"the disk at {disk} is full" in errors[0]
        assert "hint: Free some space there, or write to another disk" in output
        assert "Traceback" not in output
        assert take_stock(work) == before

        (disk / "large").unlink()
        again = odtool(*COMMANDS[command], cwd=work)
        assert again.returncode == 0, again.stdout + again.stderr
        after = take_stock(work)
        assert MADE[command] in after
        assert before.items() - after.items() <= {("train/small/metrics.jsonl", before["train/small/metrics.jsonl"])}
        assert not [name for name in after if Path(name).name.startswith(".")]
