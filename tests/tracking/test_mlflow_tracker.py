"""Real MLflow: its server with SQLite, and a database and a folder without one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from odtool.tracking import mlflow_tracker, place
from odtool.tracking.place import TrackingPlace
from odtool.workspace import Run

ROOT = Path(__file__).parent.parent.parent


def tell(run: Run) -> dict[str, Any]:
    """Tells what is new in a process of its own, as odtool track does; fails where not all arrived."""
    done = subprocess.run(
        [sys.executable, "-m", "odtool.tracking", str(run.path), "once"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


READ = """
import json, os, sys
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
from mlflow.tracking import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1])
run = client.get_run(sys.argv[2])
history = {name: [(entry.step, entry.value) for entry in client.get_metric_history(run.info.run_id, name)]
           for name in run.data.metrics}
found = [client.list_artifacts(run.info.run_id, folder) for folder in (None, "checkpoints")]
print(json.dumps({"name": run.info.run_name, "status": run.info.status, "parameters": run.data.params,
    "tags": run.data.tags, "history": history, "artifacts": sorted(item.path for part in found for item in part)}))
"""


def read(where: str, remote: str) -> dict[str, Any]:
    """The run as MLflow's own client, in a process of its own, reads it."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ, where, remote], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_a_run_is_told_of_without_a_server_and_nothing_twice(run: Run, write: Callable, tmp_path: Path) -> None:
    # MLflow's folders of files keep whatever they are told, where its database drops what it has.
    where = f"file://{tmp_path}/mlruns"
    place.save(run, TrackingPlace("mlflow", where, "my work"))
    write(10)
    answer = tell(run)
    write(20)
    assert tell(run)["points"] == 2
    # As after a crash amidst the last block: what may have arrived is told again, and is there once.
    known = place.load(run)
    assert known is not None
    place.save(run, TrackingPlace(**{**vars(known), "offset": 0, "sending": known.offset}))
    assert tell(run)["points"] == 4
    seen = read(where, answer["remote"])
    assert seen["name"] == "first run"
    assert seen["history"] == {
        "train/loss": [[10, 1.0], [20, 0.5]],
        "eval/DetectionBoxes_Precision/mAP": [[10, 0.1], [20, 0.2]],
    }
    assert seen["parameters"]["config.train_config.batch_size"] == "7"


@pytest.fixture
def server(tmp_path: Path, until: Callable[..., Any]) -> Iterator[Callable[[], str]]:
    """Starts `mlflow server` on a database and a port that stay the same; a second call starts it again."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    running: list[subprocess.Popen[bytes]] = []

    def stop() -> None:
        for process in running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()

    def start() -> str:
        folder = tmp_path / "server"
        folder.mkdir(exist_ok=True)
        stop()
        words = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        words += ["--backend-store-uri", f"sqlite:///{folder}/ml.db", "--artifacts-destination", str(folder / "files")]
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        running.append(process)

        def answers() -> bool:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        until(answers)
        return f"http://127.0.0.1:{port}"

    start.stop = stop  # type: ignore[attr-defined]  # for tests of a server that is down
    yield start
    stop()


@pytest.mark.slow
def test_a_server_is_told_of_a_run_and_catches_up_after_it_was_down(
    run: Run, write: Callable, server: Any, until: Callable
) -> None:
    where = server()
    place.save(run, TrackingPlace("mlflow", where, "my work", artifacts=True))
    for name in ("ckpt-10.index", "ckpt-10.data-00000-of-00001"):
        (run.path / name).write_text("x")
    write(10)
    answer = tell(run)
    assert (answer["points"], answer["artifacts"]) == (2, 3)
    server.stop()
    write(20)
    command = [sys.executable, "-m", "odtool.tracking", str(run.path), "once"]
    down = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert down.returncode == 1
    assert "not told: " in down.stderr
    server()
    assert tell(run)["points"] == 2
    seen = read(where, answer["remote"])
    assert [step for step, _ in seen["history"]["train/loss"]] == [10, 20]
    assert seen["artifacts"] == [
        "checkpoints",
        "checkpoints/ckpt-10.data-00000-of-00001",
        "checkpoints/ckpt-10.index",
        "pipeline.config",
    ]


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("train/loss", "train/loss"),
        ("eval/DetectionBoxes_Precision/mAP (large)", "eval/DetectionBoxes_Precision/mAP large"),
        ("config.eval_input_reader[0].shuffle", "config.eval_input_reader.0.shuffle"),
        ("eval/PerformanceByCategory/mAP/Straße", "eval/PerformanceByCategory/mAP/Straße"),
    ],
)
def test_names_stay_as_they_are_where_mlflow_takes_them(name: str, clean: str) -> None:
    assert mlflow_tracker.clean_name(name) == clean


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["eval/mAP/a+b", "eval/mAP/a&b", "../../etc", "a//b", "eval/mAP/\n", "x" * 400, "é\ud800", "/a", "a/../b", ""],
)
def test_names_that_mlflow_refuses_are_made_such_as_it_takes_and_stay_apart(name: str) -> None:
    validation = pytest.importorskip("mlflow.utils.validation")
    clean = mlflow_tracker.clean_name(name)
    validation._validate_metric_name(clean)
    validation._validate_param_name(clean)
    assert clean != mlflow_tracker.clean_name(f"{name}!")
