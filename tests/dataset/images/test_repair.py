"""Pixels and boxes after repair."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from odtool.dataset.images import repair
from odtool.dataset.images.image_error import ImageError
from odtool.dataset.images.image_file import ImageHeader, read_header
from odtool.dataset.types import Box


def spotted(width: int = 40, height: int = 24) -> Image.Image:
    """Black, with a white box at (6, 2) to (16, 8)."""
    image = Image.new("RGB", (width, height))
    image.paste("white", (6, 2, 16, 8))
    return image


def stored(path: Path, image: Image.Image, **options: object) -> ImageHeader:
    image.save(path, **options)
    return read_header(path)


def oriented(path: Path, orientation: int) -> ImageHeader:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return stored(path, spotted(), exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_pixels_and_boxes_turn_together_as_viewers_turn_them(tmp_path: Path, orientation: int, name: str) -> None:
    path = tmp_path / name
    header = oriented(path, orientation)
    assert header.orientation == orientation
    picture = repair.decode_pixels(path.read_bytes(), header, fixed=True)
    with Image.open(path) as image:
        assert picture.tobytes() == ImageOps.exif_transpose(image).convert("RGB").tobytes()
    assert picture.size == repair.find_upright_size(header)
    box = repair.turn_box(Box(6, 2, 16, 8), orientation, 40, 24)
    bright = picture.convert("L").point(lambda value: 255 * (value > 127))
    assert bright.getbbox() == (box.xmin, box.ymin, box.xmax, box.ymax)
    assert repair.turn_box_back(box, orientation, *picture.size) == Box(6, 2, 16, 8)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_what_was_turned_says_so_no_more(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    header = oriented(path, 6)
    (tmp_path / f"again-{name}").write_bytes(repair.encode_image(path.read_bytes(), header, fixed=True))
    again = read_header(tmp_path / f"again-{name}")
    assert (again.format, again.width, again.height, again.orientation) == (header.format, 24, 40, 1)


def test_without_the_repair_pixels_are_as_tensorflow_sees_them(tmp_path: Path) -> None:
    header = oriented(tmp_path / "a.png", 6)
    assert repair.decode_pixels((tmp_path / "a.png").read_bytes(), header, fixed=False).tobytes() == spotted().tobytes()


def test_alpha_is_flattened_onto_white_and_only_then(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    header = stored(tmp_path / "a.png", image)
    data = (tmp_path / "a.png").read_bytes()
    assert repair.list_repairs(header) == ("fixed_alpha",)
    assert repair.decode_pixels(data, header, fixed=True).getpixel((0, 0)) == (255, 255, 255)
    assert repair.decode_pixels(data, header, fixed=False).getpixel((0, 0)) == (200, 0, 0)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    header = stored(tmp_path / "a.jpg", Image.new("RGB", (16, 16), (200, 30, 40)).convert("CMYK"))
    data = repair.encode_image((tmp_path / "a.jpg").read_bytes(), header, fixed=True)
    assert repair.list_repairs(header) == ("fixed_cmyk",)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert image.getpixel((8, 8)) == pytest.approx((200, 30, 40), abs=3)


def test_sixteen_bits_lose_their_low_byte_and_do_not_turn_white(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        image = Image.new("I;16", (3, 1))
        for position, value in enumerate((255, 10_000, 65_535)):
            image.putpixel((position, 0), value)
        header = stored(tmp_path / name, image)
        assert repair.list_repairs(header) == ("fixed_16bit",)
        made = repair.decode_pixels((tmp_path / name).read_bytes(), header, fixed=False)
        assert (made.mode, made.tobytes()) == ("L", bytes((0, 39, 255)))


def make_deep(values: list[int]) -> Image.Image:
    image = Image.new("I;16", (len(values), 1))
    for position, value in enumerate(values):
        image.putpixel((position, 0), value)
    return image


@pytest.mark.parametrize(
    ("values", "bits", "expected"),
    [
        ([0, 16, 2048, 4095], 12, [0, 1, 128, 255]),
        ([0, 4, 512, 1023], 10, [0, 1, 128, 255]),
        ([0, 1, 128, 255], 8, [0, 1, 128, 255]),
        ([0, 3], 8, [0, 3]),
        ([0, 256, 32_768, 65_535], 16, [0, 1, 128, 255]),
    ],
)
def test_a_tiff_is_brought_to_eight_bits_by_the_bits_that_it_uses_and_a_png_if_it_is_repaired(
    tmp_path: Path, values: list[int], bits: int, expected: list[int]
) -> None:
    for name, fixed in (("a.tif", False), ("a.tif", True), ("a.png", True)):
        header = stored(tmp_path / name, make_deep(values))
        assert (header.bits, header.used_bits, header.is_stretched) == (16, bits, False)
        made = repair.decode_pixels((tmp_path / name).read_bytes(), header, fixed=fixed)
        assert list(made.tobytes()) == expected
    as_tensorflow = repair.decode_pixels((tmp_path / "a.png").read_bytes(), header, fixed=False)
    assert list(as_tensorflow.tobytes()) == [value >> 8 for value in values]


def test_negative_numbers_and_floats_are_not_called_16_bits(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[-1000, 0, 3000]], np.int32))
    header = stored(tmp_path / "a.tif", image)
    assert (header.bits, header.values, header.is_stretched, header.is_float) == (32, (-1000, 3000), True, False)
    made = repair.decode_pixels((tmp_path / "a.tif").read_bytes(), header, fixed=False)
    assert list(made.tobytes()) == [0, 63, 255]
    odd = Image.fromarray(np.array([[0.5, np.nan, np.inf, 1.5]], np.float32))
    header = stored(tmp_path / "b.tif", odd)
    assert (header.bits, header.values, header.is_float) == (32, (0.5, 1.5), True)
    made = repair.decode_pixels((tmp_path / "b.tif").read_bytes(), header, fixed=False)
    assert list(made.tobytes()) == [0, 0, 255, 255]


def test_floats_go_from_black_to_white(tmp_path: Path) -> None:
    image = Image.new("F", (2, 1))
    image.putpixel((1, 0), 0.5)
    header = stored(tmp_path / "a.tif", image)
    assert repair.decode_pixels((tmp_path / "a.tif").read_bytes(), header, fixed=False).tobytes() == bytes((0, 255))


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P"])
def test_ordinary_images_need_no_repair(tmp_path: Path, mode: str) -> None:
    assert repair.list_repairs(stored(tmp_path / "a.png", spotted().convert(mode))) == ()


def test_full_decoding_finds_what_the_header_hides(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.effect_noise((64, 64), 90).save(path)
    repair.check_pixels(path)
    data = bytearray(path.read_bytes())
    data[800] ^= 0xFF
    path.write_bytes(data)
    read_header(path)
    with pytest.raises(ImageError) as error:
        repair.check_pixels(path)
    assert error.value.kind in ("image_unreadable", "image_truncated")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_a_png_that_ends_within_its_pixels_is_truncated(tmp_path: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(65 * 10)))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b""))
    assert read_header(tmp_path / "a.png").height == 64
    with pytest.raises(ImageError) as error:
        repair.check_pixels(tmp_path / "a.png")
    assert error.value.kind == "image_truncated"


MODES = {"png": "RGB L 1 P RGBA LA", "jpg": "RGB L CMYK", "gif": "L P", "bmp": "RGB L 1 P", "tif": "RGB L 1 P CMYK"}


@pytest.mark.parametrize(("name", "mode"), [(name, mode) for name, modes in MODES.items() for mode in modes.split()])
def test_whole_images_pass(tmp_path: Path, name: str, mode: str) -> None:
    path = tmp_path / f"a.{name}"
    spotted(33, 17).convert(mode).save(path)
    repair.check_pixels(path)


def test_a_long_png_is_counted_in_pieces(tmp_path: Path) -> None:
    Image.effect_noise((1500, 1000), 90).save(tmp_path / "a.png")
    repair.check_pixels(tmp_path / "a.png")


def test_a_checksum_that_decoders_pass_over_does_no_harm(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    text = bytearray(chunk(b"tEXt", b"a\0b"))
    text[-1] ^= 1
    (tmp_path / "a.png").write_bytes(data[:33] + text + data[33:])
    repair.check_pixels(tmp_path / "a.png")


def test_reencoding_keeps_every_pixel(tmp_path: Path) -> None:
    image = Image.effect_noise((31, 17), 80).convert("RGB")
    header = stored(tmp_path / "a.bmp", image)
    with Image.open(io.BytesIO(repair.encode_image((tmp_path / "a.bmp").read_bytes(), header, fixed=False))) as again:
        assert again.format == "PNG"
        assert again.tobytes() == image.tobytes()


DECODE = """
import json, sys
import tensorflow as tf
means = {}
for name in sys.argv[1:]:
    try:
        image = tf.io.decode_image(tf.io.read_file(name), channels=3, expand_animations=False)
        means[name] = [list(image.shape), image.numpy().reshape(-1, 3).mean(axis=0).tolist()]
    except tf.errors.InvalidArgumentError:
        means[name] = None
print(json.dumps(means))
"""


def passes(path: Path) -> bool:
    try:
        read_header(path)
        repair.check_pixels(path)
    except ImageError:
        return False
    return True


@pytest.mark.slow
def test_what_is_said_of_tensorflow_is_so(tmp_path: Path) -> None:
    noise = Image.effect_noise((64, 48), 90)
    colour = Image.merge("RGB", (noise, noise.point(lambda value: 255 - value), noise.rotate(180)))
    alpha = colour.copy()
    alpha.putalpha(noise)
    deep = Image.frombytes("I;16", (64, 48), bytes(value for number in range(64 * 48) for value in (7, number % 256)))
    sound: dict[str, tuple[Image.Image, dict[str, object]]] = {
        "gray.jpg": (noise, {}),
        "cmyk.jpg": (colour.convert("CMYK"), {}),
        "alpha.png": (alpha, {}),
        "gray_alpha.png": (alpha.convert("LA"), {}),
        "palette.png": (colour.quantize(32), {"transparency": 0}),
        "one_bit.png": (noise.convert("1"), {}),
        "deep.png": (deep, {}),
    }
    for name, (image, options) in sound.items():
        image.save(tmp_path / name, **options)
    exif = Image.Exif()
    exif[0x0112] = 6
    colour.save(tmp_path / "turned.jpg", exif=exif)
    colour.save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    rows = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(bytes(650)))
    flipped = bytearray(whole)
    flipped[900] ^= 0xFF
    broken = {
        "rows.png": whole[:8] + rows + chunk(b"IEND", b""),
        "flipped.png": bytes(flipped),
        "end.jpg": (tmp_path / "gray.jpg").read_bytes()[:-2],
        "end.png": whole[:-12],
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
    names = [*sound, "turned.jpg", *broken]
    words = [sys.executable, "-c", DECODE, *(str(tmp_path / name) for name in names)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    decoded = json.loads(done.stdout.splitlines()[-1])
    # TensorFlow's inverse cosine transform is the quick one, which noise shows.
    for name in (*sound, "turned.jpg"):
        path = tmp_path / name
        repair.check_pixels(path)
        ours = repair.decode_pixels(path.read_bytes(), read_header(path), fixed=False).convert("RGB")
        shape, means = decoded[str(path)]
        assert shape == [ours.height, ours.width, 3], name
        of_ours = [sum(band.tobytes()) / (64 * 48) for band in ours.split()]
        assert means == pytest.approx(of_ours, abs=3 if name.endswith("jpg") else 0.01), name
    for name in broken:
        assert decoded[str(tmp_path / name)] is None, name
        assert not passes(tmp_path / name), name
