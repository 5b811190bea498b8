"""Work done in pipelines: on Beam's local runner in this process, and on Dask where workers are killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from odtool.dataset.engines import beam_crew, exchange
from odtool.dataset.engines.beam_crew import BeamCrew, open_beam_crew
from odtool.errors import DataError


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[BeamCrew]:
    with open_beam_crew(beam_crew.check("", None), None, tmp_path / "exchange") as opened:
        yield opened
    assert list(tmp_path.glob("exchange*")) == []


def test_results_come_in_the_order_of_the_tasks_however_many_pipelines_they_take(
    crew: BeamCrew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_WAVE_TASKS", 4)
    monkeypatch.setattr(exchange, "_LEAST_BATCHES", 2)
    assert list(crew.map(abs, range(-10, 0), tasks_here=0)) == list(range(10, 0, -1))
    assert list(crew.map(abs, range(-8, 0), tasks_here=0)) == list(range(8, 0, -1))


def test_nothing_to_do_is_no_pipeline(tmp_path: Path) -> None:
    def refuse() -> None:
        pytest.fail("a pipeline")

    assert list(BeamCrew(refuse, tmp_path / "exchange").map(abs, [], tasks_here=0)) == []  # type: ignore[arg-type]


def test_a_result_is_there_before_the_last_task_is_done(crew: BeamCrew, tmp_path: Path) -> None:
    signal = tmp_path / "signal"
    results = crew.map(os.system, ["true", f"until test -e {signal}; do sleep 0.01; done"], tasks_here=0)
    assert next(results) == 0
    signal.touch()
    assert list(results) == [0]


def test_what_a_task_raises_is_raised_in_its_turn(crew: BeamCrew) -> None:
    results = crew.map(int, ["1", "2", "three", "4"], tasks_here=0)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_what_ends_the_tasks_is_raised_after_the_results_of_those_before(crew: BeamCrew) -> None:
    def tasks() -> Iterator[str]:
        yield "1"
        raise DataError("no more to read")

    results = crew.map(int, tasks(), tasks_here=0)
    assert next(results) == 1
    with pytest.raises(DataError, match="no more to read"):
        next(results)


def test_a_worker_with_another_odtool_is_not_heeded(crew: BeamCrew, monkeypatch: pytest.MonkeyPatch) -> None:
    def tasks() -> Iterator[int]:
        monkeypatch.setattr(exchange, "__version__", "0.0.1")
        yield 1

    with pytest.raises(DataError, match=r"has odtool 0\.0\.1, the command "):
        list(crew.map(abs, tasks(), tasks_here=0))


def test_a_pipeline_that_ends_without_answers_is_an_error(crew: BeamCrew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "answer_batch", _answer_nothing)
    monkeypatch.setattr(beam_crew, "_LATE", 0)
    with pytest.raises(DataError, match="no answers from its workers"):
        list(crew.map(abs, [1], tasks_here=0))


def _answer_nothing(_: bytes) -> tuple[()]:
    return ()


def test_who_stops_asking_ends_the_pipeline(crew: BeamCrew, tmp_path: Path) -> None:
    results = crew.map(os.system, ["true", *(f"touch {tmp_path / str(number)}" for number in range(300))], tasks_here=0)
    next(results)
    results.close()  # type: ignore[attr-defined]  # a generator
    assert not crew._running


@pytest.mark.slow
def test_a_killed_worker_of_dask_is_replaced_and_work_that_always_kills_is_an_error(tmp_path: Path) -> None:
    import dask
    import distributed  # noqa: F401 - its own settings would go with the one set below, were it imported within

    once = f"test -e {tmp_path}/killed || {{ touch {tmp_path}/killed; kill -9 $PPID; }}"
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        open_beam_crew(beam_crew.check("--runner=dask", 1), 1, tmp_path / "exchange") as crew,
    ):
        assert list(crew.map(os.system, ["true", once, "true"], tasks_here=0)) == [0, 0, 0]
        with pytest.raises(DataError, match="Apache Beam: "):
            list(crew.map(os.system, ["kill -9 $PPID"], tasks_here=0))


@pytest.mark.slow
def test_a_dask_scheduler_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    options = beam_crew.check("--runner=dask --dask_client_address=tcp://127.0.0.1:1 --dask_connection_timeout=1", None)
    with (
        pytest.raises(DataError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"),
        open_beam_crew(options, None, tmp_path / "exchange"),
    ):
        pass
