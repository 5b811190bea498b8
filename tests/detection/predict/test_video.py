from __future__ import annotations

import importlib.metadata
import importlib.util
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from odtool.dataset.images import decoding_memory
from odtool.detection.predict import video
from odtool.errors import DataError, InstallationError

FILM = f"film{video.find_codec().suffix}"


def write(path: Path, *, frames: int, size: tuple[int, int] = (64, 48), rate: float = 10) -> None:
    """Frames that grow brighter in their red."""
    with video.writing(path, rate=rate) as add:
        for number in range(frames):
            picture = np.zeros((size[1], size[0], 3), np.uint8)
            picture[..., 0] = 20 * number
            add(picture)


def test_what_is_written_is_read_again_in_the_order_and_colours(tmp_path: Path) -> None:
    write(tmp_path / FILM, frames=10)
    with video.opening(tmp_path / FILM, every=1) as film:
        frames = list(film.frames)
    assert film.rate == pytest.approx(10)
    assert [frame.number for frame in frames] == list(range(10))
    assert [frame.pixels.shape for frame in frames] == [(48, 64, 3)] * 10
    for frame in frames:
        red, green, blue = frame.pixels.mean(axis=(0, 1))
        assert red == pytest.approx(20 * frame.number, abs=12)
        assert max(green, blue) < 25


def test_every_third_frame_keeps_its_number_and_time(tmp_path: Path) -> None:
    write(tmp_path / FILM, frames=8)
    with video.opening(tmp_path / FILM, every=3) as film:
        assert [(frame.number, frame.seconds) for frame in film.frames] == [(0, 0), (3, 0.3), (6, 0.6)]


def test_frames_of_odd_size_are_written(tmp_path: Path) -> None:
    write(tmp_path / FILM, frames=3, size=(65, 47))
    with video.opening(tmp_path / FILM, every=1) as film:
        assert len(list(film.frames)) == 3


def test_a_video_that_lost_its_end_is_told(tmp_path: Path) -> None:
    """As on a full disk, where OpenCV says nothing."""
    stack = ExitStack()
    add = stack.enter_context(video.writing(tmp_path / FILM, rate=10))
    for _ in range(3):
        add(np.zeros((48, 64, 3), np.uint8))
    (tmp_path / FILM).unlink()
    with pytest.raises(DataError, match="only 0 of 3 frames could be written"):
        stack.close()


def test_a_video_that_was_cut_short_is_told(tmp_path: Path) -> None:
    """The header has the whole length."""
    chance = np.random.default_rng(0)
    stack = ExitStack()
    add = stack.enter_context(video.writing(tmp_path / FILM, rate=10))
    for _ in range(40):
        add(chance.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    stack.close()
    whole = (tmp_path / FILM).read_bytes()
    (tmp_path / FILM).write_bytes(whole[: len(whole) // 2])
    assert not video._holds(tmp_path / FILM, 40)
    assert 0 <= video._count_frames(tmp_path / FILM) < 40


@pytest.mark.slow
def test_a_browser_plays_what_is_written(
    tmp_path: Path, opened: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """A page is loaded when its video can show a frame, or cannot; MPEG-4 in an mp4 cannot."""
    write(tmp_path / FILM, frames=10, size=(160, 120))
    page = tmp_path / "page.html"
    page.write_text(_PLAYER.replace("FILM", FILM))
    assert "shows 160x120 of 1 s" in opened(page).stdout
    writer = cv2.VideoWriter(str(tmp_path / "old.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (160, 120))
    for number in range(10):
        writer.write(np.full((120, 160, 3), number, np.uint8))
    writer.release()
    page.write_text(_PLAYER.replace("FILM", "old.mp4"))
    assert "shows" not in opened(page).stdout.replace("`shows", "")


_PLAYER = """<video id="video" src="FILM" muted preload="auto"></video><p id="text">nothing</p><script>
const video = document.getElementById("video"), text = document.getElementById("text");
video.onloadeddata = () => {
  text.textContent = `shows ${video.videoWidth}x${video.videoHeight} of ${Math.round(video.duration)} s`;
};
</script>"""


def test_a_video_whose_frames_do_not_fit_is_refused_before_one_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.webm"
    write(path, frames=3, size=(640, 480))
    monkeypatch.setattr(decoding_memory, "SMALL", 0)
    with video.opening(path, every=1) as opened:
        assert len(list(opened.frames)) == 3
    monkeypatch.setattr(decoding_memory, "measure_available", lambda: 640 * 480 * 16)
    with (
        pytest.raises(DataError, match=r"large\.webm: frames of 640x480 pixels take .* are free"),
        video.opening(path, every=1),
    ):
        pytest.fail("it was opened")


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film")
    with pytest.raises(DataError, match=r"film\.mp4: is not a video"), video.opening(tmp_path / "film.mp4", every=1):
        pass


_NEEDS_OPENCV = """
import sys
from pathlib import Path
from odtool.detection.predict import image_stream, prediction_writer, video
from odtool.errors import InstallationError
for open_video in (lambda: video.opening(Path("film.mp4"), every=1), lambda: video.writing(Path("film.mp4"), rate=10)):
    try:
        with open_video():
            sys.exit("a video without OpenCV")
    except InstallationError as error:
        print(error.message, error.hint)
"""


def test_where_opencv_is_broken_only_videos_fail_and_name_the_repair(without_opencv: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _NEEDS_OPENCV], env=without_opencv, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "libGL.so.1: cannot open shared object file" in line
        assert "--force-reinstall --no-deps opencv-python-headless" in line


def test_the_folder_that_an_uninstallation_left_behind_is_no_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", ModuleType("cv2"))
    with pytest.raises(InstallationError, match="no attribute 'VideoCapture'"):
        video.require_opencv()


@pytest.mark.parametrize("has_pip", [True, False])
def test_the_repair_is_for_this_python_and_keeps_the_version(monkeypatch: pytest.MonkeyPatch, has_pip: bool) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object() if has_pip else None)
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "4.13.0.90")
    with pytest.raises(InstallationError) as raised:
        video.require_opencv()
    python = shlex.quote(sys.executable)
    tool = f"{python} -m pip {{}}" if has_pip else f"uv pip {{}} --python {python}"
    assert raised.value.hint == (
        f"Repair it with: {tool.format('uninstall')} -y opencv-python opencv-contrib-python"
        f" && {tool.format('install')} --force-reinstall --no-deps opencv-python-headless==4.13.0.90"
    )
