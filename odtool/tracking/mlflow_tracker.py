"""A run in MLflow, by its client: a server, a database or a folder, as MLFLOW_TRACKING_URI names it."""

from __future__ import annotations

import os
import re
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from odtool.tracking.place import TrackingPlace
from odtool.tracking.points import Point
from odtool.workspace import Run

_METRICS_AT_ONCE, _PARAMETERS_AT_ONCE = 1000, 100
"""What MLflow takes in one request."""
_LONGEST_NAME, _LONGEST_VALUE = 250, 6000
_STATES = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED", "lost": "FAILED"}
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""Its own, by default, are seven attempts of two minutes; a feed has its own way to wait."""


def connect(run: Run, place: TrackingPlace) -> tuple[MlflowRun, str]:
    """The run as a run of MLflow, by its id or as a new one."""
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    if is_file_store(place.where):
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # it was asked for by name
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=place.where)
    if place.remote is not None:
        client.update_run(place.remote, status="RUNNING")
        return MlflowRun(client, place.remote), place.remote
    experiment = client.get_experiment_by_name(place.project)
    identity = experiment.experiment_id if experiment else client.create_experiment(place.project)
    remote = str(client.create_run(identity, run_name=run.name).info.run_id)
    return MlflowRun(client, remote), remote


def is_file_store(where: str) -> bool:
    """Whether an address is that of a folder."""
    return where.startswith("file:") or "://" not in where


class MlflowRun:
    """One of MLflow's runs."""

    def __init__(self, client: Any, identity: str) -> None:
        self._client = client
        self._identity = identity

    def set_parameters(self, parameters: Mapping[str, str]) -> None:
        """New ones as parameters; MLflow never changes one, so that what has changed becomes a tag of its name."""
        from mlflow.entities import Param, RunTag

        known = self._client.get_run(self._identity).data.params
        named = {clean_name(name): value[:_LONGEST_VALUE] for name, value in parameters.items()}
        new = [Param(name, value) for name, value in named.items() if name not in known]
        changed = [RunTag(name, value) for name, value in named.items() if known.get(name, value) != value]
        for part in _divide(new, _PARAMETERS_AT_ONCE):
            self._client.log_batch(self._identity, params=part)
        for part in _divide(changed, _PARAMETERS_AT_ONCE):
            self._client.log_batch(self._identity, tags=part)

    def log(self, points: Sequence[Point], *, doubtful: bool) -> None:
        from mlflow.entities import Metric

        known: dict[str, set[tuple[int, int]]] = {}
        batch = []
        for point in points:
            name, moment = clean_name(point.name), round(point.time * 1000)
            if doubtful and name not in known:
                history = self._client.get_metric_history(self._identity, name)
                known[name] = {(entry.step, entry.timestamp) for entry in history}
            if (point.step, moment) not in known.get(name, ()):
                batch.append(Metric(name, point.value, moment, point.step))
        for part in _divide(batch, _METRICS_AT_ONCE):
            self._client.log_batch(self._identity, metrics=part)

    def upload(self, path: Path, folder: str) -> None:
        self._client.log_artifact(self._identity, str(path), folder or None)

    def close(self, state: str) -> None:
        if state in _STATES:
            self._client.set_terminated(self._identity, _STATES[state], end_time=int(time.time() * 1000))


def clean_name(name: str) -> str:
    """A name that MLflow takes: letters, numbers and _-. :/ in it, and a path that is as short as it can be.

    What else it had could be all that told it from another one, and leaves a checksum in its place; but the brackets
    of 'mAP (large)' and of 'eval_input_reader[0]' do not.
    """
    plain = re.sub(r"\[(\w+)\]", r".\1", name)
    plain = re.sub(r"\((\w+)\)", r"\1", plain)
    clean = re.sub(r"[^/\w.\- :]", "_", plain)
    clean = "/".join(part.strip(".") or "_" for part in clean.split("/"))
    if clean == plain and len(clean) <= _LONGEST_NAME:
        return clean
    return f"{clean[: _LONGEST_NAME - 9]}_{zlib.crc32(name.encode(errors='replace')):08x}"


def _divide(items: list[Any], most: int) -> Iterator[list[Any]]:
    for begin in range(0, len(items), most):
        yield items[begin : begin + most]
