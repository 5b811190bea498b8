"""Which folder is meant, where several hold files of the same names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.dataset.readers.common.lookup import Places, find_image, find_places
from odtool.dataset.readers.namesakes.contender import Stated, state_nothing
from odtool.dataset.types import Source
from odtool.errors import DataError

WriteImage = Callable[..., Path]
NAMES = ["1.png", "2.png", "3.png"]


@pytest.fixture
def write(tmp_path: Path, write_image: WriteImage) -> Callable[..., None]:
    """write('masks', mode='L', size=(64, 48), names=NAMES): images in a folder of the set."""

    def in_folder(
        folder: str, mode: str = "RGB", size: tuple[int, int] = (64, 48), names: list[str] | None = None
    ) -> None:
        for name in names or NAMES:
            image = write_image(tmp_path / folder / name, *size, mode)
            image.write_bytes(image.read_bytes() + folder.encode())  # copies are no rivals

    return in_folder


def look(root: Path, near: tuple[str, ...] = (), state: Callable[[str], Stated] = state_nothing) -> Places:
    folders = sorted({path.parent for path in root.rglob("*.png")})
    return find_places([root / name for name in near], folders, root, Source(root), names=NAMES, state=state)


def meant(root: Path, places: Places, name: str = "1.png") -> str:
    return find_image(name, places, within=root).path.parent.relative_to(root).as_posix()


@pytest.mark.parametrize(
    ("masks", "photographs"),
    [
        ("SegmentationClass", "photos"),
        ("masks", "pictures"),
        ("a_depth", "b"),
        ("Labels", "rgb"),
        ("cam1/seg", "cam1/z"),
        ("GT", "in"),
        ("masks/images", "rgb/images"),
        ("depth", "."),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_folders_called_masks_come_last(
    tmp_path: Path, write: Callable[..., None], masks: str, photographs: str, mode: str
) -> None:
    write(masks, mode)
    write(photographs)
    places = look(tmp_path)
    assert meant(tmp_path, places) == photographs
    assert [rival.folder for rival in places.rivals] == [tmp_path / masks]
    assert "masks or labels" in places.rivals[0].reason


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_pictures_of_one_channel_or_a_palette_come_last(tmp_path: Path, write: Callable[..., None], mode: str) -> None:
    write("a", mode)
    write("b")
    assert meant(tmp_path, look(tmp_path)) == "b"


def test_what_is_left_out_is_not_taken_for_a_missing_image_either(tmp_path: Path, write: Callable[..., None]) -> None:
    write("masks", "L")
    write("photos", names=NAMES[:2])
    assert not find_image("3.png", look(tmp_path), within=tmp_path).exists


def test_a_name_and_a_colour_that_contradict_each_other_decide_nothing(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    write("overlays")
    write("xray", "L")
    with pytest.raises(DataError, match="may be those in"):
        look(tmp_path)


@pytest.mark.parametrize("stated", ["bytes", "pixels"])
def test_what_annotations_state_comes_before_all_else(tmp_path: Path, write: Callable[..., None], stated: str) -> None:
    write("images")
    write("masks", "L", (32, 24))

    def state(name: str) -> Stated:
        size = (tmp_path / "masks" / name).stat().st_size
        return Stated(bytes=size) if stated == "bytes" else Stated((32, 24))

    places = look(tmp_path, state=state)
    assert meant(tmp_path, places) == "masks"
    assert f"sizes in {stated}" in places.rivals[0].reason


def test_the_folder_with_more_of_the_images_comes_first_and_the_other_is_not_left_out(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    write("a", names=["1.png", "x.png"])
    write("b", names=["1.png", "2.png"])
    write("c", names=["3.png"])
    places = look(tmp_path)
    assert (meant(tmp_path, places), places.rivals) == ("b", ())
    assert meant(tmp_path, places, "x.png") == "a"
    assert meant(tmp_path, places, "3.png") == "c"


def test_a_folder_called_images_is_meant_before_one_of_any_other_name(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    write("augmented")
    write("images")
    assert meant(tmp_path, look(tmp_path)) == "images"


def test_where_nothing_decides_both_folders_are_named(tmp_path: Path, write: Callable[..., None]) -> None:
    write("first")
    write("second")
    with pytest.raises(DataError, match=r"1\.png") as error:
        look(tmp_path)
    assert str(tmp_path / "first") in error.value.message
    assert str(tmp_path / "second") in error.value.message
    assert "--images" in (error.value.hint or "")


def test_copies_are_the_same_image(tmp_path: Path, write_image: WriteImage) -> None:
    for folder in "ab":
        for name in NAMES:
            write_image(tmp_path / folder / name)
    assert meant(tmp_path, look(tmp_path)) == "a"


def test_what_a_format_says_decides_between_folders_that_are_alike(tmp_path: Path, write: Callable[..., None]) -> None:
    write("second")
    write("first")
    assert meant(tmp_path, look(tmp_path, near=("second", "first"))) == "second"


def test_a_folder_farther_away_is_meant_where_only_its_files_are_as_stated(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    write("images")
    write("full", size=(640, 400))
    assert meant(tmp_path, look(tmp_path, ("images",), lambda _: Stated((640, 400)))) == "full"
    # Of the same shape, those near were only resized.
    assert meant(tmp_path, look(tmp_path, ("images",), lambda _: Stated((640, 480)))) == "images"
    assert meant(tmp_path, look(tmp_path, ("images",))) == "images"


def test_names_with_folders_are_not_contested_by_files_in_others(tmp_path: Path, write: Callable[..., None]) -> None:
    write("cam1")
    write("cam2")
    folders = [tmp_path / "cam1", tmp_path / "cam2"]
    names = [f"/data/cam2/{name}" for name in NAMES]
    places = find_places([], folders, tmp_path, Source(tmp_path), names=names)
    assert meant(tmp_path, places, names[0]) == "cam2"
    places = find_places([], folders, tmp_path, Source(tmp_path), names=["cam1/1.png", "cam2/1.png"])
    assert meant(tmp_path, places, "cam2/1.png") == "cam2"


def test_the_folder_that_all_annotations_name_is_meant(tmp_path: Path, write: Callable[..., None]) -> None:
    write("cam1")
    write("cam2")
    places = look(tmp_path, state=lambda _: Stated(folder="cam2"))
    assert (meant(tmp_path, places), [rival.folder.name for rival in places.rivals]) == ("cam2", ["cam1"])
    with pytest.raises(DataError):
        look(tmp_path, state=lambda _: Stated(folder="desktop"))


@pytest.mark.parametrize("mode", ["L", "P"])
def test_masks_are_no_photographs_even_where_there_are_no_others(
    tmp_path: Path, write: Callable[..., None], mode: str
) -> None:
    write("SegmentationClass", mode)
    places = look(tmp_path)
    assert not find_image("1.png", places, within=tmp_path).exists
    assert [rival.folder.name for rival in places.rivals] == ["SegmentationClass"]


def test_pictures_called_masks_may_be_meant(tmp_path: Path, write: Callable[..., None]) -> None:
    write("masks")  # faces with masks, in colour
    assert meant(tmp_path, look(tmp_path)) == "masks"
    write("set/masks", "L")
    root = tmp_path / "set"
    places = find_places([root / "masks"], [root / "masks"], root / "masks", Source(root), names=NAMES)
    assert meant(root, places) == "masks"
    places = find_places([], [root / "masks"], root, Source(root, root / "masks"), names=NAMES)
    assert meant(root, places) == "masks"


def test_the_folder_that_goes_with_the_annotations_by_its_name_is_meant(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    for sequence in ("seq1", "seq2", "seq3"):
        write(f"Data/{sequence}")
    folders = [tmp_path / "Data" / name for name in ("seq1", "seq2", "seq3")]
    place = tmp_path / "Annotations" / "seq2"
    places = find_places([], folders, place, Source(tmp_path), names=["1", "2"])
    assert meant(tmp_path, places) == "Data/seq2"
    assert places.rivals == ()
