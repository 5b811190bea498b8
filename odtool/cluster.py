"""Which processes train one run together: read from TF_CONFIG, or from what Slurm's srun sets for each of its tasks.

TF_CONFIG is TensorFlow's own (tf.distribute.cluster_resolver.TFConfigClusterResolver); Vertex AI and Kubeflow's TFJob
set it. Slurm's variables are those of `man srun`, "OUTPUT ENVIRONMENT VARIABLES".

A process that is one of several and took itself for one alone would train the whole run beside the others, over their
files: whatever speaks of several and is not understood is refused.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from odtool import state_files
from odtool.errors import JobError
from odtool.state_files import StateError

_CHIEF = ("chief", "master")
"""Names of the first process; master is that of TensorFlow before 1.9, which some platforms still set."""
_CLUSTER_LIKE = re.compile("cluster|sparse", re.IGNORECASE)
"""Of keys beside cluster and task that speak of other processes, as Kubeflow's sparseCluster does."""

_FIRST_PORT, _JOBS, _PORTS_A_JOB = 20_000, 750, 16
"""Under Slurm: by the job's number, so that two jobs that share a machine do not meet; below the ports that Linux gives
out by itself (32768 and up)."""


_MOST_TASKS = 100_000
"""Far beyond any training: a range in a list of nodes is written out in memory."""


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
    content = _parse_tf_config(text)
    if strange := [key for key in content if key != "cluster" and _CLUSTER_LIKE.search(key)]:
        raise JobError(
            f"TF_CONFIG has '{strange[0]}', in which a process is not told of all others; they cannot train one model "
            "in step",
            "Give all processes in cluster, as in TFJob without enableDynamicWorker.",
        )
    jobs = {role: _list_addresses(role, given) for role, given in _expect_object(content, "cluster").items() if given}
    task = _expect_object(content, "task")
    _refuse_roles(jobs, task)
    _refuse_without_others(jobs, task)
    chief = next((role for role in _CHIEF if role in jobs), None)
    addresses = tuple(address for role in (chief, "worker") if role for address in jobs.get(role, ()))
    if len(addresses) == 0 or (len(addresses) == 1 and not task):
        return None
    role, number = _read_task(task)
    if number >= len(jobs.get(role, ())):
        raise JobError(
            f"TF_CONFIG: there is no {role} {number} among {jobs.get(role, [])}", "task.index counts from 0."
        )
    index = number + (1 if role == "worker" and chief else 0)
    return Cluster(_checked(addresses), index, "TF_CONFIG") if len(addresses) > 1 else None


def _parse_tf_config(text: str) -> dict[str, Any]:
    try:
        content = state_files.parse(text)
    except StateError as error:
        raise JobError(f"TF_CONFIG cannot be read: {error}", f"It is: {text[:200]}") from None
    if not isinstance(content, dict):
        raise JobError("TF_CONFIG cannot be read: it is not an object", f"It is: {text[:200]}")
    return content


def _expect_object(content: dict[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key) or {}
    if not isinstance(value, dict):
        raise JobError(f"TF_CONFIG cannot be read: {key} is not an object", f"It is: {value!r}"[:200])
    return value


def _list_addresses(role: str, given: Any) -> list[str]:
    """A role's processes, which TensorFlow takes as a list or by their numbers."""
    if isinstance(given, dict):
        if sorted(given) != sorted(map(str, range(len(given)))):
            raise JobError(
                f"TF_CONFIG: of {role} only {', '.join(sorted(given))} are given",
                "Give all processes, by the numbers from 0 or as a list.",
            )
        given = [given[str(number)] for number in range(len(given))]
    if not isinstance(given, list) or not all(isinstance(address, str) for address in given):
        raise JobError(f"TF_CONFIG: cluster.{role} is not a list of addresses", 'Give it as in ["node1:2222"].')
    return given


def _refuse_roles(jobs: Mapping[str, Sequence[str]], task: Mapping[str, Any]) -> None:
    """Raises JobError where a role, in the cluster or this process's own, has no part in synchronous training."""
    known = (*_CHIEF, "worker", "evaluator")
    role = task.get("type", "worker")
    if role == "evaluator" or jobs.get("ps") or role == "ps":
        own = f"this is {role} {task.get('index', 0)}"
        raise JobError(
            "TF_CONFIG: odtool trains with a chief and workers, and "
            + (f"{own} of a cluster with parameter servers" if jobs.get("ps") else own),
            "Remove ps and evaluator; checkpoints are evaluated by odtool train --eval or odtool eval.",
        )
    if unknown := [name for name in (*jobs, str(role)) if name not in known]:
        raise JobError(f"TF_CONFIG: '{unknown[0]}' is not a role in training", f"There are: {', '.join(known)}.")
    chiefs = [address for name in _CHIEF for address in jobs.get(name, ())]
    if len(chiefs) > 1:
        raise JobError(f"TF_CONFIG names {len(chiefs)} chiefs: {', '.join(chiefs)}", "Leave one, as chief.")


def _refuse_without_others(jobs: Mapping[str, Sequence[str]], task: Mapping[str, Any]) -> None:
    """Raises JobError where a process is told that it is the third, say, and of no process at all."""
    if not jobs and task.get("index") not in (None, 0, "0"):
        raise JobError(
            f"TF_CONFIG names no processes, and says that this is one of several: task is {json.dumps(task)}",
            "Give the addresses of all in cluster, or remove task.",
        )


def _read_task(task: Mapping[str, Any]) -> tuple[str, int]:
    """The process's own role and number."""
    number = task.get("index")
    # Kubernetes puts numbers into text.
    if isinstance(number, str) and number.isascii() and number.isdecimal():
        number = int(number)
    if "type" not in task or type(number) is not int or number < 0:
        raise JobError(
            f"TF_CONFIG names several processes, and does not say which this is: task is {json.dumps(task)}",
            'Give each its own, as in "task": {"type": "worker", "index": 1}.',
        )
    return str(task["type"]), number


def _checked(addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 1 << 16):
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

    def read(name: str, default: str | None = None) -> int:
        text = environment.get(name, default) or ""
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise JobError(f"Slurm: {name} is '{text}', not a number", "Start it with srun, or set TF_CONFIG yourself.")
        return int(text)

    index, total = read("SLURM_PROCID"), read("SLURM_STEP_NUM_TASKS")
    hosts, counts = expand_hosts(of_step("NODELIST")), expand_counts(of_step("TASKS_PER_NODE"))
    if len(hosts) != len(counts):
        raise JobError(f"Slurm: {len(hosts)} nodes, but task counts for {len(counts)}", "Set TF_CONFIG yourself.")
    _refuse_order(environment, counts)
    first = _FIRST_PORT + read("SLURM_JOB_ID", "0") % _JOBS * _PORTS_A_JOB
    if max(counts) > _PORTS_A_JOB:
        raise JobError(f"Slurm: {max(counts)} tasks on a node; the most is {_PORTS_A_JOB}", "Use --ntasks-per-node=1.")
    pairs = zip(hosts, counts, strict=True)
    addresses = tuple(f"{host}:{first + local}" for host, count in pairs for local in range(count))
    if len(addresses) != total or not 0 <= index < total:
        raise JobError(f"Slurm: task {index} of {total}, but {len(addresses)} on its nodes", "Set TF_CONFIG yourself.")
    _check_own_place(environment, addresses[index], first)
    return Cluster(addresses, index, "Slurm")


def _refuse_order(environment: Mapping[str, str], counts: Sequence[int]) -> None:
    """Raises JobError where tasks are not numbered node by node, in the order that the nodes are listed in."""
    order = environment.get("SLURM_DISTRIBUTION", "block")
    if environment.get("SLURM_HET_SIZE", "1") != "1":
        raise JobError("Slurm: a step over the parts of a heterogeneous job", "Set TF_CONFIG yourself.")
    if order.startswith("arbitrary") or environment.get("SLURM_HOSTFILE"):
        raise JobError(
            "Slurm: tasks are placed as a file says (-m arbitrary, SLURM_HOSTFILE), which the other tasks cannot see",
            "Choose the nodes by --nodelist, with -m block and without SLURM_HOSTFILE.",
        )
    if max(counts) > 1 and not order.startswith(("block", "pack")):
        raise JobError(f"Slurm: tasks are distributed by {order}", "Use srun --ntasks-per-node=1, or -m block.")


def _check_own_place(environment: Mapping[str, str], address: str, first: int) -> None:
    """Raises JobError where this process is not at the address that the others have for it."""
    node, local = environment.get("SLURMD_NODENAME"), environment.get("SLURM_LOCALID", "")
    host, _, port = address.rpartition(":")
    if (node and node != host) or (local.isdecimal() and int(port) != first + int(local)):
        raise JobError(
            f"Slurm: this is task {local or '?'} of node {node or '?'}, and the others look for it at {address}",
            "Use -m block, which numbers tasks node by node, or set TF_CONFIG yourself.",
        )


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
        match = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", part)
        if match is None:
            raise JobError(f"Slurm: '{whole}' is not a list of nodes", "Set TF_CONFIG yourself.")
        first, last = match[1], match[2] or match[1]
        if int(last) - int(first) >= _MOST_TASKS:
            raise JobError(f"Slurm: '{part}' is more nodes than a training may have", "Set TF_CONFIG yourself.")
        # Leading zeros belong to the name.
        yield from (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))


def expand_counts(text: str) -> list[int]:
    """Tasks of each node in Slurm's short form: '2(x3),1' is 2, 2, 2, 1.

    Raises:
        JobError: it is not of that form.
    """
    counts: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:\(x([0-9]{1,5})\))?", part.strip())
        if match is None:
            raise JobError(f"Slurm: '{text}' is not a list of task counts", "Set TF_CONFIG yourself.")
        counts += [int(match[1])] * int(match[2] or 1)
    return counts
