"""How a whole set is read: what its boxes' numbers mean, which size they are in, and the passes until that is settled.

Every pass reads under an interpretation and gathers what the boxes say of it. The first takes everything as documented,
and for the usual set it is the only one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from odtool.dataset.dialects import DIALECTS, Reading
from odtool.dataset.images import repair
from odtool.dataset.images.image_file import ImageHeader
from odtool.dataset.survey.conventions import annotated_size, coordinates
from odtool.dataset.survey.conventions.annotated_size import AnnotatedSizes, Basis, Placed, SizeVotes, has_same_shape
from odtool.dataset.survey.conventions.coordinates import Coordinates, Evidence
from odtool.dataset.types import AnnotatedImage, Problem
from odtool.errors import DataError


@dataclass
class Heard:
    """What the boxes of a pass say."""

    evidence: dict[coordinates.Key, Evidence] = field(default_factory=dict)
    votes: dict[annotated_size.Key, SizeVotes] = field(default_factory=dict)
    objects: int = 0
    """All that were read, whatever came of their boxes."""

    def add(self, other: Heard) -> None:
        self.objects += other.objects
        for key, evidence in other.evidence.items():
            if key in self.evidence:
                self.evidence[key].add(evidence)
            else:
                self.evidence[key] = evidence
        for size_key, votes in other.votes.items():
            self.votes.setdefault(size_key, SizeVotes()).add(votes)


@dataclass(frozen=True)
class Interpretation:
    """How one pass reads."""

    coordinates: Coordinates = field(default_factory=Coordinates)
    sizes: AnnotatedSizes = field(default_factory=AnnotatedSizes)

    def place(self, image: AnnotatedImage, header: ImageHeader, source: Path, heard: Heard) -> Placed:
        """The image with its boxes read and in pixels of the file, before anything is checked."""
        read_image = self.coordinates.read(image, source)
        size, declared = (header.width, header.height), image.declared_size
        if declared is None or declared == size:
            return Placed(read_image, size)
        if header.orientation != 1:
            upright = repair.find_upright_size(header)
            if declared == upright:
                return Placed(read_image, size)  # which of the two positions is meant, image_checks.py tells
            if has_same_shape(declared, upright) and not has_same_shape(declared, size):
                size = upright
        placed = self.sizes.place(read_image, size, str(source))
        if placed.vote:
            heard.votes.setdefault(placed.vote[0], SizeVotes()).add(placed.vote[1])
        return placed

    def hear(
        self,
        image: AnnotatedImage,
        header: ImageHeader,
        size: tuple[int, int],
        problems: Sequence[Problem],
        source: Path,
        heard: Heard,
    ) -> None:
        """Adds what an image's boxes say.

        Args:
            image: with the boxes as its reader made them.
            size: width and height that they are in, as `place` found it.
            problems: those of the image as it was placed.
        """
        if not image.dialect or not image.objects:
            return
        sizes = [size] if header.orientation == 1 else [size, repair.find_upright_size(header)]
        self.coordinates.weigh(image, sizes, problems, source, heard.evidence)


AS_DOCUMENTED = Interpretation()


class _Pass(Protocol):
    """What is asked of a pass's result."""

    @property
    def heard(self) -> Heard: ...
    @property
    def classes(self) -> Mapping[str, Path]: ...


Result = TypeVar("Result", bound=_Pass)


def read_until_settled(
    read: Callable[[Interpretation], Result], reading: Reading | None = None, basis: Basis | None = None
) -> Result:
    """The pass whose interpretation its boxes bear out.

    Args:
        read: makes a pass over everything.
        reading: what --coordinates says, `basis` what --annotated-size says.

    Raises:
        DataError: the boxes do not say what their numbers mean, or none is such that the user could say it.
    """
    interpretation: Interpretation | None = Interpretation(Coordinates(reading), AnnotatedSizes(basis))
    while interpretation is not None:
        result = read(interpretation)
        interpretation = reconsider(interpretation, result.heard)
    if reading is not None and result.classes and not result.heard.evidence:
        titles = ", ".join(dict.fromkeys(dialect.title for dialect in DIALECTS.values()))
        raise DataError(
            "--coordinates: the numbers of these annotations can mean only one thing", f"It is for {titles}."
        )
    return result


def reconsider(used: Interpretation, heard: Heard) -> Interpretation | None:
    """The next pass's; None where this one is borne out. Raises DataError where the boxes do not decide."""
    new_coordinates = coordinates.reconsider(used.coordinates, heard.evidence)
    sizes = annotated_size.reconsider(used.sizes, heard.votes)
    if new_coordinates is None and sizes is None:
        return None
    return Interpretation(new_coordinates or used.coordinates, sizes or used.sizes)
