"""Dask's workers: a cluster on this machine where no scheduler is named, else a first word with the scheduler."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from odtool import temporary_folders
from odtool.dataset.engines import beam_messages
from odtool.dataset.worker_processes import without_interrupts, without_script
from odtool.errors import DataError, first_line

if TYPE_CHECKING:
    from distributed import Security

    from odtool.dataset.engines.beam_options import BeamOptions


_NO_PAGES: dict[str, object] = {f"distributed.{role}.http.routes": [] for role in ("scheduler", "worker", "nanny")}
"""What is shown on a cluster's web pages is neither encrypted nor asked for."""
_SILENT_WORKERS = {"DASK_LOGGING__DISTRIBUTED": "critical"}
"""What a worker fails at comes to the command, which tells it; a worker's own word would be a traceback beside that."""


@contextmanager
def open_local_cluster(workers: int | None) -> Iterator[str]:
    """The address of a scheduler with `workers` processes on this machine, or with one a core.

    Whoever may speak with a scheduler may run what he likes as its user, and other users of the machine can reach its
    port: all that is said is encrypted, by keys that are nowhere but in the memory of the processes.
    """
    import dask
    from distributed import LocalCluster, Security

    security = Security.temporary()
    logging.getLogger("distributed").setLevel(logging.WARNING)
    resource_tracker.ensure_running()  # it would undo the blocking, if it were started in there
    environment = {**dask.config.get("distributed.nanny.pre-spawn-environ", {}), **_SILENT_WORKERS}
    settings = {**_name_keys(security), **_NO_PAGES, "distributed.nanny.pre-spawn-environ": environment}
    # For its locks, and what does not fit into memory: Dask would leave a folder beside other temporary ones.
    with (
        temporary_folders.make() as scratch,
        dask.config.set({**settings, "temporary-directory": str(scratch)}),
    ):
        with without_script(), without_interrupts():
            cluster = LocalCluster(
                n_workers=workers or len(os.sched_getaffinity(0)),
                threads_per_worker=1,
                # odtool keeps account itself; Dask would kill a worker that decodes a large image.
                memory_limit=0,
                dashboard_address="127.0.0.1:0",
                security=security,
                preload=[beam_messages.__name__],
            )
        with cluster:
            try:
                yield cluster.scheduler_address
            finally:
                # Beam's threads keep a worker from ending by itself, of which Dask would warn.
                logging.getLogger("distributed").setLevel(logging.ERROR)


def _name_keys(security: Security) -> dict[str, object]:
    """Dask's settings by which a client that is only told an address speaks with the cluster."""
    tls, keys = "distributed.comm.tls", security.get_tls_config_for_role("client")
    return {
        "distributed.comm.require-encryption": True,
        f"{tls}.ca-file": keys["ca_file"],
        f"{tls}.client.key": keys["key"],
        f"{tls}.client.cert": keys["cert"],
    }


def check_scheduler(options: BeamOptions) -> None:
    """Raises DataError where nobody answers at the scheduler's address, or it has no workers."""
    from apache_beam.runners.dask.dask_runner import DaskOptions
    from distributed import Client

    asked = options.to_pipeline_options().view_as(DaskOptions).get_all_options(drop_default=True, current_only=True)
    DaskOptions._extract_bag_kwargs(asked)
    where = asked.get("address") or asked.get("scheduler_file")
    try:
        with Client(**asked) as client:
            workers = client.scheduler_info(n_workers=-1)["workers"]
    except (OSError, ValueError, TimeoutError) as error:
        raise DataError(
            f"--beam: no Dask scheduler answers at {where}: {first_line(error)}", "Start one: dask scheduler."
        ) from None
    if not workers:
        raise DataError(f"--beam: the Dask scheduler at {where} has no workers", f"Start some: dask worker {where}.")
