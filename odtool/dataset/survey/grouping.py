"""Groups of images that --group-by keeps in one split, such as the frames of a video or the pictures of a patient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from odtool.errors import DataError


@dataclass(frozen=True)
class Grouping:
    """By folder, by what a regular expression finds in an image's path, or by what the images look like."""

    by: str
    """'folder', 'similar', or a regular expression: its first group, or all it matches where it has none, names the
    group."""

    def __post_init__(self) -> None:
        try:
            re.compile(self.by)
        except re.error as error:
            raise DataError(
                f"--group-by '{self.by}' is neither 'folder', 'similar' nor a regular expression: {error}",
                r"For example, --group-by '(video\d+)_' keeps the frames of a video together.",
            ) from None

    @property
    def by_similarity(self) -> bool:
        """Whether the images themselves decide, which only the whole set shows."""
        return self.by == "similar"

    def group(self, path: str) -> str | None:
        """The group of an image by its path, or None where the expression does not match.

        Args:
            path: within the source, with slashes.
        """
        if self.by == "folder":
            return str(PurePosixPath(path).parent)
        match = re.search(self.by, path)
        if match is None:
            return None
        return (match[1] or "") if match.re.groups else match[0]
