"""Fixtures for every room."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data sets, configs and a zoo checkpoint's index, read in place."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data is not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    """Asks again and again until the answer is true, and gives it; fails where it stays false for `seconds`."""

    def wait(ask: Callable[[], Any], *, seconds: float = 240) -> Any:
        deadline = time.monotonic() + seconds
        while not (answer := ask()):
            assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
            time.sleep(0.02)
        return answer

    return wait
