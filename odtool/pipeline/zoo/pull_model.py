"""A model of the zoo with its published checkpoint, downloaded and unpacked into model_zoo/: whole or not at all."""

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
from odtool.pipeline.zoo.http_download import Partial, Report
from odtool.pipeline.zoo.zoo_model import ZooModel

_MOST_BYTES = 4 * 2**30
"""Twice the zoo's largest tarball."""


@dataclass(frozen=True)
class Pulled:
    """Where a model lies now, and how it came there."""

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
"""`transfer.download`, or a stand-in for it."""


def pull(
    model: ZooModel, folder: Path, *, url: str | None, report: Report, download: Download = http_download.download
) -> Pulled:
    """Brings a model into `folder`, the workspace's model_zoo/.

    A tarball that lies there under its own or the model's name is unpacked; only without one is it downloaded.

    Args:
        url: another address than the zoo's: of the tarball, or what stands before its date and name.

    Raises:
        ConfigError: nothing is published of the model, it cannot be downloaded, or another pull is at work.
        DataError: the archive is damaged or hostile; nothing of it is kept.
    """
    if not model.tarball:
        raise ConfigError(f"no checkpoint of {model.name} was ever published", "See: odtool models")
    target = folder / model.folder
    lock = locks.acquire(folder / f".{model.folder}.lock")
    if lock is None:
        raise ConfigError(f"{target}: another odtool is pulling it", "Wait for it to end.")
    try:
        if _is_occupied(target):
            return Pulled(target, start_checkpoints.find(target), "already here", "")
        by_hand = next((path for path in _by_hand(model, folder) if path.is_file()), None)
        if by_hand is not None:
            prefix = _unpack(by_hand, target)
            return Pulled(target, prefix, "unpacked", str(by_hand), by_hand.stat().st_size)
        return _download(model, target, zoo.find_address(model, url), report, download)
    finally:
        os.close(lock)


def _by_hand(model: ZooModel, folder: Path) -> list[Path]:
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
            f"{target}: is there, but without a whole checkpoint ({error.message})",
            "Move it away and give the same command again.",
        ) from None
    return True


def _download(model: ZooModel, target: Path, url: str, report: Report, download: Download) -> Pulled:
    partial = Partial(target.with_name(f".{model.folder}.tar.gz.part"))
    try:
        before = download(url, partial, report=report, most=_MOST_BYTES)
    except ConfigError as error:
        place = target.with_name(f"{model.folder}.tar.gz")
        go_on = "Give the same command again to go on, or put" if partial.size() else "Put"
        hint = f"{go_on} the file at {place} by hand and give the same command again."
        raise ConfigError(error.message, error.hint or hint) from None
    size = partial.size()
    try:
        prefix = _unpack(partial.path, target)
    except DataError as error:
        partial.remove()  # it is as long as announced, so going on with it would never mend it
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
        root = _root(tarball, hidden / "files")
        root.rename(target)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return start_checkpoints.find(target)


def _root(tarball: Path, folder: Path) -> Path:
    """The folder with the checkpoint: the archive's one folder, or all of it."""
    inside = list(folder.iterdir())
    root = inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
    try:
        start_checkpoints.find(root)
    except ConfigError as error:
        what = error.message.replace(f"{root}/", "").replace(str(root), "the archive")
        raise DataError(f"{tarball}: no model of the zoo: {what}", "Get it from another address.") from None
    return root
