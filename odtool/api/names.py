"""The names that can be given to a command: of runs, models, formats and classes."""

from __future__ import annotations

from odtool.api.requests import StrPath, find_workspace
from odtool.errors import OdtoolError


def list_run_names(workspace: StrPath = ".") -> list[str]:
    """The workspace's runs, the most recently configured first."""
    return [run.name for run in reversed(find_workspace(workspace).runs())]


def list_model_names(workspace: StrPath = ".") -> list[str]:
    """The zoo's models by their short names, then the folders of model_zoo/."""
    from odtool.pipeline.zoo import zoo
    from odtool.pipeline.zoo.catalogue import MODELS

    folder = find_workspace(workspace).model_zoo
    local = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [*(zoo.shorten_name(model.name) for model in MODELS), *local]


def list_format_names() -> list[str]:
    """The formats of annotations that are read."""
    from odtool.dataset.readers.registry import READERS

    return list(READERS)


def list_class_names(workspace: StrPath = ".") -> list[str]:
    """The classes of the prepared data; none where there is no label map that can be read."""
    from odtool.dataset import label_map

    try:
        return list(label_map.load(find_workspace(workspace).data.label_map))
    except (OdtoolError, OSError):
        return []
