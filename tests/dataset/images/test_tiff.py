"""TIFFs read some rows at a time: the same pixels as of the whole, in memory that does not grow with the image."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from odtool.dataset.images import decoded_formats, pillow, repair, tiff, tiles
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import parse_header, read_header
from odtool.dataset.images.tiles import Tile

NOISE = np.random.default_rng(0).integers(0, 256, (203, 117, 3), dtype=np.uint8)


def reading(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: data[offset : offset + length]


def decode(data: bytes) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def saved(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "TIFF", **options)
    return stream.getvalue()


def write_tiled(
    pixels: np.ndarray[Any, Any],
    side: int,
    *,
    order: str = "<",
    big: bool = False,
    separate: bool = False,
    differences: bool = False,
    extra: int | None = None,
) -> bytes:
    """A TIFF of tiles packed by Deflate, in either byte order, as BigTIFF, and with its channels together or apart."""
    height, width, samples = pixels.shape
    planes = [pixels[:, :, [channel]] for channel in range(samples)] if separate else [pixels]
    blocks = []
    for plane in planes:
        padded = np.pad(plane, ((0, -height % side), (0, -width % side), (0, 0)))
        for y, x in product(range(0, height, side), range(0, width, side)):
            block = padded[y : y + side, x : x + side]
            if differences:
                block = np.concatenate([block[:, :1], block[:, 1:] - block[:, :-1]], axis=1)
            blocks.append(zlib.compress(block.astype(block.dtype.newbyteorder(order)).tobytes()))
    offset_code, head = ("Q", 16) if big else ("I", 8)
    body, offsets = b"", []
    for block in blocks:
        offsets.append(head + len(body))
        body += block
    fields: list[tuple[int, str, list[int]]] = [
        (256, "I", [width]), (257, "I", [height]), (258, "H", [8 * pixels.itemsize] * samples), (259, "H", [8]),
        (262, "H", [2]),
        (277, "H", [samples]), (284, "H", [2 if separate else 1]), (317, "H", [2 if differences else 1]),
        (322, "I", [side]), (323, "I", [side]), (324, offset_code, offsets), (325, "I", list(map(len, blocks))),
        *([(338, "H", [extra])] if extra is not None else []),
    ]  # fmt: skip
    inline = 8 if big else 4
    directory = b""
    for tag, code, numbers in fields:
        value = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
        if len(value) > inline:
            value, body = struct.pack(f"{order}{offset_code}", head + len(body)), body + value
        kind = {"H": 3, "I": 4, "Q": 16}[code]
        directory += struct.pack(f"{order}HH{offset_code}", tag, kind, len(numbers)) + value.ljust(inline, b"\0")
    start = head + len(body)
    mark = b"II" if order == "<" else b"MM"
    opening = struct.pack(f"{order}HHHQ", 43, 8, 0, start) if big else struct.pack(f"{order}HI", 42, start)
    count = struct.pack(f"{order}{'Q' if big else 'H'}", len(fields))
    return mark + opening + body + count + directory + b"\0" * inline


def assert_rows_are_those_of(data: bytes, whole: np.ndarray[Any, Any]) -> None:
    layout = tiff.read_layout(reading(data))
    assert layout is not None
    for top, bottom in ((0, layout.height), (3, 17), (60, 140), (layout.height - 1, layout.height)):
        packed, first = tiff.pack_rows(reading(data), layout, top, bottom)
        assert np.array_equal(decode(packed)[top - first : bottom - first], whole[top:bottom])


MODES = ("RGB", "L", "RGBA", "P", "1", "CMYK")
COMPRESSIONS = (None, "tiff_lzw", "tiff_deflate", "packbits", "zstd", "lzma")


@pytest.mark.parametrize(
    ("mode", "compression"), [*product(MODES, COMPRESSIONS), *product(("RGB", "L", "CMYK"), ["jpeg"])]
)
def test_some_rows_are_those_of_the_whole_image(mode: str, compression: str | None) -> None:
    options = {"compression": compression} if compression else {}
    data = saved(Image.fromarray(NOISE).convert(mode), **options, tiffinfo={278: 16})
    assert_rows_are_those_of(data, decode(data))


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_so_are_those_of_more_than_8_bits(kind: Any, predictor: int) -> None:
    pixels = (NOISE[:, :, 0].astype(np.int64) * 13 - (100 if kind is np.int32 else 0)).astype(kind)
    options = {"compression": "tiff_lzw", "tiffinfo": {278: 16, 317: predictor}} if kind is not np.float32 else {}
    data = saved(Image.fromarray(pixels), **options)
    assert_rows_are_those_of(data, pixels)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("separate", [False, True])
def test_so_are_those_of_tiles_of_planes_and_of_bigtiff(order: str, big: bool, separate: bool) -> None:
    assert_rows_are_those_of(write_tiled(NOISE, 48, order=order, big=big, separate=separate), NOISE)


def test_one_strip_that_is_not_compressed_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff, "_ROWS_BYTES", 5 * 117 * 3)
    data = saved(Image.fromarray(NOISE), strip_size=1 << 30)
    layout = tiff.read_layout(reading(data))
    assert layout is not None
    assert (layout.block_height, len(layout.offsets)) == (5, 41)
    assert_rows_are_those_of(data, NOISE)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize(("top", "bits"), [(1023, 10), (4095, 12), (65_535, 16)])
def test_colours_of_16_bits_keep_the_high_8_of_the_bits_that_they_use(
    order: str, separate: bool, differences: bool, top: int, bits: int
) -> None:
    pixels = (NOISE.astype(np.uint32) * 257 % (top + 1)).astype(np.uint16)
    pixels[0, 0] = (0, 7, top)
    data = write_tiled(pixels, 48, order=order, separate=separate, differences=differences)
    header = parse_header(data)
    assert (header.bits, header.used_bits, header.channels, header.values) == (16, bits, 3, (0, top))
    decoded = np.asarray(repair.decode_pixels(data, header, fixed=False))
    assert np.array_equal(decoded, (pixels >> (bits - 8)).astype(np.uint8))


@pytest.mark.parametrize(("extra", "fixed", "expected"), [(2, False, 4), (2, True, 255), (0, True, 4)])
def test_a_fourth_channel_of_16_bits_is_alpha_where_the_file_says_so(extra: int, fixed: bool, expected: int) -> None:
    pixels = np.full((20, 20, 4), 64, np.uint16)
    pixels[0, 0, :3], pixels[..., 3] = 4095, 0
    header = parse_header(data := write_tiled(pixels, 16, extra=extra))
    assert (header.channels, header.used_bits) == (4 if extra else 3, 12)
    assert repair.decode_pixels(data, header, fixed=fixed).getpixel((5, 5)) == (expected,) * 3


def tile(x: int, y: int, width: int, height: int) -> Tile:
    return Tile(x, y, width, height, ())


@pytest.mark.parametrize("values", ["rgb", "12 bits", "floats", "alpha"])
@pytest.mark.parametrize("fixed", [False, True])
def test_tiles_cut_by_rows_are_those_cut_from_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: str, fixed: bool
) -> None:
    pixels = {
        "rgb": NOISE,
        "12 bits": NOISE[:, :, 0].astype(np.uint16) * 16,
        "floats": NOISE[:, :, 0].astype(np.float32) / 3 - 20,
        "alpha": np.dstack([NOISE, NOISE[:, :, 0]]),
    }[values]
    path = tmp_path / "a.tif"
    path.write_bytes(saved(Image.fromarray(pixels), tiffinfo={278: 16}, compression="tiff_deflate"))
    cut = [tile(x, y, 64, 64) for y in (0, 51, 139) for x in (0, 53)]
    whole_header = read_header(path)
    expected = list(tiles.encode_tiles(path, None, whole_header, cut, fixed=fixed))
    monkeypatch.setattr(decoded_formats, "_WHOLE", 0)
    monkeypatch.setattr(tiff, "_ROWS_BYTES", 40 * 117)
    header = read_header(path)
    assert (whole_header.in_rows, header.in_rows) == (False, True)
    assert header == replace(whole_header, piece=header.piece)
    assert list(tiles.encode_tiles(path, None, header, cut, fixed=fixed)) == expected
    whole = repair.decode_pixels(path.read_bytes(), header, fixed=fixed)
    assert whole.tobytes() == repair.decode_pixels(path.read_bytes(), whole_header, fixed=fixed).tobytes()


def test_a_large_tiff_that_ends_too_early_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded_formats, "_WHOLE", 0)
    data = saved(Image.fromarray(NOISE), tiffinfo={278: 16})
    layout = tiff.read_layout(reading(data))
    assert layout is not None
    cut = data.replace(struct.pack("<I", layout.offsets[5]), struct.pack("<I", len(data) - 10))
    with pytest.raises(ImageError, match="beyond the file's end"):
        parse_header(cut)


@given(st.data())
def test_any_tiff_is_an_image_or_an_image_error(data: st.DataObject) -> None:
    whole = write_tiled(NOISE[:20, :20], 16, big=data.draw(st.booleans()))
    at = data.draw(st.integers(0, len(whole) - 1) | st.integers(len(whole) - 250, len(whole) - 1))
    with suppress(ImageError):
        parse_header(whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + data.draw(st.integers(0, 4)) :])


MEASURE = """
import resource, sys
from pathlib import Path
from odtool.dataset.images import image_file, tiles
path = Path(sys.argv[1])
header = image_file.read_header(path)
cut = [tiles.Tile(0, y, 512, 512, ()) for y in (0, header.height // 2, header.height - 512)]
print(header.width, sum(len(data) > 0 for data in tiles.encode_tiles(path, None, header, cut, fixed=False)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    peaks = []
    for side in (1000, 20_000):
        path = tmp_path / f"{side}.tif"
        opening = saved(Image.new("RGB", (8, 8)), strip_size=1 << 30)
        layout = tiff.read_layout(reading(opening))
        assert layout is not None
        # The same directory for a larger image, whose pixels are a hole at the file's end.
        numbers = {256: side, 257: side, 278: side, 273: len(opening), 279: side * side * 3}
        start = struct.unpack_from("<I", opening, 4)[0]
        changed = bytearray(opening)
        for entry in range(struct.unpack_from("<H", opening, start)[0]):
            place = start + 2 + 12 * entry
            tag = struct.unpack_from("<H", opening, place)[0]
            if tag in numbers:
                struct.pack_into("<HHII", changed, place, tag, 4, 1, numbers[tag])
        path.write_bytes(changed)
        os.truncate(path, len(opening) + side * side * 3)
        done = subprocess.run([sys.executable, "-c", MEASURE, path], capture_output=True, text=True, check=True)
        first, peak = done.stdout.splitlines()
        assert first == f"{side} 3"
        peaks.append(int(peak))
    assert peaks[1] < peaks[0] + 200, "MiB; the whole image has 1,145"


def test_what_is_too_large_to_be_decoded_at_once_can_be_cut_by_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(saved(Image.fromarray(NOISE), tiffinfo={278: 16}))
    monkeypatch.setattr(pillow, "MOST_PIXELS", 10_000)
    with pytest.raises(ImageError, match="DecompressionBomb"):
        read_header(path)
    monkeypatch.setattr(decoded_formats, "_WHOLE", 0)
    monkeypatch.setattr(tiff, "_ROWS_BYTES", 16 * 117 * 3)
    header = read_header(path)
    (data,) = tiles.encode_tiles(path, None, header, [tile(0, 100, 64, 64)], fixed=False)
    assert np.array_equal(decode(data), NOISE[100:164, :64])
