"""A workspace that was moved or copied, whose configs name the place where they were written."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from odtool.errors import ConfigError
from odtool.pipeline.configure.configuration import ConfigureSettings, configure
from odtool.pipeline.record_patterns import build_pattern
from odtool.pipeline.text import config, workspace_identity, workspace_paths
from odtool.pipeline.text.workspace_paths import Followed, LeftAlone
from odtool.workspace import Run, Workspace


def list_paths(run: Run) -> list[str]:
    """All paths that a run's config means."""
    message = config.load(run.pipeline_config).message
    readers = [message.train_input_reader, *message.eval_input_reader]
    paths = [path for reader in readers for path in (reader.label_map_path, *reader.tf_record_input_reader.input_path)]
    return [*paths, message.train_config.fine_tune_checkpoint]


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    """A workspace with a run, whose data and checkpoint lie in it, but for the second evaluation set."""
    root = tmp_path / "shop [1]"
    (root / "train" / "run").mkdir(parents=True)
    workspace = Workspace(root)
    workspace_identity.identify(workspace)
    write_config(workspace, root, tmp_path / "elsewhere")
    return workspace


def write_config(workspace: Workspace, root: Path, other: Path, name: str = "run") -> Run:
    message = config.parse("", "").message
    for reader, folder in (
        (message.train_input_reader, root / "data"),
        (message.eval_input_reader.add(), root / "data"),
        (message.eval_input_reader.add(), other),
    ):
        reader.label_map_path = f"{folder}/label_map.pbtxt"
        pattern = build_pattern(folder, "train", 1)
        reader.tf_record_input_reader.input_path.append(pattern)
    message.train_config.fine_tune_checkpoint = f"{root}/model_zoo/ssd/checkpoint/ckpt-0"
    run = workspace.run(name)
    config.save(config.PipelineConfig(message), run.pipeline_config, heading="Written by a test.")
    return run


def expect(root: Path, other: Path) -> list[str]:
    folders = (root / "data", root / "data", other)
    pairs = [(f"{folder}/label_map.pbtxt", build_pattern(folder, "train", 1)) for folder in folders]
    return [*(path for pair in pairs for path in pair), f"{root}/model_zoo/ssd/checkpoint/ckpt-0"]


def test_where_nothing_was_moved_nothing_is_followed(space: Workspace, tmp_path: Path) -> None:
    assert config.load(space.run("run").pipeline_config).move is None
    assert list_paths(space.run("run")) == expect(space.root, tmp_path / "elsewhere")


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("name", ["moved", "with blanks and [x]*?", "é", "shop [1] 2"])
def test_paths_in_it_are_followed_and_counted_and_no_others(
    space: Workspace, tmp_path: Path, name: str, keep: bool
) -> None:
    new = Workspace(tmp_path / "below" / name)
    shutil.copytree(space.root, new.root)
    if not keep:
        shutil.rmtree(space.root)
    text = new.run("run").pipeline_config.read_text()
    followed = config.load(new.run("run").pipeline_config).move
    assert isinstance(followed, Followed)
    assert (followed.old, followed.new, followed.count) == (str(space.root), new.root, 5)
    assert f"5 paths in pipeline.config followed from {space.root} to {new.root}" in followed.describe()
    assert list_paths(new.run("run")) == expect(new.root, tmp_path / "elsewhere")
    assert new.run("run").pipeline_config.read_text() == text  # the user's file stays
    if keep:
        assert list_paths(space.run("run")) == expect(space.root, tmp_path / "elsewhere")


def test_it_is_followed_as_often_as_it_is_moved_and_written_in_its_new_place(space: Workspace, tmp_path: Path) -> None:
    second, third = Workspace(tmp_path / "second"), Workspace(tmp_path / "third")
    space.root.rename(second.root)
    written = write_config(second, second.root, tmp_path / "elsewhere", "later")
    assert config.load(written.pipeline_config).move is None
    # What odtool writes itself is of the place where it is written.
    config.save(config.load(second.run("run").pipeline_config), second.run("run").pipeline_config)
    assert config.load(second.run("run").pipeline_config).move is None
    second.root.rename(third.root)
    for run in ("run", "later"):
        assert list_paths(third.run(run)) == expect(third.root, tmp_path / "elsewhere")


@pytest.mark.parametrize("identity", [None, "0" * 32])
def test_a_run_that_was_copied_into_another_workspace_keeps_its_paths_which_is_told(
    identity: str | None, space: Workspace, tmp_path: Path
) -> None:
    other = Workspace(tmp_path / "other")
    shutil.copytree(space.run("run").path, other.run("run").path)
    if identity:
        other.identity.write_text(json.dumps({"id": identity}))
    left = config.load(other.run("run").pipeline_config).move
    assert isinstance(left, LeftAlone)
    assert f"5 paths in pipeline.config lead to {space.root}, " in left.describe()
    assert ("has no workspace.json" in left.reason) == (identity is None)
    assert list_paths(other.run("run")) == expect(space.root, tmp_path / "elsewhere")


@pytest.mark.parametrize("content", ["", "{", '{"id": "no identity"}', "[]", None])
def test_a_damaged_identity_is_an_error_where_it_decides_what_is_read(
    content: str | None, space: Workspace, tmp_path: Path
) -> None:
    identity = space.identity.read_text()
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(space.root, copy.root)
    for workspace in (space, copy):
        workspace.identity.unlink()
        workspace.identity.mkdir() if content is None else workspace.identity.write_text(content)
    assert config.load(space.run("run").pipeline_config).move is None  # its paths lead to where they were
    with pytest.raises(ConfigError, match=r"copy/workspace\.json: not what odtool writes there: .*") as error:
        config.load(copy.run("run").pipeline_config)
    assert str(space.root) in error.value.message
    with pytest.raises(ConfigError, match=r"copy/workspace\.json"):
        workspace_identity.identify(copy)  # a new one would cut the run off for good
    # What the hint says to do.
    assert f"write {json.dumps(json.loads(identity))} into the file" in error.value.hint
    if content is not None:
        copy.identity.write_text(identity)
        assert list_paths(copy.run("run")) == expect(copy.root, tmp_path / "elsewhere")


def test_the_config_of_an_export_is_followed_like_that_of_its_run(space: Workspace, tmp_path: Path) -> None:
    run = space.run("run")
    exported = space.exported(run).pipeline_config
    # As it is written: in a hidden folder, which then takes its place.
    hidden = exported.parent.with_name(".run.incoming") / exported.name
    config.save(config.load(run.pipeline_config), hidden, heading="Written by a test.")
    hidden.parent.rename(exported.parent)
    new = Workspace(tmp_path / "new")
    space.root.rename(new.root)
    followed = config.load(new.exported(run).pipeline_config).move
    assert isinstance(followed, Followed)
    assert (followed.new, followed.count) == (new.root, 5)
    # One that was taken out of its workspace is of none.
    alone = tmp_path / "device" / "run" / "pipeline.config"
    alone.parent.mkdir(parents=True)
    new.exported(run).pipeline_config.rename(alone)
    assert config.load(alone).move is None


@pytest.mark.parametrize("place", ["/pipeline.config", "/train/pipeline.config", "/a/train/b/c/pipeline.config"])
def test_a_config_elsewhere_is_of_no_workspace(place: str) -> None:
    assert workspace_paths.find_root(Path(place)) is None


@pytest.mark.parametrize("content", [None, "{"])
def test_a_lost_identity_is_that_which_the_runs_name(content: str | None, space: Workspace, tmp_path: Path) -> None:
    known = workspace_identity.identify(space)
    space.identity.unlink()
    if content:
        space.identity.write_text(content)
    assert workspace_identity.identify(space) == known
    new = Workspace(tmp_path / "new")
    space.root.rename(new.root)
    assert list_paths(new.run("run")) == expect(new.root, tmp_path / "elsewhere")


@pytest.mark.parametrize("name", ["shop", "shop [1]*"])
def test_a_config_without_a_workspace_is_not_followed_and_the_fix_is_told(name: str, tmp_path: Path) -> None:
    old, new = Workspace(tmp_path / name), Workspace(tmp_path / "new" / "place")
    run = write_config(old, old.root, tmp_path / "elsewhere")
    text = run.pipeline_config.read_text()
    assert "# Workspace" not in text  # as an older version wrote it
    old.data.path.mkdir()
    old.data.label_map.touch()
    old.data.shard("train", 0, 1).touch()
    assert config.load(run.pipeline_config).move is None
    new.root.parent.mkdir()
    old.root.rename(new.root)
    moved = new.run("run")
    left = config.load(moved.pipeline_config).move
    assert isinstance(left, LeftAlone)
    assert (left.old, left.count) == (str(old.root), 5)
    assert list_paths(moved) == expect(old.root, tmp_path / "elsewhere")
    assert left.fix.startswith(f"Replace that place by {new.root} in {moved.pipeline_config}")
    _, is_plain, command = left.fix.partition(": sed")
    if is_plain:
        subprocess.run(f"sed{command}", shell=True, check=True)
        assert list_paths(moved) == expect(new.root, tmp_path / "elsewhere")
        assert config.load(moved.pipeline_config).move is None
    assert bool(is_plain) == (name == "shop")


def test_a_config_whose_files_are_nowhere_is_no_moved_one(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "shop")
    run = write_config(workspace, Path("/gone/away"), tmp_path / "elsewhere")
    assert config.load(run.pipeline_config).move is None


def test_another_name_for_the_same_folder_is_no_move(space: Workspace, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(space.root)
    assert config.load(Workspace(tmp_path / "link").run("run").pipeline_config).move is None


@pytest.mark.parametrize("place", ['"/"', '"relative"', '"/a/../b"', "1", '"\\', '"/\\u0000"'])
def test_a_comment_that_names_no_folder_is_a_comment(space: Workspace, tmp_path: Path, place: str) -> None:
    new = Workspace(tmp_path / "new")
    space.root.rename(new.root)
    file = new.run("run").pipeline_config
    file.write_text(file.read_text().replace(json.dumps(str(space.root)), place))
    assert config.load(file).move is None


def test_paths_that_lead_out_of_it_and_neighbours_of_like_names_are_not_in_it(space: Workspace, tmp_path: Path) -> None:
    message = config.parse("", "").message
    outside = [f"{space.root}/../data/map", f"{space.root}2/map", "relative/map", "", str(space.root)]
    for path in outside:
        message.eval_input_reader.add().label_map_path = path
    message.train_input_reader.label_map_path = f"{space.root}/train/../data/map"
    config.save(config.PipelineConfig(message), space.run("run").pipeline_config)
    new = Workspace(tmp_path / "new")
    space.root.rename(new.root)
    loaded = config.load(new.run("run").pipeline_config)
    assert [reader.label_map_path for reader in loaded.message.eval_input_reader] == outside
    assert loaded.message.train_input_reader.label_map_path == f"{new.root}/data/map"
    assert isinstance(loaded.move, Followed)
    assert loaded.move.count == 1


def test_an_identity_is_given_once_and_one_that_is_none_is_replaced(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    first = workspace_identity.identify(space)
    assert first is not None
    assert workspace_identity.identify(space) == first
    space.identity.write_text('{"id": 3}')
    second = workspace_identity.identify(space)
    assert second not in (None, first)
    assert [path.name for path in tmp_path.iterdir()] == ["workspace.json"]


def test_a_workspace_that_cannot_be_written_to_has_none(tmp_path: Path) -> None:
    assert workspace_identity.identify(Workspace(tmp_path / "absent")) is None


def test_configure_gives_its_workspace_an_identity(workspace: Workspace, tmp_path: Path) -> None:
    done = configure(workspace, ConfigureSettings(model="demo_ssd", checkpoint="none"))
    assert workspace.identity.is_file()
    new = Workspace(tmp_path / "moved")
    workspace.root.rename(new.root)
    run = new.run(done.run.name)
    followed = config.load(run.pipeline_config).move
    assert isinstance(followed, Followed)
    assert followed.count == 4
    assert all(Path(path).parent == new.data.path for path in list_paths(run) if path)
    again = configure(new, ConfigureSettings(pipeline=run.pipeline_config, run="again"))
    assert any("moved or copied" in note for note in again.notes)
    assert config.load(again.run.pipeline_config).move is None
