"""odtool: from annotations to a trained, evaluated detector with the Object Detection API."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "check",
    "configure",
    "evaluate",
    "export",
    "inspect",
    "load_detector",
    "predict",
    "prepare",
    "report",
    "status",
    "stop",
    "train",
]

if TYPE_CHECKING:
    from odtool.api.check import check
    from odtool.api.configure import configure
    from odtool.api.detector import load_detector
    from odtool.api.evaluate import evaluate
    from odtool.api.export import export
    from odtool.api.inspect import inspect
    from odtool.api.predict import predict
    from odtool.api.prepare import prepare
    from odtool.api.report import report
    from odtool.api.status import status
    from odtool.api.stop import stop
    from odtool.api.train import train
else:
    # Hidden from type checkers, to which a module with a __getattr__ has every name that anyone misspells.
    def __getattr__(name: str) -> object:
        """Imports what programs use when they first use it: `import odtool` costs nothing."""
        if name not in __all__:
            raise AttributeError(f"module 'odtool' has no attribute '{name}'")
        from importlib import import_module

        module = import_module(f"odtool.api.{'detector' if name == 'load_detector' else name}")
        return getattr(module, name)

    def __dir__() -> list[str]:
        return sorted(__all__)
