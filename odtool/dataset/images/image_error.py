"""The error of a file that cannot be used as an image."""

from __future__ import annotations


class ImageError(ValueError):
    """A file that cannot be used as an image. `kind` is the problem's name in the catalogue of checks."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail
