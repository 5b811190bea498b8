"""What the processes of one training know and nobody else: a secret in the run's folder, or in the environment."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from odtool import files, state_files
from odtool.errors import OdtoolError

VARIABLE = "ODTOOL_CLUSTER_SECRET"
_SHORTEST = 16
"""Characters. Fewer could be guessed."""
_FEWEST = 5
"""Different ones: after a power cut a file may hold nothing but zeros."""
_LARGEST = 1 << 12
"""Bytes of the file."""
_BYTES = 32
_PATIENCE = 10.0
"""Seconds until a file that another process is just writing holds something, where it cannot appear whole."""


def load(path: Path, environment: Mapping[str, str] = os.environ) -> bytes:
    """The secret: the environment's, else that of the file, which is made where there is none.

    Raises:
        OdtoolError: it is too short, or the file cannot be read.
    """
    if text := environment.get(VARIABLE, "").strip():
        return _check(text, VARIABLE)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            files.create_atomically(path, secrets.token_hex(_BYTES) + "\n", rights=0o600)  # for the owner alone
    end = time.monotonic() + _PATIENCE
    while not (text := _read(path)) and time.monotonic() < end:
        time.sleep(0.1)
    return _check(text, str(path))


def sign(secret: bytes, purpose: str, *content: Any) -> str:
    """What only those who know the secret can say of something; `purpose` keeps it from meaning anything else."""
    message = json.dumps([purpose, *content], sort_keys=True).encode()
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def is_signed(proof: str, secret: bytes, purpose: str, *content: Any) -> bool:
    """Whether `sign` gave this; takes as long whatever is wrong with it."""
    return hmac.compare_digest(proof.encode(errors="replace"), sign(secret, purpose, *content).encode())


def _read(path: Path) -> str:
    try:
        text = state_files.read_bytes(path, largest=_LARGEST).decode("ascii", "replace").strip()
        _refuse_readable(path)
    except (OSError, state_files.StateError) as error:
        raise OdtoolError(
            f"{path}: the secret of this training cannot be read: {error}", f"Or set {VARIABLE}."
        ) from None
    return text


def _refuse_readable(path: Path) -> None:
    """What others may read, everybody on the machine knows; what they may write, they have chosen.

    Who owns it does not tell: on a network's disk root may be somebody else.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise OdtoolError(
            f"{path}: the secret of this training is open to others than its owner (mode {mode:03o})",
            f"Delete it, and the chief makes another; where the disk knows no rights, set {VARIABLE} on each machine.",
        )


def _check(text: str, source: str) -> bytes:
    if len(text) < _SHORTEST:
        raise OdtoolError(
            f"{source}: a secret of {len(text)} characters could be guessed",
            f"Use at least {_SHORTEST}, or delete the file: the chief makes another.",
        )
    if len(set(text)) < _FEWEST:
        raise OdtoolError(
            f"{source}: a secret of {len(set(text))} different characters could be guessed",
            "Use random ones, or delete the file: the chief makes another.",
        )
    return os.fsencode(text)
