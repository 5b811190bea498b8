"""What Apache Beam logs of itself whatever is asked of it: kept from the user, who can do nothing about it."""

from __future__ import annotations

import logging

_IDLE_TALK = (
    "apitools not found",  # as Beam is imported without its extra for Google Cloud, which nothing here needs
    "No semi_persistent_directory found",  # of each worker process of the DirectRunner
    "Discarding unpars",  # the same, of options that are the runner's own
)


class _IdleTalkFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not any(text in record.getMessage() for text in _IDLE_TALK)


_FILTER = _IdleTalkFilter()


def hide_idle_talk() -> None:
    """From now on nobody in this process sees it; to be called before Beam is imported, as often as one likes."""
    for name in (None, "apache_beam.runners.portability.local_job_service"):
        logging.getLogger(name).addFilter(_FILTER)


def dask_setup(_worker: object) -> None:
    """Called by Dask in a worker that is given this module for a preload."""
    hide_idle_talk()
