"""What a run's model is really given to train on, on a page."""

from __future__ import annotations

from dataclasses import KW_ONLY, asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odtool import temporary_folders
from odtool.api.requests import Notify, RequestError, RunName, StrPath, find_run, ignore, refuse_below, takes
from odtool.api.tasks import engine_process
from odtool.api.tasks.engine_tasks import PreviewTask
from odtool.errors import ConfigError, OdtoolError
from odtool.files import write_atomically
from odtool.jobs import devices
from odtool.workspace import Run

if TYPE_CHECKING:
    from odtool.pipeline.text.augmentations import Augmentation
    from odtool.reporting.preview.preview_file import Preview, PreviewView

__all__ = ["PreviewRequest", "WrittenPreview", "preview"]

_MOST = 200
"""Images; a page of more cannot be looked at."""
_LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class PreviewRequest:
    """What `odtool preview` is asked for."""

    run: RunName | None = None
    """The newest by default."""
    _: KW_ONLY
    out: StrPath | None = None
    """The page; preview.html in the run's folder by default."""
    images: int = 12
    """Images of the first batches to show."""
    seed: int = 0
    """Of the choice of images and of the chances of augmentation."""
    step_by_step: bool = False
    """Show the first image after each augmentation, too."""
    workspace: StrPath = "."
    notify: Notify = field(default=ignore, compare=False, repr=False)

    def __post_init__(self) -> None:
        refuse_below("images", self.images, 1)
        refuse_below("seed", self.seed, 0)
        if self.images > _MOST:
            raise RequestError("images", f"{self.images} is more than {_MOST}")
        if self.seed > _LARGEST_SEED:
            raise RequestError("seed", f"{self.seed} is more than {_LARGEST_SEED}")


@dataclass(frozen=True)
class WrittenPreview:
    """The page, and what it shows."""

    page: Path
    run: Run
    preview: Preview

    def as_json(self) -> dict[str, Any]:
        """As `odtool preview --json` gives it."""
        shown = self.preview
        return {
            "page": str(self.page.absolute()),
            "run": self.run.name,
            "seed": shown.seed,
            "batch_size": shown.batch_size,
            "augmentations": [asdict(item) for item in shown.augmentations],
            "images": [
                {
                    "batch": image.batch,
                    "source_id": image.source_id,
                    "filename": image.filename,
                    "original": self._describe(image.original),
                    "given": self._describe(image.given),
                }
                for image in shown.images
            ],
            "stages": [
                {"name": stage.augmentation.name, "changed": stage.changed, **self._describe(stage.given)}
                for stage in shown.stages
            ],
        }

    def _describe(self, view: PreviewView) -> dict[str, Any]:
        objects = [
            {"classes": [self.preview.labels.get(number, str(number)) for number in item.class_ids], "box": item.box}
            for item in view.objects
        ]
        return {
            "width": view.width,
            "height": view.height,
            "low": view.low,
            "high": view.high,
            "masks": view.masks is not None,
            "objects": objects,
        }


@takes(PreviewRequest)
def preview(request: PreviewRequest) -> WrittenPreview:
    """Writes a page with what training gives the model: images after augmentation and resizing, beside the originals.

    Raises:
        OdtoolError: there is no such run, its config or records cannot be read, or the page cannot be written.
    """
    from odtool.reporting.preview import preview_file, preview_page

    run = find_run(request.workspace, request.run, request.notify).run
    page = Path(request.out) if request.out else run.preview
    if page.is_dir():
        raise OdtoolError(f"{page}: is a folder", "Give --out a file, such as preview.html.")
    augmentations = _check_config(run)
    with temporary_folders.make() as folder:
        task = PreviewTask(
            run=run, folder=folder, images=request.images, seed=request.seed, step_by_step=request.step_by_step
        )
        request.notify("loading TensorFlow and reading batches as training does …")
        # On the CPU, where training too augments: a GPU that another run fills is not needed for this.
        answer = engine_process.ask(task, environment=devices.CPU.environment)
        shown = preview_file.parse(answer, folder, augmentations, request.seed)
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(page, preview_page.render(shown, run))
    return WrittenPreview(page, run, shown)


def _check_config(run: Run) -> list[Augmentation]:
    """The augmentations; raises OdtoolError for what would fail only after seconds of loading."""
    from odtool.dataset import label_map
    from odtool.pipeline.checks.augmentation import check_augmentation
    from odtool.pipeline.checks.records import check_train_records
    from odtool.pipeline.text import augmentations
    from odtool.pipeline.text.facts import read_facts

    facts = read_facts(run.pipeline_config)
    for finding in chain(check_train_records(facts), check_augmentation(facts)):
        if finding.level == "error":
            raise ConfigError(f"{run.pipeline_config}: {finding.message}", finding.hint)
    label_map.read(Path(facts.message.train_input_reader.label_map_path))
    return augmentations.list_augmentations(facts.message)
