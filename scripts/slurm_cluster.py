"""Builds a Slurm cluster of several nodes on this machine from Debian's packages, runs a command in it, and ends it.

    sudo apt-get install slurm-wlm munge iproute2
    sudo python3 scripts/slurm_cluster.py                                # a shell, with sbatch, srun and squeue
    sudo python3 scripts/slurm_cluster.py --nodes 3 -- srun -N 3 hostname
    sudo python3 scripts/slurm_cluster.py --folder logs -- sh scenario.sh

The controller and each node are processes in namespaces of their own (network, processes, host name), joined by a
bridge that is in the controller's: no address of this machine is used, nothing of it is changed, and when the command
has ended nothing is left of it. Nodes are called node1, node2 and so on; all of them see this machine's files, as over
a shared file system. To Python they are different machines.

Exit codes: the command's; 77 it cannot be built here, and the last line says why.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

CANNOT = 77
"""The exit code by which automake's and other test drivers know a test that was skipped."""
TOOLS = ("slurmctld", "slurmd", "munged", "ip", "unshare")
CONTROLLER, NETWORK = "controller", "10.77.0"
"""Addresses of a network that exists in the namespaces alone."""
_NAMESPACES = ["unshare", "--mount", "--propagation", "private", "--net", "--uts", "--pid", "--fork"]
_NAMESPACES += ["--kill-child", "--mount-proc"]
_PATIENCE = 60.0
"""Seconds for daemons to come up, on a machine that may be busy."""
_BECOME_NODE = """
hostname "$1"
echo ready
read go
ip link set lo up
ip address add "$2/24" dev eth0
ip link set eth0 up
exec slurmd -D -N "$1"
"""
"""A node's first process; what it reads tells it that eth0 is there."""
_CONFIGURATION = """
ClusterName=trial
SlurmctldHost={controller}
SlurmUser=root
AuthType=auth/munge
# A job that is requeued waits for as long as the credentials of its last start are good, two minutes by default.
AuthInfo=socket={folder}/munge.socket,cred_expire={requeue_after}
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/%n
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
# Without control groups, which a container's root may not have.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait={kill_wait}
SchedulerParameters=sched_interval=2,batch_sched_delay=0
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class ClusterError(Exception):
    """The cluster could not be built, or does not come up."""


def main() -> int:
    options = _options()
    if options.inside:
        return _inside(options, Path(options.folder))
    if obstacle := find_obstacle():
        print(f"NOT TRIED: a Slurm cluster on this machine: {obstacle}", file=sys.stderr, flush=True)
        return CANNOT
    signal.signal(signal.SIGTERM, _end)
    with ExitStack() as stack:
        folder = options.folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-"))
        Path(folder).mkdir(parents=True, exist_ok=True)
        own = ["--inside", "--folder", str(Path(folder).resolve()), "--nodes", str(options.nodes)]
        own += ["--cpus", str(options.cpus), "--kill-wait", str(options.kill_wait)]
        own += ["--requeue-after", str(options.requeue_after)]
        command = [*_NAMESPACES, sys.executable, str(Path(__file__).resolve()), *own, "--", *options.command]
        return subprocess.run(command, check=False).returncode


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=2, help="2 unless given")
    parser.add_argument("--cpus", type=int, default=4, help="that each node says it has; 4 unless given")
    parser.add_argument("--folder", help="for logs and state, which then stay; else a temporary one")
    parser.add_argument(
        "--kill-wait", type=int, default=30, help="seconds between SIGTERM and SIGKILL; 30 unless given"
    )
    parser.add_argument("--requeue-after", type=int, default=5, help="seconds; 5 unless given, the least there is")
    parser.add_argument(
        "--inside", action="store_true", help=argparse.SUPPRESS
    )  # given to the process in the namespaces
    parser.add_argument("command", nargs="*", help="run in the cluster; a shell unless given")
    return parser.parse_args()


def find_obstacle() -> str:
    """Why no cluster can be built here; '' where one can."""
    if os.geteuid() != 0:
        return "it needs root, for namespaces and for slurmd"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if missing := [tool for tool in TOOLS if shutil.which(tool, path=path) is None]:
        return f"{missing[0]} is not installed: apt-get install slurm-wlm munge iproute2"
    made = subprocess.run(
        [*_NAMESPACES, "ip", "link", "add", "br0", "type", "bridge"], capture_output=True, check=False
    )
    return f"root may not make networks here: {made.stderr.decode().strip()}" if made.returncode else ""


def _end(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


def _inside(options: argparse.Namespace, folder: Path) -> int:
    """What the controller's first process does; with its end the kernel ends all others."""
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    names = [f"node{number}" for number in range(1, options.nodes + 1)]
    try:
        _write_files(options, folder, names)
        _start_controller(folder)
        for number, name in enumerate(names, 1):
            _start_node(folder, name, number)
        _wait_until_idle(len(names))
    except (ClusterError, subprocess.CalledProcessError) as error:
        print(f"FAILED: {error}; the logs are in {folder}", file=sys.stderr, flush=True)
        return 1
    command = options.command or [os.environ.get("SHELL", "sh")]
    return subprocess.run(command, check=False).returncode


def _write_files(options: argparse.Namespace, folder: Path, names: list[str]) -> None:
    shutil.rmtree(folder / "state", ignore_errors=True)  # an earlier cluster's jobs
    (folder / "state").mkdir()
    hosts = [f"{NETWORK}.254 {CONTROLLER}", *(f"{NETWORK}.{number} {name}" for number, name in enumerate(names, 1))]
    (folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{line}\n" for line in hosts))
    key = folder / "munge.key"
    key.unlink(missing_ok=True)
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    nodes = [
        f"NodeName={name} NodeAddr={NETWORK}.{number} CPUs={options.cpus} State=UNKNOWN"
        for number, name in enumerate(names, 1)
    ]
    (folder / "slurm.conf").write_text(
        _CONFIGURATION.format(
            controller=f"{CONTROLLER}({NETWORK}.254)",
            folder=folder,
            nodes="\n".join(nodes),
            kill_wait=options.kill_wait,
            requeue_after=options.requeue_after,
        )
    )


def _start_controller(folder: Path) -> None:
    _run("mount", "--bind", folder / "hosts", "/etc/hosts")
    _run("hostname", CONTROLLER)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "br0", "type", "bridge")
    _run("ip", "address", "add", f"{NETWORK}.254/24", "dev", "br0")
    _run("ip", "link", "set", "br0", "up")
    # --force: its checks of folders are for machines where others may write.
    munge = ["munged", "--foreground", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket"]
    munge += [f"--{name}-file={folder}/munge.{name}" for name in ("pid", "log", "seed")]
    _start(folder / "munged.out", munge)
    _wait((folder / "munge.socket").exists, "munged does not start")
    _start(folder / "slurmctld.out", ["slurmctld", "-D"])


def _start(log: Path, command: list[str]) -> None:
    with log.open("wb") as output:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)


def _start_node(folder: Path, name: str, number: int) -> None:
    """Starts a node, and puts the end of a cable into its network."""
    (folder / name).mkdir(exist_ok=True)
    with (folder / f"{name}.out").open("wb") as output:
        node = subprocess.Popen(
            [*_NAMESPACES, "sh", "-ec", _BECOME_NODE, "sh", name, f"{NETWORK}.{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
        )
    assert node.stdin is not None
    assert node.stdout is not None
    if node.stdout.readline() != b"ready\n":
        raise ClusterError(f"{name} does not start")
    cable = f"to-{name}"
    _run("ip", "link", "add", cable, "master", "br0", "type", "veth", "peer", "name", "eth0", "netns", str(node.pid))
    _run("ip", "link", "set", cable, "up")
    node.stdin.write(b"go\n")
    node.stdin.close()


def _wait_until_idle(count: int) -> None:
    def is_idle() -> bool:
        shown = subprocess.run(["sinfo", "-h", "-N", "-o", "%T"], capture_output=True, text=True, check=False)
        return shown.stdout.split() == ["idle"] * count

    _wait(is_idle, "not all nodes are idle")


def _wait(is_there: Callable[[], bool], complaint: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not is_there():
        if time.monotonic() > end:
            raise ClusterError(f"{complaint} after {_PATIENCE:.0f} s")
        time.sleep(0.1)


def _run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True)


if __name__ == "__main__":
    sys.exit(main())
