"""The options of a Beam pipeline, as `--beam` has them: read, and refused before any work where one is unknown."""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from odtool.dataset.engines import beam_messages
from odtool.errors import DataError, first_line

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser
    from apache_beam.runners.runner import PipelineRunner

_DASK = "apache_beam.runners.dask.dask_runner.DaskRunner"
_DASK_NAMES = ("dask", "daskrunner", _DASK.lower())
"""What it is called; Beam itself takes but its full name."""
_DEFAULTS = (
    # Else each worker tells of its every step.
    "--default_sdk_harness_log_level=WARNING",
    # A pipeline without triggers has no unsafe ones. This has the DirectRunner not try Prism first, which is a program
    # that Beam downloads, and which does not heed --direct_num_workers.
    "--allow_unsafe_triggers",
)
_DIRECT = {"SwitchingDirectRunner", "TestDirectRunner", "FnApiRunner"}
_DATAFLOW = {"DataflowRunner", "TestDataflowRunner"}
_PORTABLE = {"FlinkRunner", "SparkRunner", "PrismRunner", "KafkaStreamsRunner", "PortableRunner"}
_RUNNERS_OF_GROUP = {
    "DirectOptions": _DIRECT,
    "DaskOptions": {"DaskRunner"},
    "FlinkRunnerOptions": {"FlinkRunner"},
    "SparkRunnerOptions": {"SparkRunner"},
    "PrismRunnerOptions": {"PrismRunner"},
    "KafkaStreamsRunnerOptions": {"KafkaStreamsRunner"},
    "JobServerOptions": _PORTABLE,
    "PortableOptions": _PORTABLE | _DATAFLOW | _DIRECT,  # whatever runs Beam's own workers
}
"""Classes of runners that heed the options of a group: Beam takes them of all and leaves unread what is not theirs."""
_DATAFLOW_OPTIONS = (
    "--num_workers",
    "--max_num_workers",
    "--autoscaling_algorithm",
    "--worker_machine_type",
    "--machine_type",
    "--disk_size_gb",
    "--worker_disk_type",
    "--disk_type",
    "--worker_region",
    "--worker_zone",
    "--zone",
    "--region",
    "--dataflow_endpoint",
)
"""Those of general names that Dataflow alone has an ear for."""
_DASK_DEFAULTS = ("--dask_partition_size=1",)
"""Each batch goes to whoever is free: by default Dask hands out 128 elements at once. Older Beams always do this."""


@dataclass(frozen=True)
class BeamOptions:
    """What `--beam` asks for."""

    words: tuple[str, ...]
    """As Beam takes them, with defaults that suit us."""
    runner: str
    """As the user calls it, or Beam by default."""
    on_dask: bool
    has_address: bool
    """Whether they say where Dask's scheduler is."""

    def to_pipeline_options(self, *more: str) -> PipelineOptions:
        """As a pipeline takes them, with further ones."""
        from apache_beam.options.pipeline_options import PipelineOptions

        return PipelineOptions([*self.words, *more])


def parse_beam_options(arguments: str) -> BeamOptions:
    """Reads the options.

    Args:
        arguments: such as '--runner=dask --dask_client_address=tcp://10.0.0.1:8786'.

    Raises:
        DataError: Beam or the runner is not installed, or an option is unknown or has a value that it cannot have.
    """
    beam_messages.hide_idle_talk()
    try:
        from apache_beam.options.pipeline_options import StandardOptions
    except ImportError:
        raise DataError("--beam needs Apache Beam, which is not installed", "pip install 'odtool[beam]'") from None
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise DataError(f"--beam '{arguments}' cannot be read: {error}", "Close the quotes.") from None
    runner = _make_parser([StandardOptions]).parse_known_args(words)[0].runner or StandardOptions.DEFAULT_RUNNER
    full_name = _DASK if runner.lower() in _DASK_NAMES else runner
    runner_class = type(_make_runner(full_name)).__name__
    parser = _make_parser()
    options, unknown = parser.parse_known_args(words)
    if unknown:
        _refuse_unknown(unknown[0], parser)
    _refuse_unheeded(words, runner, runner_class)
    if (workers := getattr(options, "direct_num_workers", None) or 0) < 0:
        raise DataError(f"--beam: --direct_num_workers is {workers}", "Give a number from 1, or 0 for one a core.")
    on_dask = full_name == _DASK
    own = [word for word in (*_DEFAULTS, *(_DASK_DEFAULTS if on_dask else ())) if _is_option(word, parser)]
    if getattr(options, "npartitions", None):
        own = [word for word in own if word not in _DASK_DEFAULTS]  # Dask takes one of both
    has_address = on_dask and _check_address(options, words)
    # The last one counts: of ours the user's own decide, and of runners the one by its full name.
    return BeamOptions((*own, *words, f"--runner={full_name}"), runner, on_dask, has_address)


def _refuse_unheeded(words: Sequence[str], runner: str, runner_class: str) -> None:
    """Raises DataError where an option is one that the runner does not read, unless it is a runner that is not Beam's.

    Args:
        runner: as the user calls it.
        runner_class: name of its class.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    if runner_class not in {"BundleBasedDirectRunner"}.union(*_RUNNERS_OF_GROUP.values()):
        return
    heeded_by = dict.fromkeys(_DATAFLOW_OPTIONS, _DATAFLOW)
    for group in PipelineOptions.__subclasses__():
        if (runners := _RUNNERS_OF_GROUP.get(group.__name__)) is not None:
            heeded_by |= dict.fromkeys(_list_options(_make_parser([group])), runners)
    for word in words:
        name = word.partition("=")[0]
        if runner_class not in heeded_by.get(name, {runner_class}):
            fix = "--workers takes the number of processes." if runner_class == "DaskRunner" else "Leave it out."
            owners = ", ".join(sorted(_name_runner(owner) for owner in heeded_by[name] if "Test" not in owner))
            raise DataError(f"--beam: {runner} does not heed {name}, which is an option of {owners}", fix)


def _name_runner(class_name: str) -> str:
    return "DirectRunner" if class_name == "SwitchingDirectRunner" else class_name


def _check_address(options: argparse.Namespace, words: Sequence[str]) -> bool:
    """Whether the options say where Dask's scheduler is; raises DataError where Dask would leave one of them unread."""
    if options.address and options.scheduler_file:
        raise DataError("--beam: --dask_client_address and --dask_scheduler_file are both given", "Give one of them.")
    # Dask's own default stands in for what is not a number.
    if any(word.startswith("--dask_connection_timeout") for word in words) and not isinstance(options.timeout, int):
        raise DataError("--beam: --dask_connection_timeout is not a whole number", "Give seconds.")
    return bool(options.address or options.scheduler_file)


def _make_runner(name: str) -> PipelineRunner:
    """The runner; raises DataError where there is none. That of Dask declares its options as it is imported."""
    from apache_beam.options.pipeline_options import StandardOptions
    from apache_beam.runners.runner import PipelineRunner, create_runner

    try:
        made = create_runner(name)
    except ImportError as error:
        if name == _DASK:
            raise DataError("--runner=dask needs Dask, which is not installed", "pip install 'odtool[dask]'") from None
        raise DataError(f"--beam: --runner={name} cannot be had: {first_line(error)}") from None
    except (ValueError, AttributeError, TypeError):  # of a name that is none, or of no class that makes itself
        made = None
    if not isinstance(made, PipelineRunner):
        names = ["dask", *StandardOptions.KNOWN_RUNNER_NAMES]
        by_small_name = {known.lower(): known for known in names}
        close = difflib.get_close_matches(name.lower(), by_small_name, n=1)
        hint = f"Did you mean {by_small_name[close[0]]}?" if close else f"Beam has {', '.join(names)}."
        raise DataError(f"--beam: there is no runner {name}", hint)
    return made


def _make_parser(groups: Iterable[type[PipelineOptions]] | None = None) -> _BeamArgumentParser:
    """A parser of all that Beam and its runners declare, or of some groups, which raises what argparse would print."""
    from apache_beam.options import pipeline_options

    class Parser(pipeline_options._BeamArgumentParser):  # what options are declared on
        def error(self, message: str) -> NoReturn:
            raise DataError(f"--beam: {message}")

    parser = Parser(allow_abbrev=False, add_help=False)
    # Groups may be declared twice, as where a program's script is imported again: the later one counts, as for Beam.
    for group in groups or {str(one): one for one in pipeline_options.PipelineOptions.__subclasses__()}.values():
        group._add_argparse_args(parser)
    return parser


def _refuse_unknown(word: str, parser: argparse.ArgumentParser) -> NoReturn:
    if not word.startswith("-"):
        raise DataError(f"--beam: '{word}' belongs to no option", "Options begin with two dashes: --name=value.")
    name = word.partition("=")[0]
    close = difflib.get_close_matches(name, known := _list_options(parser), n=1)
    if name.startswith("--dask_") and not any(option.startswith("--dask_") for option in known):
        raise DataError(f"--beam: {name} is an option of another runner", "Add --runner=dask.")
    hint = f"Did you mean {close[0]}?" if close else "Beam's documentation names the options of each runner."
    raise DataError(f"--beam: Beam has no option {name}", hint)


def _is_option(word: str, parser: argparse.ArgumentParser) -> bool:
    """Whether this version of Beam has it."""
    return word.partition("=")[0] in _list_options(parser)


def _list_options(parser: argparse.ArgumentParser) -> list[str]:
    return [name for action in parser._actions for name in action.option_strings]
