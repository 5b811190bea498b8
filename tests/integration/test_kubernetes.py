"""The YAML of docs/howto/several_machines.md: what Kubernetes and Kubeflow take, and pods that train together."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from odtool import cluster

PAGE = Path(__file__).parent.parent.parent / "docs" / "howto" / "several_machines.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
OBJECTS: list[dict[str, Any]] = [item for block in BLOCKS for item in yaml.safe_load_all(block)]
KINDS = {item["kind"]: item for item in OBJECTS}
TRAINER = {"TrainingRuntime": "training_runtime", "TrainJob": "train_job"}
"""Kubeflow's kinds, and the modules of kubeflow-trainer-api that hold their types, made from its schema."""


def test_all_kinds_are_there() -> None:
    assert sorted(KINDS) == ["Job", "Service", "TrainJob", "TrainingRuntime"]


@pytest.mark.parametrize("kind", ["Job", "Service"])
def test_kubernetes_takes_it(kind: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    kubernetes_validate.validate(KINDS[kind], kubernetes_validate.latest_version(), strict=True)
    misspelt = {**KINDS[kind], "spec": {**KINDS[kind]["spec"], "selectr": {}}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelt, kubernetes_validate.latest_version(), strict=True)


def build(item: Mapping[str, Any]) -> Any:
    """Of Kubeflow's own type; gives back what it knows of the fields."""
    name = TRAINER[item["kind"]]
    module = importlib.import_module(f"kubeflow_trainer_api.models.trainer_v1alpha1_{name}")
    return getattr(module, f"TrainerV1alpha1{item['kind']}").from_dict(item).to_dict()


@pytest.mark.parametrize("kind", sorted(TRAINER))
def test_kubeflow_trainer_takes_it(kind: str) -> None:
    pytest.importorskip("kubeflow_trainer_api")
    # It passes over fields that it does not know, which so are missing in what it gives back.
    assert build(KINDS[kind]) == KINDS[kind]
    misspelt = {**KINDS[kind], "spec": {**KINDS[kind]["spec"], "trainr": {}}}
    assert build(misspelt) != misspelt


def find_pods() -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """Of the Job and of the TrainJob: its specification, that of its pods, and the addresses of its pods."""
    job, train_job, runtime = (KINDS[kind] for kind in ("Job", "TrainJob", "TrainingRuntime"))
    pods = job["spec"]["template"]["spec"]
    name, service = job["metadata"]["name"], pods["subdomain"]
    assert KINDS["Service"]["metadata"]["name"] == service
    assert KINDS["Service"]["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}
    yield "Job", job["spec"], [f"{name}-{index}.{service}" for index in range(job["spec"]["completions"])]
    (nodes,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    assert train_job["spec"]["runtimeRef"]["name"] == runtime["metadata"]["name"]
    # JobSet: <its name>-<replicated job>-<which of these>-<pod>.<subdomain, by default its name>.
    name = train_job["metadata"]["name"]
    hosts = [f"{name}-{nodes['name']}-0-{index}.{name}" for index in range(runtime["spec"]["mlPolicy"]["numNodes"])]
    yield "TrainJob", nodes["template"]["spec"], hosts


@pytest.mark.parametrize(("kind", "spec", "hosts"), list(find_pods()), ids=["Job", "TrainJob"])
def test_its_pods_train_together(kind: str, spec: dict[str, Any], hosts: list[str], tmp_path: Path) -> None:
    (container,) = spec["template"]["spec"]["containers"]
    words = KINDS["TrainJob"]["spec"]["trainer"] if kind == "TrainJob" else container
    (tmp_path / "odtool").write_text('#!/bin/sh\necho "$*" >&2\nprintf %s "$TF_CONFIG"\n')
    (tmp_path / "odtool").chmod(0o755)
    for index in range(len(hosts)):
        done = subprocess.run(
            [*words["command"], *words["args"]],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "JOB_COMPLETION_INDEX": str(index)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr.split() == ["train", "my_run", "--foreground"]
        found = cluster.find({"TF_CONFIG": done.stdout})
        assert found is not None
        assert [address.rpartition(":")[0] for address in found.addresses] == hosts
        assert found.index == index


@pytest.mark.parametrize(("kind", "spec", "hosts"), list(find_pods()), ids=["Job", "TrainJob"])
def test_a_stopped_pod_is_replaced_and_is_no_failure(kind: str, spec: dict[str, Any], hosts: list[str]) -> None:
    ignored = [rule["onExitCodes"]["values"] for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert ignored == [[os.EX_TEMPFAIL]]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # podFailurePolicy asks for it
