"""What the processes of one training know and nobody else: a secret in the run's folder, or in the environment."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
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
        return state_files.read_bytes(path, largest=_LARGEST).decode("ascii", "replace").strip()
    except (OSError, state_files.StateError) as error:
        raise OdtoolError(
            f"{path}: the secret of this training cannot be read: {error}", f"Or set {VARIABLE}."
        ) from None


def _check(text: str, source: str) -> bytes:
    if len(text) < _SHORTEST:
        raise OdtoolError(
            f"{source}: a secret of {len(text)} characters could be guessed",
            f"Use at least {_SHORTEST}, or delete the file: the chief makes another.",
        )
    return text.encode()
