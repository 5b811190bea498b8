"""Real Weights & Biases, in its offline mode: what it keeps is read back by its own reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.tracking import place
from odtool.tracking.place import TrackingPlace
from odtool.workspace import Run

ROOT = Path(__file__).parent.parent.parent
READ = """
import json, sys
from wandb.proto import wandb_internal_pb2
from wandb.sdk.internal.datastore import DataStore
rows, ids = [], set()
for path in sys.argv[1:]:
    store = DataStore()
    store.open_for_scan(path)
    while data := store.scan_data():
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            rows.append({name: value for name, value in items.items() if not name.startswith("_")})
        if record.WhichOneof("record_type") == "run":
            ids.add(record.run.run_id)
print(json.dumps([sorted(ids), rows]))
"""


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
    read = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ, *files], capture_output=True, text=True, check=True
    )
    ids, rows = json.loads(read.stdout)
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
