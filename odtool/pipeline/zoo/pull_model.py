"""A model of the zoo with its published checkpoint, downloaded and unpacked into model_zoo/: all of it or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from odtool import locks
from odtool.errors import ConfigError, DataError
from odtool.pipeline import start_checkpoints
from odtool.pipeline.zoo import archive, http_download, zoo
from odtool.pipeline.zoo.http_download import PartialDownload, Report
from odtool.pipeline.zoo.zoo_model import ZooModel

_MOST_BYTES = 4 * 2**30
"""Twice the zoo's largest tarball."""


@dataclass(frozen=True)
class Pulled:
    """Where a model is now, and how it got there."""

    folder: Path
    checkpoint: Path
    """Its prefix."""
    how: Literal["already here", "downloaded", "unpacked"]
    source: str
    """The address, or the file that was there; empty where nothing had to be done."""
    bytes: int = 0
    """Size of the tarball."""
    resumed_from: int = 0
    """Bytes of it that an earlier attempt had brought."""


Download = Callable[..., int]
"""`http_download.download`, or a stand-in for it."""


def pull(
    model: ZooModel, folder: Path, *, url: str | None, report: Report, download: Download = http_download.download
) -> Pulled:
    """Brings a model into `folder`, the workspace's model_zoo/.

    A tarball that lies there under its own or the model's name is unpacked; only without one is it downloaded.

    Args:
        url: another address than the zoo's: of the tarball, or what stands before its date and name.

    Raises:
        ConfigError: nothing is published of the model, it cannot be downloaded, or another process is downloading it.
        DataError: the archive is damaged or hostile; nothing of it is kept.
    """
    if not model.tarball:
        raise ConfigError(f"no checkpoint of {model.name} has been published", "List the models with: odtool models")
    target = folder / model.folder
    lock = locks.acquire(folder / f".{model.folder}.lock")
    if lock is None:
        raise ConfigError(f"{target}: another odtool process is downloading it", "Wait for it to finish.")
    try:
        if _is_occupied(target):
            return Pulled(target, start_checkpoints.find(target), "already here", "")
        tarball = next((path for path in _list_tarballs(model, folder) if path.is_file()), None)
        if tarball is not None:
            prefix = _unpack(tarball, target)
            return Pulled(target, prefix, "unpacked", str(tarball), tarball.stat().st_size)
        return _download(model, target, zoo.find_address(model, url), report, download)
    finally:
        os.close(lock)


def _list_tarballs(model: ZooModel, folder: Path) -> list[Path]:
    """Where people put a tarball that they downloaded themselves."""
    names = dict.fromkeys((model.folder, model.name, zoo.shorten_name(model.name)))
    return [folder / f"{name}.tar.gz" for name in names]


def _is_occupied(target: Path) -> bool:
    """Whether the model is there already.

    Raises:
        ConfigError: something else is, or a part of it.
    """
    if not os.path.lexists(target):
        return False
    try:
        start_checkpoints.find(target)
    except ConfigError as error:
        raise ConfigError(
            f"{target}: exists, but without a complete checkpoint ({error.message})",
            "Move it away and run the same command again.",
        ) from None
    return True


def _download(model: ZooModel, target: Path, url: str, report: Report, download: Download) -> Pulled:
    partial = PartialDownload(target.with_name(f".{model.folder}.tar.gz.part"))
    try:
        before = download(url, partial, report=report, most=_MOST_BYTES)
    except ConfigError as error:
        place = target.with_name(f"{model.folder}.tar.gz")
        action = "Run the same command again to continue, or put" if partial.size() else "Put"
        hint = f"{action} the file at {place} by hand and run the same command again."
        raise ConfigError(error.message, error.hint or hint) from None
    size = partial.size()
    try:
        prefix = _unpack(partial.path, target)
    except DataError as error:
        partial.remove()  # it is as long as announced, so continuing would never fix it
        raise DataError(f"{url}: {error.message.partition(': ')[2]}", error.hint) from None
    partial.remove()
    return Pulled(target, prefix, "downloaded", url, size, before)


def _unpack(tarball: Path, target: Path) -> Path:
    """Unpacks to a hidden folder beside the target and renames what is in it; gives the checkpoint's prefix."""
    hidden = target.with_name(f".{target.name}.unpacking")
    if hidden.exists():  # left by a pull that was killed; the lock says that none is at work
        shutil.rmtree(hidden)
    try:
        archive.unpack(tarball, hidden / "files")
        root = _find_root(tarball, hidden / "files")
        root.rename(target)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return start_checkpoints.find(target)


def _find_root(tarball: Path, folder: Path) -> Path:
    """The folder with the checkpoint: the archive's one folder, or all of it."""
    inside = list(folder.iterdir())
    root = inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
    try:
        start_checkpoints.find(root)
    except ConfigError as error:
        fault = error.message.replace(f"{root}/", "").replace(str(root), "the archive")
        raise DataError(f"{tarball}: not a model of the zoo: {fault}", "Download it from another address.") from None
    return root
