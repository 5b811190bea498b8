"""The secret of a training: made once, for its owner alone."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from odtool.engine.train import cluster_secret
from odtool.errors import OdtoolError


def test_whoever_comes_first_makes_it_and_all_have_the_same(tmp_path: Path) -> None:
    path = tmp_path / "jobs" / "cluster.secret"
    with ThreadPoolExecutor(8) as pool:
        (secret,) = set(pool.map(lambda _: cluster_secret.load(path, {}), range(8)))
    assert len(secret) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["cluster.secret"]
    assert cluster_secret.load(tmp_path / "other" / "cluster.secret", {}) != secret


def test_it_is_made_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "cluster.secret"
    assert cluster_secret.load(path, {}) == cluster_secret.load(path, {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_environment_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "cluster.secret"
    assert cluster_secret.load(path, {cluster_secret.VARIABLE: " a secret of many words "}) == b"a secret of many words"
    assert not path.exists()


@pytest.mark.parametrize("text", ["x", "fifteen letters"])
def test_what_could_be_guessed_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(OdtoolError, match="could be guessed"):
        cluster_secret.load(tmp_path / "cluster.secret", {cluster_secret.VARIABLE: text})
    (tmp_path / "cluster.secret").write_text(text)
    (tmp_path / "cluster.secret").chmod(0o600)
    with pytest.raises(OdtoolError, match="could be guessed"):
        cluster_secret.load(tmp_path / "cluster.secret", {})


def test_a_pipe_in_its_place_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cluster.secret")
    with pytest.raises(OdtoolError, match="a named pipe, not a file"):
        cluster_secret.load(tmp_path / "cluster.secret", {})


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o777])
def test_a_secret_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "cluster.secret"
    secret = cluster_secret.load(path, {})
    path.chmod(mode)
    with pytest.raises(OdtoolError, match=f"open to others than its owner .mode {mode:03o}") as error:
        cluster_secret.load(path, {})
    assert cluster_secret.VARIABLE in error.value.hint
    path.chmod(0o600)
    link = tmp_path / "link.secret"
    link.symlink_to(path)
    assert cluster_secret.load(link, {}) == secret
    path.chmod(mode)
    with pytest.raises(OdtoolError, match="open to others"):
        cluster_secret.load(link, {})


def test_what_a_power_cut_left_is_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "cluster.secret"
    path.write_bytes(bytes(65))
    path.chmod(0o600)
    with pytest.raises(OdtoolError, match="a secret of 1 different characters could be guessed"):
        cluster_secret.load(path, {})


def test_a_secret_of_any_bytes_is_taken(tmp_path: Path) -> None:
    assert (
        cluster_secret.load(tmp_path / "x", {cluster_secret.VARIABLE: "long enough, surely \udcff"})
        == b"long enough, surely \xff"
    )


def test_a_signature_is_of_one_purpose_content_and_secret() -> None:
    proof = cluster_secret.sign(b"one", "hello", 1, {"a": 2})
    assert cluster_secret.is_signed(proof, b"one", "hello", 1, {"a": 2})
    for other in ((b"two", "hello", 1, {"a": 2}), (b"one", "answer", 1, {"a": 2}), (b"one", "hello", 1, {"a": 3})):
        assert not cluster_secret.is_signed(proof, *other)
    assert not cluster_secret.is_signed("\N{SNOWMAN}", b"one", "hello", 1, {"a": 2})
