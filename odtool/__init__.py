"""odtool: from annotations to a trained, evaluated detector with the Object Detection API."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "benchmark",
    "check",
    "configure",
    "evaluate",
    "export",
    "inspect",
    "load_detector",
    "predict",
    "prepare",
    "preview",
    "report",
    "status",
    "stop",
    "track",
    "train",
    "tune",
]

if TYPE_CHECKING:
    from odtool.api.data.inspect import inspect
    from odtool.api.data.prepare import prepare
    from odtool.api.model.check import check
    from odtool.api.model.configure import configure
    from odtool.api.model.preview import preview
    from odtool.api.result.benchmark import benchmark
    from odtool.api.result.detector import load_detector
    from odtool.api.result.export import export
    from odtool.api.result.predict import predict
    from odtool.api.result.report import report
    from odtool.api.run.evaluate import evaluate
    from odtool.api.run.status import status
    from odtool.api.run.stop import stop
    from odtool.api.run.track import track
    from odtool.api.run.train import train
    from odtool.api.run.tune import tune
else:
    _FOLDERS = {
        "data": ("inspect", "prepare"),
        "model": ("check", "configure", "preview"),
        "result": ("benchmark", "export", "load_detector", "predict", "report"),
        "run": ("evaluate", "status", "stop", "track", "train", "tune"),
    }
    """Of odtool/api, by the names that are in their modules."""

    # Hidden from type checkers, to which a module with a __getattr__ has every name that anyone misspells.
    def __getattr__(name: str) -> object:
        """Imports what programs use when they first use it: `import odtool` costs nothing."""
        if name not in __all__:
            raise AttributeError(f"module 'odtool' has no attribute '{name}'")
        from importlib import import_module

        folder = next(folder for folder, names in _FOLDERS.items() if name in names)
        module = import_module(f"odtool.api.{folder}.{'detector' if name == 'load_detector' else name}")
        return getattr(module, name)

    def __dir__() -> list[str]:
        return sorted(__all__)
