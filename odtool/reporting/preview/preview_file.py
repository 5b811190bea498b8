"""What the engine's task preview wrote: images as training gets them, as types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odtool.pipeline.text.augmentations import Augmentation


@dataclass(frozen=True)
class PreviewObject:
    """An object in an image."""

    class_ids: tuple[int, ...]
    """Ids of the label map; several where boxes of the same place are merged."""
    box: tuple[float, float, float, float]
    """xmin, ymin, xmax, ymax in pixels."""
    keypoints: tuple[tuple[float, float], ...] = ()
    """x and y in pixels."""


@dataclass(frozen=True)
class PreviewView:
    """An image with its objects, as it is in a record, on its way, or given to the model."""

    picture: Path
    width: int
    height: int
    objects: tuple[PreviewObject, ...]
    masks: Path | None
    """A picture whose values are the places of the objects that pixels belong to, counted from 1."""
    low: float
    """The smallest value of the image."""
    high: float
    is_spread: bool
    """The picture is not the image, but its values from black to white."""


@dataclass(frozen=True)
class PreviewedImage:
    """One image of a batch."""

    batch: int
    """From 1."""
    source_id: str
    filename: str
    original: PreviewView
    given: PreviewView


@dataclass(frozen=True)
class PreviewStage:
    """An image after one of the augmentations."""

    augmentation: Augmentation
    given: PreviewView
    changed: bool
    """Whether the augmentation did anything this time."""
    draws: tuple[PreviewView, ...]
    """What it made of the image in the record, each time by other chances."""


@dataclass(frozen=True)
class Preview:
    """What a training of a run is given."""

    seed: int
    batch_size: int
    """Of the config; fewer images may be shown."""
    labels: Mapping[int, str]
    is_exact: bool
    """Whether pictures of what is given show its very pixels."""
    augmentations: tuple[Augmentation, ...]
    images: tuple[PreviewedImage, ...]
    stages: tuple[PreviewStage, ...]
    """Of the first image; empty where they were not asked for, or the config has no augmentation."""
    last: PreviewView | None
    """What the first image is after all of them; None where that was not asked for."""


def parse(answer: Mapping[str, Any], folder: Path, augmentations: list[Augmentation], seed: int) -> Preview:
    """The engine's answer, whose files are in a folder."""
    stages = zip(augmentations, answer.get("stages", ()), strict=False)
    return Preview(
        seed=seed,
        batch_size=answer["batch_size"],
        labels={int(number): label for number, label in answer["labels"].items()},
        is_exact=answer["is_exact"],
        augmentations=tuple(augmentations),
        images=tuple(_parse_image(image, folder) for image in answer["images"]),
        stages=tuple(
            PreviewStage(
                augmentation,
                _parse_view(stage["given"], folder),
                stage["changed"],
                tuple(_parse_view(draw, folder) for draw in stage["draws"]),
            )
            for augmentation, stage in stages
        ),
        last=_parse_view(answer["last"], folder) if "last" in answer else None,
    )


def _parse_image(image: Mapping[str, Any], folder: Path) -> PreviewedImage:
    views = (_parse_view(image[name], folder) for name in ("original", "given"))
    return PreviewedImage(image["batch"], image["source_id"], image["filename"], *views)


def _parse_view(view: Mapping[str, Any], folder: Path) -> PreviewView:
    return PreviewView(
        picture=folder / view["file"],
        width=view["width"],
        height=view["height"],
        objects=tuple(_parse_object(item) for item in view["objects"]),
        masks=folder / view["masks"] if view["masks"] else None,
        low=view["low"],
        high=view["high"],
        is_spread=view["spread"],
    )


def _parse_object(item: Mapping[str, Any]) -> PreviewObject:
    xmin, ymin, xmax, ymax = item["box"]
    points = tuple((x, y) for x, y in item.get("keypoints", ()))
    return PreviewObject(tuple(item["class_ids"]), (xmin, ymin, xmax, ymax), points)
