"""The whole flow with a detector that finds red and blue rectangles."""

from __future__ import annotations

import csv
import gc
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from odtool.dataset import prepare
from odtool.dataset.types import Source
from odtool.detection.detector import Detections, ImageSource
from odtool.detection.predict import image_sources, image_stream, prediction, video
from odtool.detection.predict.image_stream import DetectionOptions, Picture
from odtool.detection.predict.output_files import OutputOptions
from odtool.detection.predict.tiled_detection import TileSize
from odtool.detection.thresholds import Thresholds
from odtool.errors import DataError
from odtool.workspace import Predictions

Corners = tuple[int, int, int, int]
RED, BLUE = (255, 0, 0), (0, 0, 255)
SCORES = {1: 0.9, 2: 0.6}
USUAL = DetectionOptions(Thresholds(), batch=3, tiling=None, every=1)


@dataclass
class RectangleFinder:
    """Red rectangles are of class 1 and surer than blue ones, of class 2."""

    batches: list[int] = field(default_factory=list)
    """Images in each call."""
    largest: int = 0
    """Side of the largest of them."""

    @property
    def labels(self) -> Mapping[int, str]:
        return {1: "red", 2: "blue"}

    def detect(self, images: Sequence[ImageSource], *, min_score: float = 0.0) -> list[Detections]:
        self.batches.append(len(images))
        return [self._found(image, min_score) for image in images if isinstance(image, np.ndarray)]

    def _found(self, image: NDArray[np.uint8], min_score: float) -> Detections:
        self.largest = max(self.largest, *image.shape[:2])
        boxes, classes = [], []
        for number, channel in ((1, 0), (2, 2)):
            bright = (image[..., channel] > 128) & (np.delete(image, channel, axis=2).max(axis=2) < 100)
            found = cv2.connectedComponentsWithStats(bright.astype(np.uint8))[2][1:]
            for x, y, width, height, _ in found.tolist():
                if SCORES[number] >= min_score:
                    boxes.append((x, y, x + width, y + height))
                    classes.append(number)
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array([SCORES[number] for number in classes], np.float32),
            np.array(classes, np.int64),
            image.shape[1],
            image.shape[0],
        )


def scene(size: tuple[int, int], *objects: tuple[tuple[int, int, int], Corners]) -> Image.Image:
    image = Image.new("RGB", size, (60, 60, 60))
    for colour, box in objects:
        image.paste(colour, box)
    return image


def predict(
    tmp_path: Path, *given: Path, detector: Any = None, options: DetectionOptions = USUAL, **wanted: Any
) -> tuple[dict[str, Any], Predictions]:
    out = Predictions(tmp_path / "out")
    out.path.mkdir()
    summary = prediction.predict(
        image_sources.find(given), detector or RectangleFinder(), options, out, OutputOptions(**wanted)
    )
    return summary, out


def lines(out: Predictions) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.detections.read_text().splitlines()]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three images: two of one name in different folders, and one without objects."""
    folder = tmp_path / "photos"
    for name, image in (
        ("a/x.png", scene((80, 60), (RED, (10, 20, 30, 50)), (BLUE, (40, 5, 70, 25)))),
        ("b/x.png", scene((50, 90), (RED, (5, 5, 15, 25)), (RED, (25, 40, 45, 80)))),
        ("none.png", scene((40, 40))),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(folder / name)
    return folder


def test_each_image_has_a_line_a_picture_and_a_row_of_counts(photos: Path, tmp_path: Path) -> None:
    summary, out = predict(tmp_path, photos, counts=True)
    found = {line["name"]: line for line in lines(out)}
    assert found["a/x.png"]["detections"] == [
        {"label": "red", "class_id": 1, "score": 0.9, "box": [10, 20, 30, 50]},
        {"label": "blue", "class_id": 2, "score": 0.6, "box": [40, 5, 70, 25]},
    ]
    assert (found["b/x.png"]["width"], found["b/x.png"]["height"]) == (50, 90)
    assert found["none.png"]["detections"] == []
    drawn = sorted(path.relative_to(out.pictures).as_posix() for path in out.pictures.rglob("*.jpg"))
    assert drawn == ["a/x.png.jpg", "b/x.png.jpg", "none.png.jpg"]
    with out.counts.open(newline="") as file:
        assert sorted(map(tuple, csv.reader(file))) == [
            ("a/x.png", "", "1", "1", "2"),
            ("b/x.png", "", "2", "0", "2"),
            ("image", "frame", "red", "blue", "total"),
            ("none.png", "", "0", "0", "0"),
        ]
    assert summary["objects"] == {"red": 3, "blue": 1}
    assert (summary["images"], summary["without_objects"], summary["problems"]) == (3, 1, {})


def test_annotations_are_prepared_again_with_every_object(photos: Path, tmp_path: Path) -> None:
    _, out = predict(tmp_path, photos, formats=("coco", "voc"), pictures=False)
    assert not out.pictures.exists()
    assert {line["saved_as"] for line in lines(out)} == {"a_x.png", "b_x.png", "none.png"}
    for name in ("coco", "voc"):
        settings = prepare.PrepareSettings((Source(out.path / name),), tmp_path / name, val=0, workers=1)
        prepared = prepare.prepare(settings).summary
        assert (prepared.splits["train"].images, prepared.splits["train"].objects) == (3, 4)


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(photos: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0nothing")
    (photos / "film.mp4").write_bytes(b"nothing")
    summary, out = predict(tmp_path, photos)
    assert summary["images"] == 3
    assert summary["problems"] == {"image_unreadable": 1, "video_unreadable": 1}
    with out.problems.open(newline="") as file:
        assert [row[:2] for row in csv.reader(file)] == [
            ["kind", "file"],
            ["image_unreadable", str(photos / "broken.jpg")],
            ["video_unreadable", str(photos / "film.mp4")],
        ]


def test_names_that_are_hard_to_write_are_made_writable(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    names = ["n" * 250 + ".png", "m" + "n" * 249 + ".png", "control\x01\nx.jpg", "\N{RACCOON}" * 62 + ".png"]
    for name in names:
        scene((40, 40), (RED, (5, 5, 25, 30))).save(folder / name)
    (folder / os.fsdecode(b"\xff" * 240 + b".png")).write_bytes((folder / names[0]).read_bytes())
    summary, out = predict(tmp_path, folder, formats=("voc", "yolo"))
    assert (summary["images"], summary["problems"]) == (5, {})
    assert len(list(out.pictures.glob("[!.]*.jpg"))) == 5
    assert "control__x.jpg" in {line["saved_as"] for line in lines(out)}
    for name in ("voc", "yolo"):
        settings = prepare.PrepareSettings((Source(out.path / name),), tmp_path / name, val=0, workers=1)
        assert prepare.prepare(settings).summary.splits["train"].objects == 5


def test_a_class_name_that_xml_cannot_hold_is_written_without_that(photos: Path, tmp_path: Path) -> None:
    class Odd(RectangleFinder):
        @property
        def labels(self) -> Mapping[int, str]:
            return {1: "re\x01d", 2: "blue"}

    _, out = predict(tmp_path, photos, detector=Odd(), formats=("voc",))
    assert "<name>re\N{REPLACEMENT CHARACTER}d<" in (out.path / "voc/Annotations/a_x.xml").read_text("utf-8").replace(
        "&#65533;", "\N{REPLACEMENT CHARACTER}"
    )


def test_a_picture_too_wide_for_a_jpeg_is_drawn_as_png(tmp_path: Path) -> None:
    scene((65_501, 8), (RED, (40, 1, 60, 7))).save(tmp_path / "wide.png")
    _, out = predict(tmp_path, tmp_path / "wide.png")
    (drawn,) = out.pictures.iterdir()
    with Image.open(drawn) as image:
        assert (image.format, image.size) == ("PNG", (65_501, 8))


@pytest.mark.parametrize("cause", [ValueError("too wide"), OSError("encoder error")])
def test_a_picture_that_cannot_be_saved_is_named(
    cause: Exception, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise cause

    monkeypatch.setattr("odtool.detection.predict.prediction_writer.box_drawing.annotate", refuse)
    with pytest.raises(DataError, match=f"{photos}.*png: its predictions cannot be written: {cause}"):
        predict(tmp_path, photos)


def test_nothing_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of 1 images and videos could be read; .*broken.jpg: the file is empty"):
        predict(tmp_path, tmp_path / "broken.jpg")


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no images or videos"):
        predict(tmp_path, tmp_path / "none")


def test_a_class_may_have_a_threshold_of_its_own(photos: Path, tmp_path: Path) -> None:
    options = DetectionOptions(Thresholds(0.8, {"blue": 0.6}), batch=3, tiling=None, every=1)
    summary, _ = predict(tmp_path, photos, options=options)
    assert summary["objects"] == {"red": 3, "blue": 1}


def test_an_image_that_viewers_turn_has_its_boxes_in_what_they_show(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = scene((80, 60), (RED, (8, 16, 32, 48)))
    stored.save(tmp_path / "turned.jpg", exif=exif, quality=95, subsampling=0)
    _, out = predict(tmp_path, tmp_path / "turned.jpg", formats=("labelme",))
    (line,) = lines(out)
    assert (line["width"], line["height"]) == (60, 80)
    assert line["detections"][0]["box"] == pytest.approx([60 - 48, 8, 60 - 16, 32], abs=2)
    with Image.open(out.path / "labelme" / "turned.jpg") as image:
        assert image.size == (60, 80)
        assert image.getpixel((30, 20))[0] > 200  # type: ignore[index]  # an RGB pixel


def test_objects_across_tiles_are_found_whole(tmp_path: Path) -> None:
    boxes = [(90, 20, 130, 60), (10, 90, 40, 240), (60, 70, 290, 120), (250, 200, 295, 245)]
    scene((300, 250), *((RED, box) for box in boxes)).save(tmp_path / "large.png")
    scene((60, 50), (BLUE, (10, 10, 20, 20))).save(tmp_path / "small.png")
    finder = RectangleFinder()
    options = DetectionOptions(Thresholds(), batch=4, tiling=TileSize(100, 20), every=1)
    _, out = predict(tmp_path, tmp_path / "large.png", tmp_path / "small.png", detector=finder, options=options)
    large, small = lines(out)
    assert sorted(each["box"] for each in large["detections"]) == sorted(map(list, boxes))
    assert [each["box"] for each in small["detections"]] == [[10, 10, 20, 20]]
    assert finder.largest == 100
    assert max(finder.batches) == 4


def test_pictures_go_to_the_model_in_batches_and_come_out_in_order(tmp_path: Path) -> None:
    for number in range(8):
        scene((60, 60), (RED, (5, 5, 15 + number, 20))).save(tmp_path / f"{number}.png")
    finder = RectangleFinder()
    _, out = predict(tmp_path, *sorted(tmp_path.glob("*.png")), detector=finder)
    assert finder.batches == [3, 3, 2]
    assert [line["detections"][0]["box"][2] for line in lines(out)] == list(range(15, 23))


def test_a_batch_of_large_pictures_is_a_smaller_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_stream, "_MOST_BYTES", 2 * 40 * 30 * 3)
    for number in range(5):
        scene((40, 30)).save(tmp_path / f"{number}.png")
    scene((400, 300)).save(tmp_path / "5.png")
    finder = RectangleFinder()
    summary, _ = predict(tmp_path, *sorted(tmp_path.glob("*.png")), detector=finder)
    assert (summary["images"], finder.batches) == (6, [2, 1, 2, 1])  # three images make a block


def test_a_video_is_drawn_on_and_its_frames_are_annotated(tmp_path: Path) -> None:
    film_name = f"film{video.find_codec().suffix}"
    with video.writing(tmp_path / film_name, rate=10) as add:
        for number in range(7):
            add(np.asarray(scene((96, 64), (RED, (8 * number, 16, 8 * number + 32, 48)))))
    options = DetectionOptions(Thresholds(), batch=2, tiling=None, every=2)
    summary, out = predict(tmp_path, tmp_path / film_name, options=options, formats=("coco",), counts=True)
    assert (summary["images"], summary["videos"], summary["frames"]) == (0, 1, 4)
    assert [(line["frame"], line["seconds"]) for line in lines(out)] == [(0, 0), (2, 0.2), (4, 0.4), (6, 0.6)]
    assert lines(out)[1]["detections"][0]["box"] == pytest.approx([16, 16, 48, 48], abs=3)
    with video.opening(out.pictures / film_name, every=1) as film:
        assert film.rate == pytest.approx(5)
        assert len(list(film.frames)) == 4
    assert sorted(path.name for path in (out.path / "coco" / "images").iterdir()) == [
        f"{film_name}_frame_{number:06d}.jpg" for number in (0, 2, 4, 6)
    ]


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    """At most two batches of pixels are there at once: the one looked at and the next, which is being read."""
    for number in range(20):
        scene((64, 48), (RED, (5, 5, 20, 20))).save(tmp_path / f"{number}.png")
    most = 0

    def count_pictures(_: int) -> None:
        nonlocal most
        gc.collect()
        pictures = [each for each in gc.get_objects() if isinstance(each, Picture)]
        most = max(most, sum(picture.medium.path.is_relative_to(tmp_path) for picture in pictures))

    out = Predictions(tmp_path / "out")
    out.path.mkdir()
    found = image_sources.find([str(tmp_path / "*.png")])
    prediction.predict(found, RectangleFinder(), USUAL, out, OutputOptions(), tell=count_pictures)
    assert 0 < most <= 3 * USUAL.batch


@pytest.mark.parametrize("label", ["green", "Red"])
def test_a_threshold_for_a_class_that_there_is_not_is_refused_before_anything_is_read(
    photos: Path, tmp_path: Path, label: str
) -> None:
    finder = RectangleFinder()
    with pytest.raises(DataError, match=f"--min-score {label}"):
        predict(tmp_path, photos, detector=finder, options=DetectionOptions(Thresholds(0.5, {label: 0.1}), 3, None, 1))
    assert finder.batches == []


@pytest.mark.parametrize(("label", "called"), [("red", "class 2"), ("class 2", "class 2 (not named)")])
def test_objects_of_a_class_without_a_name_are_kept_and_told(
    photos: Path, tmp_path: Path, label: str, called: str
) -> None:
    class Nameless(RectangleFinder):
        @property
        def labels(self) -> Mapping[int, str]:
            return {1: label}

    summary, out = predict(tmp_path, photos, detector=Nameless(), counts=True, formats=("coco", "yolo"))
    assert summary["objects"] == {label: 3, called: 1}
    assert summary["unnamed_classes"] == [called]
    assert sum(each["label"] == called for line in lines(out) for each in line["detections"]) == 1
    with out.counts.open(newline="") as file:
        rows = sorted(map(tuple, csv.reader(file)))
    assert rows[0] == ("a/x.png", "", "1", "1", "2")
    assert rows[1:] == [
        ("b/x.png", "", "2", "0", "2"),
        ("image", "frame", label, called, "total"),
        ("none.png", "", "0", "0", "0"),
    ]
    written = json.loads((out.path / "coco" / "annotations.json").read_text())
    assert written["categories"] == [{"id": 1, "name": label}, {"id": 2, "name": called}]
    assert (out.path / "yolo" / "data.yaml").read_text().endswith(f'  0: "{label}"\n  1: "{called}"\n')


def test_the_number_of_pictures_is_told_after_each(photos: Path, tmp_path: Path) -> None:
    told: list[int] = []
    tell: Callable[[int], None] = told.append
    out = Predictions(tmp_path / "out")
    out.path.mkdir()
    prediction.predict(image_sources.find([photos]), RectangleFinder(), USUAL, out, OutputOptions(), tell=tell)
    assert told == [1, 2, 3]
