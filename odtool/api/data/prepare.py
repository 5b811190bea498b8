"""From annotations to a folder of records."""

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
from odtool.api.requests import (
    RequestError,
    StrPath,
    find_workspace,
    refuse_below,
    refuse_outside_share,
    refuse_unknown,
    takes,
)
from odtool.dataset.progress import Progress, silent

if TYPE_CHECKING:
    from odtool.dataset.images.tiles import Tiling
    from odtool.dataset.sets.prepared import Prepared
    from odtool.dataset.statistics import DatasetSummary

__all__ = ["DatasetSummary", "PrepareRequest", "Prepared", "prepare"]

_OF_TILES = ("overlap", "min_visible", "empty_tiles")


@dataclass(frozen=True)
class PrepareRequest:
    """What `odtool prepare` is asked for."""

    sources: Sources = ()
    """Folders or files with annotations; without any, the workspace is searched."""
    _: KW_ONLY
    format: str = "auto"
    """Format of the annotations; "auto" looks."""
    columns: Columns = ""
    """Columns of a CSV by what they hold, such as "file=image_id,class=label,xywh=bbox"."""
    images: StrPath | None = None
    """Folder of the images, if it is not found automatically."""
    out: StrPath | None = None
    """Folder to write; data/ in the workspace by default."""
    val: float | None = None
    """Share of images to validate on, if the data set has no such split; 0.1 by default, and nothing to folds."""
    test: float = 0.0
    """Share of images to test on, if the data set has no such split; with folds, the same images in each."""
    seed: int = 0
    """Seed of the random split and order, of what a fraction keeps, and of what is repeated."""
    folds: int | None = None
    """Write so many sets for cross-validation, fold-1 and on, each with another part to validate on."""
    fraction: float | None = None
    """Keep this share of the training images, stratified; what is validated and tested on stays whole."""
    balance: float | None = None
    """Repeat training images of classes that less than this share of them has, by LVIS's repeat factors."""
    resplit: bool = False
    """Make a new split, ignoring the data set's own."""
    group_by: str | None = None
    """Keep images of one folder ("folder"), similar images ("similar"), or images with one match of a regular
    expression in one split."""
    similar: bool = False
    """Report images that look alike, above all in different splits; every image is decoded for it."""
    tile: int | None = None
    """Cut larger images into tiles of this side, in pixels."""
    overlap: int | None = None
    """Pixels that tiles share; by default a fifth of `tile`."""
    min_visible: float | None = None
    """Share of a box that a tile must show to keep it; 0.3 by default."""
    empty_tiles: float | None = None
    """Share of the tiles without objects that is kept; 0.1 by default."""
    max_side: int | None = None
    """Store larger images smaller, with this longest side in pixels; boxes, masks and keypoints follow."""
    masks: bool = False
    """Write instance masks, for Mask R-CNN."""
    keypoints: bool = False
    """Write keypoints, from COCO or records."""
    shards: int | None = None
    """Shards a split; by default so many that each has about 32 MB."""
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
    """Worker processes; by default one a core. With `beam`, of a Dask cluster that is started here."""
    beam: str | None = None
    """Options of Apache Beam pipelines that do the work in place of local workers, such as "--runner=dask"."""
    strict: bool = False
    """Refuse if any box or image has a problem."""
    skip_missing: bool = False
    """Leave out annotations without an image."""
    skip_broken: bool = False
    """Leave out annotation files, rows and objects that are broken."""
    workspace: StrPath = "."
    progress: Progress = field(default=silent, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in _OF_TILES:
            if self.tile is None and getattr(self, name) is not None:
                raise RequestError(name, "means nothing without --tile")
        if self.max_side is not None and self.tile is not None:
            raise RequestError(
                "max_side", "means nothing with --tile: tiles are cut to keep the pixels of large images"
            )
        if self.folds is not None and self.val is not None:
            raise RequestError("val", "means nothing with --folds: each fold validates on a part of its own")
        for name in ("fraction", "balance"):
            refuse_outside_share(name, getattr(self, name))
        for name, least in (
            ("tile", 32), ("max_side", 32), ("overlap", 0), ("seed", 0), ("folds", 2), ("min_box", 0), ("shards", 1),
            ("workers", 1),
        ):  # fmt: skip
            refuse_below(name, getattr(self, name), least)
        refuse_unknown("verify", (self.verify,), VERIFY)
        parse_columns(self.columns)
        choose_coordinates(self.coordinates)
        choose_annotated_size(self.annotated_size)


@takes(PrepareRequest)
def prepare(request: PrepareRequest) -> Prepared:
    """Turns annotations into sharded TFRecords, a label map and dataset.json; the folder appears whole or not at all.

    Raises:
        DataError: there is nothing to read, something is broken or missing, or the folder is not ours to replace.
    """
    from odtool.dataset import prepare as flow
    from odtool.dataset.survey.grouping import Grouping

    space = find_workspace(request.workspace)
    settings = flow.PrepareSettings(
        sources=find_sources(request.sources, request.images, space.root, request.columns),
        out=Path(request.out) if request.out else space.data.path,
        format=request.format,
        val=0.1 if request.val is None else request.val,
        test=request.test,
        seed=request.seed,
        folds=request.folds,
        fraction=request.fraction,
        balance=request.balance,
        resplit=request.resplit,
        grouping=Grouping(request.group_by) if request.group_by else None,
        similar=request.similar,
        tiling=_tiling(request),
        max_side=request.max_side,
        masks=request.masks,
        keypoints=request.keypoints,
        shards=request.shards,
        label_map=Path(request.label_map) if request.label_map else None,
        chosen=choose_classes(request.rename, request.only, request.drop),
        workers=request.workers,
        beam=request.beam,
        strict=request.strict,
        rules=choose_rules(request.verify, fix_images=request.fix_images, min_box=request.min_box),
        skip_missing=request.skip_missing,
        skip_broken=request.skip_broken,
        coordinates=choose_coordinates(request.coordinates),
        annotated_size=choose_annotated_size(request.annotated_size),
    )
    return flow.prepare(settings, progress=request.progress)


def _tiling(request: PrepareRequest) -> Tiling | None:
    from odtool.dataset.images.tiles import Tiling

    if request.tile is None:
        return None
    return Tiling(
        request.tile,
        request.tile // 5 if request.overlap is None else request.overlap,
        0.3 if request.min_visible is None else request.min_visible,
        0.1 if request.empty_tiles is None else request.empty_tiles,
        request.seed,
    )
