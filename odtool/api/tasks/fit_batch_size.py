"""The batch size for `configure(batch_size="auto")`, measured by the engine in processes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odtool import temporary_folders
from odtool.api.requests import Notify
from odtool.api.tasks import engine_process
from odtool.api.tasks.device_claim import claim_device
from odtool.api.tasks.engine_process import OutOfMemoryError
from odtool.api.tasks.engine_tasks import MeasureTask
from odtool.workspace import Run

if TYPE_CHECKING:
    from odtool.pipeline.configure.batch_size_search import Fitted
    from odtool.pipeline.text.config import PipelineConfig

_LARGEST = 1024
"""Images a replica, a bound for the search only: the zoo's largest batch, 512, was shared by several devices."""


def fit_batch_size(
    config: PipelineConfig, images: int, *, memory: str | None, gpu: str | int | None, precision: str, notify: Notify
) -> Fitted:
    """The largest batch with which this config trains within the memory given.

    Args:
        images: in the training set; a batch larger than that would show some of them twice a step.
        precision: of the networks' arithmetic, as `train` is to have it.

    Raises:
        OdtoolError: there is no such device, the model cannot be trained, or not one image fits.
    """
    from odtool.pipeline.configure import batch_size_search as search
    from odtool.pipeline.text import config as configs

    choice = claim_device(gpu)
    total = search.find_host_memory() if choice.memory is None else choice.memory * 2**20
    limit = search.parse(memory or f"{search.DEFAULT_SHARE:%}", total)
    device = "cpu" if choice.memory is None else "gpu"
    with temporary_folders.make() as folder:
        run = Run(folder)
        configs.save(config, run.pipeline_config)

        def measure(batch: int) -> int | None:
            how = "" if precision == "float32" else f" in {precision}"
            notify(f"measuring some training steps{how} with a batch of {batch} on {choice.label} …")
            try:
                task = MeasureTask(run=run, batch_size=batch, precision=precision)
                answer = engine_process.ask(task, environment=choice.environment)
            except OutOfMemoryError:
                return None
            return None if answer["out_of_memory"] else int(answer["peak_bytes"])

        most = min(max(images, choice.count), _LARGEST * choice.count)
        fitted = search.fit(measure, limit, device=device, total=total, replicas=choice.count, most=most)
    notify(search.explain(fitted))
    return fitted


def give_reason(fitted: Fitted, images: int) -> str:
    """Why this batch size, for the field that it goes into."""
    from odtool.pipeline.configure import batch_size_search

    limit = batch_size_search.format_gigabytes(fitted.limit)
    if fitted.batch_size * 2 > images:
        return f"--batch-size auto: fits {limit}, and twice as much is more than {images} images"
    return f"--batch-size auto: the largest that fits {limit}"
