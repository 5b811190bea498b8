"""Turning the API's Python into TensorFlow graphs quickly: without AutoGraph wherever that is not needed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import tensorflow as tf

from odtool.errors import first_line

log = logging.getLogger("odtool.engine")
T = TypeVar("T")


def trace_without_autograph(build: Callable[[], T]) -> T:
    """Calls `build`, where what it traces is not rewritten by AutoGraph unless it has to be.

    The API was written for graphs and uses tf.cond and tf.map_fn; AutoGraph rewrites the source of 130 of its
    functions to find nothing to do, which took 60 % of the time from start to the first training step. Where code does
    use a tensor as a Python value, TensorFlow refuses it loudly and AutoGraph gets its turn.
    """
    try:
        return tf.autograph.experimental.do_not_convert(build)()  # type: ignore[no-any-return]  # TensorFlow is untyped
    except tf.errors.OperatorNotAllowedInGraphError as error:
        log.info("tracing with AutoGraph: %s", first_line(error))
        return build()


class TracedFunction:
    """A tf.function that is traced without AutoGraph, or, where that is refused, with it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._traced = tf.function(function, autograph=False)
        self._settled = False
        self.autograph = False

    def __call__(self, *arguments: Any) -> Any:
        """Runs the graph; the first call traces it."""
        if self._settled:
            return self._traced(*arguments)
        return self._try(lambda: self._traced(*arguments))

    def trace(self, *arguments: Any) -> None:
        """Traces the graph for tensors of these specs without running it."""
        self._try(lambda: self._traced.get_concrete_function(*arguments))

    def _try(self, action: Callable[[], Any]) -> Any:
        try:
            result = action()
        except tf.errors.OperatorNotAllowedInGraphError as error:
            log.info("tracing with AutoGraph: %s", first_line(error))
            self.autograph = True
            self._traced = tf.function(self._function)
            result = action()
        self._settled = True
        return result
