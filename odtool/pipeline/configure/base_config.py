"""Where a new run's config comes from: a zoo model's templates, a folder of model_zoo/, or a file of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from odtool.errors import ConfigError
from odtool.pipeline.text import config, spelling
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.facts import derive_facts
from odtool.pipeline.zoo import zoo
from odtool.pipeline.zoo.catalogue import MODELS
from odtool.pipeline.zoo.zoo_model import ZooModel
from odtool.workspace import Workspace

_PLACEHOLDER = "PATH_TO_BE_CONFIGURED"
"""What the zoo's configs have where a path of the user's belongs."""


@dataclass(frozen=True)
class BaseConfig:
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


def choose_base(workspace: Workspace, *, model: str | None, pipeline: Path | None) -> BaseConfig:
    """The config of the file or model named, else of the one model in model_zoo/, else of the zoo's default.

    Raises:
        ConfigError: no such file or model, or several models to choose from.
    """
    if pipeline is not None:
        return _load_file(pipeline)
    if model is None:
        folders = _list_folders(workspace)
        if len(folders) > 1:
            names = ", ".join(folder.name for folder in folders)
            raise ConfigError(f"{workspace.model_zoo}: several models: {names}", "Choose one with --model NAME.")
        model = folders[0].name if folders else zoo.DEFAULT
    return _build_named(workspace, model)


def _build_named(workspace: Workspace, name: str) -> BaseConfig:
    folders = {folder.name: folder for folder in _list_folders(workspace)}
    try:
        zoo_model = zoo.find(name)
    except ConfigError:
        if name not in folders:
            raise _refuse_unknown(name, list(folders)) from None
        return _load_file(folders[name] / "pipeline.config")
    short = zoo.shorten_name(zoo_model.name)
    names = (zoo_model.name, zoo_model.folder, short)
    folder = next((folders[name] for name in names if name in folders), None)
    return BaseConfig(zoo.build(zoo_model), f"the template of {zoo_model.name}", short, zoo_model, folder)


def _refuse_unknown(name: str, folders: list[str]) -> ConfigError:
    known = [*(zoo.shorten_name(model.name) for model in MODELS), *folders]
    hint = f"{spelling.suggest(zoo.shorten_name(name), known)} To list them all: odtool models".lstrip()
    return ConfigError(f"no model '{name}', neither in the zoo nor in model_zoo/", hint)


def _load_file(path: Path) -> BaseConfig:
    path = path / "pipeline.config" if path.is_dir() else path
    loaded = config.load(path)
    derive_facts(loaded, path)  # refuses a model that odtool does not know
    absolute = path.absolute()
    name = absolute.parent.name if absolute.stem == "pipeline" else absolute.stem
    base = BaseConfig(loaded, str(path), zoo.shorten_name(name))
    # The layout of the zoo's tarballs: pipeline.config beside checkpoint/.
    if not base.keeps_checkpoint and (absolute.parent / "checkpoint").is_dir():
        return BaseConfig(loaded, str(path), base.run_name, folder=absolute.parent)
    return base


def _list_folders(workspace: Workspace) -> list[Path]:
    """Models in model_zoo/."""
    return sorted(
        folder
        for folder in workspace.model_zoo.glob("[!.]*")  # a download under way is hidden
        if (folder / "checkpoint").is_dir() or (folder / "pipeline.config").is_file()
    )
