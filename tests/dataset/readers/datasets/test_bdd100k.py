"""BDD100K and Scalabel, laid out as their label files are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.common.streams.json_lines import Line
from odtool.dataset.readers.datasets import bdd100k
from odtool.dataset.readers.format_choice import choose
from odtool.dataset.types import Box, Source
from odtool.errors import DataError

LIGHT = {
    "id": "0",
    "attributes": {"occluded": False, "truncated": True, "trafficLightColor": "G"},
    "category": "traffic light",
    "manualShape": True,
    "manualAttributes": True,
    "box2d": {"x1": 1125.902264, "y1": 133.184488, "x2": 1156.978645, "y2": 210.875445},
}
LANE = {
    "category": "lane/single white",
    "poly2d": [{"vertices": [[503.6, 373.1], [543.5, 420.7]], "types": "LL", "closed": False}],
}
AREA = {
    "category": "area/drivable",
    "poly2d": [{"vertices": [[5, 5], [50, 5], [50, 50]], "types": "LLL", "closed": True}],
}
BOX = Box(1125.902264, 133.184488, 1156.978645, 210.875445)


def frame(name: str, *labels: Any, **more: Any) -> dict[str, Any]:
    attributes = {"weather": "clear", "timeofday": "daytime", "scene": "city street"}
    return {"name": name, "attributes": attributes, "timestamp": 10000, "labels": list(labels), **more}


def parse(*labels: Any) -> tuple[list[Any], list[str]]:
    line = Line(Path("a.json"), 1)
    return list(bdd100k.parse(frame("a.jpg", *labels), line).objects), [kind for kind, _ in line.problems]


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_list_of_frames_is_read_alone_or_under_its_key(
    tmp_path: Path, write_image: Callable[..., Path], found: Any, wrapped: bool
) -> None:
    for split, name in (("train", "a"), ("val", "b")):
        write_image(tmp_path / "images/100k" / split / f"{name}.jpg", 1280, 720)
        frames = [frame(f"{name}.jpg", LIGHT, LANE, AREA), frame("empty.jpg", labels=None)]
        document = {"frames": frames, "groups": None, "config": None} if wrapped else frames
        file = tmp_path / f"labels/det_20/det_{split}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "bdd100k"
    images, problems = found(choice.reader.read, Source(tmp_path))
    first, empty, second, _ = images
    assert [(image.path.name, image.split) for image in (first, second)] == [("a.jpg", "train"), ("b.jpg", "val")]
    assert [(item.label, item.box, item.truncated, item.occluded) for item in first.objects] == [
        ("traffic light", BOX, True, False)
    ]
    assert empty.objects == ()
    assert [problem.kind for problem in problems] == ["shape_skipped"] * 4


def test_a_file_an_image_names_it_without_ending(tmp_path: Path, write_image: Callable[..., Path], found: Any) -> None:
    write_image(tmp_path / "images/val/b1c66a42-6f7d68ca.jpg", 1280, 720)
    objects = [{"category": "car", "id": 0, "attributes": {"occluded": "true"}, "box2d": LIGHT["box2d"]}]
    document = {"name": "b1c66a42-6f7d68ca", "frames": [{"timestamp": 10000, "objects": objects}], "attributes": {}}
    (tmp_path / "labels/val").mkdir(parents=True)
    (tmp_path / "labels/val/b1c66a42-6f7d68ca.json").write_text(json.dumps(document))
    (choice,) = choose(Source(tmp_path))
    assert choice.name == "bdd100k"
    ((image,), problems) = found(choice.reader.read, Source(tmp_path))
    assert (image.path, image.split) == (tmp_path / "images/val/b1c66a42-6f7d68ca.jpg", "val")
    assert [(item.label, item.box, item.occluded) for item in image.objects] == [("car", BOX, True)]
    assert problems == []


def test_frames_of_videos_lie_in_folders_of_their_names(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    for video in ("v1", "v2"):
        write_image(tmp_path / "images/track/train" / video / "f-0000001.jpg")
    frames = [frame("f-0000001.jpg", LIGHT, videoName=video, frameIndex=0) for video in ("v2", "v1")]
    (tmp_path / "box_track.json").write_text(json.dumps(frames))
    images, _ = found(bdd100k.read, Source(tmp_path))
    assert [image.path.parent.name for image in images] == ["v2", "v1"]


def test_crowds_are_crowds_and_outlines_stand_in_for_boxes() -> None:
    crowd = LIGHT | {"attributes": {"crowd": True}}
    polygon = {"category": "car", "poly2d": AREA["poly2d"]}
    run = {"category": "bus", "rle": {"counts": "0PP3", "size": [48, 64]}}
    objects, problems = parse(crowd, polygon, run)
    assert [(item.label, item.box, item.is_crowd, item.outline is not None) for item in objects] == [
        ("traffic light", BOX, True, False),
        ("car", Box(5, 5, 50, 50), False, True),
        ("bus", Box(0, 0, 64, 48), False, True),
    ]
    assert problems == []


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ({"category": "car", "box2d": {"x1": 1}}, "box_missing"),
        ({"category": "car", "box2d": None, "box3d": {}}, "shape_skipped"),
        (LIGHT | {"category": None}, "label_missing"),
    ],
)
def test_what_cannot_be_used_is_told(label: Any, kind: str) -> None:
    assert parse(label) == ([], [kind])


@pytest.mark.parametrize("item", [{}, {"name": ""}, {"name": "a", "labels": 1}, {"name": "a", "labels": [1]}])
def test_what_is_not_a_frame_is_refused(item: Any) -> None:
    with pytest.raises(DataError, match=r"a\.json:4: "):
        bdd100k.parse(item, Line(Path("a.json"), 4))


@pytest.mark.parametrize("size", [{"size": {"width": 64, "height": 48}}, {"width": 64, "height": 48}])
def test_the_size_stands_under_its_key_or_beside_the_name(size: Any) -> None:
    assert bdd100k.parse(frame("a.jpg", LIGHT, **size), Line(Path("a.json"), 1)).size == (64, 48)


def test_the_name_of_a_file_for_one_image_may_stand_after_its_frames(
    tmp_path: Path, write_image: Callable[..., Path], found: Any
) -> None:
    write_image(tmp_path / "a.jpg")
    objects = [{"category": "car", "box2d": LIGHT["box2d"]}]
    document = {"attributes": {}, "frames": [{"objects": objects}, {"objects": []}], "name": "a"}
    for file in ("a.json", "b.json"):
        (tmp_path / file).write_text(json.dumps(document | {"name": file[0]}))
    (tmp_path / "lists.json").write_text(json.dumps([frame("c.jpg", LIGHT)]))
    images, problems = found(bdd100k.read, Source(tmp_path))
    assert [(image.path.name, len(image.objects)) for image in images] == [("c.jpg", 1), ("a.jpg", 1), ("b", 1)]
    assert [problem.kind for problem in problems] == ["entry_ignored", "entry_ignored"]
    ((image,), _) = found(bdd100k.read, Source(tmp_path / "a.json"))
    assert image.path == tmp_path / "a.jpg"
    with pytest.raises(DataError, match="has no list of frames: not as BDD100K writes it"):
        bdd100k.parse_file(b"[]", Path("a.json"))
