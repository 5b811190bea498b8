"""Progress of long work: what the library calls while it works, and what the command line gives it to call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

Report: TypeAlias = Callable[[int, int], None]
"""Called with images and bytes done so far; with 0 bytes where none are moved."""
Progress: TypeAlias = Callable[[str, int | None], AbstractContextManager[Report]]
"""Given a label and the number of images, None while nobody knows it, a context that shows the progress reported."""


def silent(_label: str, _total: int | None) -> AbstractContextManager[Report]:
    """Progress that is shown nowhere."""
    return nullcontext(lambda _images, _bytes: None)
