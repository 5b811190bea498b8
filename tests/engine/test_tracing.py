"""Graphs are traced once, without AutoGraph where that goes."""

from __future__ import annotations

from typing import Any

import pytest


def test_code_without_python_control_flow_is_traced_once_and_not_rewritten(api: Any) -> None:
    from odtool.engine.tracing import TracedFunction

    traces = []

    def double(x: Any) -> Any:
        traces.append(double.__code__)
        return 2 * x

    graph = TracedFunction(double)
    assert [float(graph(api.constant(x))) for x in (1.0, 2.0)] == [2.0, 4.0]
    assert len(traces) == 1


def test_code_that_branches_on_a_tensor_is_traced_with_autograph(api: Any) -> None:
    from odtool.engine.tracing import TracedFunction, trace_without_autograph

    def absolute(x: Any) -> Any:
        if x < 0:
            return -x
        return x

    graph = TracedFunction(absolute)
    assert [float(graph(api.constant(x))) for x in (-1.0, 2.0)] == [1.0, 2.0]
    data = trace_without_autograph(lambda: api.data.Dataset.from_tensor_slices([-3.0, 4.0]).map(absolute))
    assert [float(x) for x in data] == [3.0, 4.0]


def test_any_other_error_is_passed_on(api: Any) -> None:
    from odtool.engine.tracing import TracedFunction

    def broken(x: Any) -> Any:
        raise KeyError("no such thing")

    with pytest.raises(KeyError):
        TracedFunction(broken)(api.constant(1.0))
