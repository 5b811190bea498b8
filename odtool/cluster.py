"""Which processes train one run together: read from TF_CONFIG, or from what Slurm's srun sets for each of its tasks.

TF_CONFIG is TensorFlow's own (tf.distribute.cluster_resolver.TFConfigClusterResolver); Kubeflow's TFJob sets it.
Slurm's variables are those of `man srun`, "OUTPUT ENVIRONMENT VARIABLES".
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from odtool.errors import JobError

_FIRST_PORT, _JOBS, _PORTS_A_JOB = 20_000, 750, 16
"""Under Slurm: by the job's number, so that two jobs that share a machine do not meet; below the ports that Linux gives
out by itself (32768 and up)."""


@dataclass(frozen=True)
class Cluster:
    """Two or more processes."""

    addresses: tuple[str, ...]
    """host:port of each, the chief's first."""
    index: int
    """Which of them this process is; 0 is the chief."""
    source: str
    """TF_CONFIG or Slurm."""

    @property
    def is_chief(self) -> bool:
        """The chief alone writes checkpoints, metrics and events."""
        return self.index == 0

    @property
    def environment(self) -> dict[str, str]:
        """TF_CONFIG in one form, whatever it was read from: all are workers, and the first is the chief."""
        content = {"cluster": {"worker": list(self.addresses)}, "task": {"type": "worker", "index": self.index}}
        return {"TF_CONFIG": json.dumps(content)}


def task_of(cluster: Cluster | None) -> str:
    """Under which name a process keeps its log, its lock and its record: only the chief is the run's training."""
    return "train" if cluster is None or cluster.is_chief else f"train-worker{cluster.index}"


def named(cluster: Cluster, index: int) -> str:
    """For people: 'worker 1 at node2:2222'."""
    return f"{'the chief' if index == 0 else f'worker {index}'} at {cluster.addresses[index]}"


def find(environment: Mapping[str, str]) -> Cluster | None:
    """The cluster that this process is one of; None where it trains alone.

    Raises:
        JobError: the variables are there and do not make sense.
    """
    if text := environment.get("TF_CONFIG", "").strip():
        return _from_tf_config(text)
    if "SLURM_PROCID" in environment and environment.get("SLURM_STEP_NUM_TASKS", "1") != "1":
        return _from_slurm(environment)
    return None


def _from_tf_config(text: str) -> Cluster | None:
    try:
        content = json.loads(text)
        jobs, task = content.get("cluster") or {}, content.get("task") or {}
        addresses = tuple(str(item) for job in ("chief", "worker") for item in jobs.get(job) or ())
        kind, number = str(task.get("type", "worker")), int(task.get("index", 0))
        of_kind = list(jobs.get(kind) or ())
    except (ValueError, TypeError, AttributeError) as error:
        raise JobError(f"TF_CONFIG cannot be read: {error}", f"It is: {text[:200]}") from None
    if not addresses:
        return None
    if kind not in ("chief", "worker") or jobs.get("ps"):
        raise JobError(
            f"TF_CONFIG: odtool trains with a chief and workers, and this is {kind} {number}"
            + (" of a cluster with parameter servers" if jobs.get("ps") else ""),
            "Remove ps and evaluator; checkpoints are evaluated by odtool train --eval or odtool eval.",
        )
    if not 0 <= number < len(of_kind):
        raise JobError(f"TF_CONFIG: there is no {kind} {number} among {of_kind}", "task.index counts from 0.")
    index = number + (len(jobs.get("chief") or ()) if kind == "worker" else 0)
    return Cluster(_checked(addresses), index, "TF_CONFIG") if len(addresses) > 1 else None


def _checked(addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise JobError(f"TF_CONFIG: '{address}' is not host:port", "Give each process as in node1:2222.")
    if len(set(addresses)) != len(addresses):
        raise JobError("TF_CONFIG names an address twice", "Each process needs a port of its own.")
    return addresses


def _from_slurm(environment: Mapping[str, str]) -> Cluster:
    def of_step(name: str) -> str:
        value = environment.get(f"SLURM_STEP_{name}") or environment.get(f"SLURM_JOB_{name}")
        value = value or environment.get(f"SLURM_{name}")
        if not value:
            raise JobError(f"Slurm: SLURM_STEP_{name} is not set", "Start it with srun, or set TF_CONFIG yourself.")
        return value

    hosts, counts = expand_hosts(of_step("NODELIST")), expand_counts(of_step("TASKS_PER_NODE"))
    if len(hosts) != len(counts):
        raise JobError(f"Slurm: {len(hosts)} nodes, but task counts for {len(counts)}", "Set TF_CONFIG yourself.")
    order = environment.get("SLURM_DISTRIBUTION", "block")
    if max(counts) > 1 and not order.startswith(("block", "pack")):
        raise JobError(f"Slurm: tasks are distributed by {order}", "Use srun --ntasks-per-node=1, or -m block.")
    job = int(environment.get("SLURM_JOB_ID", "0"))
    first = _FIRST_PORT + job % _JOBS * _PORTS_A_JOB
    if max(counts) > _PORTS_A_JOB:
        raise JobError(f"Slurm: {max(counts)} tasks on a node; the most is {_PORTS_A_JOB}", "Use --ntasks-per-node=1.")
    pairs = zip(hosts, counts, strict=True)
    addresses = tuple(f"{host}:{first + local}" for host, count in pairs for local in range(count))
    index, total = int(environment["SLURM_PROCID"]), int(environment["SLURM_STEP_NUM_TASKS"])
    if len(addresses) != total or not 0 <= index < total:
        raise JobError(f"Slurm: task {index} of {total}, but {len(addresses)} on its nodes", "Set TF_CONFIG yourself.")
    return Cluster(addresses, index, "Slurm")


def expand_hosts(text: str) -> list[str]:
    """The hosts in Slurm's short form: 'gpu[01-03,7],login' is gpu01, gpu02, gpu03, gpu7 and login.

    Raises:
        JobError: it is not of that form.
    """
    hosts: list[str] = []
    for item in _split(text):
        pieces = re.findall(r"\[([^\[\]]*)\]|([^\[\]]+)", item)
        if "".join(f"[{inside}]" if inside else plain for inside, plain in pieces) != item or not item:
            raise JobError(f"Slurm: '{text}' is not a list of nodes", "Set TF_CONFIG yourself.")
        choices = [list(_range(inside, text)) if inside else [plain] for inside, plain in pieces]
        hosts += ["".join(parts) for parts in itertools.product(*choices)]
    return hosts


def _split(text: str) -> list[str]:
    """At the commas outside of brackets."""
    return re.split(r",(?![^\[]*\])", text.strip())


def _range(text: str, whole: str) -> Iterator[str]:
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None:
            raise JobError(f"Slurm: '{whole}' is not a list of nodes", "Set TF_CONFIG yourself.")
        first, last = match[1], match[2] or match[1]
        # Leading zeros belong to the name.
        yield from (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))


def expand_counts(text: str) -> list[int]:
    """Tasks of each node in Slurm's short form: '2(x3),1' is 2, 2, 2, 1.

    Raises:
        JobError: it is not of that form.
    """
    counts: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part.strip())
        if match is None:
            raise JobError(f"Slurm: '{text}' is not a list of task counts", "Set TF_CONFIG yourself.")
        counts += [int(match[1])] * int(match[2] or 1)
    return counts
