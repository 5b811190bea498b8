"""What an exported model must know of itself, written into the model: labels, input and its preparation.

A SavedModel carries it as `odtool.json` in its `assets.extra` folder, a TFLite model as a packed file `odtool.json`
beside its labels, an ONNX model as the metadata property `odtool`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Literal

from odtool import state_files
from odtool.detection.best_thresholds import Score
from odtool.errors import DataError
from odtool.state_files import Range, StateError

Side = Annotated[int, Range(1, 2**15)]
"""Pixels."""
LARGEST = 1 << 24
"""Bytes of a description, nearly all of which are class names."""
NAME = "odtool.json"
PROPERTY = "odtool"


@dataclass(frozen=True)
class ModelDescription:
    """One exported model."""

    run: str
    """Name of the run it was exported from."""
    checkpoint: str
    """Name of the checkpoint, as ckpt-300."""
    labels: Mapping[int, str]
    """Class names by the ids of the label map, from 1."""
    width: Side | None
    """Of the model's input in pixels; None where it takes images of any size and resizes them itself."""
    height: Side | None
    resize: Literal["stretch", "pad", "none"]
    """How an image becomes the input: stretched to it; scaled to fit with its shape kept, normalised, and then padded
    with zeros right and below; or none, where the model does all of it."""
    mean: tuple[float, float, float]
    """Subtracted from each of the channels, which are RGB, 0 to 255; what is left is divided by `deviation`."""
    deviation: tuple[float, float, float]

    thresholds: Mapping[str, Score] = field(default_factory=dict)
    """The best score of each class by its name, where odtool report had found them."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes, source: str) -> ModelDescription:
        """Reads what `to_json` wrote.

        Raises:
            DataError: it is not such a description.
        """
        try:
            return state_files.build(cls, state_files.parse(text))
        except StateError as error:
            raise DataError(
                f"{source}: its description of the model is damaged: {error}", "Export it again: odtool export"
            ) from None
