"""A prediction over streams and addresses, from a real server, with a detector that finds a red square."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from odtool.detection.detector import Detections, ImageSource
from odtool.detection.predict import image_sources, prediction, video
from odtool.detection.predict.image_stream import DetectionOptions
from odtool.detection.predict.output_files import OutputOptions
from odtool.detection.streams import capture, live_view
from odtool.detection.thresholds import Thresholds
from odtool.errors import DataError, JobError
from odtool.workspace import Predictions

Camera = Callable[[int, float], str]
OPTIONS = DetectionOptions(Thresholds(), batch=4, tiling=None, every=1)


class RedFinder:
    """Finds the red square, at a pace of its own."""

    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause
        self.thresholds: Any = None

    @property
    def labels(self) -> Mapping[int, str]:
        return {1: "red"}

    def detect(self, images: Sequence[ImageSource], *, min_score: float = 0.0) -> list[Detections]:
        time.sleep(self.pause)
        return [self._find(image) for image in images if isinstance(image, np.ndarray)]

    def _find(self, image: Any) -> Detections:
        rows, columns = np.nonzero((image[..., 0] > 180) & (image[..., 1] < 110))
        boxes = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]] if len(rows) else []
        count = len(boxes)
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(count, 0.9, np.float32),
            np.ones(count, np.int64),
            image.shape[1],
            image.shape[0],
        )


def predict(out: Path, *sources: str, detector: Any = None, outputs: OutputOptions | None = None, **more: Any) -> Any:
    out.mkdir()
    return prediction.predict(
        image_sources.find(sources),
        detector or RedFinder(),
        OPTIONS,
        Predictions(out),
        outputs or OutputOptions(),
        **more,
    )


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "detections.jsonl").read_text().splitlines()]


def test_a_stream_is_looked_at_until_it_ends_and_its_video_lasts_as_long(camera: Camera, tmp_path: Path) -> None:
    address = camera(12, 20)
    summary = predict(tmp_path / "out", f"{address}/stream")
    assert summary["videos"] == 1
    assert summary["frames"] + summary["dropped_frames"] <= 12
    assert summary["frames"] > 0
    found = lines(tmp_path / "out")
    assert {line["file"] for line in found} == {f"{address}/stream"}
    assert [line["frame"] for line in found] == sorted({line["frame"] for line in found})
    assert all(line["detections"][0]["label"] == "red" for line in found)
    (film,) = (tmp_path / "out" / "pictures").iterdir()
    with video.opening(film, every=1) as written:
        assert len(list(written.frames)) >= round(found[-1]["seconds"] * 10)


def test_where_looking_is_slower_the_newest_frame_wins_and_dropped_ones_are_counted(
    camera: Camera, tmp_path: Path
) -> None:
    summary = predict(tmp_path / "out", f"{camera(40, 40)}/stream", detector=RedFinder(0.2))
    assert summary["dropped_frames"] > 5
    assert summary["frames"] + summary["dropped_frames"] <= 40
    numbers = [line["frame"] for line in lines(tmp_path / "out")]
    assert max(np.diff(numbers)) > 1


def test_a_stop_ends_it_with_whole_files(camera: Camera, tmp_path: Path) -> None:
    stop = threading.Event()

    def tell(done: int) -> None:
        if done == 3:
            stop.set()

    outputs = OutputOptions(formats=("coco",), counts=True)
    summary = predict(tmp_path / "out", f"{camera(100_000, 50)}/stream", outputs=outputs, stop=stop, tell=tell)
    assert 3 <= summary["frames"] <= 5
    document = json.loads((tmp_path / "out" / "coco" / "annotations.json").read_text())
    assert len(document["images"]) == summary["frames"]
    (film,) = (tmp_path / "out" / "pictures").iterdir()
    with video.opening(film, every=1) as written:
        assert list(written.frames)


def test_an_image_at_an_address_is_one(camera: Camera, tmp_path: Path) -> None:
    address = camera(1, 1)
    summary = predict(tmp_path / "out", f"{address}/photo.jpg", f"{address}/none.jpg")
    assert (summary["images"], summary["frames"]) == (1, 0)
    assert summary["named"][0]["file"].endswith("_none.jpg")
    assert summary["named"][0]["detail"].startswith(f"{address}/none.jpg: cannot be read: 404")
    (picture,) = (tmp_path / "out" / "pictures").iterdir()
    assert picture.suffix == ".jpg"


def test_what_delivers_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"http://u:\*\*\*@127\.0\.0\.1:9/x: "):
        predict(tmp_path / "out", "http://u:secret@127.0.0.1:9/x")


ANSWERS = {
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>": "no frames come from there",
    b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 10000000000\r\n\r\nx": "has more than 256 MB",
    b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n": "not allowed",
    b"SSH-2.0-OpenSSH_9.6\r\n": "cannot be read: SSH-2.0",
    b"": "cannot be read: ",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_address_that_gives_no_image_is_named_and_the_next_one_looked_at(
    answer: bytes, camera: Camera, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_answer, args=(server, answer), daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.jpg"
        summary = predict(tmp_path / "out", address, f"{camera(1, 1)}/photo.jpg")
    assert summary["images"] == 1
    assert ANSWERS[answer] in summary["named"][0]["detail"]


def _answer(server: socket.socket, answer: bytes) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(answer)


def test_a_server_that_sends_a_byte_now_and_then_is_left(
    camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "_LONGEST", -1)
    with pytest.raises(DataError, match="takes longer than"):
        predict(tmp_path / "out", f"{camera(1, 1)}/photo.jpg")


def test_objects_of_a_stream_have_numbers_and_are_counted_across_a_line(camera: Camera, tmp_path: Path) -> None:
    pytest.importorskip("norfair")
    outputs = OutputOptions(tracked=True, line=(80.0, 96.0, 80.0, 0.0))
    summary = predict(tmp_path / "out", f"{camera(25, 12)}/stream", outputs=outputs)
    assert summary["distinct_objects"] == {"red": 1}
    assert summary["crossed_line"] == {"red": {"left": 0, "right": 1}}
    assert lines(tmp_path / "out")[-1]["detections"][0]["track"] == 1


def test_a_page_shows_the_pictures_to_this_machine_alone(tmp_path: Path) -> None:
    with live_view.serving(0) as (address, show):
        assert b"/stream" in urllib.request.urlopen(address, timeout=60).read()
        show(Image.new("RGB", (64, 48), "red"))
        with urllib.request.urlopen(f"{address}stream", timeout=60) as stream:
            assert stream.headers["Content-Type"].startswith("multipart/x-mixed-replace")
            assert b"image/jpeg" in stream.read(200)
        foreign = urllib.request.Request(address, headers={"Host": "evil.example:80"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(foreign, timeout=60)
        port = int(address.rstrip("/").rpartition(":")[2])
        with pytest.raises(JobError, match=f"--show-port {port}"), live_view.serving(port):
            pass
    with suppress(OSError):
        pytest.fail(str(urllib.request.urlopen(address, timeout=5).status))


def test_visitors_who_say_nothing_cost_the_page_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live_view, "_PATIENCE", 0.5)
    monkeypatch.setattr(live_view, "_MOST_VISITORS", 4)
    with live_view.serving(0) as (address, show):
        port = int(address.rstrip("/").rpartition(":")[2])
        before = threading.active_count()
        visitors = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
        for visitor in visitors:
            with suppress(OSError):  # it was let go at once
                visitor.sendall(b"GET / HTTP/1.1\r\nX: ")
        show(Image.new("RGB", (64, 48), "red"))
        assert threading.active_count() <= before + 4
        _wait_for_page(address)
        for visitor in visitors:
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closing breaks it off
            visitor.close()
        _wait_for_page(address)
    assert capfd.readouterr().err == ""


def _wait_for_page(address: str) -> None:
    while True:
        with suppress(OSError):
            assert b"/stream" in urllib.request.urlopen(address, timeout=60).read()
            return
        time.sleep(0.1)
