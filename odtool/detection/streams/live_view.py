"""A page on this machine that shows what is being looked at, boxes drawn: Motion JPEG, which every browser plays."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from odtool.errors import JobError

_HOST = "127.0.0.1"
_QUALITY = 80
_PATIENCE = 10.0
"""Seconds after which the same picture is sent again, so that a browser that has gone is noticed; and in which one has
to ask, and to take what it is sent."""
_MOST_VISITORS = 32
"""Connections at a time. Each takes a thread and a file handle of the process that detects."""
_PAGE = b"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>odtool predict</title>
<style>body{margin:0;background:#111}img{display:block;margin:auto;max-width:100%;max-height:100vh}</style></head>
<body><img src="/stream" alt="what odtool predict is looking at"></body></html>
"""


class _Newest:
    """The newest picture, for all who look."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.number = 0
        self.ended = False
        self._image: Image.Image | None = None
        self._encoded: bytes | None = None

    def put(self, image: Image.Image | None) -> None:
        """None at the end."""
        with self.changed:
            self.ended = image is None
            self._image, self._encoded = image or self._image, None if image else self._encoded
            self.number += 1
            self.changed.notify_all()

    def wait(self, seen: int) -> tuple[int, bytes | None]:
        """The number and JPEG of a picture after `seen`; it is encoded only where somebody looks."""
        with self.changed:
            self.changed.wait_for(lambda: self.number > seen or self.ended, timeout=_PATIENCE)
            if self._encoded is None and self._image is not None:
                stream = io.BytesIO()
                self._image.save(stream, "JPEG", quality=_QUALITY)
                self._encoded = stream.getvalue()
            return self.number, self._encoded


def refuse_taken(port: int) -> None:
    """Raises JobError where nothing can be shown at a port, before a model is loaded for it."""
    _listen(port, _Newest()).server_close()


class _PageServer(ThreadingHTTPServer):
    """Whatever runs on this machine may connect: more than some at a time are let go at once."""

    daemon_threads = True

    def __init__(self, port: int, newest: _Newest) -> None:
        self._free = threading.Semaphore(_MOST_VISITORS)
        super().__init__((_HOST, port), _make_handler(newest))

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor that breaks off is nobody's business; the base class prints a traceback."""


def _listen(port: int, newest: _Newest) -> ThreadingHTTPServer:
    try:
        return _PageServer(port, newest)
    except OSError as error:
        raise JobError(
            f"--show-port {port}: cannot be used: {error.strerror}", "Give another one, or 0 for any."
        ) from None


@contextmanager
def serving(port: int) -> Iterator[tuple[str, Callable[[Image.Image], None]]]:
    """Serves the page; gives its address, and what takes one picture after the other.

    Args:
        port: 0 for any that is free.

    Raises:
        JobError: the port is taken.
    """
    newest = _Newest()
    server = _listen(port, newest)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{_HOST}:{server.server_address[1]}/", newest.put
    finally:
        newest.put(None)
        server.shutdown()
        server.server_close()


def _make_handler(newest: _Newest) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE

        def do_GET(self) -> None:
            host = self.headers.get("Host", "")
            if (host.rpartition(":")[0] or host) not in (_HOST, "localhost"):
                self.send_error(403)  # a page from elsewhere whose name leads here could watch
            elif self.path == "/":
                _send_page(self)
            elif self.path == "/stream":
                _send_stream(self, newest)
            else:
                self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
            """Requests are nobody's business."""

    return Handler


def _send_page(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "text/html; charset=utf-8")
    request.send_header("Content-Length", str(len(_PAGE)))
    request.end_headers()
    request.wfile.write(_PAGE)


def _send_stream(request: BaseHTTPRequestHandler, newest: _Newest) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
    request.send_header("Cache-Control", "no-store")
    request.end_headers()
    seen = 0
    try:
        while not newest.ended:
            seen, picture = newest.wait(seen)
            if picture is not None:
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                request.wfile.write(head.encode() + picture + b"\r\n")
    except OSError:
        return  # the browser has gone
