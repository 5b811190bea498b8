"""What prepare would read, with figures and problems, and nothing written but a page where one is asked for."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from odtool.api.data.sources import (
    VERIFY,
    Columns,
    Names,
    Renaming,
    Sources,
    choose_annotated_size,
    choose_classes,
    choose_coordinates,
    choose_rules,
    find_sources,
    parse_columns,
)
from odtool.api.requests import StrPath, find_workspace, refuse_below, refuse_outside_share, refuse_unknown, takes
from odtool.dataset.progress import Progress, silent
from odtool.errors import DataError
from odtool.files import write_atomically

if TYPE_CHECKING:
    from odtool.dataset.inspect.box_statistics import Figures
    from odtool.dataset.inspect.inspection import Inspection
    from odtool.dataset.inspect.problem_log import ProblemKind

__all__ = ["Figures", "InspectRequest", "Inspection", "ProblemKind", "inspect"]


@dataclass(frozen=True)
class InspectRequest:
    """What `odtool inspect` is asked for."""

    sources: Sources = ()
    """Folders or files with annotations; without any, the workspace is searched."""
    _: KW_ONLY
    format: str = "auto"
    """Format of the annotations; "auto" looks."""
    columns: Columns = ""
    """Columns of a CSV by what they hold, such as "file=image_id,class=label,xywh=bbox"."""
    images: StrPath | None = None
    """Folder of the images, if it is not found automatically."""
    label_map: StrPath | None = None
    """A label_map.pbtxt to follow."""
    rename: Renaming = ()
    """Other names for classes."""
    only: Names = ()
    """Classes to keep, by their new names; the images of the others stay."""
    drop: Names = ()
    """Classes to leave out, by their new names; their images stay."""
    verify: str = "header"
    """Look at images' headers and ends ("header"), or decode every image ("full")."""
    fix_images: bool = False
    """Turn, flatten and convert images to upright 8-bit RGB; boxes follow."""
    min_box: float = 0.0
    """Leave out boxes with a side shorter than this, in pixels; 0 keeps all that have an area."""
    coordinates: str | None = None
    """What a box's four numbers are ("xyxy", "xywh", "cxcywh", perhaps with "-pixels", "-fractions" or "-percent");
    by default the boxes of the whole source decide where the format leaves it open."""
    annotated_size: str | None = None
    """Whose pixels boxes are in where an annotation declares another size than its image's: the "file"'s, or those of
    the "annotation", to be scaled; by default the boxes decide."""
    workers: int | None = None
    """Worker processes; by default one a core."""
    similar: bool = False
    """Report images that look alike; every image is decoded for it."""
    balance: float | None = None
    """Show the repeat factors that prepare would take with this threshold."""
    html: StrPath | None = None
    """A file for one page with plots and sample images, which can be sorted, filtered and enlarged."""
    samples: int = 24
    """Images on the page: those with problems first, then some of each class."""
    seed: int = 0
    """Seed of the choice among images without problems."""
    workspace: StrPath = "."
    progress: Progress = field(default=silent, compare=False, repr=False)

    def __post_init__(self) -> None:
        refuse_outside_share("balance", self.balance)
        for name, least in (("samples", 0), ("seed", 0), ("min_box", 0), ("workers", 1)):
            refuse_below(name, getattr(self, name), least)
        refuse_unknown("verify", (self.verify,), VERIFY)
        parse_columns(self.columns)
        choose_coordinates(self.coordinates)
        choose_annotated_size(self.annotated_size)


@takes(InspectRequest)
def inspect(request: InspectRequest) -> Inspection:
    """Reads and checks annotations as prepare would, and counts what they hold; prepared records can be read as well.

    Raises:
        DataError: there is nothing to read, something is broken, or the page cannot be written.
    """
    from odtool.dataset.inspect import inspect_page, inspection

    page = Path(request.html) if request.html else None
    if page is not None and page.is_dir():
        raise DataError(f"{page}: is a folder", "Give --html a file, such as report.html.")
    settings = inspection.InspectSettings(
        sources=find_sources(request.sources, request.images, find_workspace(request.workspace).root, request.columns),
        format=request.format,
        label_map=Path(request.label_map) if request.label_map else None,
        workers=request.workers,
        rules=choose_rules(request.verify, fix_images=request.fix_images, min_box=request.min_box),
        chosen=choose_classes(request.rename, request.only, request.drop),
        samples=request.samples,
        seed=request.seed,
        similar=request.similar,
        balance=request.balance,
        coordinates=choose_coordinates(request.coordinates),
        annotated_size=choose_annotated_size(request.annotated_size),
    )
    inspected = inspection.inspect(settings, progress=request.progress)
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(page, inspect_page.render(inspected))
    return inspected
