"""The flow from annotations to a folder of records: choose the reader, survey, split, write, swap in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from odtool import __version__
from odtool.dataset import label_map, splits, statistics
from odtool.dataset.classes import ALL_CLASSES, ClassChoice, follow_label_map, refuse_unknown
from odtool.dataset.dialects import Reading
from odtool.dataset.engines import beam_crew
from odtool.dataset.images.tiles import Tiling
from odtool.dataset.progress import Progress, Report, silent
from odtool.dataset.readers import format_choice
from odtool.dataset.readers.common import source_folders
from odtool.dataset.readers.registry import READERS, Reader
from odtool.dataset.records import staging
from odtool.dataset.records.record_writer import keep_draft, keep_whole
from odtool.dataset.sets import set_plans
from odtool.dataset.sets.prepared import Prepared, PreparedSet
from odtool.dataset.sets.set_plans import SetPlan, SplitSettings
from odtool.dataset.sets.set_writer import survey_sets, write_sets
from odtool.dataset.sets.uneven_splits import report_uneven_splits
from odtool.dataset.statistics import DatasetSummary
from odtool.dataset.survey import coverage, image_checks, problem_list, refusals
from odtool.dataset.survey.conventions.annotated_size import Basis
from odtool.dataset.survey.examination import PassSettings
from odtool.dataset.survey.first_pass import Survey
from odtool.dataset.survey.grouping import Grouping
from odtool.dataset.survey.image_checks import Rules
from odtool.dataset.survey.problem_list import ProblemList
from odtool.dataset.survey.resemblance import Resemblance, find_resemblance
from odtool.dataset.survey.source_survey import Choices, survey_sources
from odtool.dataset.types import Problem, Source
from odtool.dataset.workers import Crew, open_crew
from odtool.errors import DataError
from odtool.workspace import Dataset

_SCRATCH = "images"
"""Folder for images that are taken out of compressed files while the records are written."""
_EXCHANGE = "exchange"
"""Folder for what an engine's workers are given to do, and what comes of it."""


@dataclass(frozen=True)
class PrepareSettings:
    """What `odtool prepare` is asked to do."""

    sources: tuple[Source, ...]
    out: Path
    format: str = "auto"
    val: float = 0.1
    test: float = 0.0
    seed: int = 0
    folds: int | None = None
    """Sets for cross-validation, each with another part to validate on; None for one set."""
    fraction: float | None = None
    """Share of the training images that is kept; None keeps all."""
    balance: float | None = None
    """Share of the training images below which a class is repeated; None repeats nothing."""
    resplit: bool = False
    """Split again, whatever splits the data set has."""
    grouping: Grouping | None = None
    """Images that stay together when a split is cut."""
    similar: bool = False
    """Decode all images and report similar ones in different splits; grouping by similarity does so, too."""
    tiling: Tiling | None = None
    """How images that are larger than a tile are cut."""
    max_side: int | None = None
    """Longest side in pixels that images are written with; None leaves them as they are."""
    masks: bool = False
    """Write instance masks."""
    keypoints: bool = False
    """Write keypoints; those of records are written in any case."""
    shards: int | None = None
    """Shards a split; None lets their size decide."""
    label_map: Path | None = None
    """A label map to follow; else classes are numbered in the order of their sorted names."""
    workers: int | None = None
    """Worker processes; None for one a core."""
    beam: str | None = None
    """Options of an Apache Beam pipeline that does the work in place of local workers."""
    strict: bool = False
    """Refuse where any problem of level 'warning' or 'error' was met."""
    rules: Rules = image_checks.USUAL
    """How closely images are looked at."""
    chosen: ClassChoice = ALL_CLASSES
    """Classes that are renamed, kept or dropped."""
    skip_missing: bool = False
    """Leave out annotations whose image is missing, in place of refusing."""
    skip_broken: bool = False
    """Leave out files, rows and objects that are broken, in place of refusing."""
    coordinates: Reading | None = None
    """What the four numbers of a box mean; None lets the boxes decide."""
    annotated_size: Basis | None = None
    """Which size boxes are in where an annotation declares another than the image's; None lets the boxes decide."""

    @property
    def groups_similar(self) -> bool:
        """Whether similar images are kept in one split."""
        return self.grouping is not None and self.grouping.by_similarity

    @property
    def cut(self) -> SplitSettings:
        """How the images are split, and what of them is trained on."""
        return SplitSettings(self.val, self.test, self.seed, self.folds, self.fraction, self.balance)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def prepare(settings: PrepareSettings, *, progress: Progress = silent, now: Callable[[], datetime] = _now) -> Prepared:
    """Writes records, label map, dataset.json and problems.csv into `settings.out`, whole or not at all.

    Raises:
        DataError: there is nothing to read, something is broken or missing, or `out` is not ours to replace.
    """
    label_items = label_map.read(settings.label_map) if settings.label_map else None
    if label_items:
        settings = replace(settings, chosen=follow_label_map(settings.chosen, label_items))
    with ExitStack() as stack:
        # Workers come first: what is forked stays as small as the command is before it lists any folder.
        forked = stack.enter_context(open_crew(settings.workers)) if settings.beam is None else None
        listing = stack.enter_context(ExitStack())
        listing.enter_context(source_folders.remember_listings())
        choices = _choose_formats(settings)
        folder = stack.enter_context(staging.replacing(settings.out))
        workers: Crew = forked or stack.enter_context(_open_engine(settings, folder))
        stack.enter_context(closing(workers))  # before the folder goes that they may be writing into
        dataset, stored = Dataset(folder), folder / "spool"
        with problem_list.open_list(dataset.problems, settings.out) as problems:
            with progress("images read", None) as report:
                result, choices = _survey_sources(settings, choices, stored, workers, problems, report)
            on_problem = problems.add
            display_names = (
                label_map.display_names(label_items)
                if label_items
                else _find_display_names(settings, choices, result.classes)
            )
            listing.close()
            classes = {item.name: item.id for item in label_items} if label_items else _number_classes(result.classes)
            _refuse_unusable(result, classes, settings)
            look_closely = settings.similar or settings.groups_similar
            resemblance = find_resemblance(result.index, stored, workers, progress, similar=look_closely)
            plans = _plan_sets(result, resemblance, stored, settings, on_problem)
        source = settings.sources[0].path
        sets = survey_sets(result, plans, dataset, settings.out, resemblance, stored, source, strict=settings.strict)
        summaries = write_sets(
            sets,
            stored,
            _describe(result, classes, choices, settings, now()),
            display_names,
            workers,
            shard_count=settings.shards,
            progress=progress,
        )
        shutil.rmtree(folder / _SCRATCH, ignore_errors=True)
        prepared = [
            PreparedSet(Dataset(settings.out / item.dataset.path.relative_to(folder)), summary, item.survey.first)
            for item, summary in zip(sets, summaries, strict=True)
        ]
    problem_list.remove_refused(settings.out)
    return Prepared(settings.out, tuple(prepared), choices)


def _open_engine(settings: PrepareSettings, folder: Path) -> AbstractContextManager[Crew]:
    """A crew on the runner that --beam names, with its files in the folder that the data set is built in."""
    options = beam_crew.check(settings.beam or "", settings.workers)
    return beam_crew.open_beam_crew(options, settings.workers, folder / _EXCHANGE)


def _choose_formats(settings: PrepareSettings) -> Choices:
    """The formats of each source. Raises DataError for what can be refused before anything is read."""
    splits.check_shares(0 if settings.folds else settings.val, settings.test)
    staging.refuse_foreign(settings.out)
    if settings.beam is not None:
        beam_crew.check(settings.beam, settings.workers)
    choices = tuple(format_choice.choose(source, settings.format) for source in settings.sources)
    if settings.masks:
        _refuse_formats_without("masks", choices, lambda reader: reader.masks)
    if settings.keypoints:
        _refuse_formats_without("keypoints", choices, lambda reader: reader.keypoints)
    return choices


def _refuse_formats_without(what: str, choices: Choices, carries: Callable[[Reader], bool]) -> None:
    """Raises DataError where a source has no format that carries what an option asks for."""
    titles = [reader.title for reader in READERS.values() if carries(reader)]
    for formats in choices:
        if not any(carries(choice.reader) for choice in formats):
            raise DataError(
                f"--{what}: {formats[0].reader.title} has no {what} that odtool reads",
                f"{what.capitalize()} are read from {', '.join(titles)}.",
            )


def _survey_sources(
    settings: PrepareSettings,
    choices: Choices,
    stored: Path,
    workers: Crew,
    problems: ProblemList,
    report: Report,
) -> tuple[Survey, Choices]:
    sources = [
        replace(
            source,
            masks=settings.masks,
            keypoints=settings.keypoints,
            label_map=settings.label_map,
            scratch=stored.with_name(_SCRATCH),
        )
        for source in settings.sources
    ]
    pass_settings = PassSettings(
        settings.rules,
        settings.chosen,
        None if settings.groups_similar else settings.grouping,
        settings.tiling,
        settings.max_side,
        keep_whole if settings.masks else keep_draft,
    )

    return survey_sources(
        sources,
        choices,
        stored,
        workers,
        pass_settings,
        problems,
        report,
        looks_further=settings.format == "auto",
        coordinates=settings.coordinates,
        annotated_size=settings.annotated_size,
    )


def _refuse_unusable(result: Survey, classes: Mapping[str, int], settings: PrepareSettings) -> None:
    """Raises DataError where what was found is not what was asked for, or nothing to train on."""
    where = ", ".join(str(source.path) for source in settings.sources)
    refusals.refuse_broken(result, skip_broken=settings.skip_broken)
    refusals.refuse_contradictions(result)
    if settings.coordinates is None:  # else the user has said what numbers mean
        refusals.refuse_boxes_of_other_images(result, skip_broken=settings.skip_broken)
    refusals.refuse_unwritable_classes(result)
    refuse_unknown(settings.chosen, result.changes, result.classes)
    refusals.refuse_nothing_to_train_on(result, where, skip_missing=settings.skip_missing)
    refusals.refuse_unknown_classes(result, classes, settings.label_map)


def _number_classes(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(names), start=1)}


def _find_display_names(settings: PrepareSettings, choices: Choices, classes: Collection[str]) -> dict[str, str]:
    """Display names by name, from the sources whose format has any; of several for one class the first."""
    names: dict[str, str] = {}
    for source, formats in zip(settings.sources, choices, strict=True):
        for choice in formats:
            if choice.reader.display_names is not None:
                names = {**choice.reader.display_names(source), **names}
    return {
        name: display_name for name, display_name in names.items() if name in classes and display_name not in classes
    }


def _plan_sets(
    result: Survey,
    resemblance: Resemblance,
    stored: Path,
    settings: PrepareSettings,
    on_problem: Callable[[Problem], None],
) -> tuple[SetPlan, ...]:
    """The sets that are to be written. Problems that all of them have are counted on the way."""
    index, cut = result.index, settings.cut
    declared = [None] * len(index) if settings.resplit else index.list_declared_splits()
    if settings.grouping and not (cut.folds or splits.find_shares_to_cut(declared, val=cut.val, test=cut.test)):
        raise DataError(
            f"--group-by '{settings.grouping.by}': the data set has its own splits, so none is cut",
            "Add --resplit to split it again, or leave --group-by out.",
        )
    groups = splits.join_groups(index.groups, resemblance.identical)
    if settings.groups_similar:
        groups = splits.join_groups(groups, resemblance.similar)
    plans = set_plans.plan_sets(index, declared, groups, cut)
    source = settings.sources[0].path
    for problem in (
        *coverage.report_keypoint_counts(result.keypoints, source),
        *coverage.report_undeclared_splits(declared, source),
        *(coverage.report_merged_splits(declared, source) if cut.folds else ()),
        *report_uneven_splits(plans, declared, cut, settings.grouping, source),
        *resemblance.report(stored, index),
    ):
        result.count(problem)
        on_problem(problem)
    return plans


def _describe(
    result: Survey,
    classes: dict[str, int],
    choices: Choices,
    settings: PrepareSettings,
    created: datetime,
) -> DatasetSummary:
    """What the dataset.json of every set says alike."""
    return DatasetSummary(
        classes=classes,
        splits={},
        format="+".join(dict.fromkeys(choice.name for formats in choices for choice in formats)),
        sources=tuple(str(source.path) for source in settings.sources),
        seed=settings.seed,
        odtool=__version__,
        created=created.isoformat(timespec="seconds"),
        masks=settings.masks,
        keypoints=max(result.keypoints, default=0),
        class_changes=statistics.class_changes(result.changes),
        folds=settings.folds or 0,
        fraction=settings.fraction,
        max_side=settings.max_side,
    )
