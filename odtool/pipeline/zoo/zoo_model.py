"""A model of the zoo: what its config is made of, and what its checkpoint is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odtool.pipeline.zoo.published import NOT_PUBLISHED, PUBLISHED, Published

EVALUATION = {"eval_reader": "shuffle: false num_epochs: 1", "eval_batch": "batch_size: 1"}
"""Figures that all models have."""


@dataclass(frozen=True)
class ZooModel:
    """One model that odtool has a template for."""

    name: str
    """The name of its config in the Object Detection API."""
    architecture: str
    parts: tuple[str, ...]
    """Files of templates/, merged in this order."""
    figures: Mapping[str, Any]
    """What stands for each ${name} in them."""
    height: int
    width: int
    outputs: tuple[str, ...] = ("boxes",)
    one_device: bool = False
    """Whether its batch size was chosen for one device; the API's own were shared by 8 to 32."""

    @property
    def published(self) -> Published:
        """Its row in the zoo."""
        return PUBLISHED.get(self.name, NOT_PUBLISHED)

    @property
    def folder(self) -> str:
        """Name of the folder that the published tarball unpacks to; the model's own where there is none."""
        return self.published.folder or self.name

    @property
    def tarball(self) -> str:
        """Date and name of the published checkpoint, as in its address; empty where none was published."""
        return f"{self.published.date}/{self.folder}" if self.published.date else ""


def checkpoint(name: str) -> str:
    """A fine_tune_checkpoint as the API's own configs have it."""
    return f"PATH_TO_BE_CONFIGURED/{name}"
