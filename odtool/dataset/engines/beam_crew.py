"""A crew whose work Apache Beam does: all that local workers would be given, one pipeline for each wave of tasks."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtool import files
from odtool.dataset.engines import dask_cluster, exchange
from odtool.dataset.engines.beam_options import BeamOptions, parse_beam_options
from odtool.dataset.engines.exchange import TaskAnswer, TaskBatch, Wave
from odtool.dataset.workers import Result, Task
from odtool.errors import DataError, OdtoolError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import PipelineResult

_PAUSES = 0.01, 0.2
"""Seconds between two looks for answers, at first and at most: each takes the command some time of a processor."""
_LATE = 60.0
"""Seconds after a pipeline's end in which answers may still appear: so long a network's disk may show an old folder."""
_PATIENCE = 5.0
"""Seconds that a pipeline has to end once nobody wants its answers."""


def check(arguments: str, workers: int | None) -> BeamOptions:
    """The options. Raises DataError where they cannot be, or `workers` are asked for that they do not leave to us."""
    options = parse_beam_options(arguments)
    if workers is not None and (not options.on_dask or options.has_address):
        raise DataError(
            f"--workers {workers}: {options.runner} has workers of its own",
            "The DirectRunner takes --direct_num_workers and --direct_running_mode=multi_processing among --beam's "
            "options, and --runner=dask without an address takes --workers; other runners have what they are given.",
        )
    return options


@contextmanager
def open_beam_crew(options: BeamOptions, workers: int | None, folder: Path) -> Iterator[BeamCrew]:
    """A crew on the runner that the options name.

    Args:
        workers: of a Dask cluster on this machine, None for one a core; else None.
        folder: for tasks and answers, on a disk that the runner's workers see at the same path. It is made and removed.

    Raises:
        DataError: nobody answers where the options say that the workers are.
    """
    with ExitStack() as stack:
        more = []
        if options.on_dask and options.has_address:
            dask_cluster.check_scheduler(options)
        elif options.on_dask:
            more = [f"--dask_client_address={stack.enter_context(dask_cluster.open_local_cluster(workers))}"]
        crew = BeamCrew(lambda: options.to_pipeline_options(*more), folder)
        try:
            yield crew
        finally:
            crew.close()
            files.remove_contested(folder)


class BeamCrew:
    """What has the methods of a local crew.

    Args:
        make_options: of a pipeline; each takes some of its own.
        folder: for tasks and answers.
    """

    def __init__(self, make_options: Callable[[], PipelineOptions], folder: Path) -> None:
        self._make_options, self._folder = make_options, folder
        self._numbers = count()
        self._running: list[_Pipeline] = []

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        *,
        tasks_here: int,  # noqa: ARG002 - of local crews, which do the first tasks themselves; here nothing is done
    ) -> Iterator[Result]:
        """Results in the order of the tasks, each as soon as all before it are there.

        Tasks go to the runner in waves. While it is at one, the next is filled.

        Raises:
            DataError: the pipeline failed; else what the function raises, or after the results of all tasks before it
                what `tasks` raises.
        """
        source = _Source(iter(tasks))
        with ExitStack() as waves:
            wave = self._make_wave(function, waves)
            source.fill(wave)
            while len(wave):
                following = self._make_wave(function, waves)
                yield from self._answer(wave, partial(source.move, following))
                source.fill(following)
                wave = following
        source.raise_error()

    def _make_wave(self, function: Callable[[Any], Any], waves: ExitStack) -> Wave:
        wave = Wave(self._folder / f"{next(self._numbers):06d}", function)
        waves.callback(wave.discard)
        return wave

    def _answer(self, wave: Wave, work_ahead: Callable[[], bool]) -> Iterator[Any]:
        """The results of a wave.

        Args:
            work_ahead: does a little of what has time; whether there was any.
        """
        batches = wave.list_batches()
        pipeline = _Pipeline(self._make_options(), batches)
        self._running.append(pipeline)
        try:
            for batch in batches:
                for value, error, traceback_text in _await_answers(wave, batch, pipeline, work_ahead):
                    if error is not None:
                        raise error from RuntimeError(f"in a worker:\n{traceback_text}")
                    yield value
            pipeline.finish()
        finally:
            wave.discard()
            pipeline.stop()
            self._running.remove(pipeline)

    def close(self) -> None:
        """Ends what runs; once more does nothing."""
        for pipeline in list(self._running):
            pipeline.stop()


class _Source:
    """Tasks, and what was raised in place of the next one."""

    def __init__(self, tasks: Iterator[Any]) -> None:
        self._tasks = tasks
        self._error: Exception | None = None
        self._is_empty = False

    def move(self, wave: Wave) -> bool:
        """Adds the next task to the wave, if there is one and it has room; whether it did."""
        if self._is_empty or wave.is_full:
            return False
        try:
            wave.add(next(self._tasks))
        except StopIteration:
            self._is_empty = True
        except Exception as error:  # told when its turn comes, as what came before is answered first
            self._is_empty, self._error = True, error
        return not self._is_empty

    def fill(self, wave: Wave) -> None:
        """Adds tasks as long as there are some and the wave has room."""
        while self.move(wave):
            pass

    def raise_error(self) -> None:
        if self._error is not None:
            raise self._error


def _await_answers(
    wave: Wave, batch: TaskBatch, pipeline: _Pipeline, work_ahead: Callable[[], bool]
) -> Sequence[TaskAnswer]:
    """The answers to a batch. Raises DataError where the pipeline failed, or ended without them."""
    ended: float | None = None
    pause, longest = _PAUSES
    while (answers := wave.take_answers(batch)) is None:
        if ended is None and pipeline.has_ended:
            pipeline.finish()
            ended = time.monotonic()
        elif ended is not None and time.monotonic() - ended > _LATE:
            raise DataError(
                "Apache Beam: the pipeline ended, and there are no answers from its workers",
                "Do its workers see the same disk at the same paths?",
            )
        elif not work_ahead():
            time.sleep(pause)
            pause = min(2 * pause, longest)
    return answers


class _Pipeline:
    """A pipeline at work, in a thread of its own: some runners return only when all is done."""

    def __init__(self, options: PipelineOptions, batches: Sequence[TaskBatch]) -> None:
        self._result: PipelineResult | None = None
        self._error: BaseException | None = None
        self._options, self._elements = options, [pickle.dumps(tuple(batch)) for batch in batches]
        self._thread = threading.Thread(target=self._run, name="beam", daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def finish(self) -> None:
        """Waits for the end. Raises DataError where it failed."""
        self._thread.join()
        if isinstance(self._error, OdtoolError):
            raise self._error
        if self._error is not None:  # runners raise what they like, with the worker's traceback as text
            raise DataError(
                f"Apache Beam: {_find_last_line(self._error)}", "Check --beam and the runner's own log."
            ) from self._error

    def stop(self) -> None:
        """Ends it, if it has not ended yet."""
        if self._result is not None and not self.has_ended:
            with suppress(Exception):  # not every runner can cancel; its workers find no tasks any more
                self._result.cancel()
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        import apache_beam
        from apache_beam.runners.runner import PipelineState

        try:
            pipeline = apache_beam.Pipeline(options=self._options)
            _ = (
                pipeline
                | "batches" >> apache_beam.Create(self._elements)
                | "apart" >> apache_beam.Reshuffle()
                | "answer" >> apache_beam.FlatMap(exchange.answer_batch)
            )
            self._result = pipeline.run()
            state = self._result.wait_until_finish()
            if state != PipelineState.DONE:
                raise DataError(f"Apache Beam: the pipeline is {state}", "Check --beam and the runner's own log.")
        except BaseException as error:  # whoever waits for the answers raises it
            self._error = error
        finally:
            # Dask's runner opens a client for each pipeline and leaves it open.
            if (client := getattr(self._result, "client", None)) is not None:
                client.close()


def _find_last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else type(error).__name__)
