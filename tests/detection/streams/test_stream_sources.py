"""Which sources are cameras and addresses, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from odtool.detection.predict import image_sources
from odtool.detection.streams import stream_sources
from odtool.errors import DataError


@pytest.mark.parametrize(
    ("text", "shown", "name", "endless"),
    [
        ("0", "camera 0", "camera-0", True),
        ("12", "camera 12", "camera-12", True),
        ("rtsp://u:p@cam.local:554/live/1", "rtsp://u:***@cam.local:554/live/1", "cam.local_554_live_1", True),
        ("HTTP://host/a.mjpg?x=1", "HTTP://host/a.mjpg?x=1", "host_a.mjpg", False),
        ("udp://@:1234", "udp://@:1234", "1234", True),
    ],
)
def test_cameras_and_addresses_are_known(text: str, shown: str, name: str, endless: bool) -> None:
    source = stream_sources.parse(text)
    assert source is not None
    assert (source.shown, source.is_endless) == (shown, endless)
    assert source.name.as_posix().strip("_") == name


@pytest.mark.parametrize(
    "text", ["photos", "a.jpg", "1234", "-1", "gs://x", "file:///x", "concat:a|b", "http://", "x://"]
)
def test_all_else_is_none(text: str) -> None:
    assert stream_sources.parse(text) is None


@pytest.mark.parametrize("text", ["http://[::1/a.jpg", "http://host:99999/a", "rtsp://h:x/", "http://h/\udcff"])
def test_an_address_that_cannot_be_is_an_error(text: str) -> None:
    with pytest.raises(DataError, match="is not an address"):
        stream_sources.parse(text)


@pytest.mark.parametrize("text", ["http://../..", "http://./", f"http://host/{'a/' * 5000}x.jpg", "rtsp://h/\x1b]0;x"])
def test_an_address_becomes_a_plain_file_name(text: str) -> None:
    source = stream_sources.parse(text)
    assert source is not None
    assert len(source.name.parts) == 1
    assert not source.name.name.startswith(".")
    assert len(source.name.name) <= 100


def test_a_file_or_folder_called_0_is_not_a_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0").mkdir()
    monkeypatch.chdir(tmp_path)
    assert stream_sources.parse("0") is None


def test_what_has_no_end_is_looked_at_alone(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(DataError, match="camera 0: has no end"):
        image_sources.find(["0", tmp_path])
    assert len(image_sources.find(["http://host/a.jpg", "http://host/b.jpg"]).places) == 2
