"""The model zoo: finding a model by name and building its pipeline.config from templates."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from odtool.errors import ConfigError
from odtool.pipeline.text import config, spelling
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.zoo.catalogue import MODELS
from odtool.pipeline.zoo.zoo_model import ZooModel

DEFAULT = "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8"
"""The model where none is named: trains anywhere, runs on a phone."""

_DOWNLOADS = "http://download.tensorflow.org/models/object_detection/tf2"
_ENDING = re.compile(r"_coco17(_(tpu|gpu)-\d+)?$")


def find_templates() -> Path:
    """Where the templates lie: in an installed package beside its modules, in a checkout at its root.

    Raises:
        ConfigError: the installation is incomplete.
    """
    package = Path(__file__).parents[2]
    for folder in (package / "templates", package.parent / "templates"):
        if (folder / "coco.config").is_file():
            return folder
    raise ConfigError(f"{package / 'templates'}: the templates are missing", "Reinstall odtool.")


def find(name: str) -> ZooModel:
    """The model of this name, with or without the `_coco17_…` ending, or of its published tarball's name.

    Raises:
        ConfigError: there is none; the hint names the nearest.
    """
    wanted = shorten_name(name)
    for model in MODELS:
        if wanted in (
            shorten_name(model.name),
            shorten_name(model.folder),
            shorten_name(model.name).removeprefix("ssd_"),
        ):
            return model
    suggestion = spelling.suggest(wanted, (shorten_name(model.name) for model in MODELS))
    raise ConfigError(f"no model '{name}' in the zoo", f"{suggestion} List them all with: odtool models".lstrip())


def build(model: ZooModel) -> PipelineConfig:
    """The model's pipeline.config as the API ships it, before any data of the user's.

    Its templates are merged in their order, each ${name} replaced by its figure: a later part adds to lists and
    overrides single values, as protobuf's MergeFrom does.
    """
    folder = find_templates()
    merged = config.parse("", model.name)
    for part in model.parts:
        text = Template((folder / part).read_text(encoding="utf-8")).substitute(model.figures)
        merged.message.MergeFrom(config.parse(text, str(folder / part)).message)
    return merged


def find_address(model: ZooModel, base: str | None = None) -> str:
    """Where the published tarball lies; empty where none was published.

    Args:
        base: a mirror's address, up to the date that the tarballs' folders are named by, or of the tarball itself.
    """
    if base and base.endswith((".tar.gz", ".tgz")):
        return base
    return f"{(base or _DOWNLOADS).rstrip('/')}/{model.tarball}.tar.gz" if model.tarball else ""


def shorten_name(name: str) -> str:
    """A name without the `_coco17_…` ending, in small letters."""
    return _ENDING.sub("", name.strip().lower())
