"""Names of files that lie elsewhere, such as gs://bucket/train.tfrecord: how one is told from a path of this machine.

TensorFlow reads what a pipeline.config names by its own file systems. Everything else that odtool reads or writes are
files and folders here, which other tools open, too.
"""

from __future__ import annotations

import re
from pathlib import Path

from odtool.errors import DataError

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
"""Of two letters or more, as C:/ is a drive elsewhere; a Path writes gs://bucket as gs:/bucket."""
_MOUNTS = {
    "gs": "gcsfuse",
    "s3": "mountpoint-s3 or s3fs",
    "s3a": "mountpoint-s3 or s3fs",
    "hdfs": "the HDFS NFS gateway",
    "az": "blobfuse2",
    "abfs": "blobfuse2",
    "sftp": "sshfs",
    "ssh": "sshfs",
}
"""What mounts a storage as a folder, by its scheme."""


def find_scheme(name: str) -> str | None:
    """The scheme of an address, in small letters; None of a path, also where a folder here is called 'gs:'."""
    match = _ADDRESS.match(name)
    return match[1].lower() if match and not Path(f"{match[1]}:").exists() else None


def is_remote(name: str) -> bool:
    """Whether TensorFlow takes a name in a config for an address, which is told by its ://."""
    return bool(_ADDRESS.match(name)) and "://" in name


def refuse(what: str, name: str) -> None:
    """Raises DataError where a name is an address, and says how its files come to lie here.

    Args:
        what: the option or argument, for the message; may be empty.
    """
    if (scheme := find_scheme(name)) is None:
        return
    address = re.sub(r"^([^:/]+):/+", r"\1://", name)
    message = f"{what}{' ' if what else ''}{address}: is an address, and odtool reads and writes files and folders here"
    if scheme == "file":
        raise DataError(message, f"Give the path alone: /{name.partition(':')[2].lstrip('/')}")
    if scheme in ("http", "https", "ftp"):
        raise DataError(message, "Download it first, as with: curl -LO ADDRESS")
    tool = _MOUNTS.get(scheme, "rclone mount")
    raise DataError(
        message,
        f"Mount the storage ({tool}) and give the folder, or copy the files here. Records, label maps and checkpoints "
        "in a pipeline.config may be addresses that TensorFlow can read.",
    )
