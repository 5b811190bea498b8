"""What tests of matching share: models are let go when a test ends."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def free_models(api: Any) -> Iterator[None]:
    """Models and their graphs refer to each other, and five of ResNet-50 took 8 GB until something collected them."""
    yield
    api.keras.backend.clear_session()
    gc.collect()
