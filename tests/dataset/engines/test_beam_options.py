"""Options of a pipeline: names that Beam has, and what is said of others."""

from __future__ import annotations

import pytest

from odtool.dataset.engines.beam_options import parse_beam_options
from odtool.errors import DataError


@pytest.mark.parametrize("name", ["dask", "Dask", "DaskRunner", "apache_beam.runners.dask.dask_runner.DaskRunner"])
@pytest.mark.parametrize("form", ["--runner={}", "--runner {}"])
def test_dask_has_a_short_name(form: str, name: str) -> None:
    from apache_beam import Pipeline

    options = parse_beam_options(form.format(name))
    assert options.on_dask
    assert not options.has_address
    assert type(Pipeline(options=options.to_pipeline_options()).runner).__name__ == "DaskRunner"


@pytest.mark.parametrize("where", ["--dask_client_address=tcp://10.0.0.1:8786", "--dask_scheduler_file=scheduler.json"])
def test_an_address_is_known_as_one(where: str) -> None:
    assert parse_beam_options(f"--runner=dask {where}").has_address


def test_what_the_user_says_comes_before_our_defaults() -> None:
    from apache_beam.options.pipeline_options import WorkerOptions
    from apache_beam.runners.dask.dask_runner import DaskOptions

    options = parse_beam_options("--runner=dask --default_sdk_harness_log_level=DEBUG --dask_npartitions=7")
    asked = options.to_pipeline_options()
    assert asked.view_as(WorkerOptions).default_sdk_harness_log_level == "DEBUG"
    assert asked.view_as(DaskOptions).npartitions == 7
    assert asked.view_as(DaskOptions).partition_size is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--runner=DirectRuner", "Did you mean DirectRunner"),
        ("--runner=daks", "Did you mean dask"),
        ("--runner=Nope", "Beam has dask, "),
        ("--runner=no_such_module.Runner", "cannot be had"),
        ("--runner=apache_beam.runners.runner.Nope", "there is no runner"),
        ("--runner=os.path", "there is no runner os.path"),
        ("--runner=json.JSONDecoder", "there is no runner json.JSONDecoder"),
        ("--direct_num_workers=-3", "--direct_num_workers is -3"),
        ("--direct_num_worker=2", "Did you mean --direct_num_workers"),
        ("--runner=FlinkRunner --flink-master=x:1", "Did you mean --flink_master"),
        ("--runner=dask --dask_adress=x", "no option --dask_adress"),
        ("--zzzzzz", "no option --zzzzzz"),
        ("-r DirectRunner", "no option -r"),
        ("DirectRunner", "belongs to no option"),
        ("--direct_num_workers=two", "invalid int value"),
        ("--direct_num_workers", "expected one argument"),
        ("--direct_running_mode=fast", "invalid choice"),
        ("--runner=dask --dask_npartitions=1 --dask_partition_size=1", "not allowed with"),
        ("--runner=dask --direct_num_workers=4", "dask does not heed --direct_num_workers"),
        ("--runner=dask --direct_running_mode multi_processing", "--workers takes the number of processes"),
        ("--runner=dask --num_workers=4", "an option of DataflowRunner"),
        ("--runner=dask --flink_master=x:1", "an option of FlinkRunner"),
        ("--runner=dask --environment_type=LOOPBACK", "does not heed --environment_type"),
        ("--num_workers=4", "DirectRunner does not heed --num_workers"),
        ("--parallelism=4", "DirectRunner does not heed --parallelism"),
        ("--runner=BundleBasedDirectRunner --direct_num_workers=4", "does not heed --direct_num_workers"),
        ("--runner=FlinkRunner --direct_num_workers=4", "FlinkRunner does not heed"),
        ("--runner=SparkRunner --flink_master=x:1", "SparkRunner does not heed"),
        ("--runner=dask --dask_client_address=a --dask_scheduler_file=b", "are both given"),
        ("--runner=dask --dask_client_address=a --dask_connection_timeout=soon", "not a whole number"),
        ("--help", "no option --help"),
        ("--runner='Direct", "cannot be read"),
    ],
)
def test_what_beam_does_not_have_is_refused_with_the_nearest_name(arguments: str, says: str) -> None:
    with pytest.raises(DataError) as raised:
        parse_beam_options(arguments)
    assert says in f"{raised.value.message} {raised.value.hint}"


@pytest.mark.parametrize(
    "arguments",
    [
        "--direct_num_workers=4 --direct_running_mode=multi_processing",
        "--runner=FnApiRunner --direct_num_workers=4",
        "--runner=FlinkRunner --flink_master=x:1 --parallelism=2 --environment_type=LOOPBACK --job_port=1",
        "--runner=PrismRunner --prism_log_level=error",
        "--runner=dask --dask_client_address=tcp://a:1 --dask_connection_timeout=5 --experiments=x",
    ],
)
def test_what_a_runner_heeds_is_handed_on(arguments: str) -> None:
    assert set(arguments.split()) <= {"--runner=dask", *parse_beam_options(arguments).words}
