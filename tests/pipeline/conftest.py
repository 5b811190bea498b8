"""A workspace with a prepared data set, written by hand so that this room needs no other."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from odtool.workspace import Workspace


def split(images: int, max_objects: int = 3) -> dict[str, Any]:
    return {
        "images": images,
        "objects": 2 * images,
        "shards": 2,
        "bytes": 1000 * images,
        "max_objects": max_objects,
        "mean_objects": 2.0,
        "background_images": 0,
        "classes": {"cat": images, "dog": images},
        "min_size": [100, 80],
        "median_size": [200, 160],
        "max_size": [400, 320],
    }


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., Workspace]:
    """Writes data/ in a workspace whose path holds a space and brackets; keyword arguments give its splits."""

    def write(classes: dict[str, int] | None = None, **splits: dict[str, Any]) -> Workspace:
        workspace = Workspace(tmp_path / "my [work] space")
        data = workspace.data
        data.path.mkdir(parents=True, exist_ok=True)
        classes = classes or {"cat": 1, "dog": 2}
        items = "".join(f"item {{ id: {number} name: '{name}' }}\n" for name, number in classes.items())
        data.label_map.write_text(items)
        splits = splits or {"train": split(40), "val": split(10)}
        payload = {
            "classes": classes,
            "splits": splits,
            "format": "voc",
            "sources": ["here"],
            "seed": 0,
            "odtool": "0.1.0",
            "created": "2026-01-01T00:00:00+00:00",
            "problems": {},
        }
        data.summary.write_text(json.dumps(payload))
        for name, figures in splits.items():
            for index in range(2):
                with open(data.shard(name, index, 2), "wb") as shard:
                    shard.truncate(max(figures["bytes"] // 2, 1))  # as many as are counted, and none on disk
        return workspace

    return write


@pytest.fixture
def workspace(prepare: Callable[..., Workspace]) -> Workspace:
    """The usual one: 40 images to train on, 10 to validate, up to 3 objects each, two classes."""
    return prepare()


@pytest.fixture
def figures() -> Callable[..., dict[str, Any]]:
    """A split's figures, for `prepare`."""
    return split


@dataclass
class Server:
    """A web server with one file, and what is wrong with it."""

    content: bytes = b""
    etag: str = '"first"'
    knows_ranges: bool = True
    gives_length: bool = True
    announced: int | None = None
    """The length it claims, where that is a lie."""
    breaks_off_after: list[int] = field(default_factory=list)
    """Bytes sent by each coming answer before the connection breaks off; whole ones after these."""
    statuses: list[int] = field(default_factory=list)
    """Errors that the coming requests get."""
    url: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of each."""

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.requests.append((handler.path, asked))
        if self.statuses:
            handler.send_error(self.statuses.pop(0))
            return
        start = 0
        if asked and self.knows_ranges and handler.headers.get("If-Range", self.etag) == self.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(self.content):
                handler.send_error(416)
                return
        body = self.content[start:]
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if self.gives_length:
            handler.send_header("Content-Length", str(self.announced or len(body)))
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.end_headers()
        with contextlib.suppress(ConnectionError):  # the client may have had enough
            handler.wfile.write(body[: self.breaks_off_after.pop(0)] if self.breaks_off_after else body)
        handler.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on this machine's own network."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name for it
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    web.shutdown()
    thread.join()
    web.server_close()
