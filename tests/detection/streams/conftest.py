"""A camera on the network: a real server of Motion JPEG on loopback, which sends frames at its own pace."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image


def encode(number: int) -> bytes:
    """A red square that goes to the right by 4 pixels a frame."""
    image = Image.new("RGB", (160, 96), (60, 60, 60))
    left = (4 * number) % 128
    image.paste((255, 0, 0), (left, 32, left + 32, 64))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95)
    return stream.getvalue()


@pytest.fixture
def camera() -> Iterator[Callable[[int, float], str]]:
    """camera(frames, rate): the address of a stream that ends after so many frames; /photo.jpg is one image."""
    servers: list[ThreadingHTTPServer] = []

    def start(frames: int, rate: float) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/photo.jpg":
                    self.send_response(200)
                    self.send_header("Content-Type", "image/jpeg")
                    self.end_headers()
                    self.wfile.write(encode(3))
                    return
                if self.path != "/stream":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    for number in range(frames):
                        picture = encode(number)
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                        self.wfile.write(head.encode() + picture + b"\r\n")
                        time.sleep(1 / rate)
                except OSError:
                    return

            def log_message(self, *args: object) -> None:
                """Nobody reads it."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        servers[-1].daemon_threads = True
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
