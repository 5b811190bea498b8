"""The command line's defaults are those of the requests that it makes."""

from __future__ import annotations

import inspect
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from odtool.api.data.inspect import InspectRequest
from odtool.api.data.prepare import PrepareRequest
from odtool.api.model.configure import ConfigureRequest
from odtool.api.model.preview import PreviewRequest
from odtool.api.result.export import ExportRequest
from odtool.api.result.predict import PredictRequest
from odtool.api.result.report import ReportRequest
from odtool.api.run.evaluate import EvaluateRequest
from odtool.api.run.status import StatusRequest
from odtool.api.run.stop import StopRequest
from odtool.api.run.train import TrainRequest
from odtool.api.run.tune import TuneRequest
from odtool.cli.data import inspect as inspect_command
from odtool.cli.data import prepare as prepare_command
from odtool.cli.model import configure, preview
from odtool.cli.result import export, predict, report
from odtool.cli.run import evaluate, status, stop, train, tune

COMMANDS = {
    prepare_command.prepare: PrepareRequest,
    inspect_command.inspect: InspectRequest,
    configure.configure: ConfigureRequest,
    preview.preview: PreviewRequest,
    train.train: TrainRequest,
    tune.tune: TuneRequest,
    evaluate.evaluate: EvaluateRequest,
    export.export: ExportRequest,
    predict.predict: PredictRequest,
    report.report: ReportRequest,
    status.status: StatusRequest,
    stop.stop: StopRequest,
}
AUTO = {"shards", "workers"}
"""Written as 'auto' where a request has None."""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_an_option_left_out_means_what_a_field_left_out_means(command: Any) -> None:
    options = inspect.signature(command).parameters
    shared = [item for item in fields(COMMANDS[command]) if item.name in options and item.name != "workspace"]
    assert shared
    for item in shared:
        default = options[item.name].default
        value = default.value if isinstance(default, Enum) else str(default) if isinstance(default, Path) else default
        if item.name not in AUTO or value != "auto":
            # The command line has None for an empty list.
            assert (value or None) == (item.default or None), item.name
