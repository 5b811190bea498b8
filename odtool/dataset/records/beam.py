"""Apache Beam: shards written by a pipeline's workers, for data beyond one machine."""

from __future__ import annotations

import pickle
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from odtool.dataset.records import record_writer
from odtool.dataset.records.record_writer import ShardPlan
from odtool.dataset.statistics import ShardFigures
from odtool.errors import DataError, OdtoolError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions


def check(arguments: str) -> None:
    """Raises DataError where Beam is not installed or the arguments cannot be read."""
    _parse_options(arguments)


def write(plans: Sequence[ShardPlan], arguments: str) -> list[ShardFigures]:
    """Writes each shard in a pipeline, by the function that local workers use; their figures in the order of the plans.

    Workers on other machines must see the same disk at the same paths, and have odtool installed.

    Args:
        arguments: of the pipeline, as Beam has them: '--runner=FlinkRunner --flink_master=…'.

    Raises:
        DataError: Beam is not installed, its arguments are wrong, or the pipeline failed.
    """
    options = _parse_options(arguments)
    import apache_beam

    try:
        # An image's whole way is in write_shard; Beam only decides where it runs.
        with apache_beam.Pipeline(options=options) as pipeline:
            _ = (
                pipeline
                | "plans" >> apache_beam.Create([pickle.dumps(plan) for plan in plans])
                | "apart" >> apache_beam.Reshuffle()
                | "write" >> apache_beam.Map(_write)
            )
    except OdtoolError:
        raise
    except Exception as error:  # runners raise what they like, with the worker's traceback as text
        raise DataError(f"Apache Beam: {_find_last_line(error)}", "Check --beam and the runner's own log.") from error
    return [_collect(plan) for plan in plans]


def _parse_options(arguments: str) -> PipelineOptions:
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError:
        raise DataError("--beam needs Apache Beam, which is not installed", "pip install 'odtool[beam]'") from None
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise DataError(f"--beam '{arguments}' cannot be read: {error}", "Close the quotes.") from None
    # Before the user's own words, which decide: without it each worker tells of its every step.
    return PipelineOptions(["--default_sdk_harness_log_level=WARNING", *words])


def _write(pickled: bytes) -> None:
    """Runs in a worker of the runner. What it finds goes beside the shard, as a pipeline returns nothing."""
    plan = pickle.loads(pickled)
    try:
        outcome: ShardFigures | OdtoolError = record_writer.write_shard(plan)
    except OdtoolError as error:
        outcome = error
    _get_figures_path(plan).write_bytes(pickle.dumps(outcome))


def _collect(plan: ShardPlan) -> ShardFigures:
    path = _get_figures_path(plan)
    try:
        outcome = pickle.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(
            f"Apache Beam: no worker wrote {plan.path.name}", "Do its workers see the same disk at the same paths?"
        ) from None
    path.unlink()
    if isinstance(outcome, OdtoolError):
        raise outcome
    if not isinstance(outcome, ShardFigures):
        raise TypeError(f"{path} holds {type(outcome).__name__}")
    return outcome


def _get_figures_path(plan: ShardPlan) -> Path:
    return plan.path.with_name(plan.path.name + ".figures")


def _find_last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else type(error).__name__)
