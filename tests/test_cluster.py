"""Which processes train together, as TF_CONFIG and Slurm tell it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from odtool import cluster
from odtool.errors import JobError


def tf_config(task: Any, **jobs: Any) -> dict[str, str]:
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
        tf_config({"type": "worker", "index": 0}),
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


def test_a_master_is_the_chief() -> None:
    # As AI Platform and TensorFlow 1 name it.
    jobs = {"master": ["m:1"], "worker": ["a:1", "b:1"], "evaluator": ["e:1"]}
    master = cluster.find(tf_config({"type": "master", "index": 0, "trial": "1"}, **jobs))
    worker = cluster.find(tf_config({"type": "worker", "index": "1"}, **jobs))
    assert master == cluster.Cluster(("m:1", "a:1", "b:1"), 0, "TF_CONFIG")
    assert worker == cluster.Cluster(("m:1", "a:1", "b:1"), 2, "TF_CONFIG")


def test_a_master_with_one_worker_does_not_train_alone() -> None:
    found = cluster.find(tf_config({"type": "worker", "index": 0}, master=["m:1"], worker=["a:1"]))
    assert found == cluster.Cluster(("m:1", "a:1"), 1, "TF_CONFIG")


def test_workers_may_be_given_by_their_numbers() -> None:
    # As tf.train.ClusterSpec takes them; text sorts 10 before 2.
    workers = {str(number): f"h{number}:1" for number in reversed(range(11))}
    found = cluster.find(tf_config({"type": "worker", "index": 10}, worker=workers))
    assert found is not None
    assert found.addresses == tuple(f"h{number}:1" for number in range(11))
    assert found.index == 10


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"TF_CONFIG": "{"}, "cannot be read"),
        ({"TF_CONFIG": "[1]"}, "cannot be read"),
        ({"TF_CONFIG": '"worker"'}, "cannot be read"),
        ({"TF_CONFIG": '{"cluster": ["a:1", "b:1"]}'}, "cluster is not an object"),
        (tf_config("worker", worker=["a:1", "b:1"]), "task is not an object"),
        # Kubeflow's TFJob with enableDynamicWorker: a worker knows itself alone.
        (
            {"TF_CONFIG": '{"sparseCluster": {"worker": {"1": "b:1"}}, "task": {"type": "worker", "index": 1}}'},
            "has 'sparseCluster', in which a process is not told of all others",
        ),
        (
            {"TF_CONFIG": '{"cluster": {}, "sparse": {"worker": {"1": "b:1"}}, "task": {"type": "worker"}}'},
            "has 'sparse'",
        ),
        (tf_config({"type": "worker", "index": 1}, worker={"1": "b:1", "3": "d:1"}), "of worker only 1, 3 are given"),
        (tf_config({"type": "worker", "index": 0}, worker="a:1"), "cluster.worker is not a list of addresses"),
        (tf_config({"type": "worker", "index": 0}, worker=[1, 2]), "cluster.worker is not a list of addresses"),
        (tf_config({"type": "worker", "index": 0}, worker=["a:1"], leader=["b:1"]), "'leader' is not a role"),
        (tf_config({"type": "Worker", "index": 0}, worker=["a:1", "b:1"]), "'Worker' is not a role"),
        (tf_config({"type": "leader", "index": 0}), "'leader' is not a role"),
        (tf_config({"type": "ps", "index": 0}, worker=["a:1"]), "this is ps 0"),
        (tf_config({"type": "chief", "index": 0}, chief=["a:1"], master=["b:1"]), "names 2 chiefs: a:1, b:1"),
        (tf_config({"type": "chief", "index": 1}, chief=["a:1", "b:1"]), "names 2 chiefs"),
        (tf_config({"type": "chief", "index": 0}, worker=["a:1"]), "no chief 0"),
        # Every one of them would take itself for the first.
        (tf_config({}, worker=["a:1", "b:1"]), "does not say which this is"),
        (tf_config({"type": "worker"}, worker=["a:1", "b:1"]), "does not say which this is"),
        (tf_config({"index": 1}, worker=["a:1", "b:1"]), "does not say which this is"),
        (tf_config({"type": "worker", "index": "one"}, worker=["a:1", "b:1"]), "does not say which this is"),
        (tf_config({"type": "worker", "index": -1}, worker=["a:1", "b:1"]), "does not say which this is"),
        (tf_config({"type": "worker", "index": 1.5}, worker=["a:1", "b:1"]), "does not say which this is"),
        (tf_config({"type": "worker", "index": True}, worker=["a:1", "b:1"]), "does not say which this is"),
        (tf_config({"type": "worker", "index": 0}, worker=["a:1", "b:70000"]), "'b:70000' is not host:port"),
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
        # One task a node, but in the order of a file that only srun has read.
        (slurm(DISTRIBUTION="arbitrary"), "as a file says"),
        (slurm(HOSTFILE="/home/me/hosts"), "as a file says"),
        (slurm(HET_SIZE="2"), "heterogeneous"),
        (slurm(HOSTFILE="", LOCALID="1"), "this is task 1 of node"),
        ({**slurm(LOCALID="0"), "SLURMD_NODENAME": "gpu01"}, "of node gpu01, and the others look .* at gpu02:20016"),
    ],
)
def test_what_makes_no_sense_is_refused(environment: dict[str, str], complaint: str) -> None:
    with pytest.raises(JobError, match=complaint):
        cluster.find(environment)


@pytest.mark.parametrize("name", ["PROCID", "STEP_NUM_TASKS", "JOB_ID"])
@pytest.mark.parametrize("value", ["", "x", "-1", "1.0", "٣", "9" * 30])
def test_what_is_no_number_in_slurms_variables_is_named(name: str, value: str) -> None:
    with pytest.raises(JobError) as error:
        cluster.find(slurm(**{name: value}))
    assert error.value.message == f"Slurm: SLURM_{name} is '{value}', not a number"


def test_lists_of_nodes_and_tasks_that_no_memory_holds_are_refused() -> None:
    for environment in (slurm(STEP_NODELIST="gpu[0-999999999]"), slurm(STEP_TASKS_PER_NODE="1(x999999999)")):
        with pytest.raises(JobError, match=r"^Slurm: "):
            cluster.find(environment)


@pytest.mark.parametrize("index", [3, "3", True])
def test_one_of_several_that_is_told_of_no_others_does_not_train_alone(index: Any) -> None:
    with pytest.raises(JobError, match="names no processes"):
        cluster.find(tf_config({"type": "worker", "index": index}))


def test_slurm_gives_a_port_by_job_and_place_on_the_node() -> None:
    assert cluster.find(slurm()) == cluster.Cluster(("gpu01:20016", "gpu02:20016"), 1, "Slurm")
    several = cluster.find(slurm(STEP_TASKS_PER_NODE="2,1", STEP_NUM_TASKS="3", PROCID="2"))
    assert several is not None
    assert several.addresses == ("gpu01:20016", "gpu01:20017", "gpu02:20016")
    in_place = slurm(STEP_TASKS_PER_NODE="2,1", STEP_NUM_TASKS="3", PROCID="1", LOCALID="1", HET_SIZE="1")
    assert cluster.find({**in_place, "SLURMD_NODENAME": "gpu01"}) == cluster.Cluster(several.addresses, 1, "Slurm")


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
