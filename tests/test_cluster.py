"""Which processes train together, as TF_CONFIG and Slurm tell it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from odtool import cluster
from odtool.errors import JobError


def tf_config(task: dict[str, Any], **jobs: list[str]) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": task})}


def slurm(**values: str) -> dict[str, str]:
    # As srun sets them on the second of two nodes with a task each.
    usual = {
        "JOB_ID": "751", "PROCID": "1", "STEP_NUM_TASKS": "2", "STEP_NODELIST": "gpu[01-02]",
        "STEP_TASKS_PER_NODE": "1(x2)", "DISTRIBUTION": "block",
    }  # fmt: skip
    return {f"SLURM_{name}": value for name, value in {**usual, **values}.items()}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TF_CONFIG": ""},
        tf_config({}),
        tf_config({"type": "worker", "index": 0}, worker=["a:1"]),
        # A batch script before its srun, and a single task.
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_NODELIST": "a,b"},
        slurm(PROCID="0", STEP_NUM_TASKS="1"),
    ],
)
def test_one_process_trains_alone(environment: dict[str, str]) -> None:
    assert cluster.find(environment) is None


def test_the_first_worker_is_the_chief_where_none_is_named() -> None:
    found = cluster.find(tf_config({"type": "worker", "index": 1}, worker=["a:1", "b:2"]))
    assert found == cluster.Cluster(("a:1", "b:2"), 1, "TF_CONFIG")
    assert cluster.task_of(found) == "train-worker1"
    assert cluster.named(found, 1) == "worker 1 at b:2"
    assert cluster.find(found.environment) == found


def test_a_chief_of_its_own_comes_before_the_workers() -> None:
    jobs = {"chief": ["c:1"], "worker": ["a:1", "b:1"]}
    chief = cluster.find(tf_config({"type": "chief", "index": 0}, **jobs))
    worker = cluster.find(tf_config({"type": "worker", "index": 0}, **jobs))
    assert chief is not None
    assert worker is not None
    assert chief.addresses == worker.addresses == ("c:1", "a:1", "b:1")
    assert (chief.is_chief, worker.index) == (True, 1)
    assert cluster.task_of(chief) == cluster.task_of(None) == "train"


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"TF_CONFIG": "{"}, "cannot be read"),
        ({"TF_CONFIG": "[1]"}, "cannot be read"),
        (tf_config({"type": "evaluator", "index": 0}, worker=["a:1", "b:1"]), "this is evaluator 0"),
        (tf_config({"type": "worker", "index": 0}, worker=["a:1"], ps=["b:1"]), "parameter servers"),
        (tf_config({"type": "worker", "index": 2}, worker=["a:1", "b:1"]), "no worker 2"),
        (tf_config({"type": "worker", "index": 0}, worker=["a:1", "b"]), "'b' is not host:port"),
        (tf_config({"type": "worker", "index": 0}, worker=["a:1", "a:1"]), "an address twice"),
        (slurm(STEP_NODELIST="gpu[01-"), "is not a list of nodes"),
        (slurm(STEP_NODELIST="gpu[a-b]"), "is not a list of nodes"),
        (slurm(STEP_TASKS_PER_NODE="x"), "is not a list of task counts"),
        (slurm(STEP_TASKS_PER_NODE="1(x3)"), "2 nodes, but task counts for 3"),
        (slurm(STEP_TASKS_PER_NODE="2,1", STEP_NUM_TASKS="3", DISTRIBUTION="cyclic"), "by cyclic"),
        (slurm(STEP_NUM_TASKS="3"), "task 1 of 3, but 2"),
        (slurm(STEP_NODELIST=""), "SLURM_STEP_NODELIST is not set"),
    ],
)
def test_what_makes_no_sense_is_refused(environment: dict[str, str], complaint: str) -> None:
    with pytest.raises(JobError, match=complaint):
        cluster.find(environment)


def test_slurm_gives_a_port_by_job_and_place_on_the_node() -> None:
    assert cluster.find(slurm()) == cluster.Cluster(("gpu01:20016", "gpu02:20016"), 1, "Slurm")
    several = cluster.find(slurm(STEP_TASKS_PER_NODE="2,1", STEP_NUM_TASKS="3", PROCID="2"))
    assert several is not None
    assert several.addresses == ("gpu01:20016", "gpu01:20017", "gpu02:20016")


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("gpu7", ["gpu7"]),
        ("a,b", ["a", "b"]),
        ("gpu[01-03,7],login", ["gpu01", "gpu02", "gpu03", "gpu7", "login"]),
        ("r[1-2]n[08-10]-ib", [f"r{rack}n{node}-ib" for rack in (1, 2) for node in ("08", "09", "10")]),
        ("n[99-101]", ["n99", "n100", "n101"]),
    ],
)
def test_nodes_are_written_out(text: str, hosts: list[str]) -> None:
    assert cluster.expand_hosts(text) == hosts


def test_numbers_of_tasks_are_written_out() -> None:
    assert cluster.expand_counts("2(x3),1") == [2, 2, 2, 1]
