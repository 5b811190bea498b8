"""Archives from elsewhere: whole ones unpacked, damaged and hostile ones refused with nothing left behind."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from odtool.errors import DataError
from odtool.pipeline.zoo import archive

Fill = Callable[[tarfile.TarFile], None]


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Fill:
    def fill(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.mode = kind, target, 0o6777
        data = b"content" if kind == tarfile.REGTYPE else b""
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))

    return fill


def packed(*fills: Fill) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for fill in fills:
            fill(tar)
    return out.getvalue()


@pytest.fixture
def unpack(tmp_path: Path) -> Callable[..., Path]:
    """Unpacks bytes to a folder two levels below tmp_path, or raises."""

    def run(data: bytes, **limits: int) -> Path:
        (tmp_path / "a.tar.gz").write_bytes(data)
        archive.unpack(tmp_path / "a.tar.gz", tmp_path / "zoo" / "folder", **limits)
        return tmp_path / "zoo" / "folder"

    return run


def left(tmp_path: Path) -> set[str]:
    return {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}


def test_files_and_folders_are_unpacked_with_plain_rights(unpack: Callable[..., Path]) -> None:
    folder = unpack(packed(member("m", tarfile.DIRTYPE), member("m/deep/er/file"), member("./m/other")))
    assert (folder / "m" / "deep" / "er" / "file").read_text() == "content"
    assert (folder / "m" / "other").stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize(
    ("fill", "cause"),
    [
        (member("../escaped"), "'../escaped' would lie outside its folder"),
        (member("m/../../escaped"), "would lie outside"),
        (member("/tmp/escaped"), "would lie outside"),
        (member("..\\escaped"), "would lie outside"),
        (member("m/link", tarfile.SYMTYPE, "/etc"), "'m/link' is a link"),
        (member("m/link", tarfile.SYMTYPE, "file"), "is a link"),
        (member("m/hard", tarfile.LNKTYPE, "../../a.tar.gz"), "is a link"),
        (member("m/null", tarfile.CHRTYPE), "neither a file nor a folder"),
        (member("m/disk", tarfile.BLKTYPE), "neither a file nor a folder"),
        (member("m/pipe", tarfile.FIFOTYPE), "neither a file nor a folder"),
        (member("m/file"), "'file' appears twice in it"),
        (member("m/file/below"), "appears twice in it"),
    ],
)
def test_what_would_reach_outside_is_refused(
    unpack: Callable[..., Path], tmp_path: Path, fill: Fill, cause: str
) -> None:
    with pytest.raises(DataError) as caught:
        unpack(packed(member("m/file"), fill))
    assert "refused, nothing was unpacked" in caught.value.message
    assert cause in caught.value.message
    assert left(tmp_path) == {"a.tar.gz", "zoo"}


def test_an_archive_that_unpacks_to_too_much_is_refused(unpack: Callable[..., Path], tmp_path: Path) -> None:
    def bomb(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo("m/zeros")
        info.size = 1 << 20
        tar.addfile(info, io.BytesIO(bytes(1 << 20)))

    with pytest.raises(DataError, match="holds more than 1,000,000 bytes"):
        unpack(packed(bomb), most_bytes=1_000_000)
    assert left(tmp_path) == {"a.tar.gz", "zoo"}


@pytest.mark.parametrize("kept", [0, 5, 60, -1, -8])
def test_a_truncated_archive_is_damaged(unpack: Callable[..., Path], tmp_path: Path, kept: int) -> None:
    whole = packed(member("m/file"), member("m/other"))
    with pytest.raises(DataError, match="not a complete"):
        unpack(whole[:kept] if kept else b"")
    assert left(tmp_path) == {"a.tar.gz", "zoo"}


def test_a_wrong_checksum_is_damage(unpack: Callable[..., Path]) -> None:
    whole = bytearray(packed(member("m/file")))
    whole[-6] ^= 0xFF
    with pytest.raises(DataError, match="CRC check failed"):
        unpack(bytes(whole))


@pytest.mark.parametrize(
    "data", [b"<html>404</html>", gzip.compress(b"not a tar" * 200), packed()], ids=["page", "gzip", "empty"]
)
def test_what_is_no_archive_is_said_to_be_none(unpack: Callable[..., Path], data: bytes) -> None:
    with pytest.raises(DataError, match="not a complete"):
        unpack(data)


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    """A tar header alone, whatever it announces."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_what_a_header_announces_is_looked_at_before_it_is_read(
    unpack: Callable[..., Path], tmp_path: Path, kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(tarfile.TarInfo, "_proc_pax", refuse)
    monkeypatch.setattr(tarfile.TarInfo, "_proc_gnulong", refuse)
    with pytest.raises(DataError, match="its extended headers have more than 1,048,576 bytes"):
        unpack(gzip.compress(header(kind, 3 * 2**30) + bytes(1 << 20)))
    assert left(tmp_path) == {"a.tar.gz", "zoo"}


def test_headers_without_end_are_refused(unpack: Callable[..., Path], tmp_path: Path) -> None:
    record = b"30 comment=" + b"x" * 18 + b"\n"
    one = header(tarfile.XGLTYPE, len(record)) + record.ljust(512, b"\0")
    for count in (500, 5_000, 50_000):
        with pytest.raises(DataError):
            unpack(gzip.compress(one * count))
        assert left(tmp_path) == {"a.tar.gz", "zoo"}


@pytest.mark.parametrize("major", ["0", "1"])
def test_files_with_holes_are_refused(unpack: Callable[..., Path], major: str) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo("model/ckpt-0.index")
        info.pax_headers = {"GNU.sparse.major": major, "GNU.sparse.minor": "0", "GNU.sparse.map": "0,1"}
        if major == "0":
            del info.pax_headers["GNU.sparse.major"], info.pax_headers["GNU.sparse.minor"]
        info.size = 512
        tar.addfile(info, io.BytesIO(b"1\n0\n5\n".ljust(512, b"\0")))

    with pytest.raises(DataError, match="is a file with holes"):
        unpack(packed(fill))
    with pytest.raises(DataError, match="is a file with holes"):
        unpack(gzip.compress(header(tarfile.GNUTYPE_SPARSE, 512) + bytes(10240)))


def test_names_too_long_for_a_plain_header_are_unpacked(unpack: Callable[..., Path]) -> None:
    long = "/".join(["a" * 200] * 5)
    assert (unpack(packed(member(long))) / long).read_bytes() == b"content"


def test_a_name_that_no_file_system_takes_is_refused(unpack: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("n" * 256, "/".join(["a" * 200] * 25)):
        with pytest.raises(DataError, match="a name in it is longer than the file system takes"):
            unpack(packed(member(name)))
        assert left(tmp_path) == {"a.tar.gz", "zoo"}


@pytest.mark.parametrize("size", ["abc", "", "-1", "1" + "0" * 30, "9" * 5000, "nan"])
def test_a_size_in_an_extended_header_that_is_none_is_damage(
    unpack: Callable[..., Path], tmp_path: Path, size: str
) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        for name in ("GNU.sparse.size", "size"):
            info = tarfile.TarInfo("model/ckpt-0.index")
            info.pax_headers = {name: size}
            tar.addfile(info)

    with pytest.raises(DataError):
        unpack(packed(fill))
    assert left(tmp_path) == {"a.tar.gz", "zoo"}
