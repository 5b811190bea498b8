"""The batch size for `odtool configure --batch-size auto`, measured by the engine in processes of their own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtool.cli import asking, console
from odtool.jobs import devices
from odtool.workspace import Run

if TYPE_CHECKING:
    from odtool.pipeline.configure.batch_size_search import Fitted
    from odtool.pipeline.text.config import PipelineConfig

_LARGEST = 1024
"""Images a replica, a bound for the search only: the zoo's largest batch, 512, was shared by several devices."""


def fit(wanted: PipelineConfig, images: int, *, memory: str | None, gpu: str | None) -> Fitted:
    """The largest batch with which this config trains within the memory given.

    Args:
        images: in the training set; a batch larger than that would show some of them twice a step.

    Raises:
        OdtoolError: there is no such device, the model cannot be trained, or not one image fits.
    """
    from odtool.pipeline.configure import batch_size_search as sizes
    from odtool.pipeline.text import config

    choice = devices.choose(devices.find_gpus(), gpu)
    total = sizes.find_host_memory() if choice.memory is None else choice.memory * 2**20
    limit = sizes.parse(memory or f"{sizes.DEFAULT_SHARE:%}", total)
    device = "cpu" if choice.memory is None else "gpu"
    with tempfile.TemporaryDirectory(prefix="odtool-") as folder:
        run = Run(Path(folder))
        config.save(wanted, run.pipeline_config)

        def measure(batch: int) -> int | None:
            console.say(f"measuring some training steps with a batch of {batch} on {choice.label} …")
            try:
                answer = asking.ask("measure", run, "--batch-size", batch, environment=choice.environment)
            except asking.NoMemoryError:
                return None
            return None if answer["out_of_memory"] else int(answer["peak_bytes"])

        most = min(max(images, choice.count), _LARGEST * choice.count)
        return sizes.fit(measure, limit, device=device, total=total, replicas=choice.count, most=most)


def explain(fitted: Fitted) -> str:
    from odtool.pipeline.configure import batch_size_search

    return batch_size_search.explain(fitted)


def reason(fitted: Fitted, images: int) -> str:
    """Why this batch size, for the field that it goes into."""
    from odtool.pipeline.configure import batch_size_search

    limit = batch_size_search.format_gigabytes(fitted.limit)
    if fitted.batch_size * 2 > images:
        return f"--batch-size auto: fits {limit}, and twice as much is more than {images} images"
    return f"--batch-size auto: the largest that fits {limit}"


def payload(fitted: Fitted) -> dict[str, Any]:
    """As --json gives it; sizes in bytes, null where memory ran out."""
    return {
        "limit": fitted.limit,
        "peak_by_batch": {str(size): used for size, used in fitted.measured.items()},
        "base": fitted.base,
        "per_image": fitted.per_image,
    }
