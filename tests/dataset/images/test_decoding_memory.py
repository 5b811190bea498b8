"""Memory for pixels: what does not fit is refused before it is decoded; what takes much is decoded in turns."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from itertools import repeat
from pathlib import Path

import pytest
from PIL import Image

from odtool.dataset.images import decoding_memory, memory_estimate, perceptual_hash, repair
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import ImageHeader, read_header
from odtool.dataset.workers import open_crew
from odtool.detection import image_arrays
from odtool.errors import DataError

GIGABYTE = 1 << 30


def deflate_zeros(size: int) -> bytes:
    """Without having them all in memory."""
    packer = zlib.compressobj(9)
    pieces = [packer.compress(bytes(min(1 << 24, size - start))) for start in range(0, size, 1 << 24)]
    return b"".join([*pieces, packer.flush()])


def make_tiff(width: int, height: int, bits: int, samples: int = 1) -> bytes:
    """One strip of zeros, packed by Deflate."""
    strip = deflate_zeros(-(-width * bits * samples // 8) * height)
    fields = {256: width, 257: height, 258: bits, 259: 8, 262: 2 if samples == 3 else 1, 273: 0, 277: samples}
    fields |= {278: height, 279: len(strip)}
    fields[273] = start = 8 + 2 + 12 * len(fields) + 4 + 8
    entries = b"".join(
        struct.pack("<HHII", tag, 3, 3, start - 8)
        if tag == 258 and samples == 3
        else struct.pack("<HHII", tag, 4, 1, value)
        if tag in (256, 257, 273, 278, 279)
        else struct.pack("<HHIHH", tag, 3, 1, value, 0)
        for tag, value in fields.items()
    )
    head = struct.pack("<2sHIH", b"II", 42, 8, len(fields)) + entries + b"\0" * 4
    return head + struct.pack("<4H", bits, bits, bits, 0) + strip


def make_png(width: int, height: int, colour: int = 0, bits: int = 8) -> bytes:
    samples = {0: 1, 2: 3, 6: 4}[colour]

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    pixels = deflate_zeros((1 + width * samples * bits // 8) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def make_gif(width: int, height: int) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\0;"


def make_bmp(width: int, height: int) -> bytes:
    """Run lengths that end at once: all pixels are 0."""
    data = b"\0\1"
    start = 14 + 40 + 1024
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + bytes(1024) + data


def make_webp(width: int, height: int) -> bytes:
    """The chunk of an extended file, and nothing to decode."""
    chunk = (
        struct.pack("<4sII", b"VP8X", 10, 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


BOMBS = {
    "bits.tif": make_tiff(30_000, 30_000, 1),
    "gray.tif": make_tiff(16_000, 16_000, 8),
    "a.gif": make_gif(30_000, 30_000),
    "a.bmp": make_bmp(30_000, 30_000),
    "a.webp": make_webp(16_000, 16_000),
    "deep.png": make_png(16_000, 16_000, bits=16),
}


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with half a gigabyte."""
    monkeypatch.setattr(decoding_memory, "measure_available", lambda: GIGABYTE // 2)


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.usefixtures("free")
def test_an_image_that_does_not_fit_is_refused_before_it_is_decoded(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    with pytest.raises(ImageError, match=r"\d+x\d+ pixels take .* of memory to decode, and 537 MB are free") as raised:
        read_header(path)
    assert raised.value.kind == "image_too_large"


@pytest.mark.usefixtures("free")
def test_a_bomb_whose_bytes_are_written_as_they_are_is_refused_where_its_pixels_are_needed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(make_png(16_000, 16_000))
    header = read_header(path)
    for decode in (
        lambda: repair.encode_image(path.read_bytes(), header, fixed=True),
        lambda: perceptual_hash.hash_image(path.read_bytes()),
        lambda: image_arrays.decode(path.read_bytes()),
    ):
        with pytest.raises(ImageError, match="16000x16000 pixels"):
            decode()
    with pytest.raises(DataError, match=r"a\.png: 16000x16000 pixels take 3.07 GB of memory to decode"):
        image_arrays.read_pixels(path)


def test_what_is_taken_is_not_more_than_was_asked_for(tmp_path: Path) -> None:
    """The process's own peak against the estimate, for kinds of images whose copies differ."""
    exif = Image.Exif()
    exif[0x112] = 6
    flat = Image.new("RGBA", (3000, 2500), (9, 8, 7, 100))
    flat.save(tmp_path / "turned.png", exif=exif)
    flat.convert("RGB").save(tmp_path / "turned.jpg", exif=exif, progressive=True)
    flat.save(tmp_path / "a.webp", lossless=True)
    flat.convert("L").save(tmp_path / "a.gif")
    flat.convert("F").save(tmp_path / "a.tif")
    Image.new("I;16", flat.size, 900).save(tmp_path / "deep.png")
    (tmp_path / "one_strip.tif").write_bytes(make_tiff(3000, 2500, 8, 3))
    script = """
import re, sys
from pathlib import Path
import numpy
from PIL import Image
from odtool.dataset.images import memory_estimate, repair
from odtool.dataset.images.image_file import read_header

def read(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

Image.init()
path = Path(sys.argv[1])
header, data = read_header(path), path.read_bytes()
Path("/proc/self/clear_refs").write_text("5")
before = read("VmRSS")
repair.encode_image(data, header, fixed=True)
print((read("VmHWM") - before) / memory_estimate.estimate_memory(header, fixed=True))
"""
    for path in sorted(tmp_path.iterdir()):
        output = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True).stdout
        assert 0.2 < float(output) <= 1.1, path.name


def test_less_is_asked_for_an_image_that_is_decoded_in_rows() -> None:
    whole = ImageHeader("tiff", 30_000, 30_000, 3, 8, 1000)
    in_rows = ImageHeader("tiff", 30_000, 30_000, 3, 8, 1000, piece=30_000 * 100)
    assert memory_estimate.estimate_memory(in_rows, fixed=False, rows=512) < 100 << 20
    assert memory_estimate.estimate_memory(whole, fixed=False) > 10**10


@pytest.mark.usefixtures("free")
def test_what_is_reserved_within_a_reservation_is_not_asked_for_again() -> None:
    with decoding_memory.reserve(400 << 20, "it"), decoding_memory.reserve(300 << 20, "it"):
        with pytest.raises(ImageError), decoding_memory.reserve(600 << 20, "it"):
            raise AssertionError
        with decoding_memory.reserve(400 << 20, "it"):
            pass


def test_memory_that_runs_out_all_the_same_is_an_image_error() -> None:
    with pytest.raises(ImageError, match="9x9 take more"), decoding_memory.reserve(1, "9x9"):
        raise MemoryError


def decode_alone(folder: Path) -> bool:
    """Runs in a worker: whether nobody else had reserved anything meanwhile."""
    mark = folder / "mark"
    with decoding_memory.reserve(decoding_memory.measure_available() * 2 // 3, "it"):
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return False
        for _ in range(50):
            os.sched_yield()
        mark.unlink()
    return True


def test_workers_take_turns_with_what_takes_more_than_their_share(tmp_path: Path) -> None:
    with open_crew(4) as crew:
        assert list(crew.map(decode_alone, repeat(tmp_path, 60), tasks_here=0)) == [True] * 60


def kill_itself(_: object) -> None:
    with decoding_memory.reserve(decoding_memory.measure_available() // 2, "it"):
        os.kill(os.getpid(), 9)


def test_a_worker_that_is_killed_leaves_nothing_reserved(tmp_path: Path) -> None:
    with open_crew(2) as crew:
        with pytest.raises(DataError, match="worker process was killed"):
            list(crew.map(kill_itself, [1], tasks_here=0))
        assert decode_alone(tmp_path)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": "max\n", "memory.current": "5"}, None),
        (
            {
                "memory.max": "1000\n",
                "memory.current": "700",
                "memory.stat": "anon 9\nactive_file 100\ninactive_file 50",
            },
            450,
        ),
        ({"memory.limit_in_bytes": "1000", "memory.usage_in_bytes": "900", "memory.stat": "total_active_file 1"}, 101),
        ({"memory.limit_in_bytes": str(2**63 - 4096), "memory.usage_in_bytes": "900"}, None),
        ({}, None),
    ],
)
def test_a_control_group_has_its_limit_less_what_is_not_cached(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert decoding_memory._measure_cgroup(tmp_path) == expected


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--fix-images",)])
def test_prepare_leaves_bombs_out_where_memory_is_short(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A real limit of address space; the kernel would kill whoever takes more."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(6):
        (images / f"bits{number}.tif").write_bytes(BOMBS["bits.tif"])
        Image.new("RGB", (64, 48), (number, 0, 0)).save(images / f"good{number}.png")
    (images / "alpha.png").write_bytes(make_png(12_000, 12_000, 6))
    names = sorted(path.name for path in images.iterdir())
    coco = {
        "images": [{"id": number, "file_name": name, "width": 9, "height": 9} for number, name in enumerate(names)],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": number + 1, "image_id": number, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}
            for number in range(len(names))
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(coco))
    command = (
        f"ulimit -v {3 << 20}; exec {sys.executable} -m odtool prepare a.json --images images --workers 2 --out out"
    )
    done = subprocess.run(
        ["bash", "-c", " ".join([command, *options])], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "error: 6 image_too_large" in output, output
    assert "30000x30000 pixels take 6.3 GB of memory to decode, and " in output, output
    assert "objects              6    1" in output, output
