"""Where a new run's config comes from: a zoo model's templates, a folder of model_zoo/, or a file of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from odtool.errors import ConfigError
from odtool.pipeline.text import config, spelling
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.zoo import zoo
from odtool.pipeline.zoo.catalogue import MODELS
from odtool.pipeline.zoo.zoo_model import ZooModel
from odtool.workspace import Workspace

_PLACEHOLDER = "PATH_TO_BE_CONFIGURED"
"""What the zoo's configs have where a path of the user's belongs."""


@dataclass(frozen=True)
class Base:
    """The config that a run starts from."""

    config: PipelineConfig
    source: str
    """What it was made from, for people."""
    run_name: str
    model: ZooModel | None = None
    """The zoo's entry, where the config came from templates."""
    folder: Path | None = None
    """A folder with the model's published checkpoint."""

    @property
    def keeps_checkpoint(self) -> bool:
        """Whether the config names a checkpoint of the user's."""
        path = self.config.message.train_config.fine_tune_checkpoint
        return bool(path) and _PLACEHOLDER not in path


def choose(workspace: Workspace, *, model: str | None, pipeline: Path | None) -> Base:
    """The config of the file or model named, else of the one model in model_zoo/, else of the zoo's default.

    Raises:
        ConfigError: no such file or model, or several models to choose from.
    """
    if pipeline is not None:
        return _from_file(pipeline)
    if model is None:
        folders = _folders(workspace)
        if len(folders) > 1:
            names = ", ".join(folder.name for folder in folders)
            raise ConfigError(f"{workspace.model_zoo}: several models: {names}", "Choose one with --model NAME.")
        model = folders[0].name if folders else zoo.DEFAULT
    return _from_name(workspace, model)


def _from_name(workspace: Workspace, name: str) -> Base:
    folders = {folder.name: folder for folder in _folders(workspace)}
    try:
        found = zoo.find(name)
    except ConfigError:
        if name not in folders:
            raise _unknown(name, list(folders)) from None
        return _from_file(folders[name] / "pipeline.config")
    short = zoo.short_name(found.name)
    folder = next((folders[each] for each in (found.name, found.folder, short) if each in folders), None)
    return Base(zoo.build(found), f"the template of {found.name}", short, found, folder)


def _unknown(name: str, folders: list[str]) -> ConfigError:
    known = [*(zoo.short_name(model.name) for model in MODELS), *folders]
    hint = f"{spelling.alike(zoo.short_name(name), known)} The whole list: odtool models".lstrip()
    return ConfigError(f"no model '{name}', neither in the zoo nor in model_zoo/", hint)


def _from_file(path: Path) -> Base:
    path = path / "pipeline.config" if path.is_dir() else path
    loaded = config.load(path)
    config.architecture(loaded, path)
    absolute = path.absolute()
    name = absolute.parent.name if absolute.stem == "pipeline" else absolute.stem
    base = Base(loaded, str(path), zoo.short_name(name))
    # The layout of the zoo's tarballs: pipeline.config beside checkpoint/.
    if not base.keeps_checkpoint and (absolute.parent / "checkpoint").is_dir():
        return Base(loaded, str(path), base.run_name, folder=absolute.parent)
    return base


def _folders(workspace: Workspace) -> list[Path]:
    """Models in model_zoo/."""
    return sorted(
        folder
        for folder in workspace.model_zoo.glob("[!.]*")  # a download under way is hidden
        if (folder / "checkpoint").is_dir() or (folder / "pipeline.config").is_file()
    )
