"""What the numbers of a source's boxes mean: the reading under which its boxes lie inside their images.

Boxes are counted in the first pass, all those of one source and one dialect (dialects.py) together, and another reading
than the documented one is taken only where they say so. The usual set pays nothing: as long as its boxes fit their
images, nothing else is tried. Where some do not, the other readings are counted in these images; where one of those may
be meant, or none, the pass is repeated to count all images, and once more with the reading that is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from odtool.dataset.dialects import DIALECTS, Dialect, Reading, narrow, reread
from odtool.dataset.types import AnnotatedImage, Box, Problem, Unit
from odtool.errors import DataError

MISFIT_KINDS = frozenset(("box_outside", "box_outside_entirely", "box_inverted", "box_zero", "box_tiny"))
"""Problems of boxes that do not fit their image as they are read."""
_SHARE = 0.02
"""Of the boxes, those that may not fit: annotators' slips, which are repaired box by box."""
_SLACK_PIXELS, _SLACK_SHARE = 1.0, 0.001
"""A box may stick out by a pixel and a thousandth of the side: some tools count pixels from 1, others round."""
_FAR = 0.1
"""Of the image's side. A box drawn by hand may stick out, but seldom by more."""
_FEW = 4
"""Boxes below which nothing is refused that a documented convention covers: in three boxes one may be a slip."""
_CLEAR = 10
"""Boxes that do not fit, against which a tenth as many under another reading are a clear answer, whatever the share."""
_REACH_FULL, _REACH_CRAMPED = 0.9, 0.6
"""How far across the image the boxes of a whole set reach: nearly to its edge, or as if they were of a smaller one."""


@dataclass
class Fit:
    """How many boxes do not fit their images under one reading, and fit them under another."""

    misfits: int = 0
    far: int = 0
    """Those of them that are inverted, smaller than a pixel, or stick out by more than a slip."""
    reach: float = 0.0
    """The share of their images' sides that the boxes reach across, at most."""


@dataclass
class Evidence:
    """What the boxes of one source and dialect say."""

    dialect: Dialect
    file: Path
    """The first annotation file."""
    boxes: int = 0
    nowhere: int = 0
    """Boxes that fit their images under no reading, which therefore say nothing of them."""
    nowhere_far: int = 0
    """Those of them that do not nearly fit, either."""
    fits: dict[Reading, Fit] = field(default_factory=dict)
    """For the reading in use of all boxes; for the others of all boxes, or only of images in which that one fails."""

    def add(self, other: Evidence) -> None:
        self.boxes += other.boxes
        self.nowhere += other.nowhere
        self.nowhere_far += other.nowhere_far
        for reading, fit in other.fits.items():
            total = self.fits.setdefault(reading, Fit())
            total.misfits += fit.misfits
            total.far += fit.far
            total.reach = max(total.reach, fit.reach)

    def count(self, places: Mapping[Reading, Sequence[_Place]]) -> None:
        """Adds the boxes of one image, as they lie under each reading."""
        for box in zip(*places.values(), strict=True):
            if not any(place.fits for place in box):
                self.nowhere += 1
                self.nowhere_far += all(place.is_far for place in box)
                continue
            for reading, place in zip(places, box, strict=True):
                total = self.fits[reading]
                total.misfits += not place.fits
                total.far += place.is_far
                total.reach = max(total.reach, place.reach if place.fits else 0.0)

    def share(self, reading: Reading) -> float:
        """Of the boxes, those that lie inside their images and are not inverted."""
        return 1 - (self.nowhere + self.fits[reading].misfits) / self.boxes


Key = tuple[str, str]
"""Source and dialect."""


@dataclass(frozen=True)
class Coordinates:
    """How boxes are read in one pass."""

    wanted: Reading | None = None
    """What the user says (--coordinates)."""
    chosen: dict[Key, Reading] = field(default_factory=dict)
    """What the boxes of a source have decided."""
    settled: frozenset[Key] = frozenset()
    """Sources whose boxes have been heard."""
    counted: frozenset[Key] = frozenset()
    """Sources of which all images are counted under all readings."""
    notices: tuple[Problem, ...] = ()
    """What was chosen against the documents."""

    def list_readings(self, dialect: Dialect) -> tuple[Reading, ...]:
        """Those that may be meant; the first is in use until boxes decide otherwise."""
        return dialect.readings if self.wanted is None else narrow(dialect, self.wanted)

    def read(self, image: AnnotatedImage, source: Path) -> AnnotatedImage:
        """The image with its boxes as they are read in this pass."""
        if not image.dialect or not (self.chosen or self.wanted):
            return image
        dialect = DIALECTS[image.dialect]
        reading = self.chosen.get((str(source), image.dialect)) or self.list_readings(dialect)[0]
        return reread(image, dialect.readings[0], reading)

    def weigh(
        self,
        image: AnnotatedImage,
        sizes: Sequence[tuple[int, int]],
        problems: Sequence[Problem],
        source: Path,
        heard: dict[Key, Evidence],
    ) -> None:
        """Adds what an image's boxes say to `heard`.

        Args:
            image: with the boxes as its reader made them.
            sizes: width and height that they are in; two where EXIF turns the image, as either may be meant.
            problems: those of the image as it is read in this pass.
        """
        key = (str(source), image.dialect)
        evidence = heard.get(key)
        if evidence is None:
            evidence = heard[key] = Evidence(DIALECTS[image.dialect], image.source)
        evidence.boxes += len(image.objects)
        if key not in self.settled and (
            key in self.counted or any(problem.kind in MISFIT_KINDS for problem in problems)
        ):
            documented, readings = evidence.dialect.readings[0], self.list_readings(evidence.dialect)
            for reading in readings:
                evidence.fits.setdefault(reading, Fit())
            evidence.count(
                {reading: _find_best_places(reread(image, documented, reading), sizes) for reading in readings}
            )


class _Place(NamedTuple):
    """How one box lies in its image under one reading."""

    fits: bool
    is_far: bool
    reach: float


def _find_best_places(image: AnnotatedImage, sizes: Sequence[tuple[int, int]]) -> list[_Place]:
    """Those in the size that most of the boxes fit."""
    return max(([_place(item.box, image.unit, size) for item in image.objects] for size in sizes), key=_count_fitting)


def _count_fitting(places: Sequence[_Place]) -> int:
    return sum(place.fits for place in places)


def _place(box: Box, unit: Unit, size: tuple[int, int]) -> _Place:
    width, height = size
    across, down = size if unit == "fraction" else (1, 1)
    left, top, right, bottom = box.xmin * across, box.ymin * down, box.xmax * across, box.ymax * down
    out_x, out_y = max(-left, right - width), max(-top, bottom - height)
    # Written so that what is not a number is far off.
    is_solid = right >= left and bottom >= top and max(right - left, bottom - top) >= 1
    is_far = not (is_solid and out_x <= width * _FAR and out_y <= height * _FAR)
    is_inside = out_x <= _SLACK_PIXELS + width * _SLACK_SHARE and out_y <= _SLACK_PIXELS + height * _SLACK_SHARE
    fits = not is_far and is_inside and right > left and bottom > top
    return _Place(fits, is_far, max(right / width, bottom / height))


def reconsider(used: Coordinates, evidence: Mapping[Key, Evidence]) -> Coordinates | None:
    """How the next pass has to read; None where the pass that was made is right.

    Raises:
        DataError: no reading explains the boxes of a source, or several do.
    """
    chosen, settled, counted = dict(used.chosen), set(used.settled), set(used.counted)
    notices = list(used.notices)
    for key, heard in evidence.items():
        if key in used.settled:
            continue
        readings = used.list_readings(heard.dialect)
        is_decided = used.wanted is not None
        if key in counted:
            settled.add(key)
            reading = _choose(heard, readings, is_decided=is_decided)
            if reading != readings[0]:
                chosen[key] = reading
                notices.append(_report(heard, readings[0], reading))
        elif _is_doubtful(heard, readings, is_decided=is_decided):
            counted.add(key)
    if chosen == used.chosen and counted == used.counted:
        return None
    return Coordinates(used.wanted, chosen, frozenset(settled), frozenset(counted), tuple(notices))


def _is_doubtful(evidence: Evidence, readings: Sequence[Reading], *, is_decided: bool) -> bool:
    """Whether another reading may be meant, by the images in which the first fails; or none."""
    if len(readings) == 1 or not evidence.fits:
        return False
    if _fails(evidence, readings[0], is_decided=is_decided):
        return True
    return any(_is_better(evidence, reading, readings[0], is_decided=is_decided) for reading in readings[1:])


def _fails(evidence: Evidence, reading: Reading, *, is_decided: bool) -> bool:
    """Whether so many boxes lie far outside that the documented reading is not believed without asking."""
    if is_decided or evidence.dialect.strength == "firm":
        return False
    fit, limit = evidence.fits[reading], _SHARE * evidence.boxes
    if evidence.dialect.strength == "open":
        return fit.misfits + evidence.nowhere > limit
    return fit.far + evidence.nowhere_far > limit and fit.far + evidence.nowhere_far >= _FEW


def _is_better(evidence: Evidence, reading: Reading, first: Reading, *, is_decided: bool) -> bool:
    """Whether a reading explains the boxes clearly better than the first one."""
    fit, first_fit = evidence.fits[reading], evidence.fits[first]
    if fit.misfits > _SHARE * evidence.boxes or evidence.nowhere > max(_SHARE * evidence.boxes, _FEW):
        return False
    if is_decided or evidence.dialect.strength == "firm":
        return first_fit.far >= max(_FEW, evidence.boxes / 2)
    clearly = first_fit.misfits >= max(_CLEAR, _CLEAR * fit.misfits)
    return clearly or first_fit.far > _SHARE * evidence.boxes


def _choose(evidence: Evidence, readings: Sequence[Reading], *, is_decided: bool) -> Reading:
    first = readings[0]
    better = [reading for reading in readings[1:] if _is_better(evidence, reading, first, is_decided=is_decided)]
    if not better:
        if _fails(evidence, first, is_decided=is_decided):
            raise _refusal(evidence, readings, "no reading explains 98% of them")
        return first
    better.sort(key=lambda reading: evidence.fits[reading].misfits)
    best = evidence.fits[better[0]].misfits
    equals = [reading for reading in better if evidence.fits[reading].misfits < max(_FEW, _CLEAR * best)]
    if len(equals) > 1:
        equals = [reading for reading in equals if not _is_cramped(evidence, reading, equals)]
    if len(equals) != 1:
        raise _refusal(evidence, readings, "more than one reading explains them")
    return equals[0]


def _is_cramped(evidence: Evidence, reading: Reading, others: Sequence[Reading]) -> bool:
    """Whether under this reading all boxes keep to one part of their images, and under another use all of them."""
    if evidence.boxes < _CLEAR or evidence.fits[reading].reach > _REACH_CRAMPED:
        return False
    return any(evidence.fits[other].reach >= _REACH_FULL for other in others)


def _describe_shares(evidence: Evidence, readings: Sequence[Reading]) -> str:
    return "; ".join(f"{_percent(evidence.share(reading))} as {reading.describe()}" for reading in readings)


def _percent(share: float) -> str:
    """Rounded down, so that only all are 100%."""
    return f"{int(share * 1000) / 10:g}%"


def _report(evidence: Evidence, first: Reading, reading: Reading) -> Problem:
    detail = (
        f"{evidence.dialect.title} are read as {reading.describe()}: so {_percent(evidence.share(reading))} of "
        f"{evidence.boxes} boxes lie inside their images, and {_describe_shares(evidence, [first])}"
    )
    return Problem("coordinates_chosen", evidence.file, detail)


def _refusal(evidence: Evidence, readings: Sequence[Reading], why: str) -> DataError:
    shown = sorted(readings, key=lambda reading: -evidence.share(reading))
    return DataError(
        f"{evidence.file}: the {evidence.dialect.title} do not say what their numbers mean: {why}. "
        f"Of {evidence.boxes} boxes these lie inside their images: {_describe_shares(evidence, shown)}",
        "Say which it is with --coordinates, such as --coordinates " + shown[0].name + ".",
    )
