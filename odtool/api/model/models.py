"""The model zoo with its published figures, and downloading one of its models."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from odtool.api.requests import Notify, StrPath, find_workspace, ignore, refuse_unknown, takes
from odtool.dataset.progress import Progress, Report, silent

if TYPE_CHECKING:
    from odtool.pipeline.zoo.pull_model import Pulled
    from odtool.pipeline.zoo.zoo_model import ZooModel

ORDERS = ("name", "map", "speed", "size")


@dataclass(frozen=True)
class ListedModel:
    """One model of the zoo."""

    name: str
    """As `configure` takes it."""
    config: str
    """The zoo's full name."""
    architecture: str
    height: int
    width: int
    outputs: tuple[str, ...]
    """Of boxes, masks and keypoints."""
    coco_map: float | None
    mask_map: float | None
    keypoint_map: float | None
    speed_ms: float | None
    """An image, as the zoo publishes it; it does not name the GPU."""
    parameters: int | None
    checkpoint: str | None
    """Address of the trained model."""
    downloaded: bool
    """It lies in model_zoo/."""


@dataclass(frozen=True, kw_only=True)
class ModelsRequest:
    """What `odtool models` is asked for."""

    sort: str = "speed"
    """By "name", COCO "map" (best first), "speed" (fastest first) or input "size" (smallest first)."""
    filters: tuple[str, ...] = ()
    """Architecture, output (boxes, masks, keypoints) or part of a name; all must fit."""
    workspace: StrPath = "."

    def __post_init__(self) -> None:
        refuse_unknown("sort", (self.sort,), ORDERS)


@takes(ModelsRequest)
def list_models(request: ModelsRequest) -> list[ListedModel]:
    """The TF2 detection model zoo: what `configure` takes as a model."""
    from odtool.pipeline.zoo.catalogue import MODELS

    folders = find_workspace(request.workspace).model_zoo.glob("*")
    downloaded = {folder.name for folder in folders if folder.is_dir()}
    chosen = [model for model in MODELS if all(_fits(model, wanted.lower()) for wanted in request.filters)]
    return [_listed(model, downloaded) for model in sorted(chosen, key=_key(request.sort))]


def _fits(model: ZooModel, wanted: str) -> bool:
    return wanted == model.architecture or wanted in model.outputs or wanted in model.name


def _key(order: str) -> Callable[[ZooModel], tuple[float, str]]:
    def key(model: ZooModel) -> tuple[float, str]:
        figures = {
            "name": 0.0,
            "map": -(model.published.coco_map or 0.0),
            "speed": model.published.speed_ms or float("inf"),
            "size": float(model.height * model.width),
        }
        return figures[order], model.name

    return key


def _listed(model: ZooModel, downloaded: set[str]) -> ListedModel:
    from odtool.pipeline.zoo import zoo
    from odtool.pipeline.zoo.parameters import PARAMETERS

    return ListedModel(
        name=zoo.shorten_name(model.name),
        config=model.name,
        architecture=model.architecture,
        height=model.height,
        width=model.width,
        outputs=tuple(model.outputs),
        coco_map=model.published.coco_map,
        mask_map=model.published.mask_map,
        keypoint_map=model.published.keypoint_map,
        speed_ms=model.published.speed_ms,
        parameters=PARAMETERS.get(model.name),
        checkpoint=zoo.find_address(model) or None,
        downloaded=bool({model.name, model.folder, zoo.shorten_name(model.name)} & downloaded),
    )


@dataclass(frozen=True)
class PullRequest:
    """What `odtool models pull` is asked for."""

    model: str
    """A model of the zoo."""
    _: KW_ONLY
    url: str | None = None
    """A mirror: of the one .tar.gz, or what stands before its date and name."""
    workspace: StrPath = "."
    progress: Progress = field(default=silent, compare=False, repr=False)
    notify: Notify = field(default=ignore, compare=False, repr=False)


@dataclass(frozen=True)
class PulledModel:
    """A model of the zoo that lies in model_zoo/ now."""

    name: str
    """As `configure` takes it."""
    config: str
    """The zoo's full name."""
    pulled: Pulled


@takes(PullRequest)
def pull_model(request: PullRequest) -> PulledModel:
    """Downloads a model with its checkpoint into model_zoo/, where `configure` finds it.

    A download that broke off is resumed; a tarball that lies in model_zoo/ already is unpacked from there.

    Raises:
        OdtoolError: there is no such model, or it cannot be downloaded or unpacked.
    """
    from odtool.pipeline.zoo import zoo
    from odtool.pipeline.zoo.pull_model import pull

    model, folder = zoo.find(request.model), find_workspace(request.workspace).model_zoo
    with ExitStack() as stack:
        pulled = pull(model, folder, url=request.url, report=_reporter(request, model, stack))
    return PulledModel(zoo.shorten_name(model.name), model.name, pulled)


def _reporter(request: PullRequest, model: ZooModel, stack: ExitStack) -> Report:
    """Progress in megabytes from the first bytes on, when the size is known."""
    report: Report | None = None

    def report_bytes(have: int, total: int) -> None:
        nonlocal report
        if report is None:
            request.notify(f"downloading {model.folder}")
            report = stack.enter_context(request.progress("megabytes", round(total / 1e6)))
        report(round(have / 1e6), have)

    return report_bytes
