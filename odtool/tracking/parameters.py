"""What a tracker is told once of a run: where its config differs from the zoo's, its data set's figures, versions."""

from __future__ import annotations

import platform
from importlib import metadata

from odtool import __version__
from odtool.errors import ConfigError, first_line
from odtool.pipeline.text import config
from odtool.pipeline.text.config import PipelineConfig
from odtool.pipeline.text.facts import derive_facts
from odtool.reporting import settings_diff
from odtool.workspace import Run

_PACKAGES = ("tensorflow", "tf-models-research-object-detection")
_PATHS = ("label_map_path", "input_path", "fine_tune_checkpoint")
"""Fields that name files of one machine, which tell nothing when runs are compared."""


def collect(run: Run) -> dict[str, str]:
    """By name; what cannot be found out is left out, with the reason under 'problem'."""
    found = {"run": run.name, "version.odtool": __version__, "version.python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[f"version.{package}"] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    try:
        own = config.load(run.pipeline_config)
        return {**found, **_describe_config(run, own), **_describe_data(own)}
    except ConfigError as error:  # it may be mended while training goes on with what it has read
        return {**found, "problem": first_line(error)}


def _describe_config(run: Run, own: PipelineConfig) -> dict[str, str]:
    differences = settings_diff.compare_with_zoo(run)
    settings = own.message.train_config
    described = {
        "model": differences.model or "",
        "architecture": differences.architecture,
        "batch_size": str(settings.batch_size),
        "num_steps": str(settings.num_steps),
    }
    for change in differences.changes:
        if not any(name in change.field for name in _PATHS):
            described[f"config.{change.field}"] = "" if change.new is None else change.new
    return described


def _describe_data(own: PipelineConfig) -> dict[str, str]:
    """What dataset.json says of the records that training and evaluation read."""
    described: dict[str, str] = {}
    for reader in derive_facts(own).readers:
        for _, summary in reader.prepared:
            described |= {
                "data.classes": str(len(summary.classes)),
                "data.format": summary.format,
                "data.seed": str(summary.seed),
                "data.created": summary.created,
            }
            for split, figures in summary.splits.items():
                described[f"data.{split}.images"] = str(figures.images)
                described[f"data.{split}.objects"] = str(figures.objects)
                described[f"data.{split}.background_images"] = str(figures.background_images)
    return described
