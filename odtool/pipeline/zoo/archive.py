"""A .tar.gz from somewhere else unpacked into a folder of ours, and nowhere else."""

from __future__ import annotations

import errno
import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from odtool.errors import DataError

MOST_BYTES = 8 * 2**30
"""Four times the largest archive of the zoo, unpacked; more is a mistake or a bomb."""
MOST_MEMBERS = 10_000
_MOST_HEADERS = 1 << 20
"""Bytes of all extended headers together, which hold names too long for a plain one."""
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_DAMAGE = (
    tarfile.TarError,
    EOFError,
    gzip.BadGzipFile,
    zlib.error,
    RecursionError,
    # What tarfile itself runs into where an extended header says 'abc', -1 or 10^30 for a size.
    ValueError,
    OverflowError,
)
_BLOCK = 1 << 20


def unpack(archive: Path, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
    """Unpacks a gzipped tar into a new `folder`.

    Only plain files and folders below `folder` are made: whatever would reach outside is refused, and links and
    devices with it, as the zoo's archives hold none. Their owners, times and rights are not taken over.

    Raises:
        DataError: the archive is damaged, cut short, too large, or holds what is refused; the folder is gone then.
        OSError: the disk cannot take it; the folder is gone then.
    """
    folder.mkdir(parents=True)
    try:
        with gzip.open(archive) as stream:
            _unpack(archive, stream, folder, most_bytes)
            # tarfile stops at the end mark; gzip checks its sum and length only at its own end.
            _drain(archive, stream, most_bytes)
    except (FileExistsError, NotADirectoryError) as error:
        shutil.rmtree(folder)
        raise _refuse(archive, f"{Path(error.filename).name!r} appears twice in it") from None
    except _DAMAGE as error:
        shutil.rmtree(folder)
        raise _report_damage(archive, str(error)) from None
    except OSError as error:
        shutil.rmtree(folder)
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise _refuse(archive, "a name in it is longer than the file system takes") from None
    except BaseException:
        shutil.rmtree(folder)
        raise


def _unpack(archive: Path, stream: gzip.GzipFile, folder: Path, most_bytes: int) -> None:
    left, empty = most_bytes, True
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_bound_headers(archive)) as tar:
        for number, member in enumerate(_list_members(archive, tar), start=1):
            left -= member.size
            if left < 0 or number > MOST_MEMBERS:
                raise DataError(
                    f"{archive}: holds more than {most_bytes:,} bytes or {MOST_MEMBERS:,} files",
                    "No archive of the zoo is that large. Download it from another address.",
                )
            target = folder.joinpath(*_split_path(archive, member))
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            empty = False
            target.parent.mkdir(parents=True, exist_ok=True)
            source = tar.extractfile(member)
            assert source is not None  # it is a plain file
            with open(target, "xb") as out:
                shutil.copyfileobj(source, out, _BLOCK)
            if target.stat().st_size != member.size:
                raise _report_damage(archive, f"{member.name} is cut short")
    if empty:
        raise _report_damage(archive, "it holds no file")


def _bound_headers(archive: Path) -> type[tarfile.TarInfo]:
    """Members whose headers are looked at before what they announce is read into memory, which tarfile does whole."""
    total = 0

    class Member(tarfile.TarInfo):
        """A member, or a header that extends the next one."""

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Member:
            nonlocal total
            member = super().frombuf(buf, encoding, errors)
            if member.type == tarfile.GNUTYPE_SPARSE:
                raise _refuse(archive, f"{member.name!r} is a file with holes")
            if member.type in _EXTENDED:
                total += member.size
                if total > _MOST_HEADERS:
                    raise _refuse(archive, f"its extended headers have more than {_MOST_HEADERS:,} bytes")
            return member

        def _refuse_holes(self, *_: object) -> None:
            raise _refuse(archive, f"{self.name!r} is a file with holes")

        # The map of holes in the newer formats, which may be as long as the archive.
        _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_holes

    return Member


def _list_members(archive: Path, tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        kind = "a link" if member.issym() or member.islnk() else "neither a file nor a folder"
        if not (member.isreg() or member.isdir()):
            raise _refuse(archive, f"{member.name!r} is {kind}")
        yield member


def _split_path(archive: Path, member: tarfile.TarInfo) -> tuple[str, ...]:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        raise _refuse(archive, f"{member.name!r} would lie outside its folder")
    if not path.parts and not member.isdir():
        raise _refuse(archive, f"a file is named {member.name!r}")
    return path.parts


def _drain(archive: Path, stream: gzip.GzipFile, most: int) -> None:
    while block := stream.read(_BLOCK):
        most -= len(block)
        if most < 0:
            raise _report_damage(archive, "the data after its last file does not end")


def _report_damage(archive: Path, cause: str) -> DataError:
    return DataError(f"{archive}: not a complete .tar.gz: {cause}", "Download it again.")


def _refuse(archive: Path, cause: str) -> DataError:
    return DataError(f"{archive}: refused, nothing was unpacked: {cause}", "Download it from an address you trust.")
