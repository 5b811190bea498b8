"""Images made smaller, pixel by pixel and object by object."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from odtool.dataset.images import decoded_formats, decoding_memory, image_file, masks, repair, shrinking
from odtool.dataset.images.image_file import ImageError
from odtool.dataset.types import Box, Extent, Keypoint, ObjectAnnotation, Outline

NOISE = np.random.default_rng(7).integers(0, 256, (90, 150, 4), dtype=np.uint8)
LANCZOS = Image.Resampling.LANCZOS


def smooth(width: int, height: int) -> Image.Image:
    """A picture as photographs are: what neighbours share survives a JPEG."""
    return Image.fromarray(NOISE[:9, :15, :3]).resize((width, height), Image.Resampling.BICUBIC)


def shrink(path: Path, size: tuple[int, int], *, fixed: bool = False) -> Image.Image:
    header = image_file.read_header(path)
    if fixed:
        width, height = repair.find_upright_size(header)
        header = replace(header, width=width, height=height)
    data = shrinking.encode_shrunk(path, None, header, size, fixed=fixed)
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def difference(first: Image.Image, second: Image.Image) -> float:
    """Mean of all channels; images of different sizes or modes do not compare."""
    assert (first.size, first.mode) == (second.size, second.mode)
    return float(np.abs(np.asarray(first, np.float64) - np.asarray(second, np.float64)).mean())


@pytest.mark.parametrize(
    ("size", "max_side", "shrunk"),
    [
        ((640, 480), 640, None),
        ((641, 480), 640, (640, 479)),
        ((480, 640), 320, (240, 320)),
        ((100_000, 3), 100, (100, 1)),
        ((1, 65_000), 32, (1, 32)),
        ((50, 50), 49, (49, 49)),
        ((64, 33), 32, (32, 17)),
    ],
)
def test_the_longer_side_becomes_the_one_asked_for_and_no_side_vanishes(
    size: tuple[int, int], max_side: int, shrunk: tuple[int, int] | None
) -> None:
    assert shrinking.find_shrunk_size(size, max_side) == shrunk


def as_rgb(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


@pytest.mark.parametrize(
    ("image", "name", "decoded"),
    [
        (Image.fromarray(NOISE[..., :3]), "a.png", as_rgb),
        (Image.fromarray(NOISE[..., 0]), "a.png", lambda image: image),
        (Image.fromarray(NOISE[..., :3]).quantize(16), "a.png", as_rgb),
        (Image.fromarray(NOISE[..., :3]).quantize(16), "a.gif", as_rgb),
        (Image.fromarray(NOISE[..., 0]).convert("1"), "a.png", lambda image: image.convert("L")),
        (Image.fromarray(NOISE), "a.png", as_rgb),
        (Image.fromarray(NOISE[..., :3]), "a.bmp", as_rgb),
        (
            Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257),
            "a.png",
            lambda image: Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)),
        ),
    ],
    ids=["colour", "gray", "palette", "gif", "1 bit", "alpha", "bmp", "16 bits"],
)
def test_what_is_no_jpeg_is_a_png_of_what_tensorflow_would_decode_resampled_by_pillow(
    tmp_path: Path, image: Image.Image, name: str, decoded: Callable[[Image.Image], Image.Image]
) -> None:
    image.save(tmp_path / name)
    with Image.open(tmp_path / name) as stored:
        expected = decoded(stored).resize((50, 30), LANCZOS)
    shrunk = shrink(tmp_path / name, (50, 30))
    assert (shrunk.format, difference(shrunk, expected)) == ("PNG", 0)


@pytest.mark.parametrize("size", [(1499, 901), (800, 480), (403, 242), (100, 60), (25, 15)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_decoded_at_a_part_of_its_size_is_like_the_whole_resampled(
    tmp_path: Path, mode: str, size: tuple[int, int]
) -> None:
    smooth(1501, 903).convert(mode).save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as stored:
        whole = stored.convert("L" if mode == "L" else "RGB").resize(size, LANCZOS)
    expected = Image.open(io.BytesIO(repair.compress(whole, "jpeg")))
    shrunk = shrink(tmp_path / "a.jpg", size)
    assert shrunk.format == "JPEG"
    assert difference(shrunk, expected) < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_an_image_that_is_repaired_is_turned_as_it_would_be_whole(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth(300, 180).save(tmp_path / name, exif=exif)
    header = image_file.read_header(tmp_path / name)
    whole = repair.decode_pixels((tmp_path / name).read_bytes(), header, fixed=True)
    size = (100, 60) if orientation < 5 else (60, 100)
    shrunk = shrink(tmp_path / name, size, fixed=True)
    assert shrunk.getexif().get(0x0112, 1) == 1
    assert difference(shrunk, whole.resize(size, LANCZOS)) < 3
    as_stored = shrink(tmp_path / name, (100, 60))
    assert as_stored.getexif().get(0x0112, 1) == 1, "the boxes are those of the stored pixels, for every reader"
    assert difference(as_stored, smooth(300, 180).resize((100, 60), LANCZOS)) < 3


def test_a_repaired_image_shows_white_where_it_is_clear(tmp_path: Path) -> None:
    layer = Image.new("RGBA", (200, 100), (0, 0, 0, 0))
    layer.save(tmp_path / "a.png")
    assert shrink(tmp_path / "a.png", (50, 25), fixed=True).getcolors() == [(1250, (255, 255, 255))]
    assert shrink(tmp_path / "a.png", (50, 25)).getcolors() == [(1250, (0, 0, 0))]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_an_image_decoded_in_parts_is_resampled_as_the_whole_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = Image.fromarray(NOISE[..., :3])
    pixels.save(tmp_path / "a.tif", exif=exif)
    monkeypatch.setattr(decoded_formats, "_WHOLE", 1000)  # as if it were large
    monkeypatch.setattr(shrinking, "_ROW_PIXELS", 150 * 7)
    assert image_file.read_header(tmp_path / "a.tif").in_rows
    assert difference(shrink(tmp_path / "a.tif", (40, 24)), pixels.resize((40, 24), LANCZOS)) == 0
    upright = repair.turn_upright(pixels.resize((40, 24), LANCZOS), orientation)
    assert difference(shrink(tmp_path / "a.tif", upright.size, fixed=True), upright) == 0


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 7, 8])
def test_an_image_decoded_in_parts_is_repaired_at_its_own_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = Image.fromarray(NOISE[..., :3])
    pixels.save(tmp_path / "a.tif", exif=exif)
    monkeypatch.setattr(decoded_formats, "_WHOLE", 1000)
    header = image_file.read_header(tmp_path / "a.tif")
    width, height = repair.find_upright_size(header)
    upright_header = replace(header, width=width, height=height)  # as a checked image has it
    whole = repair.decode_pixels((tmp_path / "a.tif").read_bytes(), upright_header, fixed=True)
    assert difference(whole, repair.turn_upright(pixels, orientation)) == 0


def test_what_is_decoded_in_parts_takes_the_memory_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    Image.new("RGB", (5000, 6000)).save(path, compression="packbits")
    header, asked = image_file.read_header(path), list[int]()
    monkeypatch.setattr(decoding_memory, "_claim", lambda size, _: asked.append(size))
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is there
        before = read_status("VmRSS")
        shrinking.encode_shrunk(path, None, header, (500, 600), fixed=False)
        os.write(writing, f"{read_status('VmHWM') - before} {max(asked)}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    used, reserved = map(int, os.read(reading, 100).split())
    os.close(reading)
    os.close(writing)
    assert used < reserved + (16 << 20)


def read_status(name: str) -> int:
    """Bytes of memory that the kernel tells of this process."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) << 10


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    smooth(300, 180).save(tmp_path / "a.png")
    header = image_file.read_header(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data + b"\0")
    with pytest.raises(ImageError, match=rf"{len(data) + 1} bytes, and had {len(data)}"):
        shrinking.encode_shrunk(tmp_path / "a.png", None, header, (50, 30), fixed=False)


def test_an_image_within_a_larger_file_is_found(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(NOISE[..., :3]).save(stream, "PNG")
    (tmp_path / "big").write_bytes(b"12345" + stream.getvalue() + b"6")
    extent = Extent(5, len(stream.getvalue()), "a.png")
    header = image_file.read_header(tmp_path / "big", extent)
    data = shrinking.encode_shrunk(tmp_path / "big", extent, header, (50, 30), fixed=False)
    expected = Image.fromarray(NOISE[..., :3]).resize((50, 30), LANCZOS)
    assert difference(Image.open(io.BytesIO(data)), expected) == 0


def test_boxes_areas_keypoints_and_polygons_follow() -> None:
    item = ObjectAnnotation(
        "cat",
        Box(10, 20, 50, 40),
        area=300.0,
        outline=Outline(polygons=((10, 20, 50, 20, 50, 40),)),
        keypoints=(Keypoint(30, 30, 2, "eye"), Keypoint(0, 0)),
    )
    (shrunk,) = shrinking.shrink_objects([item], (200, 100), (100, 25))
    assert shrunk == replace(
        item,
        box=Box(5, 5, 25, 10),
        area=37.5,
        outline=Outline(polygons=((5, 5, 25, 5, 25, 10),)),
        keypoints=(Keypoint(15, 7.5, 2, "eye"), Keypoint(0, 0)),
    )
    (plain,) = shrinking.shrink_objects([ObjectAnnotation("cat", Box(0, 0, 8, 8))], (200, 100), (100, 50))
    assert (plain.box, plain.area, plain.outline) == (Box(0, 0, 4, 4), None, None)


def encode_runs(mask: Any) -> Outline:
    from pycocotools import mask as coco

    counts = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode("ascii")
    return Outline(counts=counts, height=mask.shape[0], width=mask.shape[1])


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("as_polygon", [True, False])
def test_the_mask_of_a_turned_image_is_turned_after_it_was_made_smaller(turn: int, as_polygon: bool) -> None:
    mask = np.zeros((40, 60), bool)
    mask[8:16, 12:40] = True
    outline = Outline(polygons=((12, 8, 40, 8, 40, 16, 12, 16),)) if as_polygon else encode_runs(mask)
    outline = replace(outline, turn=turn)
    old, new = ((60, 40), (15, 10)) if turn < 5 else ((40, 60), (10, 15))
    whole = masks.draw(outline, Box(0, 0, 1, 1), old, (0, 0, *old))
    (shrunk,) = shrinking.shrink_objects([ObjectAnnotation("cat", Box(0, 0, 8, 8), outline=outline)], old, new)
    drawn = masks.draw(shrunk.outline, Box(0, 0, 1, 1), new, (0, 0, *new))
    assert drawn.shape == (new[1], new[0])
    assert np.array_equal(drawn, whole[2::4, 2::4])


def test_run_lengths_of_any_size_are_resampled_to_the_nearest_pixel() -> None:
    chance = np.random.default_rng(3)
    for _ in range(60):
        height, width, rows, columns = (int(side) for side in chance.integers(1, 50, 4))
        mask = chance.random((height, width)) < chance.random()
        resized = masks.resize_runs(encode_runs(mask), (columns, rows))
        down = ((np.arange(rows) + 0.5) * height / rows).astype(int)
        across = ((np.arange(columns) + 0.5) * width / columns).astype(int)
        assert not masks.find_fault(resized, columns, rows)
        drawn = masks.draw(resized, Box(0, 0, 1, 1), (columns, rows), (0, 0, columns, rows))
        assert np.array_equal(drawn, mask[down[:, None], across])
    huge = Outline(counts=(10**11, 5 * 10**11, 4 * 10**11), width=10**6, height=10**6)
    drawn = masks.draw(masks.resize_runs(huge, (10, 10)), Box(0, 0, 1, 1), (10, 10), (0, 0, 10, 10))
    assert drawn.any(axis=0).tolist() == [False] + [True] * 5 + [False] * 4
