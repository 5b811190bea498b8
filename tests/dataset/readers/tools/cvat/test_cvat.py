"""CVAT's exports on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odtool.dataset.readers.tools.cvat import cvat
from odtool.dataset.types import Box, Source

BOX = '<box label="cat" xtl="1" ytl="2" xbr="30" ybr="40"/>'


def keys(*frames: int) -> str:
    boxes = "".join(
        f'<box frame="{frame}" outside="0" occluded="0" xtl="{frame}" ytl="2" xbr="60" ybr="40"/>' for frame in frames
    )
    return f'<track id="0" label="cat">{boxes}</track>'


@pytest.fixture
def make(tmp_path: Path, write_image: Callable[..., Path]) -> Callable[..., Path]:
    """make(content, images, name): a folder with one XML file and images."""

    def made(content: str, images: list[str], name: str = "annotations.xml") -> Path:
        for image in images:
            write_image(tmp_path / "set" / image)
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / name).write_text(f"<annotations><version>1.1</version>{content}</annotations>")
        return tmp_path / "set"

    return made


def test_the_real_export_of_a_project_has_subsets_with_equal_names(shared_data: Path, found: Any) -> None:
    images, problems = found(cvat.read, Source(shared_data / "formats/cvat_dataset/for_images/export_project"))
    assert [(image.split, image.path.parent.name, image.path.name, len(image.objects)) for image in images] == [
        (split, folder, name, 1)
        for split, folder in (("test", "Test"), ("train", "Train"), ("val", "Validation"))
        for name in ("img0.jpg", "img1.jpg")
    ]
    assert images[1].objects[0].box == Box(1, 2, 6, 5)
    assert all(image.path.is_file() for image in images)
    assert [problem.kind for problem in problems] == ["shape_skipped"] * 6


def test_the_real_export_of_a_task_takes_its_split_from_the_file(shared_data: Path, found: Any) -> None:
    images, problems = found(cvat.read, Source(shared_data / "formats/cvat_dataset/for_images/export_task"))
    assert [(image.split, image.path.name, len(image.objects)) for image in images] == [
        ("train", "img0.jpg", 1),
        ("train", "img1.jpg", 0),
    ]
    assert images[0].objects[0].occluded
    assert sorted(problem.kind for problem in problems) == ["label_missing", "shape_skipped", "shape_skipped"]


def test_the_real_export_of_a_video_has_a_frame_with_an_object(shared_data: Path, found: Any) -> None:
    images, problems = found(cvat.read, Source(shared_data / "formats/cvat_dataset/for_video"))
    assert [(image.path.name, [item.box for item in image.objects]) for image in images] == [
        ("frame_000010.png", [Box(3, 4, 10, 5)]),
        ("frame_000013.png", []),
        ("frame_000016.png", []),
    ]
    assert [problem.kind for problem in problems] == ["shape_skipped", "shape_skipped"]


def test_frames_between_keyframes_are_interpolated_where_their_image_is_there(
    make: Callable[..., Path], found: Any
) -> None:
    root = make(keys(0, 10), [f"frames/{frame:06d}.jpg" for frame in (0, 5, 10, 20)])
    images, problems = found(cvat.read, Source(root))
    assert [(image.path.stem, image.objects[0].box.xmin) for image in images] == [
        ("000000", 0),
        ("000005", 5),
        ("000010", 10),
    ]
    assert problems == []


def read_track_ends(content: str, make: Callable[..., Path], found: Any) -> tuple[list[tuple[str, list[float]]], Any]:
    """Where the boxes of each frame begin, and the kinds of problems, of a video of frames 0 to 30."""
    images, problems = found(cvat.read, Source(make(content, [f"frames/{frame:06d}.jpg" for frame in (0, 10, 20, 30)])))
    shown = [(image.path.stem, sorted(item.box.xmin for item in image.objects)) for image in images]
    return shown, [(problem.kind, problem.detail) for problem in problems]


def test_a_track_without_an_end_stays_to_the_last_frame_of_its_task(make: Callable[..., Path], found: Any) -> None:
    task = "<meta><task><id>1</id><start_frame>0</start_frame><stop_frame>25</stop_frame></task></meta>"
    shown, problems = read_track_ends(task + keys(0, 10), make, found)
    assert shown == [("000000", [0]), ("000010", [10]), ("000020", [10])]
    assert problems == [
        ("track_open", "track of 'cat' at line 1 has no keyframe after frame 10; the last image is of frame 20"),
    ]


def test_without_a_task_the_longest_track_says_which_frame_is_the_last(make: Callable[..., Path], found: Any) -> None:
    ended = keys(0, 20).replace('frame="20" outside="0"', 'frame="20" outside="1"')
    shown, problems = read_track_ends(keys(0) + ended + keys(30), make, found)
    assert shown == [("000000", [0, 0]), ("000010", [0, 10]), ("000020", [0]), ("000030", [0, 30])]
    assert [kind for kind, _ in problems] == ["track_open"]


def test_a_keyframe_without_its_image_is_yielded_for_the_survey_to_count(make: Callable[..., Path], found: Any) -> None:
    root = make(keys(0, 10), ["images/frame_000000.png", "images/IMG_10.png"])
    images, _ = found(cvat.read, Source(root))
    assert [(image.path.name, image.path.exists()) for image in images] == [
        ("frame_000000.png", True),
        ("frame_000010.png", False),
    ]


def test_names_with_folders_without_extension_and_with_dots(make: Callable[..., Path], found: Any) -> None:
    content = "".join(f'<image id="0" name="{name}">{BOX}</image>' for name in ("a/x.jpg", "frame_000001", "../s.jpg"))
    root = make(content, ["images/a/x.jpg", "frame_000001.PNG", "../s.jpg"])
    images, problems = found(cvat.read, Source(root))
    assert [image.path.relative_to(root).as_posix() for image in images[:2]] == ["images/a/x.jpg", "frame_000001.PNG"]
    assert not images[2].path.exists()
    assert [problem.kind for problem in problems] == ["path_outside"]


def test_the_images_may_be_named_or_lie_beside_the_file(make: Callable[..., Path], found: Any) -> None:
    root = make(f'<image id="0" name="x.jpg" subset="default">{BOX}</image>', ["images/x.jpg"])
    for source in (Source(root / "annotations.xml"), Source(root / "annotations.xml", images=root / "images")):
        (image,), _ = found(cvat.read, source)
        assert image.path == root / "images/x.jpg"
        assert image.split is None


def test_two_videos_of_a_project_have_their_own_frames(make: Callable[..., Path], found: Any) -> None:
    tasks = "".join(f"<task><id>{task}</id><name>{name}</name></task>" for task, name in ((1, "one"), (2, "two")))
    tracks = keys(0).replace("<track", '<track task_id="1"') + keys(0).replace("<track", '<track task_id="2"')
    root = make(f"<meta>{tasks}</meta>{tracks}", ["images/one/frame_000000.png", "images/two/frame_000000.png"])
    images, _ = found(cvat.read, Source(root))
    assert [image.path.parent.name for image in images] == ["one", "two"]


def test_a_frame_that_is_missing_is_not_taken_from_another_video(make: Callable[..., Path], found: Any) -> None:
    tasks = "".join(f"<task><id>{task}</id><name>{name}</name></task>" for task, name in ((1, "one"), (2, "two")))
    tracks = keys(0, 1).replace("<track", '<track task_id="1"') + keys(0).replace("<track", '<track task_id="2"')
    frames = ["images/one/frame_000000.png", "images/two/frame_000000.png", "images/two/frame_000001.png"]
    images, _ = found(cvat.read, Source(make(f"<meta>{tasks}</meta>{tracks}", frames)))
    assert [image.path.exists() for image in images[:2]] == [True, False]


def test_voc_is_not_taken_for_cvat(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<annotation><filename>a.jpg</filename></annotation>")
    assert cvat.detect(tmp_path) is None
