"""Models of the zoo pulled from a server on this machine, whole or not at all."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from odtool import locks
from odtool.errors import ConfigError, DataError, OdtoolError
from odtool.pipeline.configure import configuration
from odtool.pipeline.configure.configuration import ConfigureSettings
from odtool.pipeline.zoo import pull_model, zoo
from odtool.pipeline.zoo.pull_model import Pulled
from odtool.workspace import Workspace

MODEL = zoo.find("ssd_efficientdet_d0_512x512")
FOLDER = "efficientdet_d0_coco17_tpu-32"
FILES = ("pipeline.config", "checkpoint/checkpoint", "checkpoint/ckpt-0.index", "checkpoint/ckpt-0.data-00000-of-00001")


def tarball(*names: str, top: str = f"{FOLDER}/", link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in names:
            data = b'model_checkpoint_path: "ckpt-0"' if name.endswith("/checkpoint") else os.urandom(1000)
            info = tarfile.TarInfo(top + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo(top + "link")
            info.type, info.linkname = tarfile.SYMTYPE, link
            tar.addfile(info)
    return out.getvalue()


@pytest.fixture
def pull(server: Any, workspace: Workspace) -> Callable[[], Pulled]:
    """Pulls the model into the workspace from the server, without waiting between attempts."""
    server.content = tarball(*FILES)

    def run() -> Pulled:
        def download(*arguments: Any, **options: Any) -> int:
            return pull_model.http_download.download(*arguments, **options, sleep=lambda _: None)

        return pull_model.pull(
            MODEL, workspace.model_zoo, url=server.url, report=lambda *_: None, download=download
        )  # fmt: skip

    return run


def here(workspace: Workspace) -> set[str]:
    """What is in model_zoo/, the locks left out, which stay."""
    return {path.name for path in workspace.model_zoo.glob("*") if path.suffix != ".lock"}


def test_a_pulled_model_is_what_configure_starts_from(
    pull: Callable[[], Pulled], workspace: Workspace, server: Any
) -> None:
    pulled = pull()
    assert (pulled.how, pulled.bytes) == ("downloaded", len(server.content))
    assert server.requests == [("/20200711/efficientdet_d0_coco17_tpu-32.tar.gz", None)]
    assert here(workspace) == {FOLDER}
    made = configuration.configure(workspace, ConfigureSettings()).config.message.train_config
    assert (
        made.fine_tune_checkpoint == str(pulled.checkpoint) == str(workspace.model_zoo / FOLDER / "checkpoint/ckpt-0")
    )
    assert made.fine_tune_checkpoint_type == "detection"


def test_a_model_that_is_here_is_not_fetched_again(pull: Callable[[], Pulled], server: Any) -> None:
    pull()
    assert pull().how == "already here"
    assert len(server.requests) == 1


def test_a_broken_download_is_kept_and_gone_on_with(
    pull: Callable[[], Pulled], workspace: Workspace, server: Any
) -> None:
    server.breaks_off_after = [700, 0, 0, 0, 0]
    with pytest.raises(ConfigError) as caught:
        pull()
    assert "the 700 bytes received so far are kept" in caught.value.message
    assert f"{workspace.model_zoo / FOLDER}.tar.gz by hand" in caught.value.hint
    assert not (workspace.model_zoo / FOLDER).exists()
    assert configuration.configure(workspace, ConfigureSettings(dry_run=True)).run.name.startswith("ssd_mobilenet")
    assert pull().resumed_from == 700
    assert here(workspace) == {FOLDER}


@pytest.mark.parametrize("name", [FOLDER, MODEL.name, zoo.shorten_name(MODEL.name)])
def test_a_tarball_put_there_by_hand_is_unpacked(
    pull: Callable[[], Pulled], workspace: Workspace, server: Any, name: str
) -> None:
    workspace.model_zoo.mkdir()
    (workspace.model_zoo / f"{name}.tar.gz").write_bytes(tarball(*FILES, top=""))
    assert pull().how == "unpacked"
    assert server.requests == []
    assert here(workspace) == {FOLDER, f"{name}.tar.gz"}


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (tarball(*FILES)[:-100], "not a complete .tar.gz"),
        (b"<html>log in first</html>", "not a complete .tar.gz"),
        (tarball(*FILES, top="../../"), "would lie outside its folder"),
        (tarball(*FILES, link="/etc"), "is a link"),
        (tarball("saved_model/saved_model.pb"), "not a model of the zoo: the archive: no checkpoint in it"),
        (tarball(*FILES[:3]), "not a model of the zoo: checkpoint/ckpt-0.data-00000-of-00001: missing"),
    ],
)
def test_a_bad_archive_leaves_nothing_and_can_be_tried_again(
    pull: Callable[[], Pulled], workspace: Workspace, server: Any, content: bytes, cause: str
) -> None:
    good, server.content = server.content, content
    with pytest.raises(DataError) as caught:
        pull()
    assert caught.value.message.startswith(server.url)
    assert cause in caught.value.message
    assert here(workspace) == set()
    assert not (workspace.root.parent / "checkpoint").exists()
    server.content = good
    assert pull().how == "downloaded"


def test_what_a_killed_pull_left_is_cleared(pull: Callable[[], Pulled], workspace: Workspace) -> None:
    hidden = workspace.model_zoo / f".{FOLDER}.unpacking" / "files" / "half"
    hidden.mkdir(parents=True)
    pull()
    assert here(workspace) == {FOLDER}


def test_two_pulls_of_one_model_do_not_meet(pull: Callable[[], Pulled], workspace: Workspace) -> None:
    held = locks.acquire(workspace.model_zoo / f".{FOLDER}.lock")
    assert held is not None
    with pytest.raises(ConfigError, match="another odtool process is downloading it"):
        pull()
    os.close(held)
    pull()


def test_a_folder_without_a_checkpoint_is_not_overwritten(pull: Callable[[], Pulled], workspace: Workspace) -> None:
    (workspace.model_zoo / FOLDER).mkdir(parents=True)
    (workspace.model_zoo / FOLDER / "notes.txt").touch()
    with pytest.raises(ConfigError, match="exists, but without a complete checkpoint"):
        pull()
    assert [path.name for path in (workspace.model_zoo / FOLDER).iterdir()] == ["notes.txt"]


def test_a_model_without_a_published_checkpoint_cannot_be_pulled(workspace: Workspace) -> None:
    with pytest.raises(OdtoolError, match="no checkpoint of demo_ssd has been published"):
        pull_model.pull(zoo.find("demo_ssd"), workspace.model_zoo, url=None, report=lambda *_: None)


@pytest.mark.parametrize(
    ("base", "address"),
    [
        (None, f"http://download.tensorflow.org/models/object_detection/tf2/20200711/{FOLDER}.tar.gz"),
        ("http://mirror/zoo/", f"http://mirror/zoo/20200711/{FOLDER}.tar.gz"),
        ("http://mirror/d0.tar.gz", "http://mirror/d0.tar.gz"),
    ],
)
def test_a_mirror_stands_in_for_the_zoo(base: str | None, address: str) -> None:
    assert zoo.find_address(MODEL, base) == address
