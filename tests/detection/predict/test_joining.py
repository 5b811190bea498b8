"""Parts of a prediction, made apart and joined, beside what one machine writes of the same."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from odtool import state_files
from odtool.dataset.writers import WRITERS
from odtool.detection.detector import Detections, ImageSource
from odtool.detection.predict import image_sources, joining, part_files, prediction, video
from odtool.detection.predict.image_stream import DetectionOptions
from odtool.detection.predict.output_files import OutputOptions
from odtool.detection.thresholds import Thresholds
from odtool.errors import DataError
from odtool.parts import WorkPart
from odtool.workspace import Predictions

OPTIONS = DetectionOptions(Thresholds(), batch=2, tiling=None, every=1)
EVERYTHING = OutputOptions(pictures=True, formats=tuple(WRITERS), counts=True)


@dataclass
class BatchReader:
    """Finds a box whose place and score depend on the pixels, and in their last digits on the batch, as of a model."""

    seen: int = 0

    @property
    def labels(self) -> Mapping[int, str]:
        return {1: "red", 2: "blue"}

    def detect(self, images: Sequence[ImageSource], *, min_score: float = 0.0) -> list[Detections]:
        arrays = [image for image in images if isinstance(image, np.ndarray)]
        self.seen += len(arrays)
        whole = float(np.mean([array.mean() for array in arrays]))
        return [self._find(array, whole) for array in arrays]

    def _find(self, image: NDArray[np.uint8], whole: float) -> Detections:
        height, width = image.shape[:2]
        mean = float(image.mean())
        count = int(mean) % 3
        corner = np.float32(mean / 255 * min(width, height) / 2 + whole * 1e-6)
        boxes = np.array([[corner, corner / 3, width - 1 / 3, height - 1 / 7]] * count, np.float32).reshape(-1, 4)
        classes = np.array([1, 5 + int(mean) % 4][:count], np.int64)  # the latter are not in the label map
        scores = np.array([0.5 + mean / 600 + whole * 1e-7] * count, np.float32)
        return Detections(boxes, scores, classes, width, height)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images in folders, of one name, turned by EXIF, broken ones, and videos between them, one of them cut short."""
    folder = tmp_path_factory.mktemp("media")
    values = np.random.default_rng(0)
    for number in range(11):
        place = folder / ("a" if number % 2 else "b")
        place.mkdir(exist_ok=True)
        pixels = values.integers(0, 255) * np.ones((20 + number, 40, 3), np.uint8)
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number}.png")
    for name in ("a_1.png", "a/turned.jpg", "b/turned.tif", "c/x.webp", "c/x.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        exif = Image.Exif()
        if "turned" in name:
            exif[0x0112] = 6
        Image.new("RGB", (50, 30), (int(values.integers(255)), 80, 90)).save(folder / name, exif=exif)
    for name in ("a/0broken.jpg", "b/broken.png", "zz.mp4"):
        (folder / name).write_bytes(b"no image")
    for name in ("b/film.mp4", "film.mp4", "a/other.avi"):
        writer = cv2.VideoWriter(
            str(folder / name), cv2.VideoWriter.fourcc(*("MJPG" if "avi" in name else "mp4v")), 5.0, (64, 48)
        )
        for number in range(5):
            writer.write(np.full((48, 64, 3), 20 + number * 30, np.uint8))
        writer.release()
    return folder


def predict(folder: Path, media: Path, part: WorkPart | None = None, detector: Any = None, **plan: Any) -> Predictions:
    out = Predictions(folder)
    out.path.mkdir(parents=True)
    sources = image_sources.find([media])
    plan = {"model": "ckpt-3 abc", **plan}
    prediction.predict(
        sources,
        detector or BatchReader(),
        OPTIONS,
        out,
        EVERYTHING,
        plan=part_files.plan(part, sources, plan) if part else None,
    )
    return out


def predict_parts(folder: Path, media: Path, count: int) -> list[Path]:
    return [
        predict(folder / WorkPart(number, count).file_stem, media, WorkPart(number, count)).path
        for number in range(1, count + 1)
    ]


def join(folders: Sequence[Path], out: Path) -> Predictions:
    out.mkdir()
    joining.join(joining.find_parts(folders), Predictions(out), tell=lambda _: None)
    return Predictions(out)


def read(path: Path) -> bytes:
    """The bytes of a file; of a video its frames, as each WebM has a number of its own."""
    if path.suffix != video.find_codec().suffix:
        return path.read_bytes()
    with video.opening(path, every=1) as film:
        return b"".join(frame.pixels.tobytes() for frame in film.frames)


def tree(out: Predictions) -> dict[str, bytes]:
    files = {path.relative_to(out.path).as_posix(): read(path) for path in out.path.rglob("*") if path.is_file()}
    summary = json.loads(files.pop("predictions.json"))
    figures = {name: value for name, value in summary.items() if name not in ("seconds", "per_second")}
    return {**files, "predictions.json": json.dumps(figures).encode()}


@pytest.fixture(scope="module")
def whole(media: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return tree(predict(tmp_path_factory.mktemp("whole") / "out", media))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_joined_parts_are_every_file_of_one_machine(
    media: Path, whole: dict[str, bytes], tmp_path: Path, count: int
) -> None:
    folders = predict_parts(tmp_path / "parts", media, count)
    joined = tree(join([tmp_path / "parts"] if count > 2 else folders[::-1], tmp_path / "joined"))
    assert joined.keys() == whole.keys()
    assert {name for name in whole if joined[name] != whole[name]} == set()
    summary = json.loads(joined["predictions.json"])
    assert (summary["images"], summary["videos"], summary["frames"]) == (16, 3, 15)
    assert sum(summary["problems"].values()) == 3
    assert summary["unnamed_classes"]


def test_every_picture_is_looked_at_by_one_machine(media: Path, tmp_path: Path) -> None:
    finders = [BatchReader() for _ in range(3)]
    for number, finder in enumerate(finders, 1):
        predict(tmp_path / str(number), media, WorkPart(number, 3), finder)
    assert sum(finder.seen for finder in finders) == 16 + 15
    assert min(finder.seen for finder in finders) > 0


@pytest.fixture
def three(media: Path, tmp_path: Path) -> list[Path]:
    return predict_parts(tmp_path / "parts", media, 3)


def refused(folders: Sequence[Path]) -> str:
    with pytest.raises(DataError) as error:
        joining.find_parts(folders)
    return error.value.message


def test_a_missing_part_is_named(three: list[Path]) -> None:
    assert refused(three[::2]).startswith("part 2 of 3 is missing")
    assert refused(three[1:2]).startswith("parts 1, 3 of 3 are missing")


def test_a_doubled_part_is_named_with_its_folders(three: list[Path], tmp_path: Path) -> None:
    shutil.copytree(three[1], tmp_path / "again")
    message = refused([*three, tmp_path / "again"])
    assert message.startswith("part 2 of 3 is there 2 times")
    assert str(three[1]) in message
    assert str(tmp_path / "again") in message


def test_parts_of_other_numbers_models_or_images_are_not_joined(three: list[Path], media: Path, tmp_path: Path) -> None:
    other = predict(tmp_path / "of four", media, WorkPart(2, 4)).path
    assert "the number of parts is 4 in one and 3 in the other" in refused([three[0], other, three[2]])
    other = predict(tmp_path / "model", media, WorkPart(2, 3), model="ckpt-4 def").path
    assert "model is ckpt-4 def in one and ckpt-3 abc in the other" in refused([three[0], other, three[2]])
    other = predict(tmp_path / "fewer", media / "a", WorkPart(2, 3)).path
    assert "number of images and videos" in refused([three[0], other, three[2]])
    renamed = tmp_path / "renamed"
    shutil.copytree(media, renamed)
    (renamed / "a_1.png").rename(renamed / "a_2.png")
    other = predict(tmp_path / "list", renamed, WorkPart(2, 3)).path
    assert "the list of their names" in refused([three[0], other, three[2]])


def test_what_holds_no_parts_is_said_so(tmp_path: Path, media: Path) -> None:
    assert "no part of a prediction" in refused([tmp_path])
    assert "no such folder" in refused([tmp_path / "none"])
    assert "no part" in refused([predict(tmp_path / "whole", media).path])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "part.jsonl").unlink(), "part.jsonl: this part is damaged: No such file"),
        (lambda folder: (folder / "part.jsonl").write_text(""), "has 0 lines in place of"),
        (lambda folder: (folder / "part.jsonl").write_text("{}\n"), "part.jsonl:1: this part is damaged"),
        (lambda folder: (folder / "part.jsonl").write_text('{"medium": 1}\n'), "it has no kind"),
        (lambda folder: shutil.rmtree(folder / "pictures"), "this part lacks its picture"),
        (lambda folder: shutil.rmtree(folder / "coco"), "this part lacks its picture"),
    ],
)
def test_a_damaged_part_is_named(three: list[Path], tmp_path: Path, damage: Any, message: str) -> None:
    damage(three[1])
    with pytest.raises(DataError, match=re.escape(message)) as error:
        join(three, tmp_path / "joined")
    assert str(three[1]) in error.value.message


def first_picture(folder: Path) -> Path:
    return min(path for path in (folder / "pictures").rglob("*") if path.is_file())


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: make_pipe(folder / "part.jsonl"), "a named pipe, not a file"),
        (lambda folder: make_pipe(folder / "part_problems.jsonl"), "a named pipe, not a file"),
        (lambda folder: link(folder / "part.jsonl", "/dev/zero"), "a device, not a file"),
        (lambda folder: (folder / "part.jsonl").write_bytes(b"[" * 20_000), "it has a line of more than 10,000 bytes"),
        (lambda folder: link(first_picture(folder), "/etc/passwd"), "leads outside of the folder"),
        (lambda folder: make_pipe(first_picture(folder)), "this part lacks its picture"),
    ],
)
def test_what_is_no_file_or_has_no_end_is_not_waited_for(
    three: list[Path], tmp_path: Path, damage: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_files, "LARGEST", 10_000)
    damage(three[1])
    with pytest.raises(DataError, match=re.escape(message)) as error:
        join(three, tmp_path / "joined")
    assert str(three[1]) in error.value.message


@pytest.mark.parametrize("name", ["../../taken.png", "/tmp/odtool-taken.png", "a/../../taken.png", "", ".", "a\0.png"])
def test_a_part_cannot_have_files_written_outside_of_the_folder(three: list[Path], tmp_path: Path, name: str) -> None:
    edit(three[0], name=name)
    with pytest.raises(DataError, match=r"part.jsonl:1: this part is damaged: .* leads outside"):
        join(three, tmp_path / "joined")
    assert not list(tmp_path.rglob("taken*"))
    assert not Path("/tmp/odtool-taken.png").exists()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"stored": None}, "stored is None"),
        ({"drawn": None}, "drawn is None"),
        ({"file": "\ud800.png"}, "file is not a text of Unicode"),
        ({"width": 0}, "width is 0"),
        ({"height": 10**15}, "height is 1000000000000000"),
        ({"seconds": float("inf")}, "seconds is None"),
        ({"boxes": [[0, 0, float("nan"), 1, 1, 0.5, None]], "polygons": [[]]}, "boxes[0][2] is None"),
        ({"boxes": [[0, 0, 1, 1, -1, 0.5, None]], "polygons": [[]]}, "boxes[0][4] is -1"),
        ({"medium": 1000}, "image or video 1000 is not where it belongs"),
        ({"colour": 1}, "a field that is not known: 'colour'"),
    ],
)
def test_a_line_with_values_that_none_has_is_named(
    three: list[Path], tmp_path: Path, values: dict[str, Any], says: str
) -> None:
    edit(three[0], **values)
    with pytest.raises(DataError, match=re.escape("part.jsonl:1: this part is damaged")) as error:
        join(three, tmp_path / "joined")
    assert says in error.value.message


@pytest.mark.parametrize("seconds", ["a while", -1, None, [1]])
def test_a_summary_with_a_time_that_is_none_is_named(three: list[Path], seconds: Any) -> None:
    summary = json.loads((three[2] / "predictions.json").read_text())
    (three[2] / "predictions.json").write_text(json.dumps({**summary, "seconds": seconds}))
    assert "predictions.json: this part is damaged: seconds is" in refused(three)


def test_files_of_one_part_in_the_folder_of_another_are_refused(three: list[Path], tmp_path: Path) -> None:
    shutil.rmtree(three[1])
    shutil.copytree(three[0], three[1])
    summary = json.loads((three[1] / "predictions.json").read_text())
    summary["part"]["number"] = 2
    (three[1] / "predictions.json").write_text(json.dumps(summary))
    with pytest.raises(DataError, match="which one part alone has looked at"):
        join(three, tmp_path / "joined")


def edit(folder: Path, **values: Any) -> None:
    """Changes the first line of a part."""
    first, *others = (folder / "part.jsonl").read_text().splitlines(keepends=True)
    line = {**json.loads(first), **values}
    (folder / "part.jsonl").write_text("".join([json.dumps(line) + "\n", *others]))


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/passwd", "pictures/../../../x"])
def test_a_part_cannot_name_files_outside_of_itself(three: list[Path], tmp_path: Path, name: str) -> None:
    for key in ("stored", "drawn"):
        lines = [json.loads(line) for line in (three[0] / "part.jsonl").read_text().splitlines()]
        lines[0][key] = name
        (three[0] / "part.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        with pytest.raises(DataError, match=r"damaged: .* (leads outside|is not a file name)"):
            join(three, tmp_path / f"joined {key}")


def test_where_nothing_could_be_read_by_any_that_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(b"no image")
    folders = predict_parts(tmp_path / "parts", folder, 2)
    with pytest.raises(DataError, match="none of 3 images and videos could be read"):
        join(folders, tmp_path / "joined")
