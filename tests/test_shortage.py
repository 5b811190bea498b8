"""What ran out is told by errno, message and the state of the disk, never by the class of an error."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from odtool import files, shortage

Mounted = Callable[[Path, str], AbstractContextManager[None]]


class ResourceExhaustedError(Exception):
    """By TensorFlow's name for all of them."""


def kind(error: BaseException) -> str | None:
    found = shortage.find(error)
    return None if found is None else found.kind


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("/runs/a/ckpt-4_temp/part-00000-of-00001; No space left on device", "disk"),
        ("/runs/a/ckpt-4_temp/part-00000-of-00001; Disk quota exceeded", "quota"),
        ("/data/train-00000-of-00001.tfrecord; Too many open files", "handles"),
        ("/data/x; Too many open files in system", "handles"),
        ("/mnt/fat/ckpt; File too large", "file size"),
        ("OOM when allocating tensor with shape[64,512,512,32]", "memory"),
        ("Out of memory while trying to allocate 17179869184 bytes.", "memory"),
        ("Graph error:\nOperation received an exception:Status: 1, message: could not create a primitive", "memory"),
        ("CUBLAS_STATUS_ALLOC_FAILED", "memory"),
        ("failed to create cublas handle: the resource allocation failed", "memory"),
        (
            "Failed copying input tensor from CPU:0 to GPU:0 in order to run AddV2: Dst tensor is not initialized.",
            "memory",
        ),
        (
            "failed to allocate 2.00GiB (2147483648 bytes) from device: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
            "memory",
        ),
        ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 77309411328 bytes.", "memory"),
        ("failed to allocate memory\nlater: No space left on device", "memory"),
        ("/runs/a/.saving/ckpt-4.data-00000-of-00001; Read-only file system", "read-only"),
        ("/runs/a/.saving/ckpt-4.data-00000-of-00001; Permission denied", "denied"),
        ("/runs/a/.saving/ckpt-4.data-00000-of-00001; Operation not permitted", "denied"),
        ("no words that anybody knows", None),
        ("", None),
    ],
)
def test_the_message_decides_and_not_the_class(message: str, expected: str | None) -> None:
    assert kind(ResourceExhaustedError(message)) == kind(RuntimeError(message)) == expected


def test_an_errno_decides_whatever_the_words_and_however_deep() -> None:
    assert kind(OSError(errno.ENOSPC, "kein Platz")) == "disk"
    assert kind(OSError(errno.EDQUOT, "x")) == "quota"
    assert kind(OSError(errno.EROFS, "x")) == "read-only"
    assert kind(OSError(errno.EACCES, "x")) == kind(OSError(errno.EPERM, "x")) == "denied"
    assert kind(OSError(errno.ENOENT, "x")) is None
    assert kind(MemoryError()) == "memory"
    outer = ValueError("could not be saved")
    outer.__cause__ = RuntimeError("while saving")
    outer.__cause__.__context__ = OSError(errno.ENOSPC, "No space")
    outer.__cause__.__context__.__context__ = outer  # a circle does no harm
    assert kind(outer) == "disk"


def test_what_was_denied_on_the_way_to_another_error_is_not_its_cause() -> None:
    error = ValueError("not a number")
    error.__context__ = PermissionError(errno.EACCES, "x")
    assert kind(error) is None
    error.__cause__ = error.__context__
    assert kind(error) == "denied"


def test_a_quota_and_the_size_of_a_file_are_told_as_such(tmp_path: Path) -> None:
    quota = shortage.to_error(OSError(errno.EDQUOT, "Disk quota exceeded", str(tmp_path / "file")))
    assert quota is not None
    assert quota.message == f"the disk quota at {tmp_path / 'file'} is used up"
    limits, path = resource.getrlimit(resource.RLIMIT_FSIZE), tmp_path / "file"
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python has it
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            files.write_atomically(path, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    large = shortage.to_error(caught.value)
    assert large is not None
    assert large.message == f"a file would be larger than allowed: [Errno 27] File too large: '{path}'"
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_became_read_only_is_named(tmp_path: Path, mounted: Mounted) -> None:
    small = tmp_path / "small"
    with mounted(small, "size=100k"):
        (small / "run").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        for path in (small / "run" / "file", None):
            with pytest.raises(OSError, match="Read-only") as caught:
                (small / "run" / "file").write_text("x")
            error = caught.value if path else OSError(errno.EROFS, "Read-only file system")
            known = shortage.to_error(error, small / "run")
            assert known is not None
            assert known.message == f"the disk at {small} is read-only"


def test_a_full_disk_is_named_with_what_is_free(
    tmp_path: Path, mounted: Mounted, fill: Callable[[Path], OSError]
) -> None:
    small = tmp_path / "small"
    with mounted(small, "size=100k"):
        folder = small / "run"
        folder.mkdir()
        error = shortage.to_error(fill(folder / "large"), folder)
        assert error is not None
        assert error.message == f"the disk at {small} is full (0 bytes of 102 kB are free)"
        named = shortage.to_error(ResourceExhaustedError(f"{folder}/gone/ckpt; No space left on device"), tmp_path)
        assert named is not None
        assert str(small) in named.message


def test_a_disk_without_inodes_is_told_apart(tmp_path: Path, mounted: Mounted) -> None:
    small = tmp_path / "small"
    with mounted(small, "size=1m,nr_inodes=3"):
        for number in range(2):
            (small / str(number)).touch()
        with pytest.raises(OSError, match="No space") as caught:
            (small / "3").touch()
        error = shortage.to_error(caught.value)
        assert error is not None
        assert "has room for no other file (all 3 inodes are in use)" in error.message


def test_too_many_open_files_are_no_full_disk(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    (tmp_path / "file").touch()
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files") as caught:
            os.open(tmp_path / "file", os.O_RDONLY)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    error = shortage.to_error(caught.value)
    assert error is not None
    assert error.message.startswith("too many files are open (ulimit -n allows ")


def test_memory_is_not_for_the_disk_to_say() -> None:
    assert shortage.to_error(MemoryError()) is None
    assert shortage.to_error(ValueError("bad shape")) is None
