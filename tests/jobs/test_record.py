"""Job records and outcomes on disk."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odtool.jobs import record
from odtool.workspace import Run

RECORDS = st.builds(
    record.JobRecord,
    argv=st.lists(st.text(), min_size=1).map(tuple),
    started=st.floats(0, 1e11),
    log_offset=st.integers(0, 2**63 - 1),
    environment=st.dictionaries(st.text(), st.text()),
    pid=st.none() | st.integers(1, 2**31 - 1),
    exit_code=st.none() | st.integers(-64, 255),
)


@given(job=RECORDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)  # each example overwrites
def test_a_record_is_read_back_as_it_was_written(run: Run, job: record.JobRecord) -> None:
    record.save(run, "train", job)
    assert record.load(run, "train") == job
    assert record.load(run, "eval") is None


def test_an_outcome_is_that_of_its_process_only(run: Run) -> None:
    outcome = record.Outcome("stopped", "by SIGTERM", 5.0, 42)
    record.save_outcome(run, "eval", outcome)
    assert record.load_outcome(run, "eval", 42) == outcome
    assert record.load_outcome(run, "eval", 43) is None
    assert record.load_outcome(run, "train", 42) is None


@pytest.mark.parametrize("content", ["", "{", "7", "[" * 100_000, '{"pid": 42}', '{"pid": 42, "state": "asleep"}'])
def test_an_unreadable_outcome_says_nothing(run: Run, content: str) -> None:
    run.jobs.mkdir()
    run.outcome("train").write_text(content)
    assert record.load_outcome(run, "train", 42) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"log_offset": "z"},
        {"log_offset": 1.5},
        {"started": "today"},
        {"started": float("inf")},
        {"started": -5.0},
        {"started": 10**400},
        {"pid": [1]},
        {"pid": 0},
        {"pid": -1},
        {"pid": True},
        {"exit_code": 10**6},
        {"nice": 10**400},
        {"recoveries": -1},
        {"strange": 1},
        {"argv": [1]},
        {"environment": {"A": 1}},
        {"environment": "A=1"},
        {"machine": None},
    ],
)
def test_a_record_with_values_of_other_types_says_nothing(run: Run, wrong: dict[str, Any]) -> None:
    job = record.JobRecord(("train",), "/", 5, 0, "here")
    record.save(run, "train", job)
    assert record.load(run, "train") == job
    run.job_record("train").write_text(json.dumps({**asdict(job), **wrong}))
    assert record.load(run, "train") is None
