"""Real Weights & Biases, in its offline mode: what it keeps for `wandb sync` is read back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.tracking import place
from odtool.tracking.place import TrackingPlace
from odtool.workspace import Run

ROOT = Path(__file__).parent.parent.parent
READ = """
import json, struct, sys
from wandb.proto import wandb_internal_pb2

def scan(path):
    # W&B's file is a log of LevelDB's form: 7 bytes, then pieces of records, none across a border of 32 KiB.
    content, place, record = open(path, "rb").read(), 7, b""
    while place + 7 <= len(content):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        record += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield record
            record = b""

rows, ids = [], set()
for path in sys.argv[1:]:
    for data in scan(path):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            rows.append({name: value for name, value in items.items() if not name.startswith("_")})
        if record.WhichOneof("record_type") == "run":
            ids.add(record.run.run_id)
print(json.dumps([sorted(ids), rows]))
"""


def read_back(files: list[Path]) -> Any:
    """Ids of runs, and the rows of their history."""
    command = [sys.executable, "-W", "ignore", "-c", READ, *map(str, files)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_a_run_is_told_of_offline_and_goes_on_under_the_same_id(run: Run, write: Callable) -> None:
    place.save(run, TrackingPlace("wandb", "", "my work"))
    for step in (10, 20):
        write(step)
        done = subprocess.run(
            [sys.executable, "-m", "odtool.tracking", str(run.path), "once"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "WANDB_MODE": "offline"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    files = sorted((run.path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 2
    ids, rows = read_back(files)
    known = place.load(run)
    assert known is not None
    assert ids == [known.remote]
    told = [(row["step"], name, value) for row in rows for name, value in row.items() if "/" in name]
    assert told == [
        (10, "train/loss", 1.0),
        (10, "eval/DetectionBoxes_Precision/mAP", 0.1),
        (20, "train/loss", 0.5),
        (20, "eval/DetectionBoxes_Precision/mAP", 0.2),
    ]


TELL_TWICE = """
import sys
from pathlib import Path
from odtool.tracking import points, wandb_tracker
from odtool.tracking.place import TrackingPlace
from odtool.workspace import Run

run = Run(Path(sys.argv[1]))
tracker, _ = wandb_tracker.connect(run, TrackingPlace("wandb", "", "my work"))
found = list(points.convert(points.read_block(run.metrics, 0)))
tracker.log(found[:3], doubtful=False)
tracker.log(found, doubtful=True)
tracker.close("finished")
"""


@pytest.mark.slow
def test_lines_that_are_told_again_are_there_once(run: Run, write: Callable) -> None:
    for step in (10, 20):
        write(step)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WANDB_MODE": "offline"}
    subprocess.run([sys.executable, "-c", TELL_TWICE, str(run.path)], env=environment, check=True)
    _, rows = read_back(sorted((run.path / "wandb").glob("offline-run-*/*.wandb")))
    assert [row["step"] for row in rows] == [10, 10, 20, 20]
