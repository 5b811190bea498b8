"""odtool: from annotations to a trained, evaluated detector with the Object Detection API."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["__version__", "load_detector"]

if TYPE_CHECKING:
    from odtool.engine.detect.loading import load_detector
else:
    # Hidden from type checkers, to which a module with a __getattr__ has every name that anyone misspells.
    def __getattr__(name: str) -> object:
        """Imports what programs use when they first use it: the command line needs none of it."""
        if name == "load_detector":
            from odtool.engine.detect.loading import load_detector

            return load_detector
        raise AttributeError(f"module 'odtool' has no attribute '{name}'")
