"""Event files of a restarted training: TensorBoard is made to forget the steps that are taken again."""

from __future__ import annotations

from pathlib import Path

from tensorflow.core.util import event_pb2
from tensorflow.python.summary.writer.event_file_writer import EventFileWriter


def mark_restart(folder: Path, step: int) -> None:
    """Says that what was written before for steps past `step` does not hold: its process died before it saved them.

    On reading a SessionLog.START TensorBoard drops them (plugin_event_accumulator, `purge_orphaned_data`). TensorFlow
    2's own summary writers cannot write one.
    """
    # TensorBoard reads by name: time, host, and then the process in the file that follows, which never begins with 0.
    writer = EventFileWriter(str(folder), filename_suffix=".0.restart")
    started = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    for _ in range(2):  # the first one that TensorBoard meets it takes for the beginning
        writer.add_event(event_pb2.Event(step=step + 1, session_log=started))
    writer.close()
