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

from odtool.dataset.dialects import DIALECTS, Dialect, Reading, narrow, reread
from odtool.dataset.survey.conventions.box_fit import Fit, Place, find_best_places, is_whole
from odtool.dataset.types import AnnotatedImage, Problem
from odtool.errors import DataError

MISFIT_KINDS = frozenset(
    ("box_duplicate", "box_inverted", "box_outside", "box_outside_entirely", "box_small", "box_tiny", "box_zero")
)
"""Problems of boxes that do not fit their image as they are read, or of which others may be hidden behind them."""
_SHARE = 0.02
"""Of the boxes, those that may not fit: annotators' slips, which are repaired box by box."""
_FEW = 4
"""Boxes below which nothing is refused that a documented convention covers: in three boxes one may be a slip. As many,
and more than 2%, against a fourth as many under another reading are a clear answer."""
_CLEAR = 10
"""Boxes that do not fit, against which a tenth as many under another reading are a clear answer, below 2% as well."""
_CRAMPED, _RARELY = 0.6, 0.01
"""Of an image's side, as far as boxes reach that keep to a part of their images; and how often a set may do so by
chance, which is likelier for few boxes than for many."""
_FARTHER = 2.0
"""Times as far that boxes reach under another reading which explains most of them: then that is the better one."""
_MOST = 0.8
"""Share of the boxes that such a reading explains."""
_BEYOND, _LOST = 1.1, 0.1
"""Of an image's side, as far as no slip reaches; and the share of boxes beyond it that no format's names explain: these
are numbers of other images, or of another scale."""


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
    """Those of them that are far outside under the first reading."""
    nowhere_beyond: int = 0
    """Those of them that end far beyond the right or bottom side, which no putting in order mends."""
    four: int = 0
    """Boxes of four numbers, and not of a shape."""
    is_whole: bool = True
    """Whether no number has more behind the point than the half of a pixel."""
    fits: dict[Reading, Fit] = field(default_factory=dict)
    """For the reading in use of all boxes; for the others of all boxes, or only of images in which that one fails."""

    def add(self, other: Evidence) -> None:
        self.boxes += other.boxes
        self.nowhere += other.nowhere
        self.nowhere_far += other.nowhere_far
        self.nowhere_beyond += other.nowhere_beyond
        self.four += other.four
        self.is_whole = self.is_whole and other.is_whole
        for reading, fit in other.fits.items():
            total = self.fits.setdefault(reading, Fit())
            total.misfits += fit.misfits
            total.far += fit.far
            total.reach = max(total.reach, fit.reach)

    def count(self, places: Mapping[Reading, Sequence[Place]]) -> None:
        """Adds the boxes of one image, as they lie under each reading."""
        for box in zip(*places.values(), strict=True):
            if not any(place.fits for place in box):
                self.nowhere += 1
                self.nowhere_far += box[0].is_far
                self.nowhere_beyond += box[0].reach > _BEYOND
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
        return dialect.all_readings if self.wanted is None else narrow(dialect, self.wanted)

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
            evidence.four += sum(not item.enclosed for item in image.objects)
            evidence.is_whole = evidence.is_whole and is_whole(image, documented.layout)
            for reading in readings:
                evidence.fits.setdefault(reading, Fit())
            evidence.count(
                {reading: find_best_places(reread(image, documented, reading), sizes) for reading in readings}
            )


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
    if _fails(evidence, readings, is_decided=is_decided):
        return True
    return any(_is_better(evidence, reading, readings[0]) for reading in readings[1:])


def _fails(evidence: Evidence, readings: Sequence[Reading], *, is_decided: bool) -> bool:
    """Whether the first reading is not believed without asking.

    Too many boxes lie far outside, of a firm format many more; or another reading, which may not explain all either,
    explains twice as many of those that do not fit.
    """
    if is_decided:
        return False
    if evidence.dialect.strength == "firm":
        return evidence.nowhere_beyond >= max(_FEW, _LOST * evidence.boxes)
    fit, limit = evidence.fits[readings[0]], _SHARE * evidence.boxes
    if evidence.dialect.strength == "open":
        return fit.misfits + evidence.nowhere > limit
    far = fit.far + evidence.nowhere_far
    others = (evidence.fits[other] for other in readings if not _is_cramped(evidence, other, readings))
    is_beaten = any(fit.misfits > max(limit, 2 * other.misfits, other.misfits + 2 * _FEW) for other in others)
    return is_beaten or (far > limit and far >= _FEW)


def _is_better(evidence: Evidence, reading: Reading, first: Reading) -> bool:
    """Whether a reading explains the boxes clearly better than the first one."""
    fit, first_fit = evidence.fits[reading], evidence.fits[first]
    limit = _SHARE * evidence.boxes
    if fit.misfits > limit or evidence.nowhere > max(limit, min(_FEW, evidence.boxes / _FEW)):
        return False
    if evidence.dialect.strength == "firm":
        return first_fit.far >= max(_FEW, evidence.boxes / 2)
    times = _FEW if first_fit.misfits > limit else _CLEAR
    return first_fit.far > limit or first_fit.misfits >= max(times, times * fit.misfits)


def _choose(evidence: Evidence, readings: Sequence[Reading], *, is_decided: bool) -> Reading:
    first = readings[0]
    others = [reading for reading in readings[1:] if evidence.four or reading.layout == first.layout]
    others = [reading for reading in others if not _is_cramped(evidence, reading, readings)]
    better = [reading for reading in others if _is_better(evidence, reading, first)]
    if not better:
        if _fails(evidence, readings, is_decided=is_decided):
            raise _refusal(evidence, readings, "no reading explains 98% of them")
        return first
    better.sort(key=lambda reading: evidence.fits[reading].misfits)
    best = evidence.fits[better[0]].misfits
    equals = [reading for reading in better if evidence.fits[reading].misfits < max(_FEW, _CLEAR * best)]
    usual = [reading for reading in equals if not _is_seldom(evidence, reading)]
    if len(usual or equals) != 1:
        raise _refusal(evidence, readings, "more than one reading explains them")
    return (usual or equals)[0]


def _is_seldom(evidence: Evidence, reading: Reading) -> bool:
    """Percent are as usual as pixels where numbers have digits behind the point that no pixels have."""
    if reading.scale == "percent" and not evidence.is_whole:
        reading = reading._replace(scale="pixels")
    return reading in evidence.dialect.seldom


def _is_cramped(evidence: Evidence, reading: Reading, others: Sequence[Reading]) -> bool:
    """Whether under this reading all boxes keep to one corner of their images, and under another use all of them."""
    reach = evidence.fits[reading].reach
    if reach > min(_CRAMPED, _RARELY ** (1 / evidence.boxes)):
        return False
    return any(evidence.fits[other].reach >= _FARTHER * reach and evidence.share(other) >= _MOST for other in others)


def _describe_shares(evidence: Evidence, readings: Sequence[Reading]) -> str:
    return "; ".join(f"{_percent(evidence.share(reading))} as {reading.describe()}" for reading in readings)


def _percent(share: float) -> str:
    """Rounded down, so that only all are 100%."""
    return f"{int(share * 1000) / 10:g}%"


def _report(evidence: Evidence, first: Reading, reading: Reading) -> Problem:
    detail = (
        f"the {evidence.dialect.title} are read as {reading.describe()}: so {_percent(evidence.share(reading))} of "
        f"{evidence.boxes} boxes lie inside their images, and {_describe_shares(evidence, [first])}"
    )
    equals = [other for other in evidence.fits if other != reading and evidence.share(other) >= 1 - _SHARE]
    if equals:
        detail += f"; less usual, though they would fit: {', '.join(other.describe() for other in equals)}"
    return Problem("coordinates_chosen", evidence.file, detail)


def _refusal(evidence: Evidence, readings: Sequence[Reading], why: str) -> DataError:
    shown = sorted(readings, key=lambda reading: -evidence.share(reading))
    return DataError(
        f"{evidence.file}: nothing says what the {evidence.dialect.title} mean: {why}. "
        f"Of {evidence.boxes} boxes these lie inside their images: {_describe_shares(evidence, shown)}",
        "Say which it is with --coordinates, such as --coordinates " + shown[0].name + ".",
    )
